"""What serving writes, training reads and audit replays: one decision with all that it rests on."""

from typing import Any

import msgspec
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from selectivity.deciding.decision import LaneDecision, Source
from selectivity.declaration import Declaration
from selectivity.lanes import LANE_NAMES, LINEAGE, Lane

HISTORIES_BEHIND = "HISTORIES_BEHIND"
"""Cause of a decision on histories that do not know the log, which was away."""


def _fields_of(model: BaseModel) -> dict[str, Any]:
    """What is written of a part of a record: its fields, and its lane by name."""
    fields = vars(model)
    return fields if "lane" not in fields else {**fields, "lane": LANE_NAMES[fields["lane"]]}


_as_json = msgspec.json.Encoder(enc_hook=_fields_of).encode


class ItemScore(BaseModel):
    """Calibrated chance of each finding class for one goods item."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    item_no: int
    none: float
    documentary: float
    physical: float
    duty_share: float


class DecisionRecord(BaseModel):
    """One decision. Never changed after it was written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    declaration_id: str
    version_no: int
    lineage_id: str
    snapshot_sha256: str = Field(description="Digest of the declaration as lodged.")
    declared: dict[str, Any] = Field(description="The declaration as lodged.")
    decided_at: AwareDatetime
    bundle_digest: str | None = Field(
        description="SHA-256 of the bundle's manifest; None without one."
    )
    model_digest: str | None = Field(
        default=None,
        description="Bundle whose model spoke, where it is not the one in force: the last good.",
    )
    rules_version: str
    policy_id: str
    draw_key_id: str
    known_upto: int | None = Field(
        default=None,
        description="Last record of the log that the histories had taken in; None without them, or "
        "if the log was away when the service was started.",
    )
    features_sha256: str | None = None
    scores: tuple[ItemScore, ...] = ()
    decision: LaneDecision

    @property
    def key(self) -> tuple[str, int]:
        """What a decision is looked up by and made only once for."""
        return self.declaration_id, self.version_no

    @property
    def earlier_lane(self) -> Lane | None:
        """The lane of earlier versions of the lineage that it went by; None without any."""
        votes = self.decision.votes
        return next((vote.lane for vote in votes if vote.reason.code == LINEAGE), None)

    @property
    def degraded_cause(self) -> str | None:
        """Why it is not what the model in force says with all that the log knows, as a code."""
        if self.decision.source is Source.MODEL and self.known_upto is None:
            return HISTORIES_BEHIND
        return self.decision.fallback_cause

    def as_kept(self) -> str:
        """The record as JSON, for the log: what `model_dump_json` gives, with less work."""
        return _as_json(self).decode()

    def declaration(self) -> Declaration:
        """The declaration as it was lodged."""
        return Declaration.model_validate(self.declared, strict=False)
