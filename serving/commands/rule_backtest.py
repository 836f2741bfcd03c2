"""Tries rules on what the decision log holds, with the risks that were recorded."""

from collections.abc import Iterator

from models.rules_files import read_rules
from selectivity.deciding.capacity import Prices
from selectivity.deciding.policy import Policy
from selectivity.deciding.risk import Risk
from selectivity.deciding.rule_trial import PastDeclaration, RuleTrial, TrialInputs, try_rules
from selectivity.record import DecisionRecord
from selectivity.rules.rule_set import RuleSet
from serving.deciding.draw_key import read_or_create_draw_key
from serving.deciding.published import open_bundle
from serving.log.kept_texts import declared_in
from serving.log.reader import LogReader
from serving.settings import Settings

WITHOUT_KEY = b"trial"
"""Draws of a trial where the service's key is not at hand: other draws, the same shares."""


def backtest(rules: RuleSet, log: LogReader, settings: Settings) -> RuleTrial:
    """What these rules would have done to the declarations of this log.

    Policy, prices and present rules are those of the bundle in force, whatever decided then.
    """
    bundle = open_bundle(settings).bundle
    old = bundle.rules if bundle else read_rules(settings.rules_files())
    key_file = settings.draw_key_file
    inputs = TrialInputs(
        bundle.policy if bundle else Policy(),
        bundle.prices if bundle else Prices(),
        read_or_create_draw_key(key_file) if key_file.exists() else WITHOUT_KEY,
        bundle.model.knowledge.facts if bundle else None,
    )
    with log.one_moment():
        return try_rules(_pasts(log), old, rules, inputs)


def _pasts(log: LogReader) -> Iterator[PastDeclaration]:
    for _, record in log.records():
        yield PastDeclaration(declared_in(record), _risk(record), record.earlier_lane)


def _risk(record: DecisionRecord) -> Risk | None:
    """What the model said then, from the record; None if it did not speak."""
    if not record.scores:
        return None
    scores = [(each.none, each.documentary, each.physical) for each in record.scores]
    return Risk(
        scores,
        [each.duty_share for each in record.scores],
        unknown_codes=[
            (vote.reason.item_no or 0, str(vote.reason.facts["field"]))
            for vote in record.decision.votes
            if vote.reason.code == "UNKNOWN_CODE"
        ],
    )
