"""The answer to who asks whether the service can decide."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from selectivity.deciding.decision import Source
from selectivity.deciding.modes import Mode
from serving.answers.answer import Answer
from serving.log.checkpoints import Anchor


class Readiness(Answer):
    """What the service would decide with, and whether it can keep decisions."""

    status: Literal["ready", "not ready"]
    serving: Source
    mode: Mode = Field(description="What people let the service decide by itself.")
    mode_until: datetime | None = Field(description="When the time of that order is over, or was.")
    mode_only_here: bool = Field(
        description="Whether this service alone knows of that order, until the log is back."
    )
    bundle: str | None
    rules_version: str
    log: Literal["ok", "spooling", "failing"] = Field(
        description="spooling: the log fails, decisions are kept in the spool until it is back."
    )
    spooled: int = Field(description="Records in the spool that the log does not have yet.")
    anchor: Anchor = Field(
        description="new: nothing in it vouched for what the log held at the start; other: it "
        "vouched for another log, of which nothing is known here; damaged: lines of it are not "
        "what was written; cut: the log has no longer what was vouched for, so nothing is; "
        "failing: no checkpoint could be written lately."
    )
    histories: Literal["ok", "behind", "still"] = Field(
        description="behind: the service was started while the log was away, so the model knows "
        "the histories of the bundle alone until they are brought up to date; still: the service "
        "came upon a record that cannot be read, and learns nothing of what lies behind it."
    )
    keys: Literal["ok", "outdated"] = Field(
        description="outdated: a file of keys was changed or moved and cannot be used, so the keys "
        "known before go on to open, also one that was revoked in it."
    )
    cause: str | None = Field(description="Why there is no model, or no log.")
    detail: str | None = Field(
        description="The same in words, with what to do, and why the histories stand still."
    )
