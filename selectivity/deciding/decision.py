"""What deciding comes to: the lane that won, all votes behind it, and what spoke as the model."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from selectivity.deciding.guard import Room
from selectivity.deciding.modes import Mode
from selectivity.deciding.risk import Risk
from selectivity.deciding.scorecard import Scored
from selectivity.lanes import LINEAGE, Channel, Lane, LaneName, Propensities, Reason, Vote


class Source(StrEnum):
    """What spoke where the model in force should: itself, or what stands behind it."""

    MODEL = "model"
    LAST_GOOD = "last_good"
    SCORECARD = "scorecard"
    FALLBACK = "fallback"


def _source_of_old(known: Mapping[str, Any]) -> Source:
    """What spoke by a record from before this was written down."""
    return Source.FALLBACK if known.get("fallback_cause") else Source.MODEL


class LaneDecision(BaseModel):
    """All votes, the lane that won, and the chance each lane had."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lane: LaneName
    channel: Channel
    reasons: tuple[Reason, ...]
    votes: tuple[Vote, ...]
    propensities: Propensities
    facilitated_by: str | None = None
    fallback_cause: str | None = Field(
        default=None, description="Why the model in force did not speak; None if it did."
    )
    source: Source = Field(default_factory=_source_of_old)
    risk: float | None = Field(default=None, description="Highest P(finding) over the items.")
    signals: tuple[Reason, ...] = ()
    shadow: Scored | None = Field(
        default=None, description="What the points table says, whoever decides."
    )
    mode: Mode = Mode.NORMAL
    room: Room | None = Field(
        default=None, description="How full the lane was, where the office's capacity is guarded."
    )

    @property
    def chances(self) -> Propensities | None:
        """The chance of each lane but for that of earlier versions, which had a chance of its own;
        None where that lane alone explains this one.
        """
        others = [vote for vote in self.votes if vote.reason.code != LINEAGE]
        if len(others) == len(self.votes):
            return self.propensities
        lane = max((vote.lane for vote in others if vote.cast), default=Lane.GREEN)
        return Propensities.of(others) if lane is self.lane else None

    @classmethod
    def of(cls, votes: list[Vote], **rest: Any) -> Self:
        """The decision these votes come to: the most severe that was cast wins.

        That earlier versions were green is kept among the votes. It holds no lane up, and is no
        reason where there is another.
        """
        cast = [vote for vote in votes if vote.cast]
        lane = max(vote.lane for vote in cast)
        winners = [vote for vote in cast if vote.lane == lane]
        decisive = [vote for vote in winners if lane or vote.reason.code != LINEAGE] or winners
        return cls(
            lane=lane,
            channel=decisive[0].channel,
            reasons=tuple(vote.reason for vote in decisive),
            votes=tuple(votes),
            propensities=Propensities.of(votes),
            **rest,
        )


def source_of(
    risk: Risk | None, scored: Scored | None, fallback_cause: str | None
) -> tuple[Source, str | None]:
    """What speaks, and the code of why that is not the model in force."""
    if risk is None:
        source = Source.FALLBACK if scored is None else Source.SCORECARD
        return source, fallback_cause or "NO_MODEL"
    return (Source.LAST_GOOD if fallback_cause else Source.MODEL), fallback_cause
