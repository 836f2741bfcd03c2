"""Places in a decision log, as callers hold them: which log, and up to which of its records."""

from pydantic import Field

from selectivity.declaration import Strict
from selectivity.errors import ConflictError
from serving.log.reader import LogReader

CURSOR = r"^[0-9a-f]{8}-[0-9]{1,15}(-[0-9a-f]{8})?$"
"""The form of a cursor; the hash at its end is absent in those given out long ago."""
LOG_DIGITS = HASH_DIGITS = 8


class CursorGiven(Strict):
    """A cursor that a caller sends."""

    cursor: str = Field(pattern=CURSOR)


def cursor_at(log: LogReader, no: int) -> str:
    """Names a place in this log, and what lies there: a log that was restored from a backup has
    the id of before, and others in the places behind.
    """
    return f"{log.log_id[:LOG_DIGITS]}-{no}-{(log.hash_at(no) or '')[:HASH_DIGITS]}"


def place(log: LogReader, cursor: str) -> int:
    """The place that a cursor names.

    Raises:
        ConflictError: it is of another log, or of a later state of this one.
    """
    name, no, *hash_digits = cursor.split("-")
    head, there = log.head().no, log.hash_at(int(no))
    same = there is not None and all(there.startswith(digits) for digits in hash_digits)
    if name != log.log_id[:LOG_DIGITS] or not same:
        raise ConflictError(
            f"The cursor {cursor!r:.40} does not belong to this log, which ends at "
            f"{cursor_at(log, head)}: it was replaced or restored. Compare what the office holds "
            "with it, and begin again without a cursor.",
            field="cursor",
        )
    return int(no)
