"""What serving writes, training reads and audit replays: one decision with all that it rests on."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from selectivity.decision import LaneDecision
from selectivity.declaration import Declaration


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
    decided_at: datetime
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

    def declaration(self) -> Declaration:
        """The declaration as it was lodged."""
        return Declaration.model_validate(self.declared, strict=False)
