"""What other policies would have done, counted by hand on ladders of chances."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from pipelines.backtest import backtest, change_of_red, variants
from pipelines.calibrate import prices_of
from pipelines.judging.replay import replay
from selectivity.columns import Columns, Floats, to_columns
from selectivity.deciding.capacity import Prices
from selectivity.deciding.policy import Policy
from selectivity.deciding.random_stratum import RandomPolicy
from selectivity.inspection import FindingClass
from selectivity.rules.rule_set import RuleSet
from tests.builders import a_declaration, a_rule, rules_of
from tests.spoken import (
    PERIODS,
    WORTH_ITS_CHANCE,
    a_spoken_bundle,
    a_spoken_model,
    on,
    outcomes_of,
    spoken,
)

LADDER = np.arange(1, 101) / 200
"""A hundred chances of a finding, all different."""


def lodged(days: Sequence[float], importers: Sequence[str] | None = None) -> Columns:
    """A declaration on each of these days."""
    return to_columns(
        [
            a_declaration(
                declaration_id=f"D-{at}",
                accepted_at=on(day),
                importer_id=None if importers is None else importers[at],
            )
            for at, day in enumerate(days)
        ]
    )


def test_other_capacities_are_priced_on_the_slice_before_the_evaluation() -> None:
    """Of a hundred chances the eight highest are red at a capacity of 8 %, the twelve highest at
    12 %. The evaluation holds the twenty highest, and two more that are far below."""
    items = lodged([12.0] * 100 + [22.0] * 22)
    evaluated = np.concatenate([LADDER[80:], [0.01, 0.02]])
    matrix = spoken(np.concatenate([LADDER, evaluated]).tolist())
    bundle = a_spoken_bundle(prices=Prices(yellow=1, red=float(LADDER[-4])))
    told = backtest(bundle, items, matrix, outcomes_of({}), PERIODS)["variants"]
    assert {name: figures["red_share"] * 22 for name, figures in told.items()} == pytest.approx(
        {
            "as_served": 3,
            "without_model": 0,
            "red_capacity_less_20": 8,
            "red_capacity_more_20": 12,
        }
    )
    assert {figures["declarations"] for figures in told.values()} == {22}


def test_without_its_model_a_bundle_is_tried_without_any_risk() -> None:
    bundle, items, matrix = a_spoken_bundle(), lodged([12.0]), spoken([0.9])
    risks = bundle.model.assess(items, matrix)
    tried = {
        name: (list(given), policy)
        for name, given, policy, _ in variants(bundle, items, matrix, risks)
    }
    assert tried["as_served"] == (risks, bundle.policy)
    assert tried["without_model"] == ([None], bundle.policy)
    assert tried["red_capacity_less_20"][1].red.share == pytest.approx(0.08)
    assert tried["red_capacity_more_20"][1].red.share == pytest.approx(0.12)


def test_the_change_of_red_counts_known_violations_that_move_and_no_others() -> None:
    """Of twenty violations three come in and one goes out; what is clean or unknown moves too."""
    now = pd.DataFrame(
        {
            "lane": ["RED"] * 5 + ["YELLOW"] * 35,
            "inspected": [True] * 30 + [False] * 10,
            "found": [True] * 20 + [False] * 10 + [True] * 10,
        }
    )
    then = now.assign(lane=["YELLOW", *["RED"] * 7, *["YELLOW"] * 12, *["RED"] * 20])
    change = change_of_red(now, then)
    assert change["red_holds_found_change"] == pytest.approx(2 / 20)
    assert change["red_holds_found_change_low"] < 0 < change["red_holds_found_change_high"] < 0.35
    assert set(change_of_red(now, now).values()) == {0.0}
    few = change_of_red(now[11:], then[11:])
    assert few["red_holds_found_change"] == 0.0
    assert np.isnan(few["red_holds_found_change_low"])
    assert change_of_red(now[20:], then[20:]) == {}


def test_a_rule_is_told_how_often_it_hit_was_inspected_and_right() -> None:
    """It hit four times, of which three were inspected and one of these found something."""
    items = lodged([12.0] + [22.0] * 6, ["IMP1"] + ["ARMOURER"] * 4 + ["IMP1"] * 2)
    wrong = {"finding_class": FindingClass.PHYSICAL}
    told = outcomes_of({}, wrong, {}, {}, {"row": 5} | wrong)
    bundle = a_spoken_bundle(rules=rules_of(a_rule()))
    results = backtest(bundle, items, spoken([0.0] * 7), told, PERIODS)
    assert results["rules"] == {
        "R-900": {"reason": "ARMS", "lane": "RED", "hits": 4, "inspected": 3, "found": 1}
    }


def lanes_at(prices: Prices, items: Columns, matrix: Floats) -> dict[str, int]:
    """What the model alone gives at these prices."""
    bundle = a_spoken_bundle(prices=prices)
    decisions = replay(items, bundle.model.assess(items, matrix), bundle)
    return decisions.lane.value_counts().to_dict()


def mixed() -> Floats:
    """A hundred goods items likely to be wrong in papers, or in the goods; never in both alike."""
    matrix = spoken(np.repeat(LADDER, 2).tolist())
    matrix[::2, 1] = 0.0
    return matrix


def test_what_chance_takes_of_a_lane_is_kept_free_for_it() -> None:
    """Of two hundred, 10 % less 4 % may be red and 30 % less 7 % yellow."""
    drawn = WORTH_ITS_CHANCE.model_copy(update={"random": RandomPolicy(yellow=0.07, red=0.04)})
    items, matrix = lodged([12.0] * 200), mixed()
    prices = prices_of(items, a_spoken_model(), matrix, RuleSet([]), drawn)
    assert lanes_at(prices, items, matrix) == {"RED": 12, "YELLOW": 46, "GREEN": 142}


def test_what_rules_put_into_a_lane_takes_capacity_before_the_model_does() -> None:
    """Ten places in red, and rules take seven of them with goods that the model finds harmless."""
    items = lodged([12.0] * 100, ["ARMOURER"] * 7 + ["IMP1"] * 93)
    matrix = spoken([0.0] * 7 + LADDER[7:].tolist())
    prices = prices_of(items, a_spoken_model(), matrix, rules_of(a_rule()), WORTH_ITS_CHANCE)
    assert lanes_at(prices, items, matrix)["RED"] == 3


@pytest.mark.parametrize(("limit", "red"), [(0.5, 10), (0.4, 5)])
def test_what_facilitation_releases_takes_no_capacity(limit: float, red: int) -> None:
    """Five trusted declarations carry a risk of exactly 0.5, above all others."""
    trusted = a_rule(
        layer="facilitation",
        lane="GREEN",
        reason_code="AUTHORISED",
        unless_risk_above=limit,
    )
    items = lodged([12.0] * 105, ["ARMOURER"] * 5 + ["IMP1"] * 100)
    matrix = spoken([0.5] * 5 + (LADDER * 0.9).tolist())
    policy = _red_share(10 / 105)
    prices = prices_of(items, a_spoken_model(), matrix, rules_of(trusted), policy)
    others = lodged([12.0] * 100)
    assert lanes_at(prices, others, matrix[5:])["RED"] == red


def _red_share(share: float) -> Policy:
    red = WORTH_ITS_CHANCE.red.model_copy(update={"share": share})
    return WORTH_ITS_CHANCE.model_copy(update={"red": red})
