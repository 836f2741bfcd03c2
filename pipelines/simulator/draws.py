"""Random streams by name and week, and draws from shares."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from selectivity.columns import Floats, Ints

Bools = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]
Times = npt.NDArray[np.datetime64]
Table = dict[str, npt.NDArray[Any]]


class Streams:
    """Random streams by name and number: drawing more from one never shifts another."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __call__(self, name: str, *numbers: int) -> np.random.Generator:
        """The stream of this name, and of this week if one is given, from its beginning."""
        key = (*name.encode(), *(256 + number for number in numbers))
        return np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=key))

    def of(self, week: int) -> "WeekStreams":
        """The streams of one week."""
        return WeekStreams(self, week)


class WeekStreams:
    """The streams of one week, by name."""

    def __init__(self, streams: Streams, week: int) -> None:
        self._streams, self._week = streams, week

    def __call__(self, name: str) -> np.random.Generator:
        """This week's stream of this name, from its beginning."""
        return self._streams(name, self._week)


def texts(values: Iterable[Any]) -> Texts:
    """Values as an object array, whatever they are."""
    listed = list(values)
    array = np.empty(len(listed), dtype=object)
    array[:] = listed
    return array


def numbered(prefix: str, numbers: Ints, digits: int) -> Texts:
    """Ids such as SYN000042."""
    return texts([f"{prefix}{number:0{digits}d}" for number in numbers.tolist()])


def blanked(values: Texts, where: Bools) -> Texts:
    """A copy with None at these places."""
    kept = values.astype(object)
    kept[where] = None
    return kept


def one_of(random: np.random.Generator, shares: Mapping[str, float], n: int) -> Texts:
    """One of the names for each of `n`, by share."""
    picked: Texts = texts(shares)[by_share(random, np.array(list(shares.values())), n)]
    return picked


def by_share(random: np.random.Generator, shares: Floats, n: int) -> Ints:
    """A position in `shares` for each of `n`, by share. The shares need not sum to 1."""
    running = np.cumsum(shares, dtype=np.float64)
    positions: Ints = np.searchsorted(running, random.random(n) * running[-1], side="right")
    return positions


def position(uniforms: Floats, shares: Sequence[Sequence[float]], rows: Ints) -> Ints:
    """For each uniform a position in its row of `shares`, by share."""
    running = np.cumsum(np.asarray(shares, dtype=np.float64), axis=1)[rows]
    positions: Ints = (uniforms[:, None] * running[:, -1:] >= running).sum(axis=1)
    return positions
