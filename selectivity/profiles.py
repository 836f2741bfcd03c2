"""What was known about an importer, a heading, an origin … before the day of a declaration.

A profile counts, per key, goods items declared and what controls of them found. All measures are
whole numbers, added up per day, so that the two ways of computing them agree to the last bit:

- `history_in_bulk` for a million rows at once, in training;
- `Profiles.observe`, `learn` and `read`, one event at a time, in the service.

A declaration counts from the day after its `accepted_at`, an outcome from the day after its
`observed_at`: nothing of the day itself is known yet, and nothing later ever is.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from operator import add
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from selectivity.columns import Columns, Floats, Ints, day_of
from selectivity.inspection import FindingClass
from selectivity.profile_keys import PROFILES, Keys, keys_per_profile

FIXED_POINT = 10_000
"""Logarithms are kept as whole ten-thousandths, so that sums do not depend on their order."""

MEASURES = (
    "declared",
    "controlled",
    "documentary",
    "physical",
    "valued",
    "log_value",
    "log_value_squared",
)
"""What is added up per key and day; the last three are of the unit value, currency per kilogram."""

PLACE: Mapping[str, int] = {profile.name: at for at, profile in enumerate(PROFILES)}
"""Where each profile lies in `Histories`."""


def unit_value(columns: Columns) -> Floats:
    """Customs value per kilogram; NaN where either is missing or zero. Shape (n,)."""
    value = np.asarray(columns["customs_value"], dtype=np.float64)
    mass = np.asarray(columns["net_mass_kg"], dtype=np.float64)
    return np.where((mass > 0) & (value > 0), value, np.nan) / mass  # NaN / 0 is NaN


def _declared_measures(columns: Columns) -> Ints:
    values = unit_value(columns)
    known = ~np.isnan(values)
    logs = np.zeros(len(values), dtype=np.int64)
    logs[known] = np.rint(np.log(values[known]) * FIXED_POINT).astype(np.int64)
    measures = np.zeros((len(values), len(MEASURES)), dtype=np.int64)
    measures[:, 0] = 1
    measures[:, 4] = known
    measures[:, 5] = logs
    measures[:, 6] = logs * logs
    return measures


def _outcome_measures(classes: Ints) -> Ints:
    measures = np.zeros((len(classes), len(MEASURES)), dtype=np.int64)
    measures[:, 1] = 1
    measures[:, 2] = classes == FindingClass.DOCUMENTARY
    measures[:, 3] = classes == FindingClass.PHYSICAL
    return measures


@dataclass(frozen=True)
class Outcomes:
    """What controls concluded, one entry per inspected goods item and inspection.

    `rows` are positions in the item columns, `days` when it became known (days since 1970),
    `classes` the `FindingClass` found. Shape (k,) each.
    """

    rows: Ints
    days: Ints
    classes: Ints


class History(NamedTuple):
    """Sums before the day of each row. `totals` (n, measures), `first_day` (n,), NaN if unknown."""

    totals: Floats
    first_day: Floats


class Histories(NamedTuple):
    """The histories of the same rows in every profile, one upon the other as in `PROFILES`."""

    totals: Floats
    """Shape (profiles, n, measures)."""
    first_day: Floats
    """Shape (profiles, n)."""

    def of(self, profile: str) -> History:
        """The history in one profile."""
        at = PLACE[profile]
        return History(self.totals[at], self.first_day[at])


def history_in_bulk(columns: Columns, outcomes: Outcomes) -> Histories:
    """History of every row in every profile, from all rows and outcomes together."""
    days = day_of(columns["accepted_at"])
    event_days, measures = _events(columns, outcomes)
    shape = (len(PROFILES), len(days))
    histories = Histories(np.empty((*shape, len(MEASURES))), np.empty(shape))
    for profile, keys in keys_per_profile(columns).items():
        totals, first_day = _bulk(keys, days, outcomes.rows, event_days, measures)
        histories.of(profile).totals[:] = totals
        histories.of(profile).first_day[:] = first_day
    return histories


def snapshot_in_bulk(
    columns: Columns, outcomes: Outcomes, *, before_day: int | None = None
) -> dict[str, npt.NDArray[Any]]:
    """What `Profiles.snapshot` gives after all rows and outcomes, computed at once.

    With `before_day` (days since 1970), after what was known before that day.
    """
    event_days, measures = _events(columns, outcomes)
    in_time = event_days < (np.iinfo(np.int64).max if before_day is None else before_day)
    arrays: dict[str, npt.NDArray[Any]] = {}
    for profile, row_keys in keys_per_profile(columns).items():
        names, codes = _numbered(row_keys)
        event_codes = np.concatenate([codes, codes[outcomes.rows]])
        known = (event_codes >= 0) & in_time
        totals = np.zeros((len(names), len(MEASURES)), dtype=np.int64)
        np.add.at(totals, event_codes[known], measures[known])
        first = np.full(len(names), np.iinfo(np.int64).max)
        np.minimum.at(first, event_codes[known], event_days[known])
        met = np.bincount(event_codes[known], minlength=len(names)) > 0
        keys = [name for name, is_met in zip(names, met, strict=True) if is_met]
        arrays |= _as_arrays(profile, keys, first[met], totals[met])
    return arrays


def _as_arrays(
    name: str, keys: list[str], first: Ints, totals: Ints
) -> dict[str, npt.NDArray[Any]]:
    return {
        f"{name}.keys": np.array(keys, dtype=np.str_),
        f"{name}.first_day": first,
        f"{name}.totals": totals.reshape(-1, len(MEASURES)),
    }


def _events(columns: Columns, outcomes: Outcomes) -> tuple[Ints, Ints]:
    """Days and amounts of all events: first one per row as declared, then one per outcome."""
    days = np.concatenate([day_of(columns["accepted_at"]), outcomes.days])
    measures = [_declared_measures(columns), _outcome_measures(outcomes.classes)]
    return days, np.concatenate(measures)


def _numbered(keys: Keys) -> tuple[list[str], Ints]:
    """Distinct keys in order of appearance, and the number of each row's key; -1 for none."""
    numbers: dict[str, int] = {}
    codes = [-1 if key is None else numbers.setdefault(key, len(numbers)) for key in keys]
    return list(numbers), np.array(codes, dtype=np.int64)


def _bulk(keys: Keys, days: Ints, outcome_rows: Ints, event_days: Ints, measures: Ints) -> History:
    _, codes = _numbered(keys)
    event_codes = np.concatenate([codes, codes[outcome_rows]])
    known = event_codes >= 0
    offset = int(event_days.min()) if len(event_days) else 0
    span = int(event_days.max()) - offset + 2 if len(event_days) else 1
    position = event_codes * span + (event_days - offset)
    cells, inverse = np.unique(position[known], return_inverse=True)
    per_cell = np.zeros((len(cells), len(MEASURES)), dtype=np.int64)
    np.add.at(per_cell, inverse, measures[known])
    running = np.concatenate([np.zeros((1, len(MEASURES)), np.int64), per_cell.cumsum(axis=0)])
    first_cell = np.searchsorted(cells, codes * span)
    before = np.searchsorted(cells, codes * span + np.clip(days - offset, 0, span - 1))
    totals = (running[before] - running[first_cell]).astype(np.float64)
    cell_days = np.append(cells % span + offset, 0).astype(np.float64)
    first_day = np.where(before > first_cell, cell_days[first_cell], np.nan)
    totals[codes < 0] = np.nan
    first_day[codes < 0] = np.nan
    return History(totals, first_day)


@dataclass(slots=True)
class _Key:
    """Running totals of one key after each day that changed it."""

    days: list[int] = field(default_factory=list)
    totals: list[tuple[int, ...]] = field(default_factory=list)

    def add(self, day: int, amounts: tuple[int, ...]) -> None:
        """Add at `day`; later days grow with it, so that late events land where they belong."""
        at = bisect_left(self.days, day)
        if at == len(self.days) or self.days[at] != day:
            self.days.insert(at, day)
            self.totals.insert(at, self.totals[at - 1] if at else _NOTHING)
        for i in range(at, len(self.totals)):
            self.totals[i] = tuple(map(add, self.totals[i], amounts))

    def before(self, day: int) -> tuple[tuple[float, ...], float]:
        """Totals and first day of everything before `day`; zeros and NaN if nothing was."""
        at = bisect_left(self.days, day)
        return (self.totals[at - 1], self.days[0]) if at else (_NOTHING, np.nan)


_NOTHING = (0,) * len(MEASURES)
_NEW = _Key()
_NO_KEY = ((np.nan,) * len(MEASURES), np.nan)


class Profiles:
    """The live form: every key's history, folded one declaration or outcome at a time."""

    def __init__(self) -> None:
        self._keys: dict[str, dict[str, _Key]] = {profile.name: {} for profile in PROFILES}

    def observe(self, columns: Columns) -> None:
        """Count goods items as declared on the day of their `accepted_at`."""
        self._fold(columns, day_of(columns["accepted_at"]), _declared_measures(columns))

    def learn(self, columns: Columns, days: Ints, classes: Ints) -> None:
        """Count what a control found in goods items, on the days it became known. Shapes (n,)."""
        self._fold(columns, days, _outcome_measures(classes))

    def _fold(self, columns: Columns, days: Ints, measures: Ints) -> None:
        events = list(zip(days.tolist(), map(tuple, measures.tolist()), strict=True))
        for profile, keys in keys_per_profile(columns).items():
            store = self._keys[profile]
            for key, (day, amounts) in zip(keys, events, strict=True):
                if key is not None:
                    if key not in store:
                        store[key] = _Key()
                    store[key].add(day, amounts)

    def read(self, columns: Columns) -> Histories:
        """History of each row, as known before the day of its `accepted_at`."""
        days = day_of(columns["accepted_at"]).tolist()
        known = [
            _NO_KEY if key is None else self._keys[profile].get(key, _NEW).before(day)
            for profile, keys in keys_per_profile(columns).items()
            for key, day in zip(keys, days, strict=True)
        ]
        totals = chain.from_iterable(totals for totals, _ in known)
        shape = (len(PROFILES), len(days))
        return Histories(
            np.fromiter(totals, np.float64, count=len(known) * len(MEASURES)).reshape(
                *shape, len(MEASURES)
            ),
            np.fromiter((day for _, day in known), np.float64, count=len(known)).reshape(shape),
        )

    def snapshot(self) -> dict[str, npt.NDArray[Any]]:
        """Everything known, as plain arrays for a file; on which day each was learnt is let go."""
        arrays: dict[str, npt.NDArray[Any]] = {}
        for name, store in self._keys.items():
            first = np.array([key.days[0] for key in store.values()], dtype=np.int64)
            totals = np.array([key.totals[-1] for key in store.values()], dtype=np.int64)
            arrays |= _as_arrays(name, list(store), first, totals)
        return arrays

    @classmethod
    def restore(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "Profiles":
        """Profiles from a `snapshot`. On days it already covers, all of it counts as known:
        a declaration that comes late is judged by what is known now."""
        profiles = cls()
        for name, store in profiles._keys.items():
            columns = (
                arrays[f"{name}.{part}"].tolist() for part in ("keys", "first_day", "totals")
            )
            for key, first_day, totals in zip(*columns, strict=True):
                store[key] = _Key([first_day], [tuple(totals)])
        return profiles
