"""What the service may decide by itself now, and what waits for a second person."""

from collections.abc import Callable
from datetime import datetime

from pydantic import Field

from selectivity.deciding.modes import Mode
from selectivity.mode_orders import ModeStep, in_force, standing, waiting
from serving.answers.answer import Answer


class WaitingOrder(Answer):
    """An order that a second person has yet to approve."""

    order_id: str
    mode: Mode
    hours: float | None
    reason: str
    ordered_by: str
    at: datetime


class ModeAnswer(Answer):
    """What the service may decide by itself now, who ordered it, and what waits for approval."""

    mode: Mode
    overdue: bool = Field(description="Whether the time of the order in force is over.")
    since: datetime | None
    until: datetime | None
    reason: str | None
    ordered_by: str | None
    approved_by: str | None
    only_here: bool = Field(
        description="Whether this service alone knows of that order, because the log cannot be "
        "written now. It survives a restart, and holds at other services when the log is back."
    )
    waiting: WaitingOrder | None

    @classmethod
    def of(
        cls, steps: list[ModeStep], now: datetime, *, only_here: Callable[[str], bool]
    ) -> "ModeAnswer":
        """The answer after these steps; `only_here` is asked about the name of one."""
        mode, step, overdue = standing(in_force(steps), now)
        return cls(
            mode=mode,
            overdue=overdue,
            since=step and step.at,
            until=step and step.until,
            reason=step and step.asked.reason,
            ordered_by=step and step.ordered_by.name,
            approved_by=step and step.approved_by and step.approved_by.name,
            only_here=step is not None and only_here(step.name),
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
