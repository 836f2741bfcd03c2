"""Links the records of the decision log, each to the one before, so that none changes unseen.

A record's hash is SHA-256 over two lines in UTF-8, which anyone can compute without this code:

    ["<hash before>", <number>, "<kind>", <seq>, <the other columns, in the order of the table>]
    <the text of the record, as it was kept>

The first line is JSON without blanks and without other characters than ASCII. The first record
follows on the SHA-256 of the log's id. Anybody who can write the file can also link it anew; that
is what the signed checkpoints are for.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

from selectivity.errors import AuditError, DecisionLogError
from serving.storage.store import Connection, Store, insert

_json = json.JSONEncoder(separators=(",", ":")).encode

TABLES = """
CREATE TABLE meta (log_id TEXT NOT NULL);
CREATE TABLE chain (
    no INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    seq INTEGER NOT NULL,
    prev_hash TEXT NOT NULL,
    record_hash TEXT NOT NULL
);
"""


Kind = Literal["decision", "inspection", "drain", "act"]
"""What a record is; its row lies in the table of that name."""

DECISION: Kind = "decision"
INSPECTION: Kind = "inspection"
DRAIN: Kind = "drain"
ACT: Kind = "act"
COLUMNS: Mapping[Kind, tuple[str, ...]] = {
    DECISION: ("declaration_id", "version_no", "lineage_id", "snapshot_sha256", "lane"),
    INSPECTION: ("inspection_id", "declaration_id", "content_sha256"),
    DRAIN: ("spool_id", "upto_no", "upto_hash"),
    ACT: ("name", "what", "about", "number", "lane", "decided"),
}
"""What stands beside `seq` and the text. An inspection's `decision_seq` follows from the order."""
TEXTS: Mapping[Kind, str] = {
    DECISION: "record",
    INSPECTION: "inspection",
    DRAIN: "conflicts",
    ACT: "act",
}
"""The column with the text."""
_LINK = ("no", "kind", "seq", "prev_hash", "record_hash")


class Head(NamedTuple):
    """The last record of a chain: how many there are, and its hash."""

    no: int
    record_hash: str


def log_id_of(connection: Connection) -> str:
    """What tells this log from every other.

    Raises:
        AuditError: the log has lost it.
    """
    row = connection.execute("SELECT log_id FROM meta").fetchone()
    if row is None:
        raise AuditError(
            "The decision log has lost its id (table meta), so it was altered from outside. "
            "Restore it from a backup, and keep this file for an investigation."
        )
    return str(row[0])


def refuse_another(log_id: str, connection: Connection) -> None:
    """Raises DecisionLogError: this is not the log with that id."""
    found = log_id_of(connection)
    if found != log_id:
        raise DecisionLogError(
            f"Another decision log lies in the place of the one before (its id is {found:.8}, and "
            f"was {log_id:.8}). Nothing is taken from it; bring the log back."
        )


def genesis(log_id: str) -> str:
    """The hash that the first record of a log follows on."""
    return hashlib.sha256(log_id.encode("utf-8", "surrogateescape")).hexdigest()


def head_of(connection: Connection) -> Head:
    """The last record; number 0 while there is none."""
    row = connection.execute(
        "SELECT no, record_hash FROM chain ORDER BY no DESC LIMIT 1"
    ).fetchone()
    return Head(0, genesis(log_id_of(connection))) if row is None else Head(row[0], str(row[1]))


def hash_at(connection: Connection, no: int) -> str | None:
    """The hash of the record with this number; what the first follows on for 0, None if absent."""
    if no == 0:
        return genesis(log_id_of(connection))
    row = connection.execute("SELECT record_hash FROM chain WHERE no = ?", (no,)).fetchone()
    return None if row is None else str(row[0])


def hashes_at(connection: Connection, numbers: Sequence[int]) -> dict[int, str]:
    """The hashes of the records with these numbers, as far as there are such records."""
    if not numbers:
        return {}
    marks = ", ".join("?" * len(numbers))
    statement = f"SELECT no, record_hash FROM chain WHERE no IN ({marks})"
    found = {no: str(stored) for no, stored in connection.execute(statement, numbers)}
    return found | {0: genesis(log_id_of(connection))} if 0 in numbers else found


def record_hash(
    before: str, no: int, kind: str, seq: int | None, columns: Sequence[Any], text: str
) -> str:
    """The hash of a record that stands at this place behind the hash `before`."""
    line = _json([before, no, kind, seq, *columns])
    return hashlib.sha256(f"{line}\n{text}".encode("utf-8", "surrogateescape")).hexdigest()


def hash_if_ours(
    before: Any, no: int, kind: Any, seq: Any, columns: Sequence[Any], text: Any
) -> str | None:
    """`record_hash` of whatever was found; None if it has what no record has, such as raw bytes."""
    try:
        return None if text is None else record_hash(before, no, kind, seq, columns, text)
    except (TypeError, ValueError):
        return None


class Links:
    """Links what is written, one transaction after the other.

    The head is read inside each transaction: one that was remembered from the last would be wrong
    as soon as another process writes the same file. All links of a transaction are written at its
    end together, which costs half of what writing each at once does.
    """

    def __init__(self, store: Store, *, aside: bool = False) -> None:
        """`store` is where the records lie; `aside` is one that does not know all that there is."""
        self.store, self.aside = store, aside
        self._head = Head(0, "")
        self._new: list[tuple[int, Kind, int | None, str, str]] = []

    @contextmanager
    def within(self, connection: Connection) -> Iterator[None]:
        """Link what is added inside, in a transaction that has begun."""
        self._head, self._new = head_of(connection), []
        yield
        insert(connection, "chain", _LINK, self._new)

    def add(self, kind: Kind, seq: int | None, columns: Sequence[Any], text: str) -> int:
        """Link a record whose row was just written; gives its number."""
        no, before = self._head.no + 1, self._head.record_hash
        found = record_hash(before, no, kind, seq, columns, text)
        self._new.append((no, kind, seq, before, found))
        self._head = Head(no, found)
        return no
