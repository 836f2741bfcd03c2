"""What was known about an importer, a heading, an origin … before a declaration, event by event.

The live form of the specification in `selectivity.aggregates`. Declarations and outcomes may come
late and in any order: each lands on its day, so that in the end the same is known as if all had
been there from the start.
"""

from collections.abc import Iterable, Mapping
from math import nan
from typing import Any

import numpy as np
import numpy.typing as npt

from selectivity.aggregates import MEASURES, OUTCOMES, PROFILES, VALUES, Profile
from selectivity.columns import Columns, Floats
from selectivity.inspection import FindingClass
from selectivity.key_history import Amounts, KeyHistory, amounts_of, reader
from selectivity.profile_keys import key_of
from selectivity.rows import Row, rows_in
from selectivity.snapshot import Kept

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
        self._kept: Kept | None = None
        self._key_of, self._read = key_of(profile), reader(profile)
        self._pick = amounts_of(profile)
        self._today = profile.today
        self.learns = bool(set(profile.measures) & set(OUTCOMES))
        self._no_key = [nan] * len(profile.values())
        self._new = self._read(KeyHistory(self._pick), 0) + ([0.0] if profile.today else [])

    def count(self, row: Row, amounts: Amounts) -> None:
        known = self._told(row, row["day"], amounts)
        if known is not None and self._today:
            known.came(row["moment"])

    def learn(self, row: Row, day: int, amounts: Amounts) -> None:
        self._told(row, day, amounts)

    def _told(self, row: Row, day: int, amounts: Amounts) -> KeyHistory | None:
        key = self._key_of(row)
        if key is None:
            return None
        known = self._known(key)
        if known is None:
            known = self.keys[key] = KeyHistory(self._pick)
        known.add(day, amounts)
        return known

    def values(self, row: Row) -> list[float]:
        key = self._key_of(row)
        if key is None:
            return self._no_key
        known = self._known(key)
        if known is None:
            return self._new
        day = row["day"]
        values = self._read(known, day)
        return [*values, known.so_far(day, row["moment"])] if self._today else values

    def _known(self, key: str) -> KeyHistory | None:
        known = self.keys.get(key)
        if isinstance(known, int):
            assert self._kept is not None
            known = self.keys[key] = self._kept.unpack(known, self._pick)
        return known

    def kept(self) -> Kept:
        """Everything there is, unpacked or not."""
        histories = {key: self._known(key) for key in list(self.keys)}
        return Kept.of_histories(histories, self.profile)  # type: ignore[arg-type]

    def restore(self, kept: Kept) -> None:
        self._kept = kept
        self.keys = dict(zip(kept.keys, range(len(kept.keys)), strict=True))


class Profiles:
    """Every key's history."""

    def __init__(self) -> None:
        self._folds = [_Fold(profile) for profile in PROFILES]
        self._learning = [fold for fold in self._folds if fold.learns]

    def observe(self, rows: Iterable[Row]) -> None:
        """Count goods items as declared, each on the day of its `accepted_at`."""
        for row in rows:
            amounts = declared_amounts(row)
            for fold in self._folds:
                fold.count(row, amounts)

    def learn(self, row: Row, day: int, finding_class: int, *, count: int = 1) -> None:
        """Count what a control found in a goods item, on the day it became known.

        `count` -1 takes back, from that day on, what an earlier outcome of the goods item said.
        """
        amounts = outcome_amounts(finding_class, count)
        for fold in self._learning:
            fold.learn(row, day, amounts)

    def values(self, row: Row) -> list[float]:
        """Everything known before a goods item, in the order of `VALUES`."""
        values: list[float] = []
        for fold in self._folds:
            values += fold.values(row)
        return values

    def read(self, columns: Columns) -> Floats:
        """Everything known before each row, shape (values, n)."""
        rows = [self.values(row) for row in rows_in(columns)]
        return np.array(rows, dtype=np.float64).reshape(-1, len(VALUES)).T

    def snapshot(self) -> dict[str, npt.NDArray[Any]]:
        """Everything that is needed to go on, as plain arrays for a file."""
        kept = [(fold.profile, fold.kept()) for fold in self._folds]
        newest = max((int(each.days.max(initial=0)) for _, each in kept), default=0)
        arrays: dict[str, npt.NDArray[Any]] = {}
        for profile, each in kept:
            arrays |= each.pruned(profile, newest).arrays(profile)
        return arrays

    @classmethod
    def restore(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "Profiles":
        """Profiles from a `snapshot`.

        Raises:
            KeyError, ValueError: the arrays are those of another specification.
        """
        profiles = cls()
        for fold in profiles._folds:
            fold.restore(Kept.of_arrays(fold.profile, arrays))
        return profiles
