"""Read, decide, record, answer: the order in which a declaration gets its lane.

No durable record, no lane. Only what is durable counts and is learnt from.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from selectivity.days import day_in_utc
from selectivity.deciding.modes import AFTERWARDS, Mode, tightens
from selectivity.deciding.office_loads import OfficeLoads, nothing
from selectivity.declaration import Declaration
from selectivity.errors import ConflictError, DecisionLogError
from selectivity.histories.rows import Row
from selectivity.inspection import Inspection
from selectivity.mode_orders import ModeStep, in_force, standing
from selectivity.record import DecisionRecord
from serving.callers.api_keys import Caller, id_of
from serving.callers.key_ring import KeyRing
from serving.callers.tokens import Tokens
from serving.deciding.gathering import Gathering
from serving.deciding.handover import Handover
from serving.deciding.lessons import Lesson, fold, result_lessons, with_declarations
from serving.deciding.predictor import Predictor
from serving.deciding.risk_assessment import RiskAssessment
from serving.http.admission import Admission
from serving.log.decision_log import DecisionLog
from serving.log.keep import Kept, KeptInspection, OvertakenError, same_or_conflict
from serving.log.kept_texts import declared_in
from serving.log.under_names import Lineages
from serving.meters import Meters
from serving.settings import Settings
from serving.storage.acts import Act

MOST_ROWS = 50
"""Goods items of a declaration that are held as rows until they are kept and folded. Those of more
are made again: they would double the memory of what waits while the log stands still."""
BLIND_FOR = timedelta(hours=4)
"""How long orders hold that were known before the log was away."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Parts:
    """What a service is put together from. Tests bring their own."""

    predictor: Predictor
    log: DecisionLog
    meters: Meters = field(default_factory=Meters)
    settings: Settings = field(default_factory=Settings)
    keys: KeyRing = field(default_factory=KeyRing)  # without a file it lets nobody in
    tokens: Tokens | None = None
    now: Callable[[], datetime] = _utc_now
    orders: Sequence[ModeStep] = ()
    """Every step of the orders on the mode."""
    pointer_seen: object = None
    """How the pointer to the published bundle looked just before that was opened."""

    def __post_init__(self) -> None:
        """Count the places there are, and what comes together."""
        self.handover, self.loads = Handover(), OfficeLoads()
        self.gathering = Gathering(lambda declarations: lodge_together(declarations, self))
        self.places = Admission(self.settings.at_once_limit)
        self.batch_places = Admission(self.settings.batches_limit)
        self.explanations = Admission(1)
        self.stands_still: str | None = None
        """Why histories learn nothing more of the log, if they came upon what cannot be read."""

    @property
    def ordered(self) -> ModeStep | None:
        """The one of them that put in force what holds."""
        return in_force(self.orders)

    @property
    def mode(self) -> Mode:
        """What the service may decide by itself now.

        Who was started without the log and has not seen it for hours releases nothing: nobody here
        knows what was ordered meanwhile.
        """
        mode, seen = standing(self.ordered, self.now()).mode, self.log.copied_at
        # Of a time to come: then the clock was set back, and nobody knows how long ago that is.
        blind = seen is not None and not timedelta(0) <= self.now() - seen <= BLIND_FOR
        return AFTERWARDS if blind and tightens(mode, AFTERWARDS) else mode

    @property
    def order_waits(self) -> bool:
        """Whether that step lies in the spool alone, so that other services do not know of it."""
        step = self.ordered
        return step is not None and self.log.waits(step.name)

    @property
    def keys_outdated(self) -> bool:
        """Whether a file of keys cannot be used, so that what was revoked in it may open."""
        return self.keys.outdated or (self.tokens is not None and self.tokens.outdated)

    def caller(self, secret: str) -> Caller | None:
        """Who sends this key or token; None if it opens nothing now."""
        if self.tokens is not None and id_of(secret) is None:
            return self.tokens.holder(secret, self.now())
        return self.keys.holder(secret, self.now())


def lodge_together(
    declarations: Sequence[Declaration], parts: Parts
) -> "list[asyncio.Future[Kept] | Exception]":
    """`lodge` each in turn, or tell why not; model and log are asked about all of them at once."""
    assessments = parts.predictor.assess(declarations, parts.mode)
    names = [name for each in declarations for name in (each.lineage, each.declaration_id)]
    lineages: Lineages | None = None
    with contextlib.suppress(DecisionLogError):  # who asks for each is told
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
        assessment: what the model said of it a moment ago, together with others.
        lineages: what the log knew a moment ago under its lineage and id, and others.

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
    """Count a decision for its office, by whatever way it comes here; gives what takes it back.

    One of an earlier day, which a spool may bring late, is nothing to an office today.
    """
    if day_in_utc(record.decided_at) < day_in_utc(parts.now()):
        return nothing
    office = record.declared.get("declaration_office")
    return parts.loads.count(office, record.decided_at, record.decision, key=record.key)


def _as_its_twin(declaration: Declaration, twin: "asyncio.Future[Kept]") -> "asyncio.Future[Kept]":
    """What becomes of a declaration whose key is on its way to the disk already.

    It is not decided on: if it had other content, its lane would count for later versions although
    it is never kept.
    """
    told: asyncio.Future[Kept] = asyncio.get_running_loop().create_future()

    def tell(kept: "asyncio.Future[Kept]") -> None:
        if told.done():
            return
        try:
            try:
                stands = kept.result().record
            except ConflictError as error:  # of the twin; this one may be what the log has
                raise OvertakenError(str(error)) from error
            same = same_or_conflict(stands, declaration.snapshot_sha256(), declaration.lodged)
            told.set_result(Kept(same, new=False))
        except DecisionLogError as error:
            told.set_exception(error)
            told.exception()  # whoever waits is told; if nobody does, nobody need be

    twin.add_done_callback(tell)
    return told


async def assign(declaration: Declaration, parts: Parts) -> DecisionRecord:
    """The one decision on this version of a declaration, durable when this returns."""
    return (await kept_or_again(parts.gathering.lodge(declaration), declaration, parts)).record


async def kept_or_again(kept: Awaitable[Kept], declaration: Declaration, parts: Parts) -> Kept:
    """What becomes of a declaration that is being lodged.

    `kept` has to outlive whoever waits for it, as that of `Gathering.lodge` does.
    """
    try:
        return await kept
    except OvertakenError:  # by another service; now what it decided is known
        return await asyncio.shield(lodge(declaration, parts))


async def keep_act(act: Act, parts: Parts) -> None:
    """Keep what somebody did about a decision; durable when this returns.

    Raises:
        ConflictError: somebody else acted on the same at the same moment.
        DecisionLogError: it could not be kept.
    """
    kept = parts.log.add_act(act)
    kept.add_done_callback(partial(_pass_over, parts))
    await asyncio.shield(kept)


async def receive(inspection: Inspection, parts: Parts) -> KeptInspection:
    """Keep an inspection and learn from it, once."""
    kept = parts.log.add_inspection(inspection)
    kept.add_done_callback(partial(_count_and_learn, inspection, parts))
    return await asyncio.shield(kept)


def _count_and_fold(
    declaration: Declaration,
    rows: Sequence[Row] | None,
    take_back: Callable[[], None],
    parts: Parts,
    kept: "asyncio.Future[Kept]",
) -> None:
    try:
        record, new, parked, no = kept.result()
    except DecisionLogError as error:  # who waits is told
        take_back()  # what stands in its place is another service's, and comes with the log
        _count_if_not_kept(error, parts)
        return
    if new:
        parts.meters.decided(record)
    else:
        take_back()
        count(record, parts)  # what stands
    if no is not None:
        results = result_lessons((inspection, declaration) for inspection in parked)
        _teach(parts, Lesson(no, declaration, rows, tuple(results)))


def _count_and_learn(
    inspection: Inspection, parts: Parts, kept: "asyncio.Future[KeptInspection]"
) -> None:
    try:
        receipt, decision, no, earlier = kept.result()
    except DecisionLogError as error:
        _count_if_not_kept(error, parts)
        return
    parts.meters.inspected(inspection, receipt)
    if no is not None:
        new = [] if decision is None else [(inspection, declared_in(decision))]  # parked: none
        _teach(parts, Lesson(no, results=tuple(result_lessons(new, with_declarations(earlier)))))


def _count_if_not_kept(error: DecisionLogError, parts: Parts) -> None:
    if not isinstance(error, ConflictError | OvertakenError):
        parts.meters.not_kept()


def _pass_over(parts: Parts, kept: "asyncio.Future[int | None]") -> None:
    """An act teaches the histories nothing, and they go on behind it."""
    with contextlib.suppress(DecisionLogError):
        if (no := kept.result()) is not None:
            _teach(parts, Lesson(no))


def _teach(parts: Parts, lesson: Lesson) -> None:
    parts.handover.fold(parts.predictor, partial(fold, lesson))
