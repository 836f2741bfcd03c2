"""Walks the chain of a decision log from its first record to its last and says where it breaks."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, NamedTuple

from selectivity.errors import DecisionLogError
from serving.log.kept_texts import read_inspection_kept
from serving.log.linked import Link, links
from serving.log.reader import LAST
from serving.log.spoken_on import spoken_on
from serving.storage import chain
from serving.storage.store import Connection

MOST_COMPARED = 100
"""Altered records among which those that changed places are looked for."""


class Fault(StrEnum):
    """What happened to a record."""

    ALTERED = "altered"
    MISSING = "missing"
    INSERTED = "inserted"
    REORDERED = "reordered"
    REPLACED = "replaced"
    TRUNCATED = "truncated"
    NOT_VOUCHED = "not vouched for"
    DAMAGED = "damaged"


class FaultAt(NamedTuple):
    """Something that is not as it was written, by the number of the record it begins at."""

    no: int
    fault: Fault
    text: str


class Walked(NamedTuple):
    """What a walk through the chain came to."""

    head: chain.Head
    decisions: int
    inspections: int
    drains: int
    acts: int
    problems: list[FaultAt]


_COUNTED = (chain.DECISION, chain.INSPECTION, chain.DRAIN, chain.ACT)


def walk(connection: Connection) -> Walked:
    """Compare every record with its hash, its link, its row and its place."""
    walker = _Walker(connection)
    for link in links(connection):
        walker.step(link)
    problems = [*walker.problems, *_misplaced_or_altered(walker.altered), *_unlinked(connection)]
    decisions, inspections, drains, acts = (walker.counts[kind] for kind in _COUNTED)
    return Walked(walker.head, decisions, inspections, drains, acts, sorted(problems))


class _Walker:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.head = chain.Head(0, chain.genesis(chain.log_id_of(connection)))
        self._true_hash: str | None = self.head.record_hash
        self._decided = 0
        self.counts = dict.fromkeys(chain.COLUMNS, 0)
        self.problems: list[FaultAt] = []
        self.altered: list[Link] = []

    def step(self, link: Link) -> None:
        """Look at the next record."""
        true_hash = None
        if link.text is None:
            self._say(link.no, Fault.MISSING, f"the content of {link.name} is missing")
        else:
            true_hash = link.hash_at(link.no, link.before)
            self._look_at(link, true_hash)
            self.counts[link.kind] += 1
        self.head, self._true_hash = chain.Head(link.no, link.stored), true_hash

    def _look_at(self, link: Link, true_hash: str | None) -> None:
        follows = self._follows(link)
        if true_hash != link.stored:
            if len(self.altered) < MOST_COMPARED:
                self.altered.append(link)
            else:
                self._say(link.no, Fault.ALTERED, f"{link.name} was altered")
        elif not follows:
            self._say(
                link.no,
                Fault.REPLACED,
                f"{link.name} does not follow on record {link.no - 1}: one of them was put in, "
                "taken out or replaced",
            )
        if link.kind == chain.DECISION:
            self._decided = link.seq
        elif link.kind == chain.INSPECTION and link.decision_seq != self._decision_of(link):
            text = f"{link.name} was put to another decision than its own"
            self._say(link.no, Fault.ALTERED, text)

    def _follows(self, link: Link) -> bool:
        due = self.head.no + 1
        if link.no < due:
            self._say(link.no, Fault.INSERTED, f"{link.name} was put in front of the first record")
            return True
        if link.no > due:
            several = f"records {due} to {link.no - 1} are" if link.no - due > 1 else f"{due} is"
            one = "" if link.no - due > 1 else "record "
            self._say(due, Fault.MISSING, f"{one}{several} missing")
            return True
        # If only the hash beside the record before was altered, that record is reported, not this.
        return link.before in (self.head.record_hash, self._true_hash)

    def _decision_of(self, link: Link) -> Any:
        """The place of the decision that it speaks on, of those that there were when it came; else
        of the first decided later. What cannot be read was altered, and is told of as that.
        """
        try:
            observed_at = read_inspection_kept(link.text).observed_at
            about = spoken_on(link.columns[1], observed_at, self._connection, upto=self._decided)
        except (DecisionLogError, ValueError):
            return link.decision_seq
        if about is not None:
            return about.seq
        row = self._connection.execute(
            "SELECT seq FROM decisions WHERE declaration_id = ? ORDER BY seq LIMIT 1",
            (link.columns[1],),
        ).fetchone()
        return None if row is None else int(row[0])

    def _say(self, no: int, fault: Fault, text: str) -> None:
        self.problems.append(FaultAt(no, fault, text))


def _misplaced_or_altered(altered: list[Link]) -> Iterator[FaultAt]:
    """A record that would be right at the place of another has changed places with it."""
    for link in altered:
        own = next((other for other in altered if _belongs_at(link, other)), None)
        if own is None:
            yield FaultAt(link.no, Fault.ALTERED, f"{link.name} was altered")
        else:
            text = f"{link.name} stands where another stood; its own place is {own.no}"
            yield FaultAt(link.no, Fault.REORDERED, text)


def _belongs_at(link: Link, other: Link) -> bool:
    """Whether the content alone changed places, or the whole record with its hashes."""
    if link is other:
        return False
    moved = link._replace(kind=other.kind, seq=other.seq)
    content_moved = moved.hash_at(other.no, other.before) == other.stored
    return bool(content_moved or link.hash_at(other.no, link.before) == link.stored)


def _unlinked(connection: Connection) -> Iterator[FaultAt]:
    """Rows that stand in a table and in no record of the chain."""
    for kind in chain.COLUMNS:
        for (seq,) in connection.execute(
            f"SELECT seq FROM {kind}s EXCEPT SELECT seq FROM chain WHERE kind = ?", (kind,)
        ):
            text = f"the {kind} in place {seq} belongs to no record: it was put in"
            yield FaultAt(LAST, Fault.INSERTED, text)
