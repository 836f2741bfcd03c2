"""One key's sums after each day that changed it."""

from array import array
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from math import nan
from operator import add, itemgetter
from typing import Any, NamedTuple

from selectivity.histories.aggregates import MEASURES, OUTCOMES, Profile
from selectivity.histories.rows import A_DAY

Amounts = tuple[float, ...]
"""Per measure a whole number below 2 ** 53, so that sums are exact in any order."""

Event = tuple[int, Amounts]
"""A day, and what is added on it: of all measures, for one event stands in many histories."""

DAYS_OF_MOMENTS = 8
"""For how many days, back from a key's newest goods item, times of acceptance are kept."""

MOST_WAITING = 12
"""Events of a key that may wait to be added up: so few that no question waits long for them."""

NEVER = -(10**9)
"""A day before all others."""

_DECLARED = (*MEASURES, *OUTCOMES).index("declared")

_NONE: Any = ()
"""Stands for a list that is not made yet: most keys come once, and lists cost time and memory."""


class Kind(NamedTuple):
    """What all keys of a profile have in common."""

    pick: Callable[[Amounts], Amounts]
    """Picks the profile's measures from those of all `MEASURES` and `OUTCOMES`."""
    last_day: bool
    today: bool
    one: Amounts | None
    """What every goods item adds, where that is 1 to `declared` or nothing; None: it depends."""


class KeyHistory:
    """What happened to one key, told one event at a time, in any order.

    Events wait until a question needs their sums: most keys are told many things on a day, and
    asked about the days before it. Amounts wait as they come, for all measures, and are picked for
    the profile when they are added up. Goods items that all add the same are only counted. What is
    added up lies in arrays: as objects, numbers take four times the memory and longer to come by.
    """

    __slots__ = (
        "counted",
        "counted_day",
        "days",
        "first_day",
        "kind",
        "last_days",
        "memo",
        "memo_from",
        "memo_to",
        "moments",
        "sums",
        "waiting",
    )

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.days: array[int] = _NONE
        self.sums: array[float] = _NONE
        """Sums of everything up to the end of each of the days, one day's measures behind those of
        the day before."""
        self.last_days: array[float] = _NONE
        """Last day with a goods item declared, up to each of the days; NaN if there was none.
        Kept where the profile asks for it."""
        self.first_day = nan
        self.moments: array[int] = _NONE
        """When goods items were accepted of late, in order; microseconds since 1970."""
        self.waiting: list[Event] = _NONE
        self.counted, self.counted_day = 0, NEVER
        """Goods items of one day that wait."""
        self.memo: list[float] = _NONE
        self.memo_from, self.memo_to = NEVER, NEVER
        """Days that have the same before them, as far as anybody asked, and what that is."""

    def add(self, event: Event) -> None:
        """Take in an event."""
        waiting = self.waiting
        if waiting:
            waiting.append(event)
            if len(waiting) == MOST_WAITING:
                self.settle()
        else:
            self.waiting = [event]
        day = event[0]
        if day < self.memo_to:
            self.memo_to = day  # in front of `memo_from` nothing is remembered any more

    def count(self, day: int) -> None:
        """Take in a goods item that adds `one`."""
        if day != self.counted_day:
            self._settle_counted()
            self.counted_day = day
        self.counted += 1
        if day < self.memo_to:
            self.memo_to = day

    def settle(self) -> None:
        """Add up what waits."""
        self._settle_counted()
        if self.waiting:
            self._settle_waiting()

    def _settle_counted(self) -> None:
        count, one = self.counted, self.kind.one
        if count and one is not None:
            self.counted = 0
            self._add(self.counted_day, tuple([count * each for each in one]), declared=True)

    def _settle_waiting(self) -> None:
        waiting, pick = self.waiting, self.kind.pick
        self.waiting = _NONE
        if len(waiting) == 1:
            ((day, amounts),) = waiting
            self._add(day, pick(amounts), declared=amounts[_DECLARED] > 0)
            return
        of_days: dict[int, list[Amounts]] = {}
        for day, amounts in waiting:
            if day in of_days:
                of_days[day].append(amounts)
            else:
                of_days[day] = [amounts]
        for day, together in of_days.items():
            picked = [pick(amounts) for amounts in together]  # the rest is not even looked at
            added = tuple(map(sum, zip(*picked, strict=True))) if picked[1:] else picked[0]
            of_goods = self.kind.last_day and any(amounts[_DECLARED] > 0 for amounts in together)
            self._add(day, added, declared=of_goods)

    def _add(self, day: int, amounts: Amounts, *, declared: bool) -> None:
        """Add at `day`; the sums of later days grow with it."""
        if not self.days:
            self.days, self.sums = array("q", (day,)), array("d", amounts)
            if self.kind.last_day:
                self.last_days = array("d", (day if declared else nan,))
        elif day > self.days[-1]:
            self.days.append(day)
            self.sums.extend(map(add, self.sums[-len(amounts) :], amounts))
            if self.kind.last_day:
                self.last_days.append(day if declared else self.last_days[-1])
        else:
            self._add_between(day, amounts, declared=declared)
        if not day >= self.first_day:
            self.first_day = day

    def _add_between(self, day: int, amounts: Amounts, *, declared: bool) -> None:
        days, sums, lasts, width = self.days, self.sums, self.last_days, len(amounts)
        at = bisect_left(days, day)
        if days[at] != day:
            days.insert(at, day)
            here = width * at
            sums[here:here] = sums[here - width : here] if at else array("d", [0.0] * width)
            if self.kind.last_day:
                lasts.insert(at, lasts[at - 1] if at else nan)
        later = len(days) - at
        sums[width * at :] = array("d", map(add, sums[width * at :], amounts * later))
        if declared and self.kind.last_day:
            for i in range(at, len(days)):
                if not lasts[i] >= day:
                    lasts[i] = day

    def came(self, moment: int) -> None:
        """Remember when a goods item was accepted, and forget those of long ago."""
        moments = self.moments
        if not moments:
            self.moments = array("q", (moment,))
            return
        if moment < moments[-1]:
            insort(moments, moment)
        else:
            moments.append(moment)
        old = (moments[-1] // A_DAY - DAYS_OF_MOMENTS) * A_DAY  # whole days, as a snapshot keeps
        if moments[0] < old:
            del moments[: bisect_left(moments, old)]

    def so_far(self, day: int, moment: int) -> float:
        """Goods items accepted on this day before this moment."""
        moments = self.moments
        return float(bisect_left(moments, moment) - bisect_left(moments, day * A_DAY))


def kind_of(profile: Profile) -> Kind:
    """What all keys of this profile have in common."""
    measures = (*MEASURES, *OUTCOMES)
    only_counts = {"declared", *OUTCOMES}.issuperset(profile.measures)
    return Kind(
        pick=_picker([measures.index(name) for name in profile.measures]),
        last_day=profile.last_day,
        today=profile.today,
        one=tuple(float(name == "declared") for name in profile.measures) if only_counts else None,
    )


def _picker(places: Sequence[int]) -> Callable[[Amounts], Amounts]:
    """Picks some measures, as a tuple even of one."""
    if len(places) == 1:
        (place,) = places
        return lambda amounts: (amounts[place],)
    picked: Any = itemgetter(*places)
    return picked  # type: ignore[no-any-return]
