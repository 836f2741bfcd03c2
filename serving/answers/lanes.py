"""Lanes with their reasons in words: the answer to a declaration, the record, what traders read."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from urllib.parse import quote

import msgspec
from pydantic import Field

from selectivity.deciding.decision import Source
from selectivity.lanes import Channel, LaneName, Reason
from selectivity.override import OverrideStep, lane_in_force
from selectivity.reasons.wording import LANE_WORDS, Language, for_trader, sentence
from selectivity.record import DecisionRecord
from selectivity.rules.rule_set import RuleSet
from serving.answers.answer import Answer

SHORT = 16
"""Digits of a bundle's digest that callers read."""

_as_json = msgspec.json.Encoder().encode


class ReasonAnswer(Answer):
    """Why, as a code for machines and a sentence for people."""

    code: str
    text: str
    item_no: int | None
    rule_id: str | None
    legal_basis: tuple[str, ...] | None = Field(
        description="Law beside the rule, while the rules are those of the decision."
    )


class LaneAnswer(Answer):
    """The lane of one declaration and why."""

    declaration_id: str
    version_no: int
    lane: LaneName
    lane_name: str = Field(description="The lane in the caller's language.")
    channel: Channel = Field(description="Who asked for the lane.")
    reasons: tuple[ReasonAnswer, ...]
    signals: tuple[ReasonAnswer, ...] = Field(
        description="What stands out in the declaration; no part of the decision."
    )
    source: Source = Field(
        description="The model in force, the last good one, the points table or fallback rules."
    )
    degraded: bool = Field(
        description="True when the model in force could not be used, or its histories are behind."
    )
    fallback_cause: str | None = Field(
        description="Why; HISTORIES_BEHIND if the log was away when the service was started."
    )
    bundle: str | None = Field(description="First digits of the bundle's digest.")
    rules_version: str
    decided_at: datetime
    decision_path: str = Field(description="Where the record can be read.")


class DecisionView(LaneAnswer):
    """An answer together with the record behind it, and what people changed since.

    `lane` is what was decided and stays so; `final_lane` is what holds.
    """

    final_lane: LaneName
    overrides: tuple[OverrideStep, ...]
    record: DecisionRecord

    @classmethod
    def shown(
        cls,
        record: DecisionRecord,
        steps: Sequence[OverrideStep],
        rules: RuleSet,
        language: Language,
    ) -> "DecisionView":
        """The record, its words and its overrides."""
        fields = _answer_fields(record, rules, language)
        final_lane = lane_in_force(record, steps)
        return cls.model_validate(
            {**fields, "final_lane": final_lane, "overrides": tuple(steps), "record": record}
        )


class TraderView(Answer):
    """What may be passed on to the trader: law and facts of the trader's own, and no more."""

    declaration_id: str
    version_no: int
    lane: LaneName
    lane_name: str
    reasons: tuple[str, ...]
    decided_at: datetime

    @classmethod
    def shown(
        cls, record: DecisionRecord, steps: Sequence[OverrideStep], language: Language
    ) -> "TraderView":
        """The lane in force in words of this language, without scores, draws or hints of them.

        Why an officer chose another lane is not for traders.
        """
        lane = lane_in_force(record, steps)
        all_reasons = record.decision.reasons if lane is record.decision.lane else ()
        reasons = [for_trader(reason, lane) for reason in all_reasons]
        return cls(
            declaration_id=record.declaration_id,
            version_no=record.version_no,
            lane=lane,
            lane_name=LANE_WORDS[lane][language],
            reasons=tuple(dict.fromkeys(sentence(reason, language) for reason in reasons)),
            decided_at=record.decided_at,
        )


def lane_answer(record: DecisionRecord, rules: RuleSet, language: Language) -> bytes:
    """The `LaneAnswer` to a decision as JSON, in words of this language.

    Written as it is: what was just put together need not be validated as what comes from outside.
    """
    return _as_json(_answer_fields(record, rules, language))


def _answer_fields(record: DecisionRecord, rules: RuleSet, language: Language) -> dict[str, object]:
    decision = record.decision
    law = rules if rules.version == record.rules_version else None
    cause = record.degraded_cause
    return {
        "declaration_id": record.declaration_id,
        "version_no": record.version_no,
        "lane": decision.lane.name,
        "lane_name": LANE_WORDS[decision.lane][language],
        "channel": decision.channel,
        "reasons": reasons_in_words(decision.reasons, law, language),
        "signals": reasons_in_words(decision.signals, law, language),
        "source": decision.source,
        "degraded": cause is not None,
        "fallback_cause": cause,
        "bundle": record.bundle_digest and record.bundle_digest[:SHORT],
        "rules_version": record.rules_version,
        "decided_at": record.decided_at,
        "decision_path": decision_path(record.declaration_id, record.version_no),
    }


def decision_path(declaration_id: str, version_no: int) -> str:
    """Path of the record of one decision.

    >>> decision_path("A/1", 2)
    '/v1/decisions/A%2F1?version_no=2'
    >>> decision_path("A/explanation", 2)
    '/v1/decisions?declaration_id=A%2Fexplanation&version_no=2'
    """
    quoted = quote(declaration_id, safe="")
    if _leads_elsewhere(declaration_id):
        return f"/v1/decisions?declaration_id={quoted}&version_no={version_no}"
    return f"/v1/decisions/{quoted}?version_no={version_no}"


def _leads_elsewhere(declaration_id: str) -> bool:
    """Whether this id in a path is no id: another route ends so, and callers and proxies resolve
    dots between slashes before they ask, also encoded ones."""
    if declaration_id.endswith("/explanation"):
        return True
    dots = (".", "..")
    return "." in declaration_id and not set(declaration_id.split("/")).isdisjoint(dots)


def reasons_in_words(
    reasons: Iterable[Reason], law: RuleSet | None, language: Language
) -> list[dict[str, object]]:
    """Codes with their sentences, and the law beside them while the rules are those of then."""
    return [
        {
            "code": reason.code,
            "text": sentence(reason, language),
            "item_no": reason.item_no,
            "rule_id": reason.rule_id,
            "legal_basis": _legal_basis(reason.rule_id, law),
        }
        for reason in reasons
    ]


def _legal_basis(rule_id: str | None, law: RuleSet | None) -> tuple[str, ...] | None:
    rule = law.by_id.get(rule_id) if law and rule_id else None
    return rule.legal_basis if rule else None
