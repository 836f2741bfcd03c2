"""Keeps work in the log and, while that cannot be written, in a spool on this machine.

The spool is a decision log of its own, chained and synced like any other. A thread looks whether
the log can be written again; then it drains the spool into it, and the log is written as before.
A log that comes back as another one, or shorter than was vouched for, is not gone back to.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from selectivity.errors import AuditError, DecisionLogError
from serving.log.drain import check, drain, refuse_lost, taken_upto
from serving.log.held_note import HeldNote
from serving.log.journal import Journal, Work, prove
from serving.log.keep import Kept, KeptInspection
from serving.log.reader import LogReader
from serving.log.recent import Recent
from serving.storage.chain import Head, head_of, log_id_of
from serving.storage.file import LogFile
from serving.storage.store import Store
from serving.trouble import Trouble

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
"""How often to look whether the log can be written again."""


class NotTheLogError(DecisionLogError):
    """What lies at the log's place is not the log that was written before."""


class Reserve(NamedTuple):
    """What stands beside a log for the time when it is down."""

    spool: LogFile
    draining: Store | None = None
    """The log, with the patience to take a spool over; as it is otherwise if left out."""
    recent: Recent | None = None
    """A copy of its newest decisions, if it lies where it may be out of reach."""
    recognise: Callable[[], None] = lambda: None
    """Raises DecisionLogError if the log is not the one that was written before."""
    away: str | None = None
    """Why the log cannot be reached at the start; None if it can."""
    note: HeldNote | None = None
    """Where it is noted what the spool holds, if there is no copy that knows."""

    @property
    def noted(self) -> Recent | HeldNote | None:
        """What knows what the spool held."""
        return self.recent or self.note


class Spooled(NamedTuple):
    """How it stands with a spool that is in use."""

    cause: str
    """Why the log is not written."""
    waiting: int
    """Records that the log does not have yet."""
    copy_of: datetime | None = None
    """If the service was started without the log: when the copy of it was last in step."""


class SpoolingJournal:
    """A journal that goes on elsewhere when its store fails. `keep` is for one thread."""

    def __init__(self, log: Journal, reserve: Reserve) -> None:
        """Drain what the last run left, or begin with the spool if the log is away.

        Raises:
            AuditError: the spool is not as it was written.
            DecisionLogError: the spool or the log cannot be used, or it is not the log of before.
        """
        self._log, self._reserve, self._cause = log, reserve, reserve.away
        self._turn, self._lasts = threading.Lock(), Trouble()
        self._upto = Head(0, "")
        self.copy_of: datetime | None = None
        """If the log was away at the start: when the copy of it was last in step, until somebody
        has read the orders that were given since."""
        with ExitStack() as opened:  # all is closed if this fails: the start may be tried again
            self._open(opened)
            self._begin()
            self._opened = opened.pop_all()
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    def _open(self, opened: ExitStack) -> None:
        log, reserve = self._log, self._reserve
        opened.callback(reserve.spool.let_go)
        if reserve.recent is not None:
            opened.callback(reserve.recent.close)
        opened.callback(log.let_go)
        later = reserve.away is not None
        self._draining = Journal(reserve.draining, later=later) if reserve.draining else log
        opened.callback(self._draining.let_go)
        self._spool = Journal(reserve.spool, aside=True)
        opened.callback(self._spool.let_go)
        self.reader = opened.enter_context(closing(LogReader(reserve.spool)))
        """Of the spool, for whoever looks for a decision."""
        self._drained_from = opened.enter_context(closing(reserve.spool.open_to_read()))

    def _begin(self) -> None:
        reserve = self._reserve
        if reserve.away is None:
            reserve.recognise()
        if reserve.note is not None:
            (reserve.note.log_id,) = self._draining.keep([lambda _, log: log_id_of(log)])
        if reserve.noted is not None:
            self._look_at_spool(reserve.noted)
        if reserve.away is None:
            self._drain(self._draining)
        elif reserve.recent is not None:
            self.copy_of = reserve.recent.in_step
            logger.error("started without the log", extra={"cause": reserve.away})

    def _look_at_spool(self, noted: Recent | HeldNote) -> None:
        """See, also without the log, that all is there that the log does not have yet."""
        try:
            self._refuse_lost(noted)
            self._upto = self._drained(self.reader.log_id)
            check(self._drained_from, self._upto)
        except self._reserve.spool.errors as error:
            raise self._reserve.spool.unusable(error) from error

    def _refuse_lost(self, noted: Recent | HeldNote) -> None:
        """Raises AuditError: the spool at this place held records that are nowhere now."""
        place = self._reserve.spool.name
        if (held := noted.held(place)) is not None:
            refuse_lost(place, held, self._drained(held[0]), self._drained_from)

    def _drained(self, spool_id: str) -> Head:
        """How far the log has this spool: it says so itself, or while it is away what was noted."""
        if self._reserve.away is not None and self._reserve.recent is not None:
            return self._reserve.recent.drained(spool_id)
        taken: Head
        (taken,) = self._draining.keep([lambda _, log: taken_upto(spool_id, log)])
        return taken

    @property
    def in_use(self) -> bool:
        """Whether work goes into the spool."""
        return self._cause is not None

    @property
    def at_hand(self) -> LogReader | None:
        """A copy of the newest decisions; None if the log itself can be asked all the time."""
        return self._reserve.recent.reader if self._reserve.recent else None

    @property
    def state(self) -> Spooled | None:
        """None while the log itself is written. For the thread that uses `reader`."""
        if (cause := self._cause) is None:
            return None
        return Spooled(cause, self.reader.head().no - self._upto.no, self.copy_of)

    def waits(self, act: str) -> bool:
        """Whether the log does not have the act of this name yet. For the thread of `reader`."""
        no = self.reader.number_of_act(act) if self.in_use else None
        return no is not None and no > self._upto.no

    def keep(self, works: Sequence[Work[Any]]) -> list[Any]:
        """As `Journal.keep`; what went into the spool has no number in the log yet.

        Raises:
            DecisionLogError: nothing was kept, neither here nor there.
        """
        with self._turn:
            if self._cause is None:
                try:
                    return self._remembered(self._log.keep(works))
                except DecisionLogError as error:
                    self.turn_to_spool(_why(error))
            return [_without_number(each) for each in self._spool.keep(works)]

    def turn_to_spool(self, cause: str) -> None:
        """Write into the spool from now on, until the log can be written again."""
        if self._cause is None:
            logger.error("log fails, the spool takes over", extra={"cause": cause})
            self._cause = cause

    def let_go(self) -> None:
        """Stop; what is in the spool is drained at the next start."""
        self._enough.set()
        self._thread.join()
        if self.in_use:
            self._note_held()
        self._opened.close()

    def _run(self) -> None:
        while not self._enough.wait(RETRY_SECONDS):
            if self.in_use:
                self._note_held()
                self._try_to_return()
            else:
                self._look_after_log()

    def _look_after_log(self) -> None:
        """See that it is in place, also while nobody asks for anything to be kept."""
        with self._turn:
            try:
                self._log.check_in_place()
            except DecisionLogError as error:
                self.turn_to_spool(_why(error))

    def _try_to_return(self) -> None:
        with self._turn:
            pass  # whoever began to write the log before it was given up has come to an end
        try:
            self._reserve.recognise()  # before anything is written: opening to write makes tables
            self._log.keep([prove])
            self._drain(self._draining)  # others go on spooling meanwhile
            with self._turn:
                self._drain(self._log)
                self._cause = None
        except DecisionLogError as error:
            self._cause = _why(error)
            self._tell(error)
        else:
            self._lasts.is_over()
            logger.warning("log is written again")

    def _note_held(self) -> None:
        spool, noted = self._reserve.spool, self._reserve.noted
        if noted is not None:
            with suppress(*spool.errors):
                noted.note_held(spool.name, self.reader.log_id, head_of(self._drained_from))

    def _tell(self, error: DecisionLogError) -> None:
        """What does not pass by itself is for people to see."""
        lasts = isinstance(error, AuditError | NotTheLogError)
        if not lasts or not self._lasts.is_news(str(error)):
            return
        if isinstance(error, AuditError):
            logger.critical("spool altered", extra={"cause": str(error)})
        else:
            logger.critical("log not gone back to", extra={"cause": str(error)})

    def _drain(self, through: Journal) -> None:
        """Take everything over."""
        records = 1
        while records:
            try:
                (drained,) = through.keep([partial(drain, self._drained_from)])
            except self._reserve.spool.errors as error:
                through.let_go()  # of the transaction that was begun
                raise self._reserve.spool.unusable(error) from error
            if isinstance(drained, DecisionLogError):
                raise drained
            self._upto, records, _ = drained
        if self._reserve.recent is not None:
            self._reserve.recent.note_drained(self.reader.log_id, self._upto)

    def _remembered(self, outcomes: list[Any]) -> list[Any]:
        if self._reserve.recent is not None:
            new = [each.record for each in outcomes if isinstance(each, Kept) and each.new]
            self._reserve.recent.remember(new)
            if any(isinstance(each, int) for each in outcomes):  # an act, which decisions go by
                self._reserve.recent.look()
        return outcomes


def _without_number(outcome: Any) -> Any:
    if isinstance(outcome, int):  # an act
        return None
    return outcome._replace(no=None) if isinstance(outcome, Kept | KeptInspection) else outcome


def _why(error: DecisionLogError) -> str:
    """What is wrong, without what a caller is told about it."""
    return str(error.__cause__ or error).strip()
