"""Folds what the log holds into the profiles, but for what the bundle learnt already."""

import logging
import time
from collections.abc import Iterator, Sequence
from itertools import islice

from selectivity.rows import Row, rows_of
from serving.deciding.lessons import told_by
from serving.deciding.predictor import Predictor
from serving.deciding.published import FeedbackUpto
from serving.log.kept_texts import read_record
from serving.log.reader import Event, LogReader
from serving.storage import chain

logger = logging.getLogger(__name__)

AT_ONCE = 1_000
TELL_SECONDS = 5.0
"""How often to say how far it is: of a long log it takes minutes."""


def catch_up(predictor: Predictor, log: LogReader) -> None:
    """Bring the profiles to where they were when the service stopped."""
    if predictor.bundle is not None:
        with log.one_moment():
            CatchUp(predictor, log).to(log.head().no)


class CatchUp:
    """Takes a predictor with a bundle through a log, from its beginning to any place in it."""

    def __init__(self, predictor: Predictor, log: LogReader) -> None:
        assert predictor.bundle is not None
        self._predictor, self._log = predictor, log
        self._known = FeedbackUpto.of(predictor.bundle.manifest).in_log(log.log_id)
        self._decided = self.at = 0
        self._parked: dict[int, list[Event]] = {}

    def to(self, no: int) -> None:
        """Fold every record up to this number, each as the service did when it came."""
        told = time.monotonic()
        for some in _in_parts(self._log.events(after=self.at, upto=no)):
            if time.monotonic() - told > TELL_SECONDS:
                logger.info("reading the log", extra={"count": some[0].no - 1, "of": no})
                told = time.monotonic()
            self._predictor.observe(row for event in some for row in self._declared(event))
            for event in some:
                self._learn(event)
        self.at = self._predictor.known_upto = no

    def _declared(self, event: Event) -> Sequence[Row]:
        if event.kind == chain.DECISION and event.seq > self._known.decision_seq:
            return rows_of(read_record(event.text).declaration())
        return ()

    def _learn(self, event: Event) -> None:
        """An inspection teaches when it comes or, if it was parked, when its decision comes."""
        if event.kind == chain.DECISION:
            self._decided = event.seq
            for parked in self._parked.pop(event.seq, ()):
                self._fold(parked)
        elif event.decision is not None and event.decision[0] > self._decided:
            self._parked.setdefault(event.decision[0], []).append(event)
        else:
            self._fold(event)

    def _fold(self, event: Event) -> None:
        # A parked inspection was exported before its decision was: training could not use it.
        if event.decision is None or (
            event.seq <= self._known.inspection_seq
            and event.decision[0] <= self._known.decision_seq
        ):
            return
        for declaration, told in told_by(self._log, event):
            self._predictor.learn(declaration, told)


def _in_parts(events: Iterator[Event]) -> Iterator[list[Event]]:
    while some := list(islice(events, AT_ONCE)):
        yield some
