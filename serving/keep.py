"""What is done inside a transaction of the log: keep a decision or an inspection, once."""

from enum import StrEnum
from typing import NamedTuple

from selectivity.declaration import canonical_sha256
from selectivity.errors import ConflictError, DecisionLogError
from selectivity.inspection import Inspection
from selectivity.lanes import Lane
from selectivity.override import strictest
from selectivity.record import DecisionRecord
from serving.chain import DECISION, INSPECTION, Links
from serving.kept_texts import read_inspection_kept, read_record
from serving.log_reader import LAST, Inspected, held_in, inspections_before, places_under
from serving.store import Connection


class Kept(NamedTuple):
    """The decision that stands for a key; the first one, if it was decided before."""

    record: DecisionRecord
    new: bool
    parked: tuple[Inspection, ...] = ()
    """Inspections that were waiting for this decision."""
    no: int | None = None
    """Its number among all records of the log, if it is new."""


class Receipt(StrEnum):
    """What became of an inspection."""

    STORED = "stored"
    KNOWN = "known"
    PARKED = "parked"


class KeptInspection(NamedTuple):
    """An inspection in the log, and the decision it belongs to unless it is parked."""

    receipt: Receipt
    decision: DecisionRecord | None
    no: int | None = None
    """Its number among all records of the log, if it is new."""
    earlier: tuple[Inspected, ...] = ()
    """Those of the same declaration that were kept before, if it is new."""


class OvertakenError(DecisionLogError):
    """What a decision went by has changed before it was kept; decide again."""


_THERE = f"""
SELECT (SELECT record FROM decisions WHERE declaration_id = ? AND version_no = ?),
       (SELECT count(*) FROM ({places_under(2)}) found),
       (SELECT count(*) FROM inspections WHERE declaration_id = ? AND decision_seq IS NULL)
"""
"""Everything that is asked before a decision is written, at once: at each statement the interpreter
is let go of, and has to be waited for."""


def keep_decision(
    record: DecisionRecord,
    text: str,
    links: Links,
    connection: Connection,
    *,
    in_step: bool = False,
) -> Kept:
    """Keep it unless its key was decided on before; `text` is what is written.

    With `in_step`, only if the lineage is as it was when this was decided: another service may have
    kept another version meanwhile. A spool cannot tell.

    Raises:
        ConflictError: the key was decided on with other content.
        OvertakenError: the lineage is not as it was.
    """
    names = (record.lineage_id, record.declaration_id)
    earlier, others, waiting = connection.execute(
        _THERE, (*record.key, *names, *names, record.declaration_id)
    ).fetchone()
    if earlier is not None:
        return Kept(same_or_conflict(read_record(earlier), record.snapshot_sha256), new=False)
    if in_step and not links.aside:
        held = held_in(connection, LAST, *names) if others else {}
        _check_in_step(record, strictest(held.values()))
    parked = _parked(record.declaration_id, connection) if waiting else ()
    columns = (*record.key, record.lineage_id, record.snapshot_sha256, int(record.decision.lane))
    (seq,) = connection.execute(
        "INSERT INTO decisions "
        "(declaration_id, version_no, lineage_id, snapshot_sha256, lane, record) "
        "VALUES (?, ?, ?, ?, ?, ?) RETURNING seq",
        (*columns, text),
    ).fetchone()
    if parked:
        connection.execute(
            "UPDATE inspections SET decision_seq = ? "
            "WHERE declaration_id = ? AND decision_seq IS NULL",
            (seq, record.declaration_id),
        )
    no = links.add(DECISION, seq, columns, text)
    return Kept(record, new=True, parked=parked, no=no)


def _check_in_step(record: DecisionRecord, lane: Lane | None) -> None:
    if lane != _earlier_lane(record):
        raise OvertakenError(
            f"Another version of declaration {record.declaration_id!r} was decided at the same "
            "moment, so no lane is given. Send it again."
        )


def _earlier_lane(record: DecisionRecord) -> Lane | None:
    """The lane of earlier versions that a decision went by."""
    votes = record.decision.votes
    return next((vote.lane for vote in votes if vote.reason.code == "LINEAGE"), None)


def _parked(declaration_id: str, connection: Connection) -> tuple[Inspection, ...]:
    rows = connection.execute(
        "SELECT inspection FROM inspections WHERE declaration_id = ? AND decision_seq IS NULL",
        (declaration_id,),
    )
    return tuple(read_inspection_kept(text) for (text,) in rows)


def same_or_conflict(earlier: DecisionRecord, snapshot_sha256: str) -> DecisionRecord:
    """The earlier decision, if it was made on this very content.

    Raises:
        ConflictError: it was made on other content.
    """
    if earlier.snapshot_sha256 != snapshot_sha256:
        raise ConflictError(
            f"Declaration {earlier.declaration_id!r} version {earlier.version_no} was decided "
            f"before with other content (SHA-256 {earlier.snapshot_sha256[:12]}…, now "
            f"{snapshot_sha256[:12]}…). The first decision stands; send an amendment with a "
            "higher version_no.",
            field="version_no",
        )
    return earlier


def keep_inspection(inspection: Inspection, links: Links, connection: Connection) -> KeptInspection:
    """Keep it unless it is known; put it to its decision if there is one.

    Raises:
        ConflictError: the same id came with other content.
    """
    digest = canonical_sha256(inspection.model_dump(mode="json", exclude_unset=True))
    known = connection.execute(
        "SELECT content_sha256, decision_seq FROM inspections WHERE inspection_id = ?",
        (inspection.inspection_id,),
    ).fetchone()
    if known is not None:
        return _known(inspection, digest, *known)
    decision_seq, record = _spoken_on(inspection, connection)
    columns = (inspection.inspection_id, inspection.declaration_id, digest)
    text = inspection.model_dump_json(exclude_unset=True)
    (seq,) = connection.execute(
        "INSERT INTO inspections "
        "(inspection_id, declaration_id, content_sha256, inspection, decision_seq) "
        "VALUES (?, ?, ?, ?, ?) RETURNING seq",
        (*columns, text, decision_seq),
    ).fetchone()
    no = links.add(INSPECTION, seq, columns, text)
    receipt = Receipt.PARKED if record is None else Receipt.STORED
    earlier = inspections_before(seq, inspection.declaration_id, connection)
    return KeptInspection(receipt, record, no, tuple(earlier))


def _spoken_on(
    inspection: Inspection, connection: Connection
) -> tuple[int | None, DecisionRecord | None]:
    """The newest version accepted before the result, as `pipelines.label` has it; else the first.

    None while no version was decided on.
    """
    spoken_on: tuple[int | None, DecisionRecord | None] = (None, None)
    for seq, text in connection.execute(
        "SELECT seq, record FROM decisions WHERE declaration_id = ? ORDER BY version_no DESC",
        (inspection.declaration_id,),
    ).fetchall():
        spoken_on = seq, (record := read_record(text))
        if record.declaration().accepted_at <= inspection.observed_at:
            break
    return spoken_on


def _known(
    inspection: Inspection, digest: str, earlier_digest: str, decision_seq: int | None
) -> KeptInspection:
    if digest != earlier_digest:
        raise ConflictError(
            f"Inspection {inspection.inspection_id!r} was kept before with other content. What was "
            "kept first stands; send a correction under a new inspection_id.",
            field="inspection_id",
        )
    return KeptInspection(Receipt.PARKED if decision_seq is None else Receipt.KNOWN, None)
