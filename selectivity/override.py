"""Changes of a lane by people: what may be asked, and who has to agree.

A decision is never edited. Each step of an override is a record of its own: whoever raises a lane
does so alone; whoever lowers one waits for a second person, and some lanes nobody may lower.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from selectivity.actor import ID_DIGITS, Actor
from selectivity.declaration import Identifier, Strict, Text, canonical_sha256
from selectivity.lanes import Channel, Lane, LaneName, Reason, Vote
from selectivity.record import DecisionRecord
from selectivity.rules.rule_set import Layer, Rule

BINDING_CHANNELS = (Channel.MANDATORY, Channel.RANDOM)
BINDING_LAYERS = (Layer.MANDATORY, Layer.PROHIBITION)


class OverrideReason(StrEnum):
    """Why an officer changes a lane."""

    OBS_DOCS = "OBS_DOCS"
    OBS_GOODS = "OBS_GOODS"
    INTEL = "INTEL"
    SEAL = "SEAL"
    SCAN_IMAGE = "SCAN_IMAGE"
    OTHER = "OTHER"


class OverrideAsked(Strict):
    """What an officer asks for."""

    declaration_id: Identifier
    version_no: int = Field(ge=1, le=9_999)
    to_lane: LaneName
    reason_code: OverrideReason = Field(strict=False)
    reason_text: Text | None = Field(default=None, description="Needed with OTHER, and to lower.")
    evidence_ref: Identifier | None = Field(
        default=None, description="Where the evidence is kept: number of a file, scan or seal."
    )

    @model_validator(mode="after")
    def _other_is_explained(self) -> "OverrideAsked":
        if self.reason_code is OverrideReason.OTHER and self.reason_text is None:
            raise ValueError("reason_text: reason OTHER has to be explained")
        return self


class OverrideState(StrEnum):
    """What a step came to."""

    IN_FORCE = "in force"
    PENDING = "pending"
    APPROVED = "approved"


class OverrideStep(BaseModel):
    """One step of an override, as it is kept for ever."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    override_id: str
    state: OverrideState
    asked: OverrideAsked
    lineage_id: str
    from_lane: LaneName
    requested_by: Actor
    approved_by: Actor | None = None
    at: AwareDatetime

    @property
    def reason(self) -> Reason:
        """Why, as a code that has words."""
        return Reason(code=self.asked.reason_code)

    @property
    def name(self) -> str:
        """Names this step among all of them."""
        return f"{self.override_id}:{self.state}"

    @property
    def lane(self) -> Lane | None:
        """The lane in force from here on; None if this step changes nothing yet."""
        return None if self.state is OverrideState.PENDING else self.asked.to_lane


class Refusal(StrEnum):
    """Why an override is not made."""

    SAME_LANE = "SAME_LANE"
    BINDING = "BINDING"
    UNEXPLAINED = "UNEXPLAINED"
    SAME_PERSON = "SAME_PERSON"
    NOT_PENDING = "NOT_PENDING"


def request(
    record: DecisionRecord,
    steps: Sequence[OverrideStep],
    asked: OverrideAsked,
    *,
    rules: Mapping[str, Rule],
    by: Actor,
    at: datetime,
) -> OverrideStep | Refusal:
    """The step that this asks for; the last one again, if it was asked for with the same words.

    Args:
        steps: of this decision, in the order in which they were kept.
        rules: by id; a rule that is not there any more is taken for one that binds.
    """
    if steps and (steps[-1].asked, steps[-1].requested_by) == (asked, by):
        return steps[-1]
    lane = lane_in_force(record, steps)
    refusal = _refusal(record, lane, asked, rules)
    if refusal is not None:
        return refusal
    lowers = asked.to_lane < lane
    return OverrideStep(
        override_id=_id(asked, by, len(steps)),
        state=OverrideState.PENDING if lowers else OverrideState.IN_FORCE,
        asked=asked,
        lineage_id=record.lineage_id,
        from_lane=lane,
        requested_by=by,
        at=at,
    )


def approve(
    steps: Sequence[OverrideStep], override_id: str, *, by: Actor, at: datetime
) -> OverrideStep | Refusal:
    """The step by which a second person puts a lower lane in force; the same again for the same.

    Args:
        steps: of the decision that the override belongs to.
    """
    last = steps[-1]
    if last.override_id == override_id and last.approved_by == by:
        return last
    if last.override_id != override_id or last.state is not OverrideState.PENDING:
        return Refusal.NOT_PENDING
    if last.requested_by.is_same_as(by):
        return Refusal.SAME_PERSON
    changed = {"state": OverrideState.APPROVED, "approved_by": by, "at": at}
    return last.model_copy(update=changed)


def lane_in_force(record: DecisionRecord, steps: Sequence[OverrideStep]) -> Lane:
    """The lane of the last step that changed it, else that of the decision."""
    lanes = [step.lane for step in steps if step.lane is not None]
    return lanes[-1] if lanes else record.decision.lane


class Held(NamedTuple):
    """Lanes of one version of a lineage."""

    decided: Lane
    in_force: Lane


def strictest(versions: Iterable[Held]) -> Lane | None:
    """The lane that the next version of a lineage may not go below; None if there was none.

    Two persons who lower a version release it from what the versions before it were given: else a
    lane that was inherited would have to be lowered once for every version.

    Args:
        versions: in the order in which they were decided.
    """
    lanes: list[Lane] = []
    for version in versions:
        if version.in_force < version.decided:
            lanes.clear()
        lanes.append(version.in_force)
    return max(lanes, default=None)


def _refusal(
    record: DecisionRecord, lane: Lane, asked: OverrideAsked, rules: Mapping[str, Rule]
) -> Refusal | None:
    if asked.to_lane == lane:
        return Refusal.SAME_LANE
    if asked.to_lane > lane:
        return None
    votes = record.decision.votes
    if any(vote.cast and vote.lane > asked.to_lane and _binds(vote, rules) for vote in votes):
        return Refusal.BINDING
    return Refusal.UNEXPLAINED if asked.reason_text is None else None


def _binds(vote: Vote, rules: Mapping[str, Rule]) -> bool:
    rule_id = vote.reason.rule_id
    if vote.channel in BINDING_CHANNELS or rule_id is None:
        return vote.channel in BINDING_CHANNELS
    return rule_id not in rules or rules[rule_id].layer in BINDING_LAYERS


def _id(asked: OverrideAsked, by: Actor, behind: int) -> str:
    content = [asked.model_dump(mode="json"), by.id, behind]
    return canonical_sha256(content)[:ID_DIGITS]
