"""Counts what each office got today, for the guard of its capacity."""

from bisect import bisect_left, bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator
from datetime import date, datetime
from functools import partial

from selectivity.days import day_in_utc
from selectivity.deciding.decision import LaneDecision
from selectivity.deciding.guard import GUARDED, score_of
from selectivity.lanes import Channel, Lane, Vote

MOST_DAYS = 3
"""Today, the day that just began or ended, and one that a wrong clock told."""
MIDDLE = 0.5
"""Rank of a vote that says nothing of what it is worth, and of the first one of a day."""


class OfficeLoad:
    """What one office got on one day."""

    def __init__(self) -> None:
        self._taken: Counter[Lane] = Counter()
        self._scores: dict[tuple[Channel, Lane], list[float]] = defaultdict(list)

    def taken(self, lane: Lane) -> int:
        """Declarations that were put in this lane."""
        return self._taken[lane]

    def rank(self, vote: Vote) -> float:
        """Share of those that asked for this lane on the same channel and are worth less."""
        scores, score = self._scores.get((vote.channel, vote.lane)), score_of(vote)
        if not scores or score is None:
            return MIDDLE
        return (bisect_left(scores, score) + bisect_right(scores, score)) / 2 / len(scores)

    def count(self, decision: LaneDecision) -> None:
        """Take in a decision."""
        self._taken[decision.lane] += 1
        for asked, score in _asking(decision):
            insort(self._scores[asked], score)

    def take_back(self, decision: LaneDecision) -> None:
        """A decision that was taken in was not kept."""
        self._taken[decision.lane] -= 1
        for asked, score in _asking(decision):
            self._scores[asked].remove(score)


class _Day:
    """What every office got on one day."""

    def __init__(self) -> None:
        self.offices: dict[str, OfficeLoad] = {}
        self.counted: set[int] = set()
        """Hashes of the keys of what was taken in: the keys themselves would take much room."""


class OfficeLoads:
    """What every office got on the days (UTC) decided on last.

    A clock that jumps a day or a year ahead and back finds the load of its day again, so that the
    guard goes on where it was; of all days but the last few nothing is kept.
    """

    def __init__(self) -> None:
        self._days: dict[date, _Day] = {}
        """The day decided on last stands last."""

    def of(self, office: str | None, moment: datetime) -> OfficeLoad:
        """What this office got on the day of this moment."""
        return self._day(moment).offices.setdefault(office or "", OfficeLoad())

    def count(
        self,
        office: str | None,
        moment: datetime,
        decision: LaneDecision,
        *,
        key: Hashable = None,
    ) -> Callable[[], None]:
        """Take in a decision made at this moment; gives what takes it back.

        Args:
            key: names the decision: of one that comes by several ways the first counts.
        """
        day, name = self._day(moment), hash(key)
        if key is not None and name in day.counted:
            return nothing_to_take_back
        load = self.of(office, moment)
        load.count(decision)
        if key is not None:
            day.counted.add(name)
        return partial(_take_back, day, name, load, decision)

    def _day(self, moment: datetime) -> _Day:
        day = day_in_utc(moment)
        if not self._days or day != next(reversed(self._days)):
            self._days[day] = self._days.pop(day, _Day())
            if len(self._days) > MOST_DAYS:
                del self._days[next(iter(self._days))]
        return self._days[day]


def _take_back(day: _Day, name: int, load: OfficeLoad, decision: LaneDecision) -> None:
    load.take_back(decision)
    day.counted.discard(name)


def nothing_to_take_back() -> None:
    """Of a decision that was not counted, or by another way before."""


def _asking(decision: LaneDecision) -> Iterator[tuple[tuple[Channel, Lane], float]]:
    for vote in decision.votes:
        if vote.channel in GUARDED and (score := score_of(vote)) is not None:
            yield (vote.channel, vote.lane), score
