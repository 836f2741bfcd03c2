"""Prices make the lanes meet the capacity."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selectivity.deciding.capacity import (
    ControlPolicy,
    PerClass,
    Prices,
    ValuePolicy,
    benefits,
    best_lane,
    fit_prices,
    places_of,
)
from selectivity.lanes import Lane

VALUE = ValuePolicy(finding=PerClass(documentary=1, physical=10), duty=2)
YELLOW = ControlPolicy(share=0.2, cost=0.1, detects=PerClass(documentary=0.4, physical=0.0))
RED = ControlPolicy(share=0.1, cost=0.2, detects=PerClass(documentary=0.6, physical=0.8))
HOLDS_UP = RED.model_copy(update={"hold_up": 2.0})
ONE_PLACE = np.ones((1, 2))


def test_the_benefit_is_what_is_found_less_the_cost() -> None:
    found = benefits(
        np.array([[0.7, 0.2, 0.1]]), np.array([0.5]), value=VALUE, yellow=YELLOW, red=RED
    )
    by_papers = 0.2 * 0.4 * (1 + 2 * 0.5) - 0.1
    by_goods = 0.2 * 0.6 * (1 + 2 * 0.5) + 0.1 * 0.8 * (10 + 2 * 0.5) - 0.2
    np.testing.assert_allclose(found, [[by_papers, by_goods]])


def test_a_control_that_finds_nothing_is_charged_for_further_places() -> None:
    assert places_of(RED, 1.0) == 1  # no hold-up is charged for
    assert [places_of(HOLDS_UP, nothing) for nothing in (0.0, 0.5, 1.0)] == [1, 2, 3]
    np.testing.assert_array_equal(places_of(HOLDS_UP, np.array([0.25, 0.75])), [1.5, 2.5])


def test_of_two_controls_worth_the_same_the_one_likelier_to_find_is_made() -> None:
    """Both are worth 0.5, and a place costs 0.3: 0.5 - 0.3 x 1.2 > 0, but 0.5 - 0.3 x 2.4 < 0."""
    nothing = np.array([0.1, 0.7])
    benefit = np.array([[-1.0, 0.5], [-1.0, 0.5]])
    places = np.column_stack([places_of(each, nothing) for each in (YELLOW, HOLDS_UP)])
    lanes = best_lane(benefit, places, Prices(yellow=0, red=0.3))
    assert lanes.tolist() == [Lane.RED, Lane.GREEN]


def test_a_lane_is_filled_by_worth_a_place_and_not_by_worth_alone() -> None:
    """Worth 2 in 3 places is 0.67 a place, worth 1 in one place is 1; only one of them has room."""
    benefit = np.array([[-1.0, 2.0], [-1.0, 1.0]])
    places = np.array([[1.0, 3.0], [1.0, 1.0]])
    prices = fit_prices(benefit, places, yellow_share=0.0, red_share=0.5)
    assert 2 / 3 < prices.red < 1
    assert best_lane(benefit, places, prices).tolist() == [Lane.GREEN, Lane.RED]


@settings(deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0.02, 0.3),
    st.floats(0.01, 0.2),
    st.floats(0, 0.2),
    st.floats(0, 10),
)
def test_prices_meet_the_capacity_where_rules_leave_room(
    seed: int, yellow: float, red: float, by_rule: float, hold_up: float
) -> None:
    chance = np.random.default_rng(seed)
    benefit = chance.exponential(size=(2_000, 2))
    control = RED.model_copy(update={"hold_up": hold_up})
    places = np.repeat(places_of(control, chance.random((2_000, 1))), 2, axis=1)
    least = np.where(chance.random(2_000) < by_rule, Lane.RED, Lane.GREEN).astype(np.int64)
    prices = fit_prices(benefit, places, yellow_share=yellow, red_share=red, least=least)
    lanes = best_lane(benefit, places, prices, least)
    forced = (least == Lane.RED).mean()
    assert (lanes == Lane.RED).mean() <= max(red, forced) + 1e-3
    assert (lanes > Lane.GREEN).mean() <= max(yellow + red, forced) + 1e-3
    if forced < red - 0.01:
        assert (lanes == Lane.RED).mean() == pytest.approx(red, abs=0.01)


def test_a_control_not_worth_its_cost_is_not_made_though_there_is_capacity() -> None:
    benefit = np.full((100, 2), -0.5)
    assert fit_prices(benefit, ONE_PLACE, yellow_share=0.2, red_share=0.1) == Prices()
    assert (best_lane(benefit, ONE_PLACE, Prices()) == Lane.GREEN).all()
