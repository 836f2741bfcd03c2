"""Which decision an inspection speaks on: the same for keeping it and for proving where it was put.

It is the newest version accepted before the result, as `pipelines.label` has it; else the first.
"""

from datetime import datetime

from selectivity.inspection import Inspection
from selectivity.read_back import Lodged
from serving.log.kept_texts import declared_in, read_record
from serving.log.reader import LAST, Numbered
from serving.storage.store import Connection


def comes_too_early(inspection: Inspection, declaration: Lodged) -> bool:
    """Whether a result is dated before the version it speaks on was accepted, so that it teaches
    nothing: neither the histories here nor, as `pipelines.label` has it, the next model."""
    return inspection.observed_at < declaration.accepted_at


def spoken_on(
    declaration_id: str, observed_at: datetime, connection: Connection, *, upto: int = LAST
) -> Numbered | None:
    """The decision that a result of this moment speaks on; None while there is no version of it.

    Args:
        upto: place of the last decision that there was when the inspection came.

    Raises:
        DecisionLogError: a decision cannot be read.
    """
    found: Numbered | None = None
    for seq, text in connection.execute(
        "SELECT seq, record FROM decisions WHERE declaration_id = ? AND seq <= ? "
        "ORDER BY version_no DESC",
        (declaration_id, upto),
    ).fetchall():
        found = Numbered(seq, read_record(text))
        if declared_in(found.record).accepted_at <= observed_at:
            break
    return found
