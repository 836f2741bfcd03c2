"""What was known about an importer, a heading, an origin … before the day of a declaration.

A profile counts, per key, goods items declared and what controls of them found. All measures are
whole numbers, added up per day, so that the two ways of computing them agree to the last bit:

- `history_in_bulk` for a million rows at once, in training;
- `Profiles.observe`, `learn` and `read`, one event at a time, in the service.

A declaration counts from the day after its `accepted_at`, an outcome from the day after its
`observed_at`: nothing of the day itself is known yet, and nothing later ever is.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from selectivity.columns import Columns, Floats, Ints, day_of
from selectivity.inspection import FindingClass

SEPARATOR = "\x1f"
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


@dataclass(frozen=True)
class Profile:
    """One kind of key. A goods item with any part missing belongs to no key: its history is NaN."""

    name: str
    keys: tuple[str, ...]
    allowed_by: str


PROFILES = (
    Profile("everything", (), "TFA 7.4.4: compliance record"),
    Profile("importer", ("importer_id",), "TFA 7.4.4: compliance record"),
    Profile("declarant", ("declarant_id",), "TFA 7.4.4: compliance record"),
    Profile("seller", ("seller_id",), "TFA 7.4.4: compliance record"),
    Profile("office", ("declaration_office",), "TFA 7.4.4: country of shipment, type of transport"),
    Profile("hs4", ("hs4",), "TFA 7.4.4: HS code"),
    Profile("hs6", ("hs6",), "TFA 7.4.4: HS code"),
    Profile("origin_hs4", ("country_of_origin", "hs4"), "TFA 7.4.4: origin, HS code"),
    Profile("importer_hs4", ("importer_id", "hs4"), "TFA 7.4.4: compliance record, HS code"),
    Profile("goods_line", ("goods_line",), "TFA 7.4.4: nature and description, HS code, origin"),
)

_LINE = (
    "hs_code",
    "country_of_export",
    "country_of_origin",
    "duty_rate_percent",
    "duty_type",
    "net_mass_kg",
)


def goods_line(columns: Columns) -> npt.NDArray[Any]:
    """Names goods declared alike: code, countries, duty and net mass. None without code or mass."""
    parts = [columns[name] for name in _LINE]
    lines = np.empty(len(parts[0]), dtype=object)
    lines[:] = [
        None
        if row[0] is None or np.isnan(row[-1])
        else SEPARATOR.join("" if part is None else str(part) for part in row)
        for row in zip(*parts, strict=True)
    ]
    return lines


def _prefix(codes: npt.NDArray[Any], digits: int) -> npt.NDArray[Any]:
    prefixes = np.empty(len(codes), dtype=object)
    prefixes[:] = [None if code is None or len(code) < digits else code[:digits] for code in codes]
    return prefixes


def keys_of(profile: Profile, columns: Columns) -> npt.NDArray[Any]:
    """The key of each row, as text; None where a part was not declared. Shape (n,)."""
    n = len(columns["hs_code"])
    parts = [_part(name, columns) for name in profile.keys]
    keys = np.empty(n, dtype=object)
    if not parts:
        keys[:] = ""
    elif len(parts) == 1:
        keys[:] = parts[0]
    else:
        keys[:] = [
            None if any(part is None for part in row) else SEPARATOR.join(row)
            for row in zip(*parts, strict=True)
        ]
    return keys


def _part(name: str, columns: Columns) -> npt.NDArray[Any]:
    if name == "goods_line":
        return goods_line(columns)
    if name in ("hs4", "hs6"):
        return _prefix(columns["hs_code"], int(name[2:]))
    return columns[name]


def unit_value(columns: Columns) -> Floats:
    """Customs value per kilogram; NaN where either is missing or zero. Shape (n,)."""
    value = np.asarray(columns["customs_value"], dtype=np.float64)
    mass = np.asarray(columns["net_mass_kg"], dtype=np.float64)
    positive = (mass > 0) & (value > 0)
    return np.divide(value, mass, out=np.full_like(value, np.nan), where=positive)


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


@dataclass(frozen=True)
class History:
    """Sums before the day of each row. `totals` (n, measures), `first_day` (n,), NaN if unknown."""

    totals: Floats
    first_day: Floats


def history_in_bulk(columns: Columns, outcomes: Outcomes) -> Mapping[str, History]:
    """History of every row in every profile, from all rows and outcomes together."""
    days = day_of(columns["accepted_at"])
    event_days, measures = _events(columns, outcomes)
    return {
        profile.name: _bulk(keys_of(profile, columns), days, outcomes.rows, event_days, measures)
        for profile in PROFILES
    }


def snapshot_in_bulk(
    columns: Columns, outcomes: Outcomes, *, before_day: int | None = None
) -> dict[str, npt.NDArray[Any]]:
    """What `Profiles.snapshot` gives after all rows and outcomes, computed at once.

    With `before_day` (days since 1970), after what was known before that day.
    """
    event_days, measures = _events(columns, outcomes)
    in_time = event_days < (np.iinfo(np.int64).max if before_day is None else before_day)
    arrays: dict[str, npt.NDArray[Any]] = {}
    for profile in PROFILES:
        names, codes = _numbered(keys_of(profile, columns))
        event_codes = np.concatenate([codes, codes[outcomes.rows]])
        known = (event_codes >= 0) & in_time
        totals = np.zeros((len(names), len(MEASURES)), dtype=np.int64)
        np.add.at(totals, event_codes[known], measures[known])
        first = np.full(len(names), np.iinfo(np.int64).max)
        np.minimum.at(first, event_codes[known], event_days[known])
        met = np.bincount(event_codes[known], minlength=len(names)) > 0
        keys = [name for name, is_met in zip(names, met, strict=True) if is_met]
        arrays |= _as_arrays(profile.name, keys, first[met], totals[met])
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


def _numbered(keys: npt.NDArray[Any]) -> tuple[list[str], Ints]:
    """Distinct keys in order of appearance, and the number of each row's key; -1 for none."""
    numbers: dict[str, int] = {}
    codes = [-1 if key is None else numbers.setdefault(key, len(numbers)) for key in keys]
    return list(numbers), np.array(codes, dtype=np.int64)


def _bulk(
    keys: npt.NDArray[Any], days: Ints, outcome_rows: Ints, event_days: Ints, measures: Ints
) -> History:
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


@dataclass
class _Key:
    """Running totals of one key after each day that changed it."""

    days: list[int] = field(default_factory=list)
    totals: list[tuple[int, ...]] = field(default_factory=list)

    def add(self, day: int, amounts: tuple[int, ...]) -> None:
        """Add at `day`; later days grow with it, so that late events land where they belong."""
        at = bisect_left(self.days, day)
        if at == len(self.days) or self.days[at] != day:
            self.days.insert(at, day)
            self.totals.insert(at, self.totals[at - 1] if at else (0,) * len(amounts))
        for i in range(at, len(self.totals)):
            self.totals[i] = tuple(a + b for a, b in zip(self.totals[i], amounts, strict=True))

    def before(self, day: int) -> tuple[tuple[int, ...], int] | None:
        """Totals and first day of everything before `day`; None if nothing was."""
        at = bisect_left(self.days, day)
        return (self.totals[at - 1], self.days[0]) if at else None


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
        amounts = [tuple(row) for row in measures.tolist()]
        for profile in PROFILES:
            store = self._keys[profile.name]
            for key, day, amount in zip(
                keys_of(profile, columns), days.tolist(), amounts, strict=True
            ):
                if key is not None:
                    store.setdefault(key, _Key()).add(day, amount)

    def read(self, columns: Columns) -> Mapping[str, History]:
        """History of each row, as known before the day of its `accepted_at`."""
        days = day_of(columns["accepted_at"]).tolist()
        return {
            profile.name: self._read(self._keys[profile.name], keys_of(profile, columns), days)
            for profile in PROFILES
        }

    @staticmethod
    def _read(store: dict[str, _Key], keys: Iterable[Any], days: list[int]) -> History:
        totals = np.full((len(days), len(MEASURES)), np.nan)
        first_day = np.full(len(days), np.nan)
        for row, (key, day) in enumerate(zip(keys, days, strict=True)):
            if key is None:
                continue
            found = store[key].before(day) if key in store else None
            totals[row] = found[0] if found else 0.0
            if found:
                first_day[row] = found[1]
        return History(totals, first_day)

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
