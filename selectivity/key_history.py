"""One key's sums after each day that changed it, and what they tell of the days before another."""

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from math import nan
from operator import add, itemgetter
from typing import Any

from selectivity.aggregates import DECAY, MEASURES, OUTCOMES, Profile, Sums
from selectivity.rows import A_DAY

Amounts = tuple[float, ...]
"""Per measure a whole number below 2 ** 53, so that sums are exact in any order."""

DAYS_OF_MOMENTS = 8
"""So far back from a key's newest goods item it is known when on the day each was accepted."""


MOST_WAITING = 64
"""Events of a key that may wait to be added up: so few that no question waits long for them."""

NEVER, FOR_EVER = -(10**9), 10**9
"""A day before all others, and one behind them."""

_DECLARED = (*MEASURES, *OUTCOMES).index("declared")


class KeyHistory:
    """What happened to one key, told one event at a time, in any order.

    Events wait until a question needs their sums: most keys are told many things on a day, and
    asked about the days before it. Amounts wait as they come, for all measures, and are picked for
    the profile when they are added up.
    """

    __slots__ = (
        "days",
        "first_day",
        "last_days",
        "memo",
        "memo_from",
        "memo_to",
        "moments",
        "pick",
        "sums",
        "waiting",
    )

    def __init__(self, pick: Callable[[Amounts], Amounts]) -> None:
        self.pick = pick
        self.days: list[int] = []
        self.sums: list[Amounts] = []
        """Sums of everything up to the end of each of the days."""
        self.last_days: list[float] = []
        """Last day with a goods item declared, up to each of the days; NaN if there was none."""
        self.first_day = nan
        self.moments: list[int] = []
        """When goods items were accepted of late, in order; microseconds since 1970."""
        self.waiting: list[tuple[int, Amounts]] = []
        self.memo_from, self.memo_to, self.memo = NEVER, NEVER, list[float]()
        """Days that have the same before them, as far as anybody asked, and what that is."""

    def add(self, day: int, amounts: Amounts) -> None:
        """Take in an event of this day."""
        self.waiting.append((day, amounts))
        if day < self.memo_to:
            self.memo_to = day if day >= self.memo_from else NEVER
        if len(self.waiting) == MOST_WAITING:
            self.settle()

    def settle(self) -> None:
        """Add up what waits."""
        of_days: dict[int, list[Amounts]] = {}
        for day, amounts in self.waiting:
            of_days.setdefault(day, []).append(amounts)
        self.waiting.clear()
        for day, together in of_days.items():
            added = tuple(map(sum, zip(*together, strict=True))) if together[1:] else together[0]
            self._add(day, self.pick(added), declared=added[_DECLARED] > 0)

    def _add(self, day: int, amounts: Amounts, *, declared: bool) -> None:
        """Add at `day`; the sums of later days grow with it."""
        days, sums, lasts = self.days, self.sums, self.last_days
        at = bisect_left(days, day)
        if at == len(days) or days[at] != day:
            days.insert(at, day)
            sums.insert(at, sums[at - 1] if at else (0.0,) * len(amounts))
            lasts.insert(at, lasts[at - 1] if at else nan)
        for i in range(at, len(days)):
            sums[i] = tuple(map(add, sums[i], amounts))
            if declared and not lasts[i] >= day:
                lasts[i] = day
        if not day >= self.first_day:
            self.first_day = day

    def came(self, moment: int) -> None:
        """Remember when a goods item was accepted, and forget those of long ago."""
        moments = self.moments
        if moments and moment < moments[-1]:
            insort(moments, moment)
        else:
            moments.append(moment)
        old = moments[-1] - DAYS_OF_MOMENTS * A_DAY
        if moments[0] < old:
            del moments[: bisect_left(moments, old)]

    def so_far(self, day: int, moment: int) -> float:
        """Goods items accepted on this day before this moment."""
        moments = self.moments
        return float(bisect_left(moments, moment) - bisect_left(moments, day * A_DAY))


Reader = Callable[[KeyHistory, int], list[float]]


def reader(profile: Profile) -> Reader:
    """Reads all values of a profile but `today` as known before a day, in order of the values."""
    ever, *over_days = profile.sums
    if ever.days is not None or ever.measures != profile.measures[: len(ever.measures)]:
        raise ValueError(f"profile {profile.name}: sums over all days have to come first")
    pick = _picker(range(len(ever.measures)))
    others = [
        _over_days(sums, [profile.measures.index(m) for m in sums.measures]) for sums in over_days
    ]
    with_first, with_last = profile.first_day, profile.last_day
    nothing = [
        nan if value.kind in ("first_day", "last_day") else 0.0
        for value in profile.values()
        if value.kind != "today"
    ]

    def read(known: KeyHistory, at: int, day: int) -> list[float]:
        values = list(pick(known.sums[at - 1]))
        for of_days in others:
            values += of_days(known, at, day)
        if with_first:
            values.append(float(known.first_day))
        if with_last:
            values.append(float(known.last_days[at - 1]))
        return values

    def remember(known: KeyHistory, day: int) -> list[float]:
        if known.memo_from <= day <= known.memo_to:
            return known.memo
        if known.waiting:
            known.settle()
        at = bisect_left(known.days, day)
        known.memo = read(known, at, day) if at else nothing
        known.memo_from = known.memo_to = day
        if not others:
            known.memo_from = known.days[at - 1] + 1 if at else NEVER
            known.memo_to = known.days[at] if at < len(known.days) else FOR_EVER
        return known.memo

    return remember


def _over_days(sums: Sums, places: Sequence[int]) -> Callable[[KeyHistory, int, int], list[float]]:
    assert sums.days is not None
    weights = {sums.days * times: weight for times, weight in DECAY.items()}
    frames = tuple(weights.items()) if sums.decayed else ((sums.days, 1),)
    whole = sum(weight for _, weight in frames)
    pick = _picker(places)

    def read(known: KeyHistory, at: int, day: int) -> list[float]:
        sums = known.sums
        values = [whole * amount for amount in pick(sums[at - 1])]
        for days, weight in frames:
            since = bisect_left(known.days, day - days, 0, at)
            if since:
                for i, before in enumerate(pick(sums[since - 1])):
                    values[i] -= weight * before
        return values

    return read


def _picker(places: Sequence[int]) -> Callable[[Amounts], Amounts]:
    """Picks some measures, as a tuple even of one."""
    if len(places) == 1:
        (place,) = places
        return lambda amounts: (amounts[place],)
    picked: Any = itemgetter(*places)
    return picked  # type: ignore[no-any-return]


def amounts_of(profile: Profile) -> Callable[[Amounts], Amounts]:
    """Picks a profile's measures from the amounts of all `MEASURES` and `OUTCOMES`."""
    measures = (*MEASURES, *OUTCOMES)
    return _picker([measures.index(name) for name in profile.measures])
