"""Keeps an office from being flooded: beyond its normal day only the riskiest keep their lane.

From the normal number of a lane on, the bar rises with every further one: a declaration has to
stand higher among those that asked for the lane today, and at the limit none gets it any more. What
is left over goes one step down. Only what a model, points or fallback rules ask for is touched;
what the law, a rule, a lineage, a draw or an officer asks for never is.
"""

from collections.abc import Mapping
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from selectivity.lanes import Channel, Lane, LaneName, Reason, Vote

LIMITS: Mapping[Lane, float] = {Lane.RED: 1.25, Lane.YELLOW: 2.0}
"""How many times its normal number a lane may take in a day."""
LEAST, MOST = 0.01, 1e6
"""Declarations of a normal day: at numbers that floats barely hold the limit is none."""
LOWER_HALF = 0.5
"""A check of documents is left out for the lower half of those that ask for it, at most."""
GUARDED = (Channel.MODEL, Channel.FALLBACK)
SCORES = ("net_benefit", "points")
"""Facts of a reason that say how much a vote is worth, within its channel."""


class OfficeCapacity(BaseModel):
    """What an office normally takes in a day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    yellow: float = Field(ge=LEAST, le=MOST, description="Declarations with documents.")
    red: float = Field(ge=LEAST, le=MOST, description="Declarations with goods.")

    def normal(self, lane: Lane) -> float:
        """Declarations in this lane."""
        return self.red if lane is Lane.RED else self.yellow


class Load(Protocol):
    """What an office has got today. What is decided again long after has it from the record."""

    def taken(self, lane: Lane) -> int:
        """Declarations that were put in this lane."""

    def rank(self, vote: Vote) -> float:
        """Share of those asking for this lane, on the same channel, that are worth less."""


class Room(BaseModel):
    """How full the lane was that was asked for, and what the guard made of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lane: LaneName
    taken: int = Field(ge=0, description="Declarations the office got in this lane today.")
    normal: float = Field(description="What it normally gets.")
    limit: float = Field(description="What it gets at most.")
    rank: float = Field(ge=0, le=1, description="Share of today's that are worth less.")
    kept: bool = Field(description="False if the declaration went one step down.")


def guard(
    asked: list[Vote], capacity: OfficeCapacity | None, load: Load, *, may_release: bool
) -> tuple[list[Vote], Room | None]:
    """The votes as the office's capacity leaves them, and how full the lane was.

    Only the strictest vote is looked at that was cast on one of the channels `GUARDED`.

    Args:
        capacity: None for an office whose capacity is not guarded.
        may_release: whether YELLOW may become GREEN at all.
    """
    touchable = [vote for vote in asked if vote.cast and vote.channel in GUARDED]
    strictest = max(touchable, key=lambda vote: vote.lane, default=None)
    if capacity is None or strictest is None or strictest.lane is Lane.GREEN:
        return asked, None
    room = _room(strictest, capacity, load)
    if _keeps(room, may_release):
        return asked, room
    lower = [
        each for vote in asked for each in (_lower(vote, room) if vote is strictest else [vote])
    ]
    return lower, room.model_copy(update={"kept": False})


def _room(vote: Vote, capacity: OfficeCapacity, load: Load) -> Room:
    normal = capacity.normal(vote.lane)
    return Room(
        lane=vote.lane,
        taken=load.taken(vote.lane),
        normal=normal,
        limit=normal * LIMITS[vote.lane],
        rank=load.rank(vote),
        kept=True,
    )


def _lower(vote: Vote, room: Room) -> list[Vote]:
    """What was wanted, as not cast, and what is asked for instead."""
    wanted = vote.model_copy(update={"cast": False, "probability": 0.0})
    facts = room.model_dump(mode="json", exclude={"kept"})
    reason = Reason(code="CAPACITY", item_no=vote.reason.item_no, facts=facts)
    return [wanted, Vote(lane=Lane(vote.lane - 1), channel=Channel.CAPACITY, reason=reason)]


def _keeps(room: Room, may_release: bool) -> bool:
    # Within a normal day the bar lies below zero, and so below every rank.
    bar = (room.taken - room.normal) / (room.limit - room.normal)
    if room.lane is Lane.YELLOW:
        return not may_release or room.rank >= min(bar, LOWER_HALF)
    return bar < 1 and room.rank >= bar


def score_of(vote: Vote) -> float | None:
    """What a vote is worth, comparable within its channel; None if it says nothing of that."""
    found = [vote.reason.facts[name] for name in SCORES if name in vote.reason.facts]
    return float(found[0]) if found and isinstance(found[0], int | float) else None
