"""Read, decide, record, answer: the order in which a declaration gets its lane.

No durable record, no lane. Only what is durable counts and is learnt from.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from selectivity.days import day_in_utc
from selectivity.deciding.office_loads import nothing_to_take_back
from selectivity.declaration import Declaration
from selectivity.errors import ConflictError, DecisionLogError
from selectivity.histories.rows import Row
from selectivity.record import DecisionRecord
from serving.deciding.lessons import Lesson, result_lessons
from serving.deciding.parts import Parts
from serving.deciding.risk_assessment import RiskAssessment
from serving.log.keep import Kept, OvertakenError, same_or_conflict
from serving.log.under_names import Lineages

MOST_ROWS = 50
"""A declaration with no more goods items than this keeps their rows until they are folded. Rows of
more are made again then: held, they would double the memory of what waits for a slow log."""


def lodge_together(
    declarations: Sequence[Declaration], parts: Parts
) -> "list[asyncio.Future[Kept] | Exception]":
    """`lodge` each in turn, with one question to the model and one to the log for all of them.

    For a declaration that cannot be lodged the error stands in its place.
    """
    assessments = parts.predictor.assess(declarations, parts.mode)
    names = [name for each in declarations for name in (each.lineage, each.declaration_id)]
    lineages: Lineages | None = None
    with contextlib.suppress(DecisionLogError):  # `lodge` asks again, and raises it for each
        lineages = parts.log.lineages(names)
    lodged: list[asyncio.Future[Kept] | Exception] = []
    with parts.log.one_transaction():
        for declaration, assessment in zip(declarations, assessments, strict=True):
            try:
                lodged.append(lodge(declaration, parts, assessment, lineages))
            except Exception as error:
                lodged.append(error)
    return lodged


def lodge(
    declaration: Declaration,
    parts: Parts,
    assessment: RiskAssessment | None = None,
    lineages: Lineages | None = None,
) -> "asyncio.Future[Kept]":
    """Decide now and queue the record; the future has it once it is durable.

    There is no pause between looking at the lineage and queueing, so two versions that come at
    the same time see each other.

    Args:
        assessment: what the model said of it a moment ago; asked now if left out.
        lineages: what the log knew a moment ago under its names; asked now if left out.

    Raises:
        ConflictError: the same version was decided on other content.
        DecisionLogError: the log cannot be read or is closed.
    """
    names = declaration.lineage, declaration.declaration_id
    lineages = lineages or parts.log.lineages(names)
    earlier_lane = parts.log.strictest_lane(*names, lineages=lineages)
    key = declaration.declaration_id, declaration.version_no
    earlier = parts.log.find(*key) if key in lineages.keys else None
    if earlier is not None:
        answered = asyncio.get_running_loop().create_future()
        same = same_or_conflict(earlier, declaration.snapshot_sha256(), declaration.lodged)
        answered.set_result(Kept(same, new=False))
        return answered
    if (twin := parts.log.on_its_way(*key)) is not None:
        return _as_its_twin(declaration, twin)
    now = parts.now()
    load = parts.loads.of(declaration.declaration_office, now)
    record = parts.predictor.decide(
        declaration,
        earlier_lane=earlier_lane,
        now=now,
        mode=parts.mode,
        load=load,
        assessment=assessment,
    )
    kept = parts.log.append(record, in_step=True)
    take_back = count(record, parts)
    rows = assessment.rows if assessment and len(assessment.rows) <= MOST_ROWS else None
    kept.add_done_callback(partial(_count_and_fold, declaration, rows, take_back, parts))
    return kept


def count(record: DecisionRecord, parts: Parts) -> Callable[[], None]:
    """Count a decision towards the load of its office today; gives what takes that back.

    It is this service's own or was read from the log. One of an earlier day counts nothing.
    """
    if day_in_utc(record.decided_at) < day_in_utc(parts.now()):
        return nothing_to_take_back
    office = record.declared.get("declaration_office")
    return parts.loads.count(office, record.decided_at, record.decision, key=record.key)


def _as_its_twin(declaration: Declaration, twin: "asyncio.Future[Kept]") -> "asyncio.Future[Kept]":
    """The answer to a declaration while its twin, of the same key, is on its way to the disk.

    It is not decided on: if its content differs it is never kept, and yet its lane would count for
    later versions.
    """
    answered: asyncio.Future[Kept] = asyncio.get_running_loop().create_future()

    def answer(kept: "asyncio.Future[Kept]") -> None:
        if answered.done():
            return
        try:
            try:
                stands = kept.result().record
            except ConflictError as error:  # the twin is not what the log has; this one may be
                raise OvertakenError(str(error)) from error
            same = same_or_conflict(stands, declaration.snapshot_sha256(), declaration.lodged)
            answered.set_result(Kept(same, new=False))
        except DecisionLogError as error:
            answered.set_exception(error)
            answered.exception()  # no warning if nobody waits for it any more

    twin.add_done_callback(answer)
    return answered


async def assign(declaration: Declaration, parts: Parts) -> DecisionRecord:
    """The one decision on this version of a declaration, durable when this returns."""
    lodged = parts.gathering.lodge(declaration, partial(lodge_together, parts=parts))
    return (await kept_or_again(lodged, declaration, parts)).record


async def kept_or_again(kept: Awaitable[Kept], declaration: Declaration, parts: Parts) -> Kept:
    """What becomes of a declaration that is being lodged; decided again if it was overtaken.

    Cancelling whoever waits must not cancel what `kept` stands for: shield a bare future.
    """
    try:
        return await kept
    except OvertakenError:  # another service decided meanwhile; the log knows that by now
        return await asyncio.shield(lodge(declaration, parts))


def _count_and_fold(
    declaration: Declaration,
    rows: Sequence[Row] | None,
    take_back: Callable[[], None],
    parts: Parts,
    kept: "asyncio.Future[Kept]",
) -> None:
    try:
        record, new, parked, no = kept.result()
    except DecisionLogError as error:  # raised for whoever waits
        take_back()  # another service's decision may stand instead: it is counted from the log
        count_if_not_kept(error, parts)
        return
    if new:
        parts.meters.decided(record)
    else:
        take_back()
        count(record, parts)  # the decision that stands
    if no is not None:
        results = result_lessons((inspection, declaration) for inspection in parked)
        parts.teach(Lesson(no, declaration, rows, tuple(results)))


def count_if_not_kept(error: DecisionLogError, parts: Parts) -> None:
    """Count what nothing took; a conflict, or another service that was faster, is no failure."""
    if not isinstance(error, ConflictError | OvertakenError):
        parts.meters.not_kept()
