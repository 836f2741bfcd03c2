"""Follows the log for what others wrote into it, so that the histories here know that too."""

import asyncio
from contextlib import closing, suppress
from functools import partial

from selectivity.errors import DecisionLogError
from serving.assign import Parts
from serving.lessons import fold, lessons
from serving.log_reader import LogReader
from serving.undisturbed import undisturbed

LOOK_SECONDS = 0.5
"""How often to look: so much older may be what is known of other services' decisions."""
AT_ONCE = 1_000


class LogFollower:
    """Teaches the predictor in office and the one behind it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def follow(self) -> None:
        """Until cancelled."""
        with closing(LogReader(self._parts.log.store)) as log:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                with suppress(DecisionLogError):  # it is down; what is missed comes with the next
                    while await self._teach_some(log) == AT_ONCE:
                        pass

    async def _teach_some(self, log: LogReader) -> int:
        learners = [each for each in self._parts.predictor.that_learn() if each.bundle is not None]
        if not learners:
            return 0
        upto = min(each.known_upto or 0 for each in learners)  # a stand-in may know less
        some = await undisturbed(lessons, log, after=upto, at_most=AT_ONCE)
        for lesson in some:
            self._parts.handover.fold(self._parts.predictor, partial(fold, lesson))
        return len(some)
