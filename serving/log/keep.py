"""What is done inside a transaction of the log: keep a decision or an inspection, once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from selectivity.declaration import canonical_sha256
from selectivity.errors import ConflictError, DecisionLogError
from selectivity.inspection import Inspection
from selectivity.override import Held, strictest
from selectivity.record import DecisionRecord
from serving.log.journal import outcome
from serving.log.kept_texts import AlteredTextError, read_inspection_kept, read_record
from serving.log.reader import LAST, Inspected, inspections_before
from serving.log.spoken_on import spoken_on
from serving.log.under_names import Lineages, Version, padded, versions_in
from serving.storage.chain import COLUMNS, DECISION, INSPECTION, TEXTS, Links
from serving.storage.store import Connection


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


_THERE = """
SELECT (SELECT record FROM decisions WHERE declaration_id = ? AND version_no = ?),
       (SELECT count(*) FROM inspections WHERE declaration_id = ? AND decision_seq IS NULL)
"""


@dataclass(frozen=True, slots=True)
class NewDecision:
    """A decision to be kept unless its key was decided on before."""

    record: DecisionRecord
    text: str
    """What is written."""
    in_step: bool = False
    """Keep it only if the lineage is as it was when this was decided: another service may have kept
    another version since. A spool does not look, for it does not know."""

    def __call__(self, links: Links, connection: Connection) -> Kept:
        """Keep it.

        Raises:
            ConflictError: the key was decided on with other content.
            OvertakenError: the lineage is not as it was.
        """
        record = self.record
        earlier, waiting = connection.execute(
            _THERE, (*record.key, record.declaration_id)
        ).fetchone()
        if earlier is not None:
            same = same_or_conflict(read_record(earlier), record.snapshot_sha256, record.declared)
            return Kept(same, new=False)
        if self.in_step and not links.aside and not _in_step(record, _lineages([self], connection)):
            raise _overtaken(record)
        parked = _parked(record.declaration_id, connection) if waiting else ()
        (no,) = _write([self], links, connection)
        if parked:
            connection.execute(
                "UPDATE inspections SET decision_seq = "
                "(SELECT seq FROM decisions WHERE declaration_id = ? AND version_no = ?) "
                "WHERE declaration_id = ? AND decision_seq IS NULL",
                (*record.key, record.declaration_id),
            )
        return Kept(record, new=True, parked=parked, no=no)

    @staticmethod
    def keep_all(works: "Sequence[NewDecision]", links: Links, connection: Connection) -> list[Any]:
        """Keep them in a few statements, but for those whose key is known already or that
        inspections wait for: these one by one."""
        lineages = _lineages(works, connection)
        waited_for = _waited_for([each.record.declaration_id for each in works], connection)
        outcomes: list[Any] = [None] * len(works)
        new: list[int] = []

        def write() -> None:
            numbers = _write([works[at] for at in new], links, connection)
            for at, no in zip(new, numbers, strict=True):
                outcomes[at] = Kept(works[at].record, new=True, no=no)
            new.clear()

        for at, each in enumerate(works):
            if each.record.key in lineages.keys or each.record.declaration_id in waited_for:
                write()
                outcomes[at] = kept = outcome(each, links, connection)
                if isinstance(kept, Kept) and kept.new:
                    lineages.add(_as_version(each.record))
            elif each.in_step and not links.aside and not _in_step(each.record, lineages):
                outcomes[at] = _overtaken(each.record)
            else:
                new.append(at)
                lineages.add(_as_version(each.record))
        write()
        return outcomes

    @property
    def names(self) -> tuple[str, str]:
        """Its lineage and its declaration."""
        return self.record.lineage_id, self.record.declaration_id

    @property
    def columns(self) -> tuple[Any, ...]:
        """What stands beside its text, see `serving.storage.chain.COLUMNS`."""
        record, lane = self.record, int(self.record.decision.lane)
        return *record.key, record.lineage_id, record.snapshot_sha256, lane


def _lineages(works: Sequence[NewDecision], connection: Connection) -> Lineages:
    names = [name for each in works for name in each.names]
    return Lineages(versions_in(connection, LAST, names))


def _in_step(record: DecisionRecord, lineages: Lineages) -> bool:
    """Whether it went by the lane that is held under its names."""
    versions = lineages.under(record.lineage_id, record.declaration_id)
    return strictest(version.held for version in versions) == record.earlier_lane


def _as_version(record: DecisionRecord) -> Version:
    lane = record.decision.lane
    return Version(record.key, record.lineage_id, Held(lane, lane))


def _write(works: Sequence[NewDecision], links: Links, connection: Connection) -> list[int]:
    """Write them and link them; gives their numbers among all records."""
    if not works:
        return []
    columns = (*COLUMNS[DECISION], TEXTS[DECISION])
    rows = [(*each.columns, each.text) for each in works]
    places = links.store.add_rows(connection, "decisions", columns, rows)
    return [
        links.add(DECISION, place, each.columns, each.text)
        for each, place in zip(works, places, strict=True)
    ]


def _overtaken(record: DecisionRecord) -> OvertakenError:
    return OvertakenError(
        f"Another version of declaration {record.declaration_id!r} was decided at the same moment, "
        "so no lane is given. Send it again."
    )


def _waited_for(declaration_ids: Sequence[str], connection: Connection) -> set[str]:
    """The declarations among these that inspections wait for."""
    asked = padded(declaration_ids)
    rows = connection.execute(
        "SELECT DISTINCT declaration_id FROM inspections WHERE decision_seq IS NULL "
        f"AND declaration_id IN ({', '.join('?' * len(asked))})",
        asked,
    )
    return {name for (name,) in rows.fetchall()}


def _parked(declaration_id: str, connection: Connection) -> tuple[Inspection, ...]:
    rows = connection.execute(
        "SELECT inspection FROM inspections WHERE declaration_id = ? AND decision_seq IS NULL",
        (declaration_id,),
    )
    return tuple(read_inspection_kept(text) for (text,) in rows)


def same_or_conflict(
    earlier: DecisionRecord, snapshot_sha256: str, declared: Mapping[str, Any]
) -> DecisionRecord:
    """The earlier decision, if it was made on this very content.

    Digests differ also where an amount is -0.0 in one and 0.0 in the other, which is the same.

    Raises:
        ConflictError: it was made on other content.
    """
    if earlier.snapshot_sha256 != snapshot_sha256 and earlier.declared != declared:
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
    digest = canonical_sha256(_as_sent(inspection))
    known = connection.execute(
        "SELECT content_sha256, decision_seq, inspection FROM inspections WHERE inspection_id = ?",
        (inspection.inspection_id,),
    ).fetchone()
    if known is not None:
        return _known(inspection, digest, known, connection)
    about = spoken_on(inspection.declaration_id, inspection.observed_at, connection)
    decision_seq, record = (None, None) if about is None else about
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


def _known(
    inspection: Inspection,
    digest: str,
    known: tuple[str, int | None, str],
    connection: Connection,
) -> KeptInspection:
    earlier_digest, decision_seq, text = known
    same = digest == earlier_digest or _as_sent(inspection) == _as_sent(read_inspection_kept(text))
    if not same:
        raise ConflictError(
            f"Inspection {inspection.inspection_id!r} was kept before with other content. What was "
            "kept first stands; send a correction under a new inspection_id.",
            field="inspection_id",
        )
    if decision_seq is None:
        return KeptInspection(Receipt.PARKED, None)
    row = connection.execute(
        "SELECT record FROM decisions WHERE seq = ?", (decision_seq,)
    ).fetchone()
    if row is None:
        name = f"inspection {inspection.inspection_id!r:.75}"
        raise AlteredTextError(f"no decision in place {decision_seq!r:.20}, on which {name} is")
    return KeptInspection(Receipt.KNOWN, read_record(row[0]))


def _as_sent(inspection: Inspection) -> dict[str, Any]:
    return inspection.model_dump(mode="json", exclude_unset=True)
