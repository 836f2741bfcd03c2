"""The mode that people order, from what they ask to what is kept, in force and shown.

`selectivity.mode_orders` says what may be ordered. Every service process looks into the log for
what was ordered at another one.
"""

import asyncio
from contextlib import closing, suppress
from datetime import datetime
from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field

from selectivity.deciding.modes import Mode
from selectivity.errors import DecisionLogError
from selectivity.mode_orders import (
    ModeAsked,
    ModeRefusal,
    ModeStep,
    approve,
    last_in_force,
    order,
    standing,
    waiting,
)
from selectivity.reasons.wording import Language
from serving.callers.api_keys import Caller, actor_of
from serving.deciding.assign import Parts, keep_act
from serving.http.problems import RefusedError
from serving.http.refusals import not_ordered
from serving.log.reader import LogReader
from serving.storage.acts import Act, What
from serving.undisturbed import undisturbed

WATCH_SECONDS = 2.0
SUBJECT = "mode"


class WaitingOrder(BaseModel):
    """An order that a second person has yet to approve."""

    model_config = ConfigDict(frozen=True)

    order_id: str
    mode: Mode
    hours: float | None
    reason: str
    ordered_by: str
    at: datetime


class ModeAnswer(BaseModel):
    """What the service may decide by itself now, who ordered it, and what waits for approval."""

    model_config = ConfigDict(frozen=True)

    mode: Mode
    overdue: bool = Field(description="Whether the time of the last order is over.")
    since: datetime | None
    until: datetime | None
    reason: str | None
    ordered_by: str | None
    approved_by: str | None
    waiting: WaitingOrder | None

    @classmethod
    def of(cls, steps: list[ModeStep], now: datetime) -> "ModeAnswer":
        """The answer after these steps."""
        mode, step, overdue = standing(last_in_force(steps), now)
        return cls(
            mode=mode,
            overdue=overdue,
            since=step and step.at,
            until=step and step.until,
            reason=step and step.asked.reason,
            ordered_by=step and step.ordered_by.name,
            approved_by=step and step.approved_by and step.approved_by.name,
            waiting=_waiting(steps, now),
        )


def _waiting(steps: list[ModeStep], now: datetime) -> WaitingOrder | None:
    step = waiting(steps, now)
    if step is None:
        return None
    return WaitingOrder(
        order_id=step.order_id,
        mode=step.asked.mode,
        hours=step.asked.hours,
        reason=step.asked.reason,
        ordered_by=step.ordered_by.name,
        at=step.at,
    )


def show(parts: Parts) -> ModeAnswer:
    """What holds now, as the log says."""
    return ModeAnswer.of(parts.log.mode_steps(), parts.now())


async def give_order(
    asked: ModeAsked, caller: Caller, parts: Parts, language: Language
) -> ModeAnswer:
    """Put a mode in force, or have it wait for a second person. Durable when this returns.

    Raises:
        RefusedError: it may not be ordered.
        ConflictError: somebody else gave an order at the same moment.
    """
    steps = parts.log.mode_steps()
    step = order(steps, asked, by=actor_of(caller), at=parts.now())
    return await _keep(step, steps, parts, language)


async def agree(order_id: str, caller: Caller, parts: Parts, language: Language) -> ModeAnswer:
    """Put an order in force as the second person. Durable when this returns.

    Raises:
        RefusedError: it waits for nobody, or not for this one.
        ConflictError: somebody else gave an order at the same moment.
    """
    steps = parts.log.mode_steps()
    step = approve(steps, order_id, by=actor_of(caller), at=parts.now())
    return await _keep(step, steps, parts, language)


async def _keep(
    step: ModeStep | ModeRefusal, steps: list[ModeStep], parts: Parts, language: Language
) -> ModeAnswer:
    if isinstance(step, ModeRefusal):
        raise RefusedError(not_ordered(language, step), language=language)
    if not steps or step is not steps[-1]:
        text = step.model_dump_json()
        act = Act(step.name, What.MODE, SUBJECT, 0, text, follows=len(steps))
        await keep_act(act, parts)
        steps = [*steps, step]
        take_over(steps, parts)
    return ModeAnswer.of(steps, parts.now())


def take_over(steps: list[ModeStep], parts: Parts) -> None:
    """Have the last of these steps hold from now on, unless later ones are known here."""
    if len(steps) >= len(parts.orders):
        parts.orders = steps
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


def status_of(answer: ModeAnswer) -> HTTPStatus:
    """Accepted while a second person is waited for."""
    return HTTPStatus.ACCEPTED if answer.waiting else HTTPStatus.OK
