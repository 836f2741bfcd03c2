"""Follows the log for what others wrote into it, so that histories and guards here know it too."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import closing

from models.pointer import read_pointer
from selectivity.days import day_in_utc
from selectivity.errors import AuditError, BundleError, DecisionLogError, SelectivityError
from serving.deciding.assign import count
from serving.deciding.catch_up import catch_up
from serving.deciding.histories_file import HistoriesFile
from serving.deciding.lessons import lessons
from serving.deciding.parts import Parts
from serving.deciding.predictor import Predictor
from serving.deciding.successor import hand_over
from serving.log.decision_log import kept_since
from serving.log.kept_texts import AlteredTextError
from serving.log.reader import LogReader
from serving.storage.store import AWAY_SECONDS
from serving.trouble import Trouble
from serving.undisturbed import undisturbed

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""How often to look: so much older may be what is known of other services' decisions."""
AT_ONCE = 1_000


class LogFollower:
    """Teaches the log's newest records to the predictor in office and the one behind it.

    If the log was away at the start, the histories are those of the bundle and know nothing of the
    log. When it is back, a predictor is made anew from bundle and log: only so is nothing counted
    twice that the bundle was trained on.
    """

    def __init__(self, parts: Parts, prepare: Callable[[], Predictor] | None = None) -> None:
        """`prepare` makes a predictor with the bundle in force; without it none is made anew."""
        self._parts, self._prepare = parts, prepare
        self._still, self._behind = Trouble(), Trouble()
        self._seen: int | None = None
        """The last record that was read; None before the first."""

    async def follow(self) -> None:
        """Until cancelled."""
        ours, pause = self._parts.log, LOOK_SECONDS
        with closing(LogReader(ours.store, later=True, log_id=ours.log_id)) as log:
            while True:
                await asyncio.sleep(pause)
                try:
                    await self._look(log)
                except DecisionLogError as error:  # what is missed now comes with the next look
                    self._tell_if_lasting(error)
                    pause = AWAY_SECONDS
                else:
                    pause = LOOK_SECONDS

    def _tell_if_lasting(self, error: DecisionLogError) -> None:
        if not isinstance(error, AlteredTextError | AuditError):
            return
        self._parts.stands_still = str(error)
        if self._still.is_news(str(error)):
            logger.critical("histories stand still", extra={"cause": str(error)})

    async def _look(self, log: LogReader) -> None:
        if self._parts.predictor.behind and self._prepare is not None:
            if not await self._bring_up_to_date():
                await asyncio.sleep(self._parts.settings.follow_seconds)
            return
        while await self.teach_next(log) == AT_ONCE:
            pass
        self._parts.stands_still = None
        if self._still.is_over():
            logger.warning("histories go on")

    async def teach_next(self, log: LogReader) -> int:
        """Teach the next records of the log, at most `AT_ONCE`; gives how many there were."""
        learners = [each for each in self._parts.predictor.learners() if each.bundle is not None]
        if learners:
            upto = min(each.known_upto or 0 for each in learners)  # a stand-in may know less
        else:
            upto = self._seen = await self._count_today(log) if self._seen is None else self._seen
        new = await undisturbed(lessons, log, after=upto, at_most=AT_ONCE)
        for lesson in new:
            self._seen = lesson.no
            if lesson.record is not None:
                count(lesson.record, self._parts)
            if learners:
                self._parts.teach(lesson)
        return len(new)

    async def _count_today(self, log: LogReader) -> int:
        """Count what was decided today for the offices; gives the number of the newest record."""
        head = await undisturbed(log.head)
        for record in await undisturbed(kept_since, log, day_in_utc(self._parts.now())):
            count(record, self._parts)
        return head.no

    async def _bring_up_to_date(self) -> bool:
        """Put a predictor that knows the log in office; False if that failed and has to wait."""
        parts = self._parts
        if parts.log.spooling:  # it is not gone back to yet
            return True
        try:
            self._refuse_another_bundle()
            # While this one waited for its turn, another may have put such a predictor in office.
            make = self.that_knows_the_log
            await hand_over(parts, make, wanted=lambda: parts.predictor.behind)
        except (SelectivityError, OSError) as error:
            if self._behind.is_news(str(error)):
                logger.error("histories stay behind", extra={"cause": str(error)})
            return False
        logger.warning("histories know the log")
        self._behind.is_over()
        return True

    def _refuse_another_bundle(self) -> None:
        """Refuse a bundle that was published meanwhile: it takes over by itself, if it can."""
        serves, settings = self._parts.predictor, self._parts.settings
        pointer = None if settings.bundle else read_pointer(settings.published)
        if pointer is not None and serves.bundle is not None:  # else another stands in for it
            self._refuse_another(pointer.digest)

    def _refuse_another(self, digest: str | None) -> None:
        serves = self._parts.predictor
        if digest != serves.bundle_digest:
            raise BundleError(
                f"The bundle in force ({digest!s:.16}) is not the one that serves "
                f"({serves.bundle_digest!s:.16}). {serves.cause_detail or 'It is to take over.'} "
                "Publish one that can be used, or start the service again."
            )

    def that_knows_the_log(self, log: LogReader) -> Predictor:
        """A predictor made anew that learnt this whole log, as did the one behind it.

        Raises:
            BundleError: the bundle in force is not the one that serves.
        """
        assert self._prepare is not None
        successor = self._prepare()
        self._refuse_another(successor.bundle_digest)
        kept = HistoriesFile.of(self._parts.settings, successor.draw_key)
        for each in successor.learners():
            catch_up(each, log, kept)
        return successor
