"""Explains a decision from its record: the same features, whose contributions to the risk follow.

The digest of the features in the record shows whether they are those that the decision saw. If the
histories have moved on since, they are taken through the log again to where they were then.
"""

from collections.abc import Sequence
from typing import NamedTuple

from models.bundle import Bundle
from models.contributions import contributions
from selectivity.columns import Floats
from selectivity.histories.rows import arrays_of, rows_of
from selectivity.reasons.attribution import FamilyShare, families
from selectivity.reasons.checkable import Goods
from selectivity.record import DecisionRecord
from serving.audit.not_declared import not_declared
from serving.audit.replay import Replayer
from serving.deciding.risk_assessment import digest_of
from serving.log.kept_texts import declared_in
from serving.log.reader import LogReader
from serving.settings import Settings


class ModelInput(NamedTuple):
    """What a model looks at when it decides on a declaration."""

    bundle: Bundle
    goods: Sequence[Goods]
    matrix: Floats

    @property
    def sha256(self) -> str:
        """The digest by which a record knows its features."""
        return digest_of(self.matrix)


class ItemExplained(NamedTuple):
    """A goods item: log-odds of a finding for the usual one, for this one, and what lies between.

    `risk` is the calibrated chance of a finding in the record.
    """

    item_no: int
    risk: float | None
    usual_log_odds: float
    log_odds: float
    families: tuple[FamilyShare, ...]
    lacking: frozenset[str]
    """Facts that it was declared without, see `serving.audit.not_declared`."""


class Explained(NamedTuple):
    """Why the model saw what it saw; no items where it took no part."""

    record: DecisionRecord
    as_decided: bool
    """Whether the features are, to the bit, those that the decision rested on."""
    items: tuple[ItemExplained, ...]


def input_now(record: DecisionRecord, bundle: Bundle) -> ModelInput:
    """What this bundle, with its histories as they are now, sees in the declaration."""
    goods = [Goods(row, bundle.profiles.values(row)) for row in rows_of(declared_in(record))]
    rows, histories = zip(*goods, strict=True)
    return ModelInput(bundle, goods, bundle.model.features_of_rows(arrays_of(rows), histories))


def input_then(record: DecisionRecord, log: LogReader, settings: Settings) -> ModelInput:
    """What the bundle of the decision saw, its histories taken through the log to that moment.

    Raises:
        MissingError: the bundle is not at hand.
    """
    with log.one_moment():
        bundle = Replayer(log, settings).predictor(record).bundle
    assert bundle is not None
    return input_now(record, bundle)


def without_model(record: DecisionRecord) -> bool:
    """Whether the model took no part in a decision, so that there is nothing of it to explain."""
    return record.bundle_digest is None or record.features_sha256 is None


def nothing_of_a_model(record: DecisionRecord) -> Explained:
    """The explanation of a decision in which the model took no part."""
    return Explained(record, as_decided=True, items=())


def explain(record: DecisionRecord, model_input: ModelInput) -> Explained:
    """Contributions to the risk of each goods item, by family and with facts to check."""
    found = contributions(model_input.bundle.model, model_input.matrix)
    shares = families(model_input.goods, model_input.matrix, found.added)
    risks = {score.item_no: 1 - score.none for score in record.scores}
    rows = zip(
        model_input.goods, found.usual.tolist(), found.log_odds.tolist(), shares, strict=True
    )
    items = tuple(
        ItemExplained(
            no := int(goods.row["item_no"]),
            risks.get(no),
            usual,
            log_odds,
            of_item,
            not_declared(goods.row),
        )
        for goods, usual, log_odds, of_item in rows
    )
    return Explained(record, model_input.sha256 == record.features_sha256, items)


def explain_from_log(record: DecisionRecord, log: LogReader, settings: Settings) -> Explained:
    """The whole explanation, from the log alone.

    Raises:
        MissingError: the bundle of the decision is not at hand.
        ParamsError: there is no draw key.
    """
    if without_model(record):
        return nothing_of_a_model(record)
    return explain(record, input_then(record, log, settings))
