"""Makes a predictor that knows the log as it is, and lets it take over in the running service."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack

from serving.assign import Parts
from serving.log_reader import LogReader
from serving.predictor import Predictor
from serving.undisturbed import undisturbed


async def hand_over(
    parts: Parts,
    make: Callable[[LogReader], Predictor],
    take_office: Callable[[Predictor], None] = lambda successor: None,
    wanted: Callable[[], bool] = lambda: True,
) -> Predictor:
    """Put the successor in office that `make` gives, in a thread, from the log of a quiet moment.

    Args:
        take_office: called in the event loop when it knows everything, just before it decides.
        wanted: asked when it is this one's turn; if not, the one in office stays and is given.

    Raises:
        SelectivityError: it cannot be made; the one in office stays.
    """
    async with parts.handover.turn:
        if not wanted():
            return parts.predictor
        with ExitStack() as stack:
            stack.callback(parts.handover.end)
            log = await _quiet_log(parts, stack)
            successor = await undisturbed(make, log)
            parts.handover.teach(successor)
            take_office(successor)
            parts.predictor = successor
    return successor


async def _quiet_log(parts: Parts, stack: ExitStack) -> LogReader:
    """The log as it stands at a moment when nothing is on its way to it."""
    found: asyncio.Future[LogReader] = asyncio.get_running_loop().create_future()

    def open_it() -> None:
        try:
            log = LogReader(parts.log.store, log_id=parts.log.log_id)
            stack.callback(log.close)
            stack.enter_context(log.one_moment())
            log.find("")  # the moment is that of the first read
            found.set_result(log)
        except Exception as error:  # to whoever awaits it, not to the record that arrived
            found.set_exception(error)

    parts.handover.when_quiet(open_it)
    return await found
