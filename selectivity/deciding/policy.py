"""From a declaration, its risk and the rules to one lane: a pure function where all votes meet.

Order of precedence: mandatory rules and prohibitions, lineage, then selectivity rules and model,
which facilitation may lower, and at last the random stratum, which can only tighten. Without a
usable model the points table speaks in its place, else the fallback rules.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from selectivity.deciding.capacity import (
    ControlPolicy,
    PerClass,
    Prices,
    ValuePolicy,
    benefit_of,
    places_of,
)
from selectivity.deciding.decision import LaneDecision, source_of
from selectivity.deciding.guard import Load, OfficeCapacity, guard
from selectivity.deciding.integrity import incomplete_codes, missing_facts, odd_date, unknown_codes
from selectivity.deciding.modes import Mode, mode_votes
from selectivity.deciding.random_stratum import RandomPolicy, random_votes
from selectivity.deciding.risk import Risk
from selectivity.deciding.sampling import draw
from selectivity.deciding.scorecard import Scored
from selectivity.declaration import Declaration, GoodsItem
from selectivity.lanes import Channel, Lane, LaneName, Reason, Vote, shared_vote
from selectivity.rules.rule_set import Hit, Layer, RuleSet

TRUSTED_LEVELS = (1, 2)
"""Compliance levels of importers that may be released without a model when an office is full."""


def _field_of_an_item(name: str) -> str:
    if name not in GoodsItem.model_fields:
        raise ValueError(f"a goods item has no field {name!r}")
    return name


Fact = Annotated[str, AfterValidator(_field_of_an_item)]


class Policy(BaseModel):
    """Section `policy` of params.yaml: the numbers a risk manager sets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = "default"
    yellow: ControlPolicy = ControlPolicy(
        share=0.30, cost=0.001, hold_up=1, detects=PerClass(documentary=0.4, physical=0.02)
    )
    red: ControlPolicy = ControlPolicy(
        share=0.07, cost=0.005, hold_up=3, detects=PerClass(documentary=0.6, physical=0.8)
    )
    value: ValuePolicy = ValuePolicy(finding=PerClass(documentary=1, physical=4), duty=2)
    random: RandomPolicy = RandomPolicy()
    without_model: LaneName = Field(
        default=Lane.YELLOW, description="Lane when no model and no fallback rule speaks."
    )
    unknown_code: LaneName = Field(default=Lane.YELLOW, description="Least lane for unseen codes.")
    incomplete_code: LaneName | None = Field(
        default=Lane.YELLOW,
        description="Least lane for codes of 4, or of an odd number of digits; null for sources "
        "that have no others.",
    )
    missing_fact: LaneName = Field(
        default=Lane.YELLOW, description="Least lane when a needed fact is absent."
    )
    odd_date: LaneName | None = Field(
        default=Lane.YELLOW, description="Least lane for an acceptance far from the clock."
    )
    offices: Mapping[str, OfficeCapacity] = Field(
        default_factory=dict, description="Normal day of each office whose capacity is guarded."
    )
    facts_needed: tuple[Fact, ...] = (
        "hs_code",
        "country_of_origin",
        "customs_value",
        "net_mass_kg",
        "duty_rate_percent",
    )


def policy_of_bundle(text: bytes) -> Policy:
    """The policy in a bundle's file. Bundles from before some lane was asked for do not ask for it,
    so that what was decided by them is decided again alike.

    Raises:
        ValidationError: it is none.
    """
    policy = Policy.model_validate_json(text, strict=True)
    later = {"incomplete_code", "odd_date"} - policy.model_fields_set
    return policy.model_copy(update=dict.fromkeys(later))


def decide(
    declaration: Declaration,
    *,
    risk: Risk | None,
    rules: RuleSet,
    policy: Policy,
    prices: Prices,
    draw_key: bytes,
    earlier_lane: Lane | None = None,
    facts_known: frozenset[str] | None = None,
    scored: Scored | None = None,
    fallback_cause: str | None = None,
    mode: Mode = Mode.NORMAL,
    load: Load | None = None,
    now: datetime | None = None,
) -> LaneDecision:
    """Put one declaration in a lane. Pure: the same arguments give the same decision.

    Args:
        risk: what a model says; None, or anything that is no probability, means the fallback.
        earlier_lane: strictest lane of earlier versions of the lineage; it can only tighten.
        facts_known: facts the history behind the model had at all; None means all of them.
        scored: what the points table says; it decides without a model, before fallback rules do.
        fallback_cause: why the model in force does not speak. With it, a risk is the last good
            model's; None without a risk means that there is no model.
        mode: what people ordered; it is asked for before the model is.
        load: what the office got today, if its capacity is to be guarded.
        now: by the clock, from which `accepted_at` may not be far; None takes it as it is.
    """
    if not mode.asks_model:
        risk, fallback_cause = None, f"MODE_{mode}"
    if risk is not None and not risk.usable():
        risk, fallback_cause = None, "MODEL_OUTPUT"
    source, fallback_cause = source_of(risk, scored, fallback_cause)
    hits = rules.hits(declaration)
    binding = [
        *_rule_votes(hits, Layer.MANDATORY, Channel.MANDATORY, declaration, draw_key),
        *_rule_votes(hits, Layer.PROHIBITION, Channel.RULE, declaration, draw_key),
        *_lineage_vote(earlier_lane),
        *missing_facts(declaration, policy.facts_needed, facts_known, policy.missing_fact),
        *incomplete_codes(declaration, policy.incomplete_code),
        *unknown_codes(risk, policy.unknown_code),
        *odd_date(declaration, now, policy.odd_date),
        *mode_votes(mode),
    ]
    asked = [*_rule_votes(hits, Layer.SELECTIVITY, Channel.RULE, declaration, draw_key)]
    if risk is not None:
        asked.append(_model_vote(declaration, risk, policy, prices))
    elif mode is not Mode.MANUAL:
        asked += _fallback_votes(hits, policy, declaration, draw_key, scored)
    facilitation, room = _facilitation(hits, risk), None
    if facilitation is not None:
        asked = [_facilitated(facilitation)]
    elif load is not None:
        may_release = mode.may_release and (risk is not None or _is_trusted(declaration))
        capacity = policy.offices.get(declaration.declaration_office or "")
        asked, room = guard(asked, capacity, load, may_release=may_release)
    drawn = random_votes(declaration.lineage, policy.random, draw_key, without_model=risk is None)
    votes = [*binding, *asked, *drawn]
    return LaneDecision.of(
        votes,
        facilitated_by=facilitation.rule.id if facilitation else None,
        source=source,
        fallback_cause=fallback_cause,
        risk=None if risk is None else risk.highest(),
        signals=tuple(risk.signals) if risk else (),
        shadow=scored,
        mode=mode,
        room=room,
    )


def _is_trusted(declaration: Declaration) -> bool:
    return declaration.importer_compliance_level in TRUSTED_LEVELS


class Least(NamedTuple):
    """What is settled before the model speaks."""

    lane: Lane
    """Lane that rules and missing facts ask for whatever the model says."""
    released_up_to: float
    """Risk up to which facilitation keeps the model from asking; -1 without facilitation."""


def least_lane(
    declaration: Declaration,
    *,
    rules: RuleSet,
    policy: Policy,
    draw_key: bytes,
    facts_known: frozenset[str] | None = None,
    facilitate: bool = True,
) -> Least:
    """What takes capacity before the model does, but for the random stratum.

    Without a model nothing is facilitated, and `facilitate` is False.
    """
    hits = rules.hits(declaration)
    limits = [
        1.0 if hit.rule.unless_risk_above is None else hit.rule.unless_risk_above
        for hit in hits
        if facilitate and hit.rule.layer is Layer.FACILITATION
    ]
    layers = [Layer.MANDATORY, Layer.PROHIBITION] + ([] if limits else [Layer.SELECTIVITY])
    votes = [
        *missing_facts(declaration, policy.facts_needed, facts_known, policy.missing_fact),
        *incomplete_codes(declaration, policy.incomplete_code),
        *(
            vote
            for layer in layers
            for vote in _rule_votes(hits, layer, Channel.RULE, declaration, draw_key)
        ),
    ]
    lanes = [vote.lane for vote in votes if vote.cast]
    return Least(max(lanes, default=Lane.GREEN), max(limits, default=-1.0))


def _rule_votes(
    hits: list[Hit], layer: Layer, channel: Channel, declaration: Declaration, draw_key: bytes
) -> Iterator[Vote]:
    for rule, item_no in hits:
        if rule.layer is layer:
            share = rule.random_share
            cast = share == 1 or draw(draw_key, declaration.lineage, rule.id) < share
            yield shared_vote(
                rule.lane,
                channel,
                code=rule.reason_code,
                item_no=item_no,
                rule_id=rule.id,
                probability=share,
                cast=cast,
            )


def _lineage_vote(earlier_lane: Lane | None) -> Iterator[Vote]:
    if earlier_lane is not None:
        facts = (("earlier_lane", earlier_lane.name),)
        yield shared_vote(earlier_lane, Channel.RULE, code="LINEAGE", facts=facts)


def _model_vote(declaration: Declaration, risk: Risk, policy: Policy, prices: Prices) -> Vote:
    chances = risk.probabilities
    of_papers, of_goods = [
        [
            benefit_of(control, documentary, physical, duty_share, value=policy.value)
            for (_, documentary, physical), duty_share in zip(chances, risk.duty_share, strict=True)
        ]
        for control in (policy.yellow, policy.red)
    ]
    nothing = min([none for none, _, _ in chances])
    net = (
        0.0,
        max(of_papers) - prices.yellow * places_of(policy.yellow, nothing),
        max(of_goods) - prices.red * places_of(policy.red, nothing),
    )
    lane = Lane(net.index(max(net)))
    decisive = of_goods if lane is Lane.RED else of_papers
    driver = decisive.index(max(decisive))
    _, documentary, physical = chances[driver]
    facts = {"documentary": documentary, "physical": physical, "net_benefit": net[lane]}
    code = "LOW_RISK" if lane is Lane.GREEN else "RISK"
    reason = Reason(code=code, item_no=declaration.items[driver].item_no, facts=facts)
    return Vote(lane=lane, channel=Channel.MODEL, reason=reason)


def _fallback_votes(
    hits: list[Hit],
    policy: Policy,
    declaration: Declaration,
    draw_key: bytes,
    scored: Scored | None,
) -> list[Vote]:
    if scored is not None:
        facts, no = (("points", scored.points),), scored.item_no
        vote = shared_vote(scored.lane, Channel.FALLBACK, code="SCORECARD", item_no=no, facts=facts)
        return [vote]
    votes = list(_rule_votes(hits, Layer.FALLBACK, Channel.FALLBACK, declaration, draw_key))
    if any(vote.cast for vote in votes):
        return votes
    return [*votes, shared_vote(policy.without_model, Channel.FALLBACK, code="FALLBACK")]


def _facilitation(hits: list[Hit], risk: Risk | None) -> Hit | None:
    if risk is None:
        return None  # the fallback rules weigh the importer's level themselves
    for hit in hits:
        limit = hit.rule.unless_risk_above
        if hit.rule.layer is Layer.FACILITATION and (limit is None or risk.highest() <= limit):
            return hit
    return None


def _facilitated(hit: Hit) -> Vote:
    rule, no = hit
    return shared_vote(Lane.GREEN, Channel.RULE, code=rule.reason_code, item_no=no, rule_id=rule.id)
