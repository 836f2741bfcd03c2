"""What holds for every declaration, whatever the model and the draws say."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models.rules_files import read_rules
from selectivity.deciding.capacity import Prices, benefits, best_lane
from selectivity.deciding.decision import LaneDecision
from selectivity.deciding.modes import Mode
from selectivity.deciding.policy import Policy, decide, least_lane, policy_of_bundle
from selectivity.deciding.random_stratum import RandomPolicy
from selectivity.deciding.risk import Risk
from selectivity.deciding.scorecard import Scored
from selectivity.lanes import Channel, Lane
from selectivity.rules.rule_set import Layer, RuleSet
from tests.builders import NOON, a_declaration, an_item
from tests.bundles import NO_DRAWS, RULE_FILES

RULES = read_rules(RULE_FILES)
probabilities = st.floats(0, 1).flatmap(
    lambda none: st.floats(0, 1).map(
        lambda part: [none, (1 - none) * part, (1 - none) * (1 - part)]
    )
)
prices = st.floats(0, 2)
broken = st.sampled_from(
    [
        [np.nan, 0.5, 0.5],
        [1.2, -0.1, -0.1],
        [0.5, 0.2, 0.1],
        [np.inf, 0.0, 0.0],
        [0.0, 0.0, 0.0],
        [1.000_001, 0.0, 0.0],
    ]
)


def lane_of(row: list[float] | None, **options: Any) -> LaneDecision:
    """The decision on a declaration whose one goods item has these probabilities."""
    risk = None if row is None else Risk([row], [options.pop("duty", 0.5)])
    declaration = options.pop("declaration", a_declaration())
    plain = {"rules": RULES, "policy": NO_DRAWS, "prices": Prices(), "draw_key": b"key"}
    return decide(declaration, risk=risk, **{**plain, **options})


@given(broken)
def test_a_probability_that_is_none_never_means_green(row: list[float]) -> None:
    decision = lane_of(row)
    assert decision.lane > Lane.GREEN
    assert decision.channel is Channel.FALLBACK
    assert decision.fallback_cause == "MODEL_OUTPUT"


@pytest.mark.parametrize("share", [np.nan, np.inf, -0.1, 1.1])
def test_a_share_of_duty_that_is_none_never_means_green(share: float) -> None:
    decision = lane_of([0.05, 0.05, 0.9], duty=share)
    assert decision.lane > Lane.GREEN
    assert decision.fallback_cause == "MODEL_OUTPUT"


@given(probabilities, st.sampled_from([None, Lane.YELLOW, Lane.RED]), st.binary(max_size=4))
@settings(deadline=None)
def test_propensities_are_a_distribution_and_hold_the_lane(
    row: list[float], earlier: Lane | None, key: bytes
) -> None:
    policy = Policy(random=RandomPolicy(yellow=0.2, red=0.1))
    decision = lane_of(row, earlier_lane=earlier, policy=policy, draw_key=key)
    chances = decision.propensities
    assert chances.green + chances.yellow + chances.red == pytest.approx(1)
    assert getattr(chances, decision.lane.name.lower()) > 0


@given(probabilities, st.sampled_from(list(Lane)))
@settings(deadline=None)
def test_within_a_lineage_the_lane_only_tightens(row: list[float], earlier: Lane) -> None:
    assert lane_of(row, earlier_lane=earlier).lane >= earlier


@given(probabilities)
@settings(deadline=None)
def test_a_mandatory_rule_binds_whatever_the_model_says(row: list[float]) -> None:
    ivory = a_declaration(items=(an_item(hs_code="050710"),), importer_compliance_level=1)
    decision = lane_of(row, declaration=ivory)
    assert decision.lane is Lane.RED
    assert decision.channel is Channel.MANDATORY


@given(probabilities, st.sampled_from(NO_DRAWS.facts_needed))
@settings(deadline=None)
def test_leaving_a_needed_fact_out_never_gives_green(row: list[float], fact: str) -> None:
    decision = lane_of(row, declaration=a_declaration(items=(an_item(**{fact: None}),)))
    assert decision.lane > Lane.GREEN
    told = [vote.reason.facts for vote in decision.votes if vote.reason.code == "MISSING_FACT"]
    assert told == [{"field": fact}]


@given(probabilities)
@settings(deadline=None)
def test_an_unknown_code_never_gives_green_by_itself(row: list[float]) -> None:
    risk = Risk([row], [0.0], unknown_codes=((1, "hs_code"),))
    decision = decide(
        a_declaration(),
        risk=risk,
        rules=RULES,
        policy=NO_DRAWS,
        prices=Prices(yellow=100, red=100),
        draw_key=b"key",
    )
    assert decision.lane is Lane.YELLOW
    reason = decision.reasons[0]
    assert (reason.code, reason.item_no, reason.facts) == ("UNKNOWN_CODE", 1, {"field": "hs_code"})


@given(st.binary(min_size=1, max_size=8), st.sampled_from([None, [1.0, 0.0, 0.0]]))
@settings(deadline=None)
def test_a_draw_only_tightens(key: bytes, row: list[float] | None) -> None:
    tight = Policy(random=RandomPolicy(yellow=0.5, red=0.5))
    assert lane_of(row, policy=tight, draw_key=key).lane >= lane_of(row).lane


def test_an_amendment_does_not_draw_again() -> None:
    policy = Policy(random=RandomPolicy(yellow=0.3, red=0.2))
    for number in range(50):
        first = a_declaration(declaration_id=f"D-{number}")
        amended = a_declaration(
            declaration_id=f"D-{number}",
            version_no=2,
            accepted_at=datetime(2026, 3, 9, tzinfo=UTC),
        )
        lanes = {
            lane_of([1.0, 0.0, 0.0], declaration=each, policy=policy).lane
            for each in (first, amended)
        }
        assert len(lanes) == 1


def test_random_checks_come_as_often_as_they_are_set() -> None:
    policy = Policy(random=RandomPolicy(yellow=0.1, red=0.05))
    lanes = [
        lane_of(
            [1.0, 0.0, 0.0],
            declaration=a_declaration(declaration_id=f"D-{number}"),
            policy=policy,
            prices=Prices(yellow=9, red=9),
        ).lane
        for number in range(4_000)
    ]
    # within five standard errors; the key is fixed, so it never fails by luck
    assert np.mean([lane is Lane.RED for lane in lanes]) == pytest.approx(0.05, abs=0.018)
    assert np.mean([lane is Lane.YELLOW for lane in lanes]) == pytest.approx(0.095, abs=0.024)


def test_random_checks_come_more_often_without_a_model() -> None:
    policy = Policy(random=RandomPolicy(yellow=0.1, red=0.2, times_without_model=3))
    decision = decide(
        a_declaration(),
        risk=None,
        rules=RuleSet(()),
        policy=policy,
        prices=Prices(),
        draw_key=bytes(32),
    )
    chances = {vote.lane: vote.probability for vote in decision.votes if vote.channel == "RANDOM"}
    assert chances == {Lane.YELLOW: pytest.approx(0.3), Lane.RED: 0.5}


def test_rules_that_were_not_drawn_ask_for_nothing() -> None:
    never = [
        rule.model_copy(update={"random_share": 1e-12}) for rule in read_rules(RULE_FILES).rules
    ]
    ivory = a_declaration(importer_compliance_level=5, items=(an_item(hs_code="050710"),))
    rules = RuleSet(never)
    assert rules.hits(ivory)
    decision = decide(
        ivory, risk=None, rules=rules, policy=NO_DRAWS, prices=Prices(), draw_key=bytes(32)
    )
    assert decision.lane is Lane.YELLOW  # what the policy says without a model, not nothing
    assert decision.reasons[0].code == "FALLBACK"
    least = least_lane(ivory, rules=rules, policy=NO_DRAWS, draw_key=bytes(32))
    assert least.lane is Lane.GREEN


def test_a_needed_fact_that_no_goods_item_has_is_refused() -> None:
    with pytest.raises(ValueError, match="no field 'colour'"):
        Policy(facts_needed=("colour",))


def test_facilitation_lowers_the_model_but_not_the_law() -> None:
    trusted = a_declaration(importer_compliance_level=1)
    assert lane_of([0.0, 0.0, 1.0], declaration=trusted).lane is Lane.GREEN
    indebted = a_declaration(importer_compliance_level=1, importer_tax_debt=True)
    assert lane_of([0.0, 0.0, 1.0], declaration=indebted).lane is Lane.YELLOW


def test_conditional_facilitation_yields_to_a_high_risk() -> None:
    trusted = a_declaration(importer_compliance_level=2, importer_risk_level=2)
    assert lane_of([0.9, 0.1, 0.0], declaration=trusted).lane is Lane.GREEN
    assert lane_of([0.1, 0.0, 0.9], declaration=trusted).lane is Lane.RED


@pytest.mark.parametrize(("none", "lane"), [(0.75, Lane.GREEN), (0.5, Lane.RED)])
def test_conditional_facilitation_releases_at_its_limit(none: float, lane: Lane) -> None:
    limited = [
        rule.model_copy(update={"unless_risk_above": 0.25})
        for rule in RULES.rules
        if rule.layer is Layer.FACILITATION and rule.unless_risk_above is not None
    ]
    trusted = a_declaration(importer_compliance_level=2, importer_risk_level=2)
    row = [none, 0.0, 1 - none]
    assert lane_of(row, declaration=trusted, rules=RuleSet(limited)).lane is lane


def test_a_control_that_gains_nothing_is_not_made() -> None:
    free = {
        name: getattr(NO_DRAWS, name).model_copy(update={"cost": 0.0}) for name in ("yellow", "red")
    }
    policy = NO_DRAWS.model_copy(update=free)
    assert lane_of([1.0, 0.0, 0.0], policy=policy, rules=RuleSet([])).lane is Lane.GREEN
    assert best_lane(np.zeros((1, 2)), np.ones((1, 2)), Prices()).tolist() == [Lane.GREEN]


def test_without_a_model_the_fallback_is_neither_all_green_nor_all_red() -> None:
    lanes = {
        level: lane_of(None, declaration=a_declaration(importer_compliance_level=level)).lane
        for level in (1, 3, 5, None)
    }
    assert lanes == {1: Lane.GREEN, 3: Lane.YELLOW, 5: Lane.YELLOW, None: Lane.YELLOW}


def test_what_rules_take_by_chance_is_taken_from_the_capacity_too() -> None:
    suspects = [
        a_declaration(declaration_id=f"D-{number}", importer_risk_level=9) for number in range(500)
    ]
    options = {"rules": RULES, "policy": NO_DRAWS, "draw_key": b"key"}
    least = [least_lane(suspect, **options).lane for suspect in suspects]
    served = [lane_of([1.0, 0.0, 0.0], declaration=suspect).lane for suspect in suspects]
    assert least == served
    assert 0.2 < np.mean([lane is Lane.RED for lane in least]) < 0.4


@pytest.mark.parametrize(
    ("levels", "released"), [((1, 1), 1.0), ((2, 2), 0.2), ((2, 6), -1.0), ((3, 3), -1.0)]
)
def test_facilitation_tells_up_to_which_risk_it_releases(
    levels: tuple[int, int], released: float
) -> None:
    compliance, risk = levels
    declaration = a_declaration(importer_compliance_level=compliance, importer_risk_level=risk)
    least = least_lane(declaration, rules=RULES, policy=NO_DRAWS, draw_key=b"key")
    assert least.released_up_to == released


def test_of_several_facilitations_the_one_that_releases_most_counts() -> None:
    trusted = a_declaration(importer_compliance_level=1)
    (rule, *_) = [hit.rule for hit in RULES.hits(trusted) if hit.rule.layer is Layer.FACILITATION]
    rules = RuleSet(
        [
            rule.model_copy(update={"id": f"R-{number}", "unless_risk_above": limit})
            for number, limit in ((801, 0.25), (802, 0.5), (803, 0.1))
        ]
    )
    least = least_lane(trusted, rules=rules, policy=NO_DRAWS, draw_key=b"key")
    assert least.released_up_to == 0.5
    assert lane_of([0.5, 0.0, 0.5], declaration=trusted, rules=rules).facilitated_by == "R-802"


def test_without_a_model_nothing_is_facilitated_and_rules_of_the_risk_unit_count() -> None:
    watched = a_declaration(importer_compliance_level=1)
    (rule, *_) = [rule for rule in RULES.rules if rule.layer is Layer.FACILITATION]
    raised = {"id": "R-804", "layer": Layer.SELECTIVITY, "lane": Lane.RED}
    rules = RuleSet([rule, rule.model_copy(update=raised)])
    options: dict[str, Any] = {"rules": rules, "policy": NO_DRAWS, "draw_key": b"key"}
    assert least_lane(watched, **options) == (Lane.GREEN, 1.0)
    assert least_lane(watched, **options, facilitate=False) == (Lane.RED, -1.0)


@pytest.mark.parametrize(
    ("mode", "lane"), [(Mode.RULES_ONLY, Lane.RED), (Mode.MANUAL, Lane.YELLOW)]
)
def test_points_ask_for_a_lane_unless_people_decide(mode: Mode, lane: Lane) -> None:
    scored = Scored(lane=Lane.RED, points=90, item_no=1)
    assert lane_of([0.0, 0.0, 1.0], mode=mode, scored=scored).lane is lane


@given(st.lists(probabilities, min_size=1, max_size=3), prices, prices, st.floats(0, 1))
@settings(deadline=None)
def test_one_declaration_gets_the_lane_that_many_get_when_prices_are_fitted(
    rows: list[list[float]], yellow: float, red: float, duty: float
) -> None:
    """A hold-up is of the whole declaration: its riskiest item says how likely it is."""
    policy = NO_DRAWS.model_copy(
        update={
            "yellow": NO_DRAWS.yellow.model_copy(update={"hold_up": 1.0}),
            "red": NO_DRAWS.red.model_copy(update={"hold_up": 3.0}),
        }
    )
    chances, shares = np.array(rows), np.full(len(rows), duty)
    worth = benefits(chances, shares, value=policy.value, yellow=policy.yellow, red=policy.red).max(
        axis=0
    )
    nothing = chances[:, 0].min()
    places = np.array([[1 + 1.0 * nothing, 1 + 3.0 * nothing]])
    charged = Prices(yellow=yellow, red=red)
    net = sorted([0.0, *(worth - places[0] * [yellow, red])])
    assume(net[-1] - net[-2] > 1e-9)
    decision = decide(
        a_declaration(items=tuple(an_item(item_no=at + 1) for at in range(len(rows)))),
        risk=Risk(rows, shares.tolist()),
        rules=RuleSet([]),
        policy=policy,
        prices=charged,
        draw_key=b"key",
    )
    assert decision.lane == best_lane(worth[None], places, charged)[0]


def test_a_hold_up_is_charged_where_nothing_is_likely_to_be_found() -> None:
    """A goods inspection is worth 0.3 x 0.8 x 4 - 0.005 = 0.955 and 0.5 is the price of a place.

    With a chance of 0.7 that nothing is to be found it is charged for 1 + 3 x 0.7 = 3.1 places, so
    1.55. Papers that are wrong at 0.45 beside leave 0.25, and 1 + 3 x 0.25 = 1.75 places, so 0.875.
    """
    dear = {"prices": Prices(yellow=9, red=0.5), "duty": 0.0}
    assert lane_of([0.7, 0.0, 0.3], **dear).lane is Lane.GREEN
    assert lane_of([0.25, 0.45, 0.3], **dear).lane is Lane.RED
    net = lane_of([0.25, 0.45, 0.3], **dear).reasons[0].facts["net_benefit"]
    assert net == pytest.approx(0.955 + 0.45 * 0.6 - 0.5 * 1.75)


def test_the_reason_of_the_model_tells_the_chances_of_the_goods_item_that_decides() -> None:
    risk = Risk([[0.9, 0.08, 0.02], [0.2, 0.1, 0.7], [0.8, 0.15, 0.05]], [0.0, 0.5, 0.0])
    items = tuple(an_item(item_no=number) for number in (1, 2, 3))
    plain: Any = {"rules": RULES, "policy": NO_DRAWS, "prices": Prices(), "draw_key": b"key"}
    decision = decide(a_declaration(items=items), risk=risk, **plain)
    (reason,) = [each for each in decision.reasons if each.code == "RISK"]
    assert (decision.lane, reason.item_no) == (Lane.RED, 2)
    assert (reason.facts["documentary"], reason.facts["physical"]) == (0.1, 0.7)


@pytest.mark.parametrize(
    ("red_price", "lane", "item_no"), [(0.0, Lane.RED, 2), (10.0, Lane.YELLOW, 1)]
)
def test_the_goods_item_that_decides_is_the_best_for_the_control_of_the_lane(
    red_price: float, lane: Lane, item_no: int
) -> None:
    items = tuple(an_item(item_no=number) for number in (1, 2))
    decision = decide(
        a_declaration(items=items),
        risk=Risk([[0.4, 0.6, 0.0], [0.5, 0.0, 0.5]], [0.0, 0.0]),  # in papers, in goods
        rules=RULES,
        policy=NO_DRAWS,
        prices=Prices(red=red_price),
        draw_key=b"key",
    )
    assert decision.lane is lane
    assert [each.item_no for each in decision.reasons if each.code == "RISK"] == [item_no]


@pytest.mark.parametrize(
    ("days", "lane"),
    [(-3_654, Lane.YELLOW), (-3_652, Lane.GREEN), (3_652, Lane.GREEN), (3_654, Lane.YELLOW)],
)
def test_what_was_accepted_far_from_the_clock_is_not_released_by_itself(
    days: float, lane: Lane
) -> None:
    """Else ivory of 1980 is green: no rule was in force then."""
    declaration = a_declaration(importer_compliance_level=1, accepted_at=NOON)
    now = NOON - timedelta(days=days)
    decision = lane_of([1.0, 0.0, 0.0], declaration=declaration, now=now, rules=RuleSet([]))
    assert decision.lane is lane
    assert (decision.reasons[0].code == "ODD_DATE") == (lane is Lane.YELLOW)


@pytest.mark.parametrize(
    ("field", "code", "facts"),
    [
        ("incomplete_code", "INCOMPLETE_CODE", {"digits": 4}),
        ("odd_date", "ODD_DATE", {"accepted_at": "2026-03-02"}),
    ],
)
def test_no_lane_is_asked_for_where_the_policy_names_none(
    field: str, code: str, facts: dict[str, Any]
) -> None:
    declaration = a_declaration(accepted_at=NOON, items=(an_item(hs_code="6109"),))
    now = NOON + timedelta(days=4_000)
    for policy, asked in ((NO_DRAWS, True), (NO_DRAWS.model_copy(update={field: None}), False)):
        decision = lane_of([1.0, 0.0, 0.0], declaration=declaration, now=now, policy=policy)
        told = [vote.reason.facts for vote in decision.votes if vote.reason.code == code]
        assert told == [facts] * asked


def test_a_bundle_from_before_a_lane_was_asked_for_does_not_ask_for_it() -> None:
    """Else what was decided by it would not be decided again alike."""
    assert policy_of_bundle(NO_DRAWS.model_dump_json().encode()) == NO_DRAWS
    later = {"incomplete_code", "odd_date"}
    policy = policy_of_bundle(NO_DRAWS.model_dump_json(exclude=later).encode())
    assert policy == NO_DRAWS.model_copy(update=dict.fromkeys(later))
