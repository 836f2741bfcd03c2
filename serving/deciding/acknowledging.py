"""That an office has everything up to a place in the log: made, kept and found again."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from selectivity.actor import Actor
from serving.log.cursors import place
from serving.log.kept_texts import read_kept
from serving.log.reader import LogReader
from serving.storage.acts import Act, What


class Acknowledgement(BaseModel):
    """That an office has everything up to a place."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    office: str
    cursor: str
    by: Actor
    at: datetime


def acknowledged(log: LogReader, office: str) -> Acknowledgement | None:
    """How far this office has acknowledged; None if it never did."""
    text = log.furthest_acknowledgement(office)
    return None if text is None else read_kept(Acknowledgement, text, "an acknowledgement")


def act_of(acknowledgement: Acknowledgement, log: LogReader) -> Act:
    """The act that keeps it.

    Raises:
        ConflictError: the cursor is of another log, or of a later state of this one.
    """
    no = place(log, acknowledgement.cursor)
    name = f"{acknowledgement.office}:{no}"
    text = acknowledgement.model_dump_json()
    return Act(name, What.ACKNOWLEDGEMENT, acknowledgement.office, no, text)
