"""Folds what the log holds into the profiles, but for what the bundle learnt already.

A text that agrees with its hash in the chain was checked when it came. It is not checked again:
that would take most of the time.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from itertools import islice

from selectivity.histories.profiles import Profiles
from selectivity.histories.rows import Row, rows_of
from serving.deciding.histories_file import HistoriesFile, Place, software
from serving.deciding.lessons import told_by
from serving.deciding.predictor import Predictor
from serving.deciding.published import FeedbackUpto
from serving.log.kept_texts import AlteredTextError, read_lodged
from serving.log.linked import Link
from serving.log.reader import LogReader
from serving.storage import chain

logger = logging.getLogger(__name__)

AT_ONCE = 1_000
TELL_SECONDS = 5.0
"""How often to say how far it is: of a long log it takes minutes."""


def catch_up(predictor: Predictor, log: LogReader, kept: HistoriesFile | None = None) -> None:
    """Bring the profiles to where they were when the service stopped.

    Args:
        kept: where to go on from, if it fits, instead of the beginning of the log. If much was
            read all the same, what is known then is kept there.
    """
    if predictor.bundle is not None:
        with log.one_moment():
            reading = CatchUp(predictor, log, kept)
            reading.to(log.head().no)
            if kept is not None and reading.at - predictor.kept_upto >= kept.often:
                _keep(reading, kept)
        reading.tell_of_what_was_lost()


def _keep(reading: "CatchUp", kept: HistoriesFile) -> None:
    try:
        reading.keep_in(kept)
    except (AlteredTextError, OSError) as error:
        logger.warning("histories not kept", extra={"cause": str(error)})


class CatchUp:
    """Takes a predictor with a bundle through a log, from its beginning to any place in it."""

    def __init__(
        self, predictor: Predictor, log: LogReader, kept: HistoriesFile | None = None
    ) -> None:
        """With `kept` it begins at the place up to which that knows the log."""
        assert predictor.bundle is not None
        self._predictor, self._log = predictor, log
        self._known = FeedbackUpto.of(predictor.bundle.manifest).in_log(log.log_id)
        self._decided = self._numbered = self.at = 0
        self._unchecked = 0
        """Whether a decision up to this one was altered nobody looked: `kept` knew it."""
        self._undecided: list[int] = []
        """Numbers of inspections whose decision is not known yet."""
        self._parked: dict[int, list[Link]] = {}
        self._sound = True
        """Whether all decisions that were read are there and are what was written."""
        if kept is not None and (found := kept.read(predictor.bundle.digest, log)) is not None:
            self._go_on(*found)

    def _go_on(self, place: Place, profiles: Profiles) -> None:
        self._predictor.go_on(profiles, kept_upto=place.no)
        self._decided = self._unchecked = place.decision_seq
        self._numbered = self.at = place.no
        for no in place.parked:
            for link in self._log.links(after=no - 1, upto=no):
                self._learn(link)

    def keep_in(self, kept: HistoriesFile) -> None:
        """Keep what is known here, for the next start.

        Raises:
            AlteredTextError: what was read up to here was altered.
            OSError: the file cannot be written.
        """
        predictor = self._predictor
        assert predictor.bundle is not None
        if not self._sound:
            raise AlteredTextError("records that are not what was written")
        later = [link.no for parked in self._parked.values() for link in parked]
        place = Place(
            log_id=self._log.log_id,
            no=self.at,
            record_hash=self._log.hash_at(self.at) or "",
            decision_seq=self._decided,
            parked=tuple(sorted([*self._undecided, *later])),
            bundle_digest=predictor.bundle.digest,
            software=software(),
        )
        kept.write(place, predictor.bundle.profiles)
        predictor.kept_upto = place.no
        logger.info("histories kept", extra={"no": place.no})

    def to(self, no: int) -> None:
        """Fold every record up to this number, each as the service did when it came."""
        told = time.monotonic()
        for some in _in_parts(self._log.links(after=self.at, upto=no)):
            if time.monotonic() - told > TELL_SECONDS:
                logger.info("reading the log", extra={"count": some[0].no - 1, "of": no})
                told = time.monotonic()
            if some[-1].no != self._numbered + len(some):  # a link was taken out
                self._find_unsound(some[0])
            self._numbered = some[-1].no
            self._predictor.observe(row for link in some for row in self._declared(link))
            for link in some:
                self._learn(link)
        self.at = self._predictor.known_upto = no

    def tell_of_what_was_lost(self) -> None:
        """At the end of the log: one that was restored from an older copy ends before the place up
        to which the bundle learnt from it. What comes into these places is taken for learnt.
        """
        if self._known.decision_seq > self._decided:
            what = {"count": self._decided, "of": self._known.decision_seq}
            logger.critical("bundle learnt decisions that the log lost", extra=what)

    def _declared(self, link: Link) -> Sequence[Row]:
        if link.kind != chain.DECISION:
            return ()
        whole = link.whole
        if not whole:
            self._find_unsound(link)
        if link.seq <= self._known.decision_seq:
            return ()
        return rows_of(read_lodged(link.text, whole=whole))

    def _find_unsound(self, link: Link) -> None:
        if self._sound:
            logger.critical("record altered", extra={"no": link.no})
        self._sound = False

    def _learn(self, link: Link) -> None:
        """An inspection teaches when it comes or, if it was parked, when its decision comes."""
        if link.kind == chain.DECISION:
            self._decided = link.seq
            for parked in self._parked.pop(link.seq, ()):
                self._fold(parked)
        elif link.kind == chain.INSPECTION and link.decision_seq is None:
            self._undecided.append(link.no)
        elif link.decision_seq is not None and link.decision_seq > self._decided:
            self._parked.setdefault(link.decision_seq, []).append(link)
        else:
            self._fold(link)

    def _fold(self, link: Link) -> None:
        # A parked inspection was exported before its decision was: training could not use it.
        if link.decision_seq is None or (
            link.seq <= self._known.inspection_seq and link.decision_seq <= self._known.decision_seq
        ):
            return
        whole = self._sound and link.decision_seq > self._unchecked
        for declaration, told in told_by(self._log, link, whole=whole):
            self._predictor.learn(declaration, told)


def _in_parts(links: Iterator[Link]) -> Iterator[list[Link]]:
    while some := list(islice(links, AT_ONCE)):
        yield some
