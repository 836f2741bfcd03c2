"""Prices make the lanes meet the capacity."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selectivity.capacity import (
    ControlPolicy,
    Found,
    Prices,
    ValuePolicy,
    benefits,
    best_lane,
    fit_prices,
)
from selectivity.lanes import Lane

VALUE = ValuePolicy(finding=Found(documentary=1, physical=10), duty=2)
YELLOW = ControlPolicy(share=0.2, cost=0.1, detects=Found(documentary=0.4, physical=0.0))
RED = ControlPolicy(share=0.1, cost=0.2, detects=Found(documentary=0.6, physical=0.8))


def test_the_benefit_is_what_is_found_less_the_cost() -> None:
    found = benefits(
        np.array([[0.7, 0.2, 0.1]]), np.array([0.5]), value=VALUE, yellow=YELLOW, red=RED
    )
    by_papers = 0.2 * 0.4 * (1 + 2 * 0.5) - 0.1
    by_goods = 0.2 * 0.6 * (1 + 2 * 0.5) + 0.1 * 0.8 * (10 + 2 * 0.5) - 0.2
    np.testing.assert_allclose(found, [[by_papers, by_goods]])


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.02, 0.3), st.floats(0.01, 0.2), st.floats(0, 0.2))
def test_prices_meet_the_capacity_where_rules_leave_room(
    seed: int, yellow: float, red: float, by_rule: float
) -> None:
    chance = np.random.default_rng(seed)
    benefit = chance.exponential(size=(2_000, 2))
    least = np.where(chance.random(2_000) < by_rule, Lane.RED, Lane.GREEN).astype(np.int64)
    prices = fit_prices(benefit, yellow_share=yellow, red_share=red, least=least)
    lanes = best_lane(benefit, prices, least)
    forced = (least == Lane.RED).mean()
    assert (lanes == Lane.RED).mean() <= max(red, forced) + 1e-3
    assert (lanes > Lane.GREEN).mean() <= max(yellow + red, forced) + 1e-3
    if forced < red - 0.01:
        assert (lanes == Lane.RED).mean() == pytest.approx(red, abs=0.01)


def test_a_control_not_worth_its_cost_is_not_made_though_there_is_capacity() -> None:
    benefit = np.full((100, 2), -0.5)
    assert fit_prices(benefit, yellow_share=0.2, red_share=0.1) == Prices()
    assert (best_lane(benefit, Prices()) == Lane.GREEN).all()
