"""The keys of one profile as plain arrays: what a bundle carries, for the service to go on from.

Where it is pruned, days that no sum can reach any more are folded into one. Nothing else is lost:
what a restored profile says of any declaration not later than `LATE_DAYS` is what the original
would say.
"""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import compress
from math import nan
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from selectivity.columns import Floats, Ints
from selectivity.histories.aggregates import DECAY, Profile
from selectivity.histories.key_history import DAYS_OF_MOMENTS, KeyHistory, Kind
from selectivity.histories.rows import A_DAY

LATE_DAYS = 30
"""A declaration that comes this late is still judged by what was known on its day."""

_BETWEEN_KEYS = "\x1e"
_PARTS: Mapping[str, Any] = {
    "first_days": np.float64,
    "cell_starts": np.int64,
    "days": np.int64,
    "last_days": np.float64,
    "sums": np.float64,
    "moment_starts": np.int64,
    "moments": np.int64,
}
"""Names of the arrays with the type of their values: bytes are taken over as they are."""


@dataclass(frozen=True)
class KeyArrays:
    """k keys, each with some cells: a day and the sums up to its end. Keys stand in one order."""

    keys: list[str]
    first_days: Floats
    """Shape (k,)."""
    cell_starts: Ints
    """Where the cells of each key begin, and where the last ones end; shape (k + 1,)."""
    days: Ints
    last_days: Floats
    """Not looked at where the profile does not ask for them."""
    sums: Floats
    """Shape (cells, measures of the profile)."""
    moment_starts: Ints
    moments: Ints

    def packed(self) -> "Packed":
        """A copy of the same size from which single keys are read quickly."""
        return Packed(
            first_days=_as_array("d", self.first_days),
            cell_starts=_as_array("q", self.cell_starts),
            days=_as_array("q", self.days),
            last_days=_as_array("d", self.last_days),
            sums=_as_array("d", self.sums),
            width=self.sums.shape[1],
            moment_starts=_as_array("q", self.moment_starts),
            moments=_as_array("q", self.moments),
        )

    def arrays(self, profile: Profile) -> dict[str, npt.NDArray[Any]]:
        """The arrays to be written to a file, each name beginning with that of the profile."""
        text = _BETWEEN_KEYS.join(self.keys).encode()
        arrays = {"keys": np.frombuffer(text, dtype=np.uint8)}
        arrays |= {name: getattr(self, name) for name in _PARTS}
        return {f"{profile.name}.{name}": array for name, array in arrays.items()}

    @classmethod
    def of_arrays(cls, profile: Profile, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """What `arrays` gave.

        Raises:
            ValueError: the arrays are those of another specification.
        """
        parts: dict[str, Any] = {
            name: np.asarray(arrays[f"{profile.name}.{name}"], dtype=dtype)
            for name, dtype in _PARTS.items()
        }
        count = len(parts["first_days"])
        text = arrays[f"{profile.name}.keys"].tobytes().decode()
        keys = text.split(_BETWEEN_KEYS) if count else []
        if len(keys) != count or parts["sums"].shape[1] != len(profile.measures):
            raise ValueError(f"the histories by {profile.name} are of another specification")
        return cls(keys=keys, **parts)

    @classmethod
    def of_histories(cls, histories: Mapping[str, KeyHistory], profile: Profile) -> Self:
        """Everything that live histories hold."""
        known = list(histories.values())
        for each in known:
            each.settle()
        cells = [len(each.days) for each in known]
        return cls(
            keys=list(histories),
            first_days=np.array([each.first_day for each in known], dtype=np.float64),
            cell_starts=_starts(cells),
            days=_joined([each.days for each in known], np.int64),
            last_days=_joined([each.last_days for each in known], np.float64)
            if profile.last_day
            else np.full(sum(cells), nan),
            sums=_joined([each.sums for each in known], np.float64).reshape(
                -1, len(profile.measures)
            ),
            moment_starts=_starts([len(each.moments) for each in known]),
            moments=_joined([each.moments for each in known], np.int64),
        )

    def pruned(self, profile: Profile, newest_day: int) -> Self:
        """Without what no declaration from `newest_day` - LATE_DAYS on can ask for any more."""
        number = np.repeat(np.arange(len(self.keys)), np.diff(self.cell_starts))
        old = self.days < newest_day - LATE_DAYS - longest(profile)
        last_of_key = np.append(number[1:] != number[:-1], True) if len(number) else old
        kept = ~old | last_of_key | ~np.append(old[1:], False)  # the newest old one holds the rest
        of_moment = np.repeat(np.arange(len(self.keys)), np.diff(self.moment_starts))
        lately = self.moments >= (newest_day - DAYS_OF_MOMENTS) * A_DAY
        return type(self)(
            keys=self.keys,
            first_days=self.first_days,
            cell_starts=_starts(np.bincount(number[kept], minlength=len(self.keys))),
            days=self.days[kept],
            last_days=self.last_days[kept],
            sums=self.sums[kept],
            moment_starts=_starts(np.bincount(of_moment[lately], minlength=len(self.keys))),
            moments=self.moments[lately],
        )

    def only(self, wanted: npt.NDArray[np.bool_]) -> Self:
        """These keys alone; `wanted` has shape (k,)."""
        cells, moments = np.diff(self.cell_starts), np.diff(self.moment_starts)
        of_cell, of_moment = np.repeat(wanted, cells), np.repeat(wanted, moments)
        return type(self)(
            keys=list(compress(self.keys, wanted)),
            first_days=self.first_days[wanted],
            cell_starts=_starts(cells[wanted]),
            days=self.days[of_cell],
            last_days=self.last_days[of_cell],
            sums=self.sums[of_cell],
            moment_starts=_starts(moments[wanted]),
            moments=self.moments[of_moment],
        )

    def beside(self, other: Self) -> Self:
        """These keys and behind them those of the other, which has others."""
        parts = {
            name: np.concatenate([getattr(self, name), getattr(other, name)])
            for name in _PARTS
            if not name.endswith("_starts")
        }
        starts = {
            name: np.append(own := getattr(self, name), getattr(other, name)[1:] + own[-1])
            for name in _PARTS
            if name.endswith("_starts")
        }
        return type(self)(keys=self.keys + other.keys, **parts, **starts)


@dataclass(frozen=True, slots=True)
class Packed:
    """The parts of `KeyArrays` as arrays whose slices a history is made of.

    A slice costs a fifth of one of numpy's with a change of kind.
    """

    first_days: "array[float]"
    cell_starts: "array[int]"
    days: "array[int]"
    last_days: "array[float]"
    sums: "array[float]"
    width: int
    """Measures of the profile."""
    moment_starts: "array[int]"
    moments: "array[int]"

    def key_arrays(self, keys: list[str]) -> KeyArrays:
        """What it was made of; `keys` are those of then."""
        parts: dict[str, Any] = {
            name: np.frombuffer(getattr(self, name), dtype) for name, dtype in _PARTS.items()
        }
        parts["sums"] = parts["sums"].reshape(-1, self.width)
        return KeyArrays(keys=keys, **parts)

    def unpack(self, at: int, kind: Kind) -> KeyHistory:
        """The history of one key; `kind` is that of the profile."""
        known, width = KeyHistory(kind), self.width
        start, stop = self.cell_starts[at], self.cell_starts[at + 1]
        known.days = self.days[start:stop]
        known.sums = self.sums[start * width : stop * width]
        if kind.last_day:
            known.last_days = self.last_days[start:stop]
        known.first_day = self.first_days[at]
        if kind.today:
            known.moments = self.moments[self.moment_starts[at] : self.moment_starts[at + 1]]
        return known


def longest(profile: Profile) -> int:
    """Days back that the sums of a profile reach, but for those over all days."""
    return max(
        (
            sums.days * (max(DECAY) if sums.decayed else 1)
            for sums in profile.sums
            if sums.days is not None
        ),
        default=0,
    )


def _as_array(kind: str, values: npt.NDArray[Any]) -> "array[Any]":
    return array(kind, values.tobytes())


def _starts(counts: Any) -> Ints:
    return np.concatenate([[0], np.cumsum(np.asarray(counts, dtype=np.int64))]).astype(np.int64)


def _joined(parts: Iterable[Any], dtype: Any) -> npt.NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *(np.array(part, dtype) for part in parts)])
