"""Random streams by name, and draws from shares."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from selectivity.columns import Floats, Ints

Bools = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]
Table = dict[str, npt.NDArray[Any]]


class Streams:
    """Random streams by name: drawing more from one never shifts another."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __call__(self, name: str) -> np.random.Generator:
        """The stream of this name, from its beginning."""
        sequence = np.random.SeedSequence(self._seed, spawn_key=tuple(name.encode()))
        return np.random.default_rng(sequence)


def texts(values: Iterable[Any]) -> Texts:
    """Values as an object array, whatever they are."""
    listed = list(values)
    array = np.empty(len(listed), dtype=object)
    array[:] = listed
    return array


def blanked(values: Texts, where: Bools) -> Texts:
    """A copy with None at these places."""
    kept = values.astype(object)
    kept[where] = None
    return kept


def one_of(random: np.random.Generator, shares: Mapping[str, float], n: int) -> Texts:
    """One of the names for each of `n`, by share."""
    weights = np.array(list(shares.values()), dtype=np.float64)
    picked: Texts = texts(shares)[random.choice(len(weights), n, p=weights / weights.sum())]
    return picked


def position(uniforms: Floats, shares: Sequence[Sequence[float]], rows: Ints) -> Ints:
    """For each uniform a position in its row of `shares`, by share."""
    running = np.cumsum(np.asarray(shares, dtype=np.float64), axis=1)[rows]
    positions: Ints = (uniforms[:, None] * running[:, -1:] >= running).sum(axis=1)
    return positions
