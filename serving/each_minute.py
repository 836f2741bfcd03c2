"""Looks each minute at what is counted, and says in the service's log what is worth a line.

Metrics say more. This is for whoever has nothing but the log at hand, at night.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from selectivity.record import DecisionRecord
from serving.deciding.parts import Parts

logger = logging.getLogger(__name__)

LOOK_SECONDS = 60.0
FIRST = 20
"""So many are worth a line, and then twice as many as were told last."""
CLOCK_OFF = timedelta(seconds=60)
TURNED_AWAY: Mapping[int, str] = {
    401: "They came without a valid key. `lanes keys list` says which keys have expired.",
    403: "Their keys have not the role for what they asked. See `lanes keys list`.",
    429: "They sent too much at once on one connection. See “Overload” in RUNBOOK.md.",
    503: "There was no place for them, or nothing could be kept. See “Overload” in RUNBOOK.md.",
}


class Growing:
    """A number that is worth a line when it is large, and again when it has doubled."""

    def __init__(self) -> None:
        self._due = FIRST

    def is_news(self, number: int) -> bool:
        """Whether to tell of it; with 0 it begins anew."""
        if not number:
            self._due = FIRST
        news = number >= self._due
        if news:
            self._due = 2 * number
        return news


class EachMinute:
    """Of one service. `seconds` never go back, whatever the clock is set to."""

    def __init__(self, parts: Parts, seconds: Callable[[], float] = time.monotonic) -> None:
        self._parts, self._seconds = parts, seconds
        self._seen = Counter(parts.meters.refusals)
        self._turned_away = Counter[int]()
        self._refused = {status: Growing() for status in TURNED_AWAY}
        self._spooled = Growing()
        self._ahead = self._clock_ahead()

    async def tell(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Once."""
        self._look_at_refusals()
        self._look_at_spool()
        self._look_at_clock()

    def _look_at_refusals(self) -> None:
        """What goes on is told as a whole; it is over when a minute had none of it."""
        now = Counter(self._parts.meters.refusals)
        for status, remedy in TURNED_AWAY.items():
            new = now[status] - self._seen[status]
            self._turned_away[status] = self._turned_away[status] + new if new else 0
            count = self._turned_away[status]
            if self._refused[status].is_news(count):
                what = {"status": status, "count": count, "detail": remedy}
                logger.warning("many turned away", extra=what)
        self._seen = now

    def _look_at_spool(self) -> None:
        spooled = self._parts.log.spooled
        count = spooled.waiting if spooled else 0
        if self._spooled.is_news(count) and spooled:
            logger.warning("spool fills", extra={"count": count, "cause": spooled.cause})

    def _look_at_clock(self) -> None:
        ahead = self._clock_ahead()
        if abs(by := ahead - self._ahead) > CLOCK_OFF.total_seconds():
            logger.error("clock was set", extra={"seconds": round(by)})
            self._ahead = ahead

    def _clock_ahead(self) -> float:
        return self._parts.now().timestamp() - self._seconds()


def tell_of_clock(newest: DecisionRecord, now: datetime) -> None:
    """At a start: a decision cannot have been made in a time to come."""
    if newest.decided_at > now + CLOCK_OFF:
        behind = (newest.decided_at - now).total_seconds()
        logger.error("clock behind the log", extra={"seconds": round(behind)})
