"""What the histories learn from a record of the log, in the log's order and each record once.

What this service wrote itself teaches as soon as it is durable, if it knows all in front of that.
What other services wrote, or a spool brought, is read from the log in its turn. So `known_upto`
says exactly what the histories knew, and a replay can know the same.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from selectivity.declaration import Declaration
from selectivity.histories.rows import Row, rows_of
from selectivity.inspection import Inspection
from selectivity.labelling import Told, news
from selectivity.read_back import Lodged
from selectivity.record import DecisionRecord
from serving.deciding.predictor import Predictor
from serving.log.kept_texts import (
    AlteredTextError,
    declared_in,
    read_inspection_kept,
    read_lodged,
    read_record,
)
from serving.log.linked import Link
from serving.log.reader import LAST, Inspected, LogReader
from serving.storage.chain import DECISION, INSPECTION


class Lesson(NamedTuple):
    """One record: what was declared by it, and what inspections it made known."""

    no: int
    declared: Declaration | None = None
    rows: Sequence[Row] | None = None
    """Its goods items, if they are at hand."""
    taught: tuple["Taught", ...] = ()
    record: DecisionRecord | None = None
    """The decision, if it was read from the log."""


class Taught(NamedTuple):
    """What an inspection says of the declaration it belongs to, from when on."""

    declaration: Lodged
    told: Told


About = tuple[Inspection, Lodged]
"""An inspection, and the version of the declaration that it speaks on."""


def taught(inspections: Iterable[About], known: Iterable[About] = ()) -> Iterator[Taught]:
    """What these teach one after the other, given those of the declaration kept before."""
    before = list(known)
    for inspection, declaration in inspections:
        for told in news(inspection, [earlier for earlier, _ in before]):
            of = {id(earlier): version for earlier, version in before}
            yield Taught(of.get(id(told.inspection), declaration), told)
        before.append((inspection, declaration))


def about(inspected: Iterable[Inspected]) -> Iterator[About]:
    """Inspections whose decision is known, so that they are not parked."""
    for _, inspection, decision in inspected:
        if decision is not None:
            yield inspection, declared_in(decision.record)


def fold(lesson: Lesson, predictor: Predictor) -> None:
    """Teach it, if it is the next one: one that is known teaches nothing, one too early waits."""
    if lesson.no != (predictor.known_upto or 0) + 1:
        return
    if lesson.declared is not None and predictor.bundle is not None:
        rows = rows_of(lesson.declared) if lesson.rows is None else lesson.rows
        predictor.observe(rows)
    for declaration, told in lesson.taught:
        predictor.learn(declaration, told)
    predictor.known_upto = lesson.no


def lessons(log: LogReader, *, after: int, at_most: int) -> list[Lesson]:
    """What the records behind this number teach."""
    with log.one_moment():
        if log.head().no <= after:
            return []
        return list(_lessons(log, after, after + at_most))


def _lessons(log: LogReader, after: int, upto: int) -> Iterator[Lesson]:
    decided, inspected = (_place(log, after, kind) for kind in (DECISION, INSPECTION))
    for link in log.links(after=after, upto=upto):
        if link.kind == DECISION:
            decided, record = link.seq, read_record(link.text)
            declaration = declared_in(record)
            parked = log.inspections_of(declaration.declaration_id, link.seq, upto=inspected)
            told = taught((each, declaration) for each in parked)
            yield Lesson(link.no, declaration, taught=tuple(told), record=record)
        elif link.kind == INSPECTION:
            inspected = link.seq
            yield _of_inspection(log, link, decided)
        else:
            yield Lesson(link.no)


def _of_inspection(log: LogReader, link: Link, decided: int) -> Lesson:
    """The lesson of an inspection; one that came before its decision teaches only with that."""
    if link.decision_seq is None or link.decision_seq > decided:
        return Lesson(link.no)
    return Lesson(link.no, taught=tuple(told_by(log, link)))


def told_by(log: LogReader, link: Link, *, whole: bool = False) -> Iterator[Taught]:
    """What an inspection that has its decision teaches.

    Args:
        whole: that decision is known to be what was written.

    Raises:
        AlteredTextError: it cannot be read, or is gone.
    """
    text = log.text_of_decision(link.decision_seq)
    if text is None:
        raise AlteredTextError(f"no decision in place {link.decision_seq}, on which {link.name} is")
    inspection, declaration = read_inspection_kept(link.text), read_lodged(text, whole=whole)
    earlier = log.inspections_before(link.seq, inspection.declaration_id)
    return taught([(inspection, declaration)], about(earlier))


def _place(log: LogReader, after: int, kind: str) -> int:
    """The last place of a kind among the records up to a number; `LAST` if none comes later."""
    first = log.first_place(kind, after=after)
    return LAST if first is None else first - 1
