"""Keeps decisions and inspections so that an answer, once given, is never lost nor given twice."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from selectivity.days import day_in_utc
from selectivity.deciding.guard import GUARDED
from selectivity.errors import DecisionLogError
from selectivity.inspection import Inspection
from selectivity.lanes import Lane
from selectivity.mode_orders import ModeStep
from selectivity.override import OverrideStep, strictest
from selectivity.record import DecisionRecord
from serving.log.group_writer import GroupWriter
from serving.log.journal import Journal, prove
from serving.log.keep import Kept, KeptInspection, NewDecision, keep_inspection
from serving.log.kept_texts import AlteredTextError
from serving.log.reader import LogReader
from serving.log.spool import Reserve, Spooled, SpoolingJournal
from serving.log.under_names import Lineages
from serving.storage import acts
from serving.storage.file import LogFile
from serving.storage.store import Store

Found = TypeVar("Found")
OLDER_IN_A_ROW = 1_000
"""After this many decisions of earlier days in a row, no more of today are looked for."""


class DecisionLog(LogReader):
    """Writes through one thread; every key has one decision, for ever.

    The futures it gives are to be awaited through `asyncio.shield`: what was queued is kept even
    if the caller has gone.
    """

    def __init__(
        self,
        place: Store | Path,
        on_commit: Callable[[float], None] = lambda seconds: None,
        *,
        reserve: Reserve | None = None,
    ) -> None:
        """A path is that of a file; it is made if there is none.

        Args:
            reserve: where decisions go while the log cannot be written; without it, nowhere.
        """
        store = LogFile(place) if isinstance(place, Path) else place
        self._at_the_end = ExitStack()
        self._queued: dict[str, list[Lane]] = {}
        self._on_their_way: dict[tuple[str, int], asyncio.Future[Kept]] = {}
        self._queued_overrides: dict[tuple[str, int], Lane | None] = {}
        self.away = reserve is not None and reserve.away is not None
        """Whether the log could not be reached when this was made."""
        recent = None if reserve is None else reserve.recent
        with ExitStack() as on_failure:  # nothing is left of a start that fails and is tried again
            if recent is not None:
                on_failure.callback(recent.close)
            journal = Journal(store, on_commit, later=self.away)
            self._spooling = None if reserve is None else SpoolingJournal(journal, reserve)
            keeper = self._spooling or journal
            self._writer = GroupWriter(keeper.keep, keeper.let_go)
            on_failure.callback(self._writer.close)
            log_id = "" if recent is None else recent.log_id
            super().__init__(store, quick=True, later=self.away, log_id=log_id)
            on_failure.pop_all()

    @property
    def spooled(self) -> Spooled | None:
        """How it stands with the spool; None while the log itself is written."""
        return None if self._spooling is None else self._spooling.state

    @property
    def spooling(self) -> bool:
        """Whether decisions go into the spool now."""
        return self._spooling is not None and self._spooling.in_use

    @property
    def copied_at(self) -> datetime | None:
        """When the copy that stands for a log that was away at the start was last in step with it;
        None if the log was there, or is gone back to and its orders were read.
        """
        return None if self._spooling is None else self._spooling.copy_of

    def orders_seen(self) -> None:
        """Note that the orders on the mode were read from the log since it was gone back to."""
        if self._spooling is not None:
            self._spooling.copy_of = None

    def find(self, declaration_id: str, version_no: int | None = None) -> DecisionRecord | None:
        """As `LogReader.find`, looking into the spool as well while that holds anything."""
        found = self._answers(lambda log: LogReader.find(log, declaration_id, version_no))
        return max(found, key=lambda record: record.version_no, default=None)

    def append(self, record: DecisionRecord, *, in_step: bool = False) -> "asyncio.Future[Kept]":
        """Keep a decision; the future has the one that stands once it is on disk.

        It fails with ConflictError if the same key was decided on other content, with
        OvertakenError if it is to be in step with its lineage and is not, and with
        DecisionLogError if nothing was kept.
        """
        work = NewDecision(record, record.as_kept(), in_step)
        kept: asyncio.Future[Kept] = self._writer.submit(work)
        for name in {record.lineage_id, record.declaration_id}:
            self._queued.setdefault(name, []).append(record.decision.lane)
        self._on_their_way[record.key] = kept
        kept.add_done_callback(lambda _: self._no_longer_queued(record))
        return kept

    def on_its_way(self, declaration_id: str, version_no: int) -> "asyncio.Future[Kept] | None":
        """What becomes of a decision that was appended and is not on the disk yet."""
        return self._on_their_way.get((declaration_id, version_no))

    def one_transaction(self) -> AbstractContextManager[None]:
        """What is appended inside, without a pause, is kept in one transaction."""
        return self._writer.one_transaction()

    def lineages(self, names: Sequence[str]) -> Lineages:
        """All versions under these names, without what is still on its way to the disk."""
        answers = self._answers(lambda log: LogReader.versions_under(log, names))
        # Of a version that log and spool both have, what the spool says counts.
        versions = {each.key: each for answer in reversed(answers) for each in answer}
        return Lineages(versions.values())

    def strictest_lane(self, *names: str, lineages: Lineages | None = None) -> Lane | None:
        """As `LogReader.strictest_lane`, counting what is still on its way to the disk.

        Args:
            lineages: what `lineages` said of these names and others a moment ago.
        """
        queued = [lane for name in names for lane in self._queued.get(name, ())]
        versions = (lineages or self.lineages(names)).under(*names)
        if not versions:
            return max(queued, default=None)
        held = {version.key: version.held for version in versions}
        for key in held.keys() & self._queued_overrides.keys():
            lane = self._queued_overrides[key]
            held[key] = held[key] if lane is None else held[key]._replace(in_force=lane)
        return max([*queued, *_known(strictest(held.values()))], default=None)

    def override_steps(self, declaration_id: str, version_no: int) -> list[OverrideStep]:
        """As the reader's, and of the copy while the log cannot be asked."""
        steps = self._answers(lambda log: LogReader.override_steps(log, declaration_id, version_no))
        return max(steps, key=len)

    def mode_steps(self) -> list[ModeStep]:
        """As the reader's, and of the copy while the log cannot be asked; then those that were
        ordered here meanwhile, which come into the log behind all that is there."""
        *spooled, steps = self._answers(LogReader.mode_steps)
        names = {step.name for step in steps}
        new = (step for answer in spooled for step in answer if step.name not in names)
        return [*steps, *(step for step in new if step.tightens)]

    def waits(self, act: str) -> bool:
        """Whether the act of this name lies in the spool alone, so that nobody else knows of it."""
        return self._spooling is not None and self._spooling.waits(act)

    def kept_since(self, day: date) -> list[DecisionRecord]:
        """What was decided on this day (UTC) or later, wherever it was kept."""
        answers = self._answers(lambda log: kept_since(log, day))
        return list({record.key: record for answer in answers for record in answer}.values())

    def add_inspection(self, inspection: Inspection) -> "asyncio.Future[KeptInspection]":
        """Keep an inspection, once; parked until its declaration is decided on.

        The future fails with ConflictError if the same id came with other content.
        """
        return self._writer.submit(partial(keep_inspection, inspection))

    def add_act(self, act: acts.Act) -> "asyncio.Future[int | None]":
        """Keep what somebody did; the future has its number among all records of the log.

        It fails with ConflictError if somebody else acted on the same meanwhile. A lane that it
        changes counts at once for what is decided behind it. While the log cannot be written it
        fails with DecisionLogError, for nobody knows then what others did about the same, unless
        the act tightens: that goes into the spool, and has no number yet.

        Raises:
            ConflictError: another step about that lane is on its way to the disk; which of them is
                kept is not known yet, so no lane could be counted.
        """
        key = act.about, act.number
        if act.what is acts.What.OVERRIDE and key in self._queued_overrides:
            raise acts.meanwhile(act)
        kept: asyncio.Future[int | None] = self._writer.submit(partial(acts.add, act))
        if act.what is acts.What.OVERRIDE:
            self._queued_overrides[key] = act.lane
            kept.add_done_callback(lambda _: self._queued_overrides.pop(key))
        return kept

    async def prove_writable(self) -> None:
        """Write something and sync it.

        Raises:
            DecisionLogError: the log cannot be written now.
        """
        await asyncio.shield(self._writer.submit(prove))

    def at_the_end(self, work: Callable[[], None]) -> None:
        """Have this done when everything is written and before the log is let go of."""
        self._at_the_end.callback(work)

    def close(self) -> None:
        """Finish what is queued, then let go of the log."""
        self._writer.close()
        self._at_the_end.close()
        super().close()
        self.store.let_go()

    def _answers(self, question: Callable[[LogReader], Found | None]) -> list[Found]:
        """What is known to each of those that have to be asked; one that knows nothing is left out.

        That is the log alone; while it cannot be written, the spool, and behind it the copy of the
        log, which is a little older, or the log itself if there is no copy.
        """
        if self._spooling is None:
            return _known(question(self))
        if not self._spooling.in_use:
            try:
                return _known(question(self))
            except DecisionLogError as error:
                if self._spooling.at_hand is None or isinstance(error, AlteredTextError):
                    raise
                self._spooling.turn_to_spool(str(error))
        beside = self._spooling.at_hand or self
        return [*_known(question(self._spooling.reader)), *_known(question(beside))]

    def _no_longer_queued(self, record: DecisionRecord) -> None:
        self._on_their_way.pop(record.key, None)
        for name in {record.lineage_id, record.declaration_id}:
            lanes = self._queued[name]
            lanes.remove(record.decision.lane)
            if not lanes:
                del self._queued[name]


def kept_since(log: LogReader, day: date) -> list[DecisionRecord]:
    """What was decided on this day (UTC) or later, newest first: what offices are counted by.

    A clock that was wrong for a while leaves a few older ones between them.
    """
    found, older = [], 0
    for record in LogReader.newest_first(log):
        if day_in_utc(record.decided_at) >= day:
            found.append(_for_counting(record))
            older = 0
        elif (older := older + 1) == OLDER_IN_A_ROW:
            break
    return found


def _for_counting(record: DecisionRecord) -> DecisionRecord:
    """The record without most of what is in it: whole ones of a day would take 20 kB each."""
    votes = tuple(vote for vote in record.decision.votes if vote.channel in GUARDED)
    less = {"votes": votes, "reasons": (), "signals": (), "shadow": None}
    decision = record.decision.model_copy(update=less)
    declared = {"declaration_office": record.declared.get("declaration_office")}
    return record.model_copy(update={"declared": declared, "scores": (), "decision": decision})


def _known(found: Found | None) -> list[Found]:
    return [] if found is None else [found]
