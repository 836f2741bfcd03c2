"""Makes a predictor that knows the log as it is, and lets it take over in the running service."""

import asyncio
from collections.abc import Callable
from contextlib import closing

from models.memory import give_back_memory
from selectivity.days import day_in_utc
from selectivity.record import DecisionRecord
from serving.deciding.assign import count
from serving.deciding.parts import Parts
from serving.deciding.predictor import Predictor
from serving.log.decision_log import kept_since
from serving.log.reader import LogReader
from serving.undisturbed import undisturbed


async def hand_over(
    parts: Parts,
    make: Callable[[LogReader], Predictor],
    take_office: Callable[[Predictor], None] = lambda successor: None,
    wanted: Callable[[], bool] = lambda: True,
) -> Predictor:
    """Have `make` prepare a successor in a thread, teach it what came meanwhile, put it in office.

    Args:
        take_office: called in the event loop when it knows everything, just before it decides.
        wanted: asked when it is this one's turn; if not, the one in office stays and is given.

    Raises:
        SelectivityError: it cannot be made; the one in office stays.
    """

    def make_it() -> tuple[Predictor, list[DecisionRecord]]:
        with closing(LogReader(parts.log.store, log_id=parts.log.log_id)) as log:
            successor = make(log)
            guards = bool(successor.policy.offices)
            return successor, kept_since(log, day_in_utc(parts.now())) if guards else []

    async with parts.handover.turn:
        if not wanted():
            return parts.predictor
        with parts.handover.remembering():
            successor, today = await undisturbed(make_it)
            for record in today:  # of which this service may have seen none
                count(record, parts)
            parts.handover.teach(successor)
            take_office(successor)
            parts.predictor = successor
    await asyncio.to_thread(give_back_memory)  # of what served before, and of reading the log
    return successor
