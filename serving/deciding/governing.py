"""The mode that people order, from what they ask to what is kept and in force.

`selectivity.mode_orders` says what may be ordered. Every service process looks into the log for
what was ordered at another one.
"""

import asyncio
import logging
from contextlib import closing, suppress

from selectivity.errors import DecisionLogError
from selectivity.mode_orders import ModeAsked, ModeRefusal, ModeStep, approve, order
from selectivity.reasons.wording import Language
from serving.callers.api_keys import Caller, actor_of
from serving.deciding.parts import Parts
from serving.deciding.receiving import keep_act
from serving.http.problems import RefusedError
from serving.http.refusals import not_ordered
from serving.log.reader import LogReader
from serving.storage.acts import Act, What
from serving.undisturbed import undisturbed

logger = logging.getLogger(__name__)

WATCH_SECONDS = 2.0
SUBJECT = "mode"


async def give_order(
    asked: ModeAsked, caller: Caller, parts: Parts, language: Language
) -> list[ModeStep]:
    """Put a mode in force, or have it wait for a second person. Durable when this returns.

    Returns:
        All steps there are, this one with them.

    Raises:
        RefusedError: it may not be ordered.
        ConflictError: somebody else gave an order at the same moment.
    """
    steps = parts.log.mode_steps()
    step = order(steps, asked, by=actor_of(caller), at=parts.now())
    return await _keep(step, steps, parts, language)


async def agree(order_id: str, caller: Caller, parts: Parts, language: Language) -> list[ModeStep]:
    """Put an order in force as the second person. Durable when this returns.

    Returns:
        All steps there are, this one with them.

    Raises:
        RefusedError: it waits for nobody, or not for this one.
        ConflictError: somebody else gave an order at the same moment.
    """
    steps = parts.log.mode_steps()
    step = approve(steps, order_id, by=actor_of(caller), at=parts.now())
    return await _keep(step, steps, parts, language)


async def _keep(
    step: ModeStep | ModeRefusal, steps: list[ModeStep], parts: Parts, language: Language
) -> list[ModeStep]:
    if isinstance(step, ModeRefusal):
        raise RefusedError(not_ordered(language, step), language=language)
    if not steps or step is not steps[-1]:
        text = step.model_dump_json()
        steps, follows = [*steps, step], len(steps)
        act = Act(step.name, What.MODE, SUBJECT, 0, text, follows=follows, tightens=step.tightens)
        await keep_act(act, parts)
        take_over(steps, parts)
        if parts.log.waits(step.name):
            what = {"order_id": step.order_id, "mode": step.asked.mode, "until": step.until}
            logger.warning("mode ordered on this service alone", extra=what)
    return steps


def take_over(steps: list[ModeStep], parts: Parts) -> None:
    """Have these steps hold from now on, and those that are known here and come behind them: they
    were kept later than these were read, or wait in the spool."""
    names = {step.name for step in steps}
    parts.orders = [*steps, *(step for step in parts.orders if step.name not in names)]
    parts.meters.ordered(parts.mode, parts.ordered.until if parts.ordered else None)


async def watch(parts: Parts) -> None:
    """Take over what other processes keep, and what time ends; until cancelled."""
    with closing(LogReader(parts.log.store, later=True, log_id=parts.log.log_id)) as log:
        while True:
            with suppress(DecisionLogError):  # it is down; what was in force stays so
                log_is_back = not parts.log.spooling  # asked before its orders are read
                take_over(await undisturbed(_ordered_in, log), parts)
                if log_is_back:
                    parts.log.orders_seen()
            await asyncio.sleep(WATCH_SECONDS)


def _ordered_in(log: LogReader) -> list[ModeStep]:
    with log.one_moment():
        return log.mode_steps()
