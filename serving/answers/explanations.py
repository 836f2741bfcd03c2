"""Explanations as officers read them: the families of features that weighed most, in words."""

from math import exp, isnan
from typing import Self

from pydantic import Field

from selectivity.deciding.decision import LaneDecision
from selectivity.lanes import Channel, LaneName
from selectivity.reasons.attribution import FamilyShare
from selectivity.reasons.officer_words import FAMILY_WORDS
from selectivity.reasons.wording import LANE_WORDS, Language
from selectivity.rules.rule_set import RuleSet
from serving.answers.answer import Answer
from serving.answers.lanes import ReasonAnswer, reasons_in_words
from serving.audit.explanation import Explained, ItemExplained
from serving.audit.not_declared import in_words

NOTES: dict[str, dict[Language, str]] = {
    "same": {
        "vi": "Giải thích trên đúng các đặc trưng mà quyết định đã dựa vào.",
        "en": "Explained on exactly the features that the decision rested on.",
    },
    "other": {
        "vi": "Hồ sơ lịch sử hiện có khác với lúc quyết định; giải thích chỉ mang tính tham khảo.",
        "en": "The histories at hand differ from those of the decision; take this as a hint.",
    },
    "others asked": {
        "vi": "Không phải mô hình đặt ra luồng này; xem lý do phân luồng.",
        "en": "It was not the model that asked for this lane; see the lane's reasons.",
    },
    "no model": {
        "vi": "Mô hình không tham gia quyết định này; xem lý do phân luồng.",
        "en": "The model took no part in this decision; see the lane's reasons.",
    },
}


class FeatureAnswer(Answer):
    """A feature that weighs in a family."""

    name: str
    unit: str
    value: float | None = Field(description="None: not known.")
    log_odds: float = Field(description="What it adds to the log-odds of a finding.")


class FamilyAnswer(Answer):
    """What a family of features adds to the log-odds of a finding, and facts to check."""

    family: str
    name: str = Field(description="The family in the caller's language.")
    log_odds: float
    odds_times: float = Field(description="By how much it multiplies the odds of a finding.")
    facts: tuple[ReasonAnswer, ...]
    features: tuple[FeatureAnswer, ...]

    @classmethod
    def of(cls, share: FamilyShare, item: ItemExplained, language: Language) -> Self:
        """One family of a goods item in words of this language."""
        facts = reasons_in_words(share.reasons, None, language)
        return cls(
            family=share.family,
            name=FAMILY_WORDS[share.family][language],
            log_odds=share.added,
            odds_times=exp(share.added),
            facts=tuple(facts or in_words(share.family, item.lacking, item.item_no, language)),
            features=tuple(
                FeatureAnswer(
                    name=each.name,
                    unit=each.unit,
                    value=None if isnan(each.value) else each.value,
                    log_odds=each.added,
                )
                for each in share.features
            ),
        )


class ItemAnswer(Answer):
    """One goods item: what raises its risk above the usual, and what lowers it."""

    item_no: int
    risk: float | None = Field(description="Calibrated chance of a finding, as recorded.")
    usual_log_odds: float = Field(description="Log-odds of a finding before calibration, usual …")
    log_odds: float = Field(description="… and of this item: the families add up to the rest.")
    raises: tuple[FamilyAnswer, ...] = Field(description="The strongest first.")
    lowers: tuple[FamilyAnswer, ...] = Field(description="The strongest first.")

    @classmethod
    def of(cls, item: ItemExplained, language: Language) -> Self:
        """One goods item in words of this language."""
        families = [FamilyAnswer.of(share, item, language) for share in item.families]
        return cls(
            item_no=item.item_no,
            risk=item.risk,
            usual_log_odds=item.usual_log_odds,
            log_odds=item.log_odds,
            raises=tuple(each for each in families if each.log_odds > 0),
            lowers=tuple(each for each in reversed(families) if each.log_odds < 0),
        )


class ExplanationAnswer(Answer):
    """Why a declaration got its lane, and why the model saw the risk it saw."""

    declaration_id: str
    version_no: int
    lane: LaneName
    lane_name: str
    channel: Channel = Field(description="Who asked for the lane.")
    reasons: tuple[ReasonAnswer, ...]
    as_decided: bool = Field(description="Whether the features are those the decision rested on.")
    note: str
    items: tuple[ItemAnswer, ...] = Field(description="Empty where the model took no part.")

    @classmethod
    def of(cls, explained: Explained, rules: RuleSet | None, language: Language) -> Self:
        """An explanation in words of this language."""
        record, items = explained.record, explained.items
        notes = ["no model" if not items else "same" if explained.as_decided else "other"]
        if items and not _asked_for_by_model(record.decision):
            notes.append("others asked")
        law = rules if rules and rules.version == record.rules_version else None
        return cls(
            declaration_id=record.declaration_id,
            version_no=record.version_no,
            lane=record.decision.lane,
            lane_name=LANE_WORDS[record.decision.lane][language],
            channel=record.decision.channel,
            reasons=tuple(reasons_in_words(record.decision.reasons, law, language)),
            as_decided=explained.as_decided,
            note=" ".join(NOTES[note][language] for note in notes),
            items=tuple(ItemAnswer.of(item, language) for item in items),
        )


def _asked_for_by_model(decision: LaneDecision) -> bool:
    return any(
        vote.cast and vote.lane is decision.lane and vote.channel is Channel.MODEL
        for vote in decision.votes
    )
