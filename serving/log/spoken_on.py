"""Which decision an inspection speaks on: the same for keeping it and for proving where it was put.

It is the newest version that the result does not come too early for, as in `pipelines.label`; else
the first, which it teaches nothing of.
"""

from datetime import datetime

from selectivity.labelling import comes_too_early
from serving.log.kept_texts import declared_in, read_record
from serving.log.reader import LAST, Numbered
from serving.storage.store import Connection


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
        if not comes_too_early(observed_at, declared_in(found.record).accepted_at):
            break
    return found
