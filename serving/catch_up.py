"""Folds what the log holds into the profiles at start, but for what the bundle learnt already."""

from collections.abc import Iterator
from itertools import islice

from serving.log_reader import LogReader, Numbered
from serving.predictor import Predictor
from serving.published import FeedbackUpto

AT_ONCE = 1_000


def catch_up(predictor: Predictor, log: LogReader) -> None:
    """Bring the profiles to where they were when the service stopped."""
    if predictor.bundle is None:
        return
    known = FeedbackUpto.of(predictor.bundle.manifest)
    for some in _in_parts(log.records(after=known.decision_seq)):
        predictor.observe([record.declaration() for _, record in some])
    for seq, inspection, decision in log.inspections():
        # A parked inspection was exported before its decision was: training could not use it.
        learnt = decision is None or (
            seq <= known.inspection_seq and decision.seq <= known.decision_seq
        )
        if decision is not None and not learnt:
            predictor.learn(decision.record.declaration(), [inspection])


def _in_parts(records: Iterator[Numbered]) -> Iterator[list[Numbered]]:
    while some := list(islice(records, AT_ONCE)):
        yield some
