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
Size = int | tuple[int, ...]


class Draws:
    """What one step draws, each draw from a stream of its own: drawing for more things leaves alone
    what the first ones got. Shapes begin with the things. See `numpy.random.Generator`."""

    def __init__(self, seed: int, key: tuple[int, ...]) -> None:
        self._seed, self._key, self._draws = seed, key, 0

    def _next(self) -> np.random.Generator:
        self._draws += 1
        key = (*self._key, 512 + self._draws)
        return np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=key))

    def random(self, size: Size) -> Floats:
        """Uniform in [0, 1)."""
        return self._next().random(size)

    def uniform(self, low: float, high: float, size: Size) -> Floats:
        """Uniform in [low, high)."""
        return self._next().uniform(low, high, size)

    def normal(self, mean: float | Floats, spread: float | Floats, size: Size) -> Floats:
        """Normally distributed."""
        return self._next().normal(mean, spread, size)

    def lognormal(self, mean: float, spread: float, size: Size) -> Floats:
        """Numbers whose logarithm has this mean and spread, normally distributed."""
        return self._next().lognormal(mean, spread, size)

    def exponential(self, mean: float, size: Size) -> Floats:
        """Exponentially distributed."""
        return self._next().exponential(mean, size)

    def gamma(self, shape: float, scale: float, size: Size) -> Floats:
        """Gamma distributed."""
        return self._next().gamma(shape, scale, size)

    def beta(self, a: float, b: float, size: Size) -> Floats:
        """Beta distributed."""
        return self._next().beta(a, b, size)

    def geometric(self, chance: float, size: Size) -> Ints:
        """Tries until the first success."""
        return self._next().geometric(chance, size)

    def integers(self, low: int, high: int, size: Size) -> Ints:
        """Whole numbers from low to high - 1."""
        return self._next().integers(low, high, size)

    def choice(self, among: Sequence[float] | Ints, size: Size) -> npt.NDArray[Any]:
        """Any of these, all alike."""
        return self._next().choice(np.asarray(among), size)

    def permutation(self, n: int) -> Ints:
        """The numbers below n in any order."""
        return self._next().permutation(n)


class Streams:
    """Random streams by name and number."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __call__(self, name: str, *numbers: int) -> Draws:
        """The stream of this name, and of this week if one is given, from its beginning."""
        return Draws(self._seed, (*name.encode(), *(256 + number for number in numbers)))

    def of(self, week: int) -> "WeekStreams":
        """The streams of one week."""
        return WeekStreams(self, week)


class WeekStreams:
    """The streams of one week, by name; those of a `part` have nothing in common with others."""

    def __init__(self, streams: Streams, week: int, part: str = "") -> None:
        self._streams, self._week, self._part = streams, week, part

    def __call__(self, name: str) -> Draws:
        """This week's stream of this name, from its beginning."""
        return self._streams(self._part + name, self._week)

    def of(self, part: str) -> "WeekStreams":
        """Streams of their own, under the same names, for a part of the week's work."""
        return WeekStreams(self._streams, self._week, f"{part} ")


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


def one_of(random: Draws, shares: Mapping[str, float], n: int) -> Texts:
    """One of the names for each of `n`, by share."""
    picked: Texts = texts(shares)[by_share(random, np.array(list(shares.values())), n)]
    return picked


def by_share(random: Draws, shares: Floats, n: int) -> Ints:
    """A position in `shares` for each of `n`, by share. The shares need not sum to 1."""
    running = np.cumsum(shares, dtype=np.float64)
    positions: Ints = np.searchsorted(running, random.random(n) * running[-1], side="right")
    return positions


def position(uniforms: Floats, shares: Sequence[Sequence[float]], rows: Ints) -> Ints:
    """Turns each uniform number into a position in its row of `shares`; large shares come often."""
    running = np.cumsum(np.asarray(shares, dtype=np.float64), axis=1)[rows]
    positions: Ints = (uniforms[:, None] * running[:, -1:] >= running).sum(axis=1)
    return positions
