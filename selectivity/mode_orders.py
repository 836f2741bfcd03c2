"""Orders of people on the mode: who may give one, who has to agree, and when its time is over.

Whoever tightens does so alone and at once. Whoever relaxes, or asks for more time, waits for a
second person. Every order but NORMAL ends; what holds then is `AFTERWARDS`, so that nothing is
released because people forgot.

Who cannot see what others ordered may tighten all the same: what one person orders never makes
milder what it comes to stand behind.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from selectivity.actor import ID_DIGITS, Actor
from selectivity.deciding.modes import AFTERWARDS, STRICTNESS, Mode, tightens
from selectivity.declaration import Strict, Text, canonical_sha256

MOST_HOURS = 72.0
WAITS = timedelta(hours=4)
"""How long an order waits for the second person: later it may not be what is wanted any more."""

CLOCKS_APART = timedelta(minutes=5)
"""How far the clocks of services may be apart. An order that is dated further ahead was given while
a clock was wrong: counted from there, its hours would be days or years.
"""


class ModeAsked(Strict):
    """What somebody orders."""

    mode: Mode = Field(strict=False)
    hours: float | None = Field(
        default=None,
        gt=0,
        le=MOST_HOURS,
        description="How long it holds; every mode but NORMAL needs it.",
    )
    reason: Text

    @model_validator(mode="after")
    def _all_but_normal_end(self) -> "ModeAsked":
        if (self.mode is Mode.NORMAL) != (self.hours is None):
            raise ValueError("hours: NORMAL has no end, and every other mode needs one")
        return self


class ModeStep(BaseModel):
    """One step of an order, as it is kept for ever."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    order_id: str
    asked: ModeAsked
    before: Mode = Field(description="What held when it was ordered.")
    needs_second: bool = Field(description="Whether a second person has to agree.")
    ordered_by: Actor
    approved_by: Actor | None = None
    at: AwareDatetime

    @property
    def name(self) -> str:
        """Names this step among all of them."""
        return f"{self.order_id}:{'approved' if self.approved_by else 'ordered'}"

    @property
    def holds(self) -> bool:
        """Whether it put its mode in force."""
        return not self.needs_second or self.approved_by is not None

    @property
    def tightens(self) -> bool:
        """Whether it is one that a person may give alone, whatever others ordered meanwhile."""
        return not self.needs_second and tightens(self.before, self.asked.mode)

    @property
    def until(self) -> datetime | None:
        """When its time is over; None if it has no end, or did not begin."""
        hours = self.asked.hours
        return self.at + timedelta(hours=hours) if self.holds and hours is not None else None


class ModeRefusal(StrEnum):
    """Why an order is not taken."""

    SAME_MODE = "SAME_MODE"
    SAME_PERSON = "SAME_PERSON"
    NOT_PENDING = "NOT_PENDING"


class Standing(NamedTuple):
    """What holds at a moment, and by which step; no step means that nobody ordered anything."""

    mode: Mode
    step: ModeStep | None = None
    overdue: bool = False
    """Whether the time of the step is over."""


def standing(step: ModeStep | None, now: datetime) -> Standing:
    """What holds now by the step that is in force.

    A step with a time to come was made while a clock was wrong, so nobody knows how long ago: its
    time counts as over, unless its mode is stricter than `AFTERWARDS`.
    """
    if step is None:
        return Standing(Mode.NORMAL)
    mode, until = step.asked.mode, step.until
    lasts = tightens(AFTERWARDS, mode)
    overdue = until is not None and (until <= now or (_is_to_come(step.at, now) and not lasts))
    return Standing(AFTERWARDS if overdue else mode, step, overdue)


def _is_to_come(moment: datetime, now: datetime) -> bool:
    return moment - now > CLOCKS_APART


def in_force(steps: Sequence[ModeStep]) -> ModeStep | None:
    """The step that put in force what holds, of all that were kept, in order.

    It is the strictest since the last that two people agreed on, that one included; of equal ones
    the last. What one person ordered where the orders of others were not known is kept behind them
    later, and must relax nothing.
    """
    strictest: ModeStep | None = None
    for step in reversed(steps):
        if step.holds and (strictest is None or _severity(step) > _severity(strictest)):
            strictest = step
        if step.holds and step.needs_second:  # two people said that nothing before it counts
            break
    return strictest


def _severity(step: ModeStep) -> tuple[int, datetime]:
    """By this steps are ordered: the higher of two is at no moment the milder one.

    When its time is over `AFTERWARDS` holds, so of two of one mode the one that lasts longer is it.
    """
    return STRICTNESS[step.asked.mode], step.until or datetime.max.replace(tzinfo=UTC)


def waiting(steps: Sequence[ModeStep], now: datetime) -> ModeStep | None:
    """The order that waits for a second person; a later step or too long a wait ends it, and so
    does a clock that was set back from when it was given.
    """
    last = steps[-1] if steps else None
    if last is None or last.holds or now - last.at > WAITS or _is_to_come(last.at, now):
        return None
    return last


def order(
    steps: Sequence[ModeStep], asked: ModeAsked, *, by: Actor, at: datetime
) -> ModeStep | ModeRefusal:
    """The step that this asks for; the one that waits, if it was asked for with the same words.

    Args:
        steps: all that were kept, in order.
    """
    pending = waiting(steps, at)
    if pending is not None and (pending.asked, pending.ordered_by) == (asked, by):
        return pending
    before = standing(in_force(steps), at).mode
    if asked.mode is before is Mode.NORMAL:
        return ModeRefusal.SAME_MODE
    return ModeStep(
        order_id=canonical_sha256(
            [asked.model_dump(mode="json"), by.id, len(steps), at.isoformat()]
        )[:ID_DIGITS],
        asked=asked,
        before=before,
        needs_second=not tightens(before, asked.mode),
        ordered_by=by,
        at=at,
    )


def approve(
    steps: Sequence[ModeStep], order_id: str, *, by: Actor, at: datetime
) -> ModeStep | ModeRefusal:
    """The step by which a second person puts an order in force; the same again for the same."""
    last = steps[-1] if steps else None
    if last is not None and last.order_id == order_id and last.approved_by == by:
        return last
    pending = waiting(steps, at)
    if pending is None or pending.order_id != order_id:
        return ModeRefusal.NOT_PENDING
    if pending.ordered_by.is_same_as(by):
        return ModeRefusal.SAME_PERSON
    return pending.model_copy(update={"approved_by": by, "at": at})
