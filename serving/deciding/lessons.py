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
from selectivity.labelling import ResultChange, result_changes
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
    """What one record teaches: goods items that were declared, or results of inspections."""

    no: int
    declared: Declaration | None = None
    rows: Sequence[Row] | None = None
    """The goods items of `declared`, if somebody made rows of them already."""
    results: tuple["ResultLesson", ...] = ()
    record: DecisionRecord | None = None
    """The decision, if it was read from the log."""


class ResultLesson(NamedTuple):
    """A change of a result, and the version of the declaration that was inspected."""

    declaration: Lodged
    change: ResultChange


InspectionOf = tuple[Inspection, Lodged]
"""An inspection, and the version of the declaration that it speaks on."""


def result_lessons(
    inspections: Iterable[InspectionOf], known: Iterable[InspectionOf] = ()
) -> Iterator[ResultLesson]:
    """What inspections of one declaration teach, one after the other.

    Args:
        known: those of the same declaration that were kept before.
    """
    before = list(known)
    for inspection, declaration in inspections:
        versions = {id(earlier): version for earlier, version in before}
        for change in result_changes(inspection, [earlier for earlier, _ in before]):
            yield ResultLesson(versions.get(id(change.inspection), declaration), change)
        before.append((inspection, declaration))


def with_declarations(inspected: Iterable[Inspected]) -> Iterator[InspectionOf]:
    """Those inspections that have a decision, with what was declared; parked ones are left out."""
    for _, inspection, decision in inspected:
        if decision is not None:
            yield inspection, declared_in(decision.record)


def fold(lesson: Lesson, predictor: Predictor) -> None:
    """Teach a predictor this lesson, if it is the next one that it lacks; else do nothing.

    A record that it knows must not count twice, and one that is ahead comes again with the log.
    """
    if lesson.no != (predictor.known_upto or 0) + 1:
        return
    if lesson.declared is not None and predictor.bundle is not None:
        rows = rows_of(lesson.declared) if lesson.rows is None else lesson.rows
        predictor.observe(rows)
    for declaration, change in lesson.results:
        predictor.learn(declaration, change)
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
            results = result_lessons((inspection, declaration) for inspection in parked)
            yield Lesson(link.no, declaration, results=tuple(results), record=record)
        elif link.kind == INSPECTION:
            inspected = link.seq
            yield _of_inspection(log, link, decided)
        else:
            yield Lesson(link.no)


def _of_inspection(log: LogReader, link: Link, decided: int) -> Lesson:
    """The lesson of an inspection; one that came before its decision teaches only with that."""
    if link.decision_seq is None or link.decision_seq > decided:
        return Lesson(link.no)
    return Lesson(link.no, results=tuple(told_by(log, link)))


def told_by(log: LogReader, link: Link, *, whole: bool = False) -> Iterator[ResultLesson]:
    """What an inspection that has its decision teaches.

    Args:
        whole: whether the text of that decision was compared with its hash already.

    Raises:
        AlteredTextError: it cannot be read, or is gone.
    """
    text = log.text_of_decision(link.decision_seq)
    if text is None:
        raise AlteredTextError(f"no decision in place {link.decision_seq}, on which {link.name} is")
    inspection, declaration = read_inspection_kept(link.text), read_lodged(text, whole=whole)
    earlier = log.inspections_before(link.seq, inspection.declaration_id)
    return result_lessons([(inspection, declaration)], with_declarations(earlier))


def _place(log: LogReader, after: int, kind: str) -> int:
    """The last place of a kind among the records up to a number; `LAST` if none comes later."""
    first = log.first_place(kind, after=after)
    return LAST if first is None else first - 1
