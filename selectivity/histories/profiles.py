"""What was known about an importer, a heading, an origin … before a declaration, event by event.

The live form of the specification in `selectivity.histories.aggregates`. Declarations and outcomes
may come late and in any order: each lands on its day, so that in the end the same is known as if
all had been there from the start.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from math import nan
from typing import Any

import numpy as np
import numpy.typing as npt

from selectivity.columns import Columns, Floats
from selectivity.histories.aggregates import MEASURES, OUTCOMES, PROFILES, VALUES, Profile
from selectivity.histories.key_history import NEVER, Amounts, Event, KeyHistory, kind_of
from selectivity.histories.keys import Key
from selectivity.histories.reading import reader
from selectivity.histories.rows import Row, rows_in
from selectivity.histories.snapshot import KeyArrays, Packed
from selectivity.inspection import FindingClass

_NO_OUTCOME = (0.0,) * len(OUTCOMES)
_NOT_DECLARED = (0.0,) * len(MEASURES)
_OF_GOODS = tuple(MEASURES.values())


def declared_amounts(row: Row) -> Amounts:
    """What a goods item as declared adds to each measure."""
    return tuple([compute(row) for compute in _OF_GOODS]) + _NO_OUTCOME


def outcome_amounts(finding_class: int, count: int = 1) -> Amounts:
    """What an outcome adds to each measure; `count` -1 takes back what an earlier one added."""
    documentary = float(count * (finding_class == FindingClass.DOCUMENTARY))
    physical = float(count * (finding_class == FindingClass.PHYSICAL))
    return (*_NOT_DECLARED, float(count), documentary, physical)


class _Fold:
    """The keys of one profile. What a snapshot holds of a key is unpacked when it is needed."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.keys: dict[str, KeyHistory | int] = {}
        self._packed: Packed | None = None
        self._read, self._kind = reader(profile), kind_of(profile)
        self._today, self._only_counts = profile.today, self._kind.one is not None
        self.learns = bool(set(profile.measures) & set(OUTCOMES))
        self._no_key = [nan] * len(profile.values())
        self._new = self._read(KeyHistory(self._kind), 0) + ([0.0] if profile.today else [])

    def count(self, key: Key, row: Row, event: Event) -> None:
        if key is not None:
            known = self._met(key)
            if self._only_counts:
                known.count(event[0])
            else:
                known.add(event)
            if self._today:
                known.came(row["moment"])

    def learn(self, key: Key, event: Event) -> None:
        if key is not None:
            self._met(key).add(event)

    def _met(self, key: str) -> KeyHistory:
        known = self.keys.get(key)
        if known.__class__ is KeyHistory:
            return known
        found = self._unpacked(key)
        if found is None:
            found = self.keys[key] = KeyHistory(self._kind)
        return found

    def values(self, key: Key, row: Row, day: int) -> list[float]:
        if key is None:
            return self._no_key
        known: Any = self.keys.get(key)
        if known.__class__ is not KeyHistory:
            if known is None:
                return self._new
            known = self._unpack(key, known)
        of_day = known.memo_from <= day <= known.memo_to
        values: list[float] = known.memo if of_day else self._read(known, day)
        return [*values, known.so_far(day, row["moment"])] if self._today else values

    def _unpacked(self, key: str) -> KeyHistory | None:
        known = self.keys.get(key)
        return self._unpack(key, known) if isinstance(known, int) else known

    def _unpack(self, key: str, at: int) -> KeyHistory:
        assert self._packed is not None
        known = self.keys[key] = self._packed.unpack(at, self._kind)
        return known

    def key_arrays(self) -> KeyArrays:
        """Everything there is. What was never unpacked is not unpacked for this."""
        unpacked = {key: each for key, each in self.keys.items() if isinstance(each, KeyHistory)}
        live = KeyArrays.of_histories(unpacked, self.profile)
        if self._packed is None:
            return live
        packed = list(islice(self.keys, len(self._packed.first_days)))  # they came first
        rest = np.array([key not in unpacked for key in packed], dtype=bool)
        return self._packed.key_arrays(packed).only(rest).beside(live)

    def restore(self, all_keys: KeyArrays) -> None:
        self._packed = all_keys.packed()
        self.keys = dict(zip(all_keys.keys, range(len(all_keys.keys)), strict=True))


class Profiles:
    """Every key's history."""

    def __init__(self) -> None:
        self._folds = [_Fold(profile) for profile in PROFILES]
        self._day = NEVER

    def observe(self, rows: Iterable[Row]) -> None:
        """Count goods items as declared, each on the day of its `accepted_at`."""
        for row in rows:
            day = row["day"]
            if day != self._day:
                self._day = day
            event = self._day, declared_amounts(row)  # one number for all histories of the day
            for fold, key in zip(self._folds, row["keys"], strict=True):
                fold.count(key, row, event)

    def learn(self, row: Row, day: int, finding_class: int, *, count: int = 1) -> None:
        """Count what a control found in a goods item, on the day it became known.

        `count` -1 takes back, from that day on, what an earlier outcome of the goods item said.
        """
        event = day, outcome_amounts(finding_class, count)
        for fold, key in zip(self._folds, row["keys"], strict=True):
            if fold.learns:
                fold.learn(key, event)

    def values(self, row: Row) -> list[float]:
        """Everything known before a goods item, in the order of `VALUES`."""
        day, values = row["day"], list[float]()
        for fold, key in zip(self._folds, row["keys"], strict=True):
            values += fold.values(key, row, day)
        return values

    def read(self, columns: Columns) -> Floats:
        """Everything known before each row, shape (values, n)."""
        rows = [self.values(row) for row in rows_in(columns)]
        return np.array(rows, dtype=np.float64).reshape(-1, len(VALUES)).T

    def snapshot(self, *, pruned: bool = True) -> dict[str, npt.NDArray[Any]]:
        """Everything that is needed to go on, as plain arrays for a file.

        Args:
            pruned: without what no declaration can ask for that comes at most `LATE_DAYS` late.
        """
        folded = [(fold.profile, fold.key_arrays()) for fold in self._folds]
        newest = max((int(each.days.max(initial=0)) for _, each in folded), default=0)
        arrays: dict[str, npt.NDArray[Any]] = {}
        for profile, each in folded:
            arrays |= (each.pruned(profile, newest) if pruned else each).arrays(profile)
        return arrays

    @classmethod
    def restore(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "Profiles":
        """Profiles from a `snapshot`.

        Raises:
            KeyError, ValueError: the arrays are those of another specification.
        """
        profiles = cls()
        for fold in profiles._folds:
            fold.restore(KeyArrays.of_arrays(fold.profile, arrays))
        return profiles
