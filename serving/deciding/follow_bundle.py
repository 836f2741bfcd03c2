"""Follows the pointer to the bundle in force: a new one takes over without a restart.

It is tried in a process of its own first. One that is refused changes nothing: what served goes on
serving, and the refusal is logged, counted and told by `/health/ready`.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from models.pointer import Pointer, read_pointer
from selectivity.errors import AuditError, BundleError, DecisionLogError, SelectivityError
from serving.deciding.catch_up import catch_up
from serving.deciding.going_back import gone_back_to, is_worth_keeping, kept_behind
from serving.deciding.histories_file import HistoriesFile
from serving.deciding.parts import Parts
from serving.deciding.predictor import Predictor
from serving.deciding.published import look_at_pointer, nothing_there
from serving.deciding.successor import hand_over
from serving.deciding.trial import try_out
from serving.log.kept_texts import AlteredTextError
from serving.log.reader import LogReader
from serving.trouble import Trouble
from serving.undisturbed import undisturbed

logger = logging.getLogger(__name__)

UNSEEN = ()
"""No pointer looks like that."""


def may_be_over_soon(error: Exception) -> bool:
    """Whether it is the log that cannot be read just now, and no fault of the bundle."""
    lasting = isinstance(error, AlteredTextError | AuditError)
    return isinstance(error, DecisionLogError) and not lasting


class BundleFollower:
    """Looks at the pointer now and then, and puts a newly published bundle in office.

    A pointer is new if it changed since the bundle that serves was opened. That is before a start
    reads the log, so that what is published while it reads takes over as well.
    """

    def __init__(
        self,
        parts: Parts,
        prepare: Callable[[], Predictor],
        try_out: Callable[[Path, str], None] = try_out,
    ) -> None:
        """`prepare` makes a predictor with the bundle in force; `try_out` raises for a bad one."""
        self._parts, self._prepare, self._try_out = parts, prepare, try_out
        self._seen, self._waits = parts.pointer_seen, Trouble()
        self._tried: str | None = None
        """Digest of the bundle that passed its trial last."""

    async def follow(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._parts.settings.follow_seconds)
            seen = look_at_pointer(self._parts.settings)
            # Histories come from the log: what is published while it is away waits for it.
            if seen != self._seen and not self._parts.log.spooling:
                self._seen = seen
                await self._change()

    async def _change(self) -> None:
        parts = self._parts
        try:
            pointer = await undisturbed(read_pointer, parts.settings.published)
            if pointer is None:
                raise BundleError(await undisturbed(nothing_there, parts.settings))
            await self._go_by(pointer)
        except (SelectivityError, OSError) as error:
            if may_be_over_soon(error):
                self._seen = UNSEEN
                parts.predictor.cause_detail = f"A newer bundle waits for the log: {error}"
                if self._waits.is_news(str(error)):
                    logger.warning("bundle waits for the log", extra={"cause": str(error)})
                return
            self._tried = None
            parts.predictor.cause_detail = f"What is published now was refused: {error}"
            parts.meters.followed("refused")
            what = {"cause": "BUNDLE_REFUSED", "detail": str(error)}
            logger.error("bundle refused", extra=what)
        self._waits.is_over()

    async def _go_by(self, pointer: Pointer) -> None:
        serves, settings = self._parts.predictor, self._parts.settings
        if serves.bundle is not None and pointer.digest == serves.bundle_digest:
            serves.cause_detail = None  # back to the one that serves
            return
        if self._tried != pointer.digest:
            folder = settings.published / pointer.bundle
            await undisturbed(self._try_out, folder, pointer.digest)
            self._tried = pointer.digest
        await self._hand_over(pointer)

    async def _hand_over(self, pointer: Pointer) -> None:
        parts = self._parts
        warm = gone_back_to(parts.predictor, pointer)
        if warm is None and is_worth_keeping(parts.predictor, pointer):
            parts.predictor.last_good = None  # never a third in memory: this one comes behind

        def make(log: LogReader) -> Predictor:
            return self._successor(pointer, log) if warm is None else warm

        def take_office(successor: Predictor) -> None:
            successor.last_good = kept_behind(parts.predictor, pointer)

        successor = await hand_over(parts, make, take_office)
        parts.meters.serving(successor.bundle_digest, successor.rules.version, successor.cause)
        parts.meters.followed("taken over")
        what = {"bundle": successor.bundle_digest, "rules_version": successor.rules.version}
        logger.info("bundle taken over", extra=what)

    def _successor(self, pointer: Pointer, log: LogReader) -> Predictor:
        successor = self._prepare()
        if successor.bundle_digest != pointer.digest:
            raise BundleError(
                successor.cause_detail
                or "Another bundle was published meanwhile. Publish the one that is wanted again."
            )
        catch_up(successor, log, HistoriesFile.of(self._parts.settings, successor.draw_key))
        return successor
