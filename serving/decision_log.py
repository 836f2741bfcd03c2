"""Keeps decisions and inspections so that an answer, once given, is never lost nor given twice."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import NamedTuple

from selectivity.declaration import canonical_sha256
from selectivity.errors import ConflictError
from selectivity.inspection import Inspection
from selectivity.lanes import Lane
from selectivity.record import DecisionRecord
from serving.chain import DECISION, INSPECTION, Links
from serving.group_writer import GroupWriter
from serving.journal import Journal
from serving.log_file import LogFile
from serving.log_reader import LogReader, read_inspection_kept, read_record
from serving.store import Connection, Store


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


class DecisionLog(LogReader):
    """Writes through one thread; every key has one decision, for ever.

    The futures it gives are to be awaited through `asyncio.shield`: what was queued is kept even
    if the caller has gone.
    """

    def __init__(
        self, place: Store | Path, on_commit: Callable[[float], None] = lambda seconds: None
    ) -> None:
        """A path is that of a file; it is made if there is none."""
        store = LogFile(place) if isinstance(place, Path) else place
        journal = Journal(store, on_commit)
        self._writer = GroupWriter(journal.keep, journal.let_go)
        self._queued: dict[str, list[Lane]] = {}
        self._at_the_end = ExitStack()
        super().__init__(store)

    def append(self, record: DecisionRecord) -> "asyncio.Future[Kept]":
        """Keep a decision; the future has the one that stands once it is on disk.

        It fails with ConflictError if the same key was decided on other content, and with
        DecisionLogError if nothing was kept.
        """
        kept = self._writer.submit(partial(_append, record, record.model_dump_json()))
        for name in {record.lineage_id, record.declaration_id}:
            self._queued.setdefault(name, []).append(record.decision.lane)
        kept.add_done_callback(lambda _: self._no_longer_queued(record))
        return kept

    def strictest_lane(self, *names: str) -> Lane | None:
        """As the reader's, counting what is still on its way to the disk."""
        kept = super().strictest_lane(*names)
        queued = [lane for name in names for lane in self._queued.get(name, ())]
        return max([*queued, *([] if kept is None else [kept])], default=None)

    def add_inspection(self, inspection: Inspection) -> "asyncio.Future[KeptInspection]":
        """Keep an inspection, once; parked until its declaration is decided on.

        The future fails with ConflictError if the same id came with other content.
        """
        return self._writer.submit(partial(_add_inspection, inspection))

    async def prove_writable(self) -> None:
        """Write something and sync it.

        Raises:
            DecisionLogError: the log cannot be written now.
        """
        await asyncio.shield(self._writer.submit(self._prove))

    def at_the_end(self, work: Callable[[], None]) -> None:
        """Have this done when everything is written and before the log is let go of."""
        self._at_the_end.callback(work)

    def close(self) -> None:
        """Finish what is queued, then let go of the log."""
        self._writer.close()
        self._at_the_end.close()
        super().close()
        self.store.let_go()

    def _prove(self, _: Links, connection: Connection) -> None:
        self.store.prove(connection)

    def _no_longer_queued(self, record: DecisionRecord) -> None:
        for name in {record.lineage_id, record.declaration_id}:
            lanes = self._queued[name]
            lanes.remove(record.decision.lane)
            if not lanes:
                del self._queued[name]


def _append(record: DecisionRecord, text: str, links: Links, connection: Connection) -> Kept:
    earlier = connection.execute(
        "SELECT snapshot_sha256, record FROM decisions WHERE declaration_id = ? AND version_no = ?",
        record.key,
    ).fetchone()
    if earlier is not None:
        return Kept(same_or_conflict(read_record(earlier[1]), record.snapshot_sha256), new=False)
    parked = _parked(record.declaration_id, connection)
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
            "higher version_no."
        )
    return earlier


def _add_inspection(inspection: Inspection, links: Links, connection: Connection) -> KeptInspection:
    digest = canonical_sha256(inspection.model_dump(mode="json", exclude_unset=True))
    earlier = connection.execute(
        "SELECT content_sha256, decision_seq FROM inspections WHERE inspection_id = ?",
        (inspection.inspection_id,),
    ).fetchone()
    if earlier is not None:
        return _known(inspection, digest, *earlier)
    decision_seq, record = _newest(inspection.declaration_id, connection)
    columns = (inspection.inspection_id, inspection.declaration_id, digest)
    text = inspection.model_dump_json(exclude_unset=True)
    (seq,) = connection.execute(
        "INSERT INTO inspections "
        "(inspection_id, declaration_id, content_sha256, inspection, decision_seq) "
        "VALUES (?, ?, ?, ?, ?) RETURNING seq",
        (*columns, text, decision_seq),
    ).fetchone()
    no = links.add(INSPECTION, seq, columns, text)
    return KeptInspection(Receipt.PARKED if record is None else Receipt.STORED, record, no)


def _newest(
    declaration_id: str, connection: Connection
) -> tuple[int | None, DecisionRecord | None]:
    row = connection.execute(
        "SELECT seq, record FROM decisions WHERE declaration_id = ? "
        "ORDER BY version_no DESC LIMIT 1",
        (declaration_id,),
    ).fetchone()
    return (None, None) if row is None else (row[0], read_record(row[1]))


def _known(
    inspection: Inspection, digest: str, earlier_digest: str, decision_seq: int | None
) -> KeptInspection:
    if digest != earlier_digest:
        raise ConflictError(
            f"Inspection {inspection.inspection_id!r} was kept before with other content. What was "
            "kept first stands; send a correction under a new inspection_id."
        )
    return KeptInspection(Receipt.PARKED if decision_seq is None else Receipt.KNOWN, None)
