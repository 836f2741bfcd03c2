"""Figures against numbers worked out by hand or by a library."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from selectivity.columns import Ints
from selectivity.metrics import (
    Interval,
    bootstrap,
    bootstrapped,
    calibration_bins,
    equal_mass_calibration_error,
    expected_calibration_error,
    percentile_interval,
    precision_at,
    recall_at,
    share_in_groups,
    share_of,
    total_of,
    wilson,
)

FOUND = np.array([1, 0, 1, 0, 0, 0, 0, 0, 0, 0])
RISK = np.array([0.9, 0.8, 0.7, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])


def test_a_share_of_two_estimates_lies_in_its_interval_as_often_as_is_said() -> None:
    """Few of many are drawn where most of it lies, and all where little does."""
    draws, rate, seen, rest = np.random.default_rng(5), 0.02, 32, 137
    truth = 6_300 * rate / (6_300 * rate + rest)
    held, nothing = 0, 0
    for found in draws.binomial(seen, rate, 1_000).tolist():
        drawn = Interval(*(6_300 * end for end in wilson(found, seen)))
        share = share_of(drawn, total_of([Interval(rest, rest - 20, rest + 20)]))
        held += share.low <= truth <= share.high
        nothing += found == 0
        assert 0 <= share.low <= share.value <= share.high <= 1
    assert nothing > 500
    assert held > 930


def test_a_sum_of_estimates_is_as_wide_as_their_squares_say() -> None:
    total = total_of([Interval(10, 7, 15), Interval(20, 16, 32)])
    assert total == (30, 25, 43)
    assert np.isnan(share_of(Interval(0, 0, 4), Interval(0, 0, 1)).value)


def test_two_numbers_alike_are_half_each() -> None:
    alike = Interval(20, 10, 30)
    apart = np.exp(np.hypot(np.log(2), np.log(1.5)))
    assert share_of(alike, alike) == pytest.approx((0.5, 1 / (1 + apart), apart / (1 + apart)))


def test_where_nothing_was_found_of_one_both_ends_are_at_their_worst() -> None:
    some, nothing = Interval(20, 10, 30), Interval(0, 0, 5)
    assert share_of(some, nothing) == pytest.approx((1, 10 / 15, 1))
    assert share_of(nothing, some) == pytest.approx((0, 0, 5 / 15))


def test_precision_and_recall_count_the_riskiest_share() -> None:
    assert precision_at(FOUND, RISK, 0.2) == 0.5
    assert recall_at(FOUND, RISK, 0.2) == 0.5
    assert recall_at(FOUND, RISK, 0.3) == 1.0


def test_the_wilson_interval_of_ten_in_a_hundred() -> None:
    # 0.0552 to 0.1744: Newcombe, Statistics in Medicine 17 (1998), method 3
    assert wilson(10, 100) == pytest.approx((0.1, 0.0552, 0.1744), abs=1e-4)


def test_the_ends_of_a_share_of_all_or_nothing_are_all_and_nothing_to_the_last_digit() -> None:
    for of in range(1, 200):
        assert wilson(of, of).high == 1.0
        assert wilson(0, of).low == 0.0


def test_nothing_counted_is_not_a_rate() -> None:
    value, low, high = wilson(0, 0)
    assert np.isnan(value)
    assert (low, high) == (0.0, 1.0)


def test_calibration_error_is_the_distance_in_each_bin() -> None:
    found, risk = np.array([0, 0, 1, 1]), np.array([0.25, 0.25, 0.75, 0.75])
    assert expected_calibration_error(found, risk) == pytest.approx(0.25)
    assert expected_calibration_error(found, found.astype(float)) == 0


def test_a_wrong_order_of_small_risks_shows_in_bins_of_equal_mass_alone() -> None:
    risk = np.repeat([0.02, 0.04], 50)
    found = np.zeros(100, dtype=np.int64)
    found[[0, 1, 50]] = 1  # four and two in a hundred, where two and four were said
    assert expected_calibration_error(found, risk) == pytest.approx(0)
    assert equal_mass_calibration_error(found, risk, bins=2) == pytest.approx(0.02)
    assert np.isnan(equal_mass_calibration_error(found[:0], risk[:0]))


def test_rows_that_are_alike_within_a_group_count_as_one() -> None:
    once = np.array([1] * 6 + [0] * 94)
    thrice, groups = np.tile(once, 3), np.tile(np.arange(100), 3)
    assert share_in_groups(thrice, groups) == pytest.approx(wilson(6, 100))
    assert share_in_groups(thrice, np.arange(300)) == pytest.approx(wilson(18, 300))


def test_groups_never_make_a_share_more_certain_than_its_rows() -> None:
    balanced = np.tile([0, 1], 50)  # one of two in every group
    assert share_in_groups(balanced, np.repeat(np.arange(50), 2)) == wilson(50, 100)
    assert share_in_groups(np.zeros(40, dtype=np.int64), np.zeros(40)) == wilson(0, 40)
    assert np.isnan(share_in_groups(FOUND[:0], FOUND[:0]).value)


def test_a_bin_of_few_declarations_is_less_certain_than_its_goods_items() -> None:
    found = np.repeat(np.arange(40) % 4 == 0, 5).astype(np.int64)
    risk, groups = np.random.default_rng(2).random(200), np.repeat(np.arange(40), 5)
    ((_, alone, _),) = calibration_bins(found, risk, bins=1)
    ((_, seen, _),) = calibration_bins(found, risk, bins=1, groups=groups)
    assert alone == wilson(50, 200)
    assert seen == pytest.approx(wilson(10, 40))


def test_bins_go_by_the_risk_in_whatever_order_rows_come() -> None:
    order = np.random.default_rng(4).permutation(len(RISK))
    told, mixed = (
        [(predicted, seen.value) for predicted, seen, _ in calibration_bins(*rows, bins=2)]
        for rows in ((FOUND, RISK), (FOUND[order], RISK[order]))
    )
    for bins in (told, mixed):
        assert np.ravel(bins).tolist() == pytest.approx([0.1, 0.0, 0.52, 0.4])
    assert calibration_bins(FOUND[:0], RISK[:0]) == []


def test_what_is_sure_lies_in_the_highest_bin() -> None:
    found, risk = np.array([1, 0]), np.array([0.95, 1.0])
    assert expected_calibration_error(found, risk) == pytest.approx(0.475)


def test_an_interval_that_few_resamples_know_of_is_none() -> None:
    one_of_many = np.arange(400) == 0  # two of three resamples hold it

    def defined(needed: int) -> Callable[[Ints], float]:
        return lambda at: 0.5 if one_of_many[at].sum() >= needed else float("nan")

    assert bootstrap(defined(1), np.arange(400)) == (0.5, 0.5)
    assert np.isnan(bootstrap(defined(2), np.arange(400))).all()


@pytest.mark.parametrize(("defined", "ends"), [(5, (0.5, 0.5)), (4, (np.nan, np.nan))])
def test_an_interval_is_that_of_half_of_the_resamples_or_more(
    defined: int, ends: tuple[float, float]
) -> None:
    values = np.array([0.5] * defined + [np.nan] * (10 - defined))
    np.testing.assert_array_equal(percentile_interval(values), ends)


def test_an_interval_is_left_out_where_too_little_was_found_and_the_value_is_not() -> None:
    coins = np.tile([0.0, 1.0], 200)

    def share(at: Ints) -> float:
        return float(coins[at].mean())

    ends = bootstrap(share, np.arange(400), resamples=50)
    assert bootstrapped(share, np.arange(400), resamples=50) == (0.5, *ends)
    value, low, high = bootstrapped(share, np.arange(400), enough=False)
    assert value == 0.5
    assert np.isnan([low, high]).all()


def test_a_figure_is_read_as_it_was_named() -> None:
    figures = Interval(0.5, 0.4, 0.7).named("hit_rate")
    assert figures == {"hit_rate": 0.5, "hit_rate_low": 0.4, "hit_rate_high": 0.7}
    assert Interval.read(figures, "hit_rate") == (0.5, 0.4, 0.7)
    assert np.isnan(Interval.read(figures, "detection_rate")).all()


def test_bins_hold_every_row_once() -> None:
    assert sum(count for _, _, count in calibration_bins(FOUND, RISK, bins=4)) == len(FOUND)


def test_the_bootstrap_spans_what_nineteen_of_twenty_resamples_give() -> None:
    """The mean of 400 coins has a standard error of 0.025, and 1.96 of those each way."""
    coins = np.tile([0.0, 1.0], 200)
    low, high = bootstrap(lambda at: float(coins[at].mean()), np.arange(400), resamples=1_000)
    assert [low, high] == pytest.approx([0.451, 0.549], abs=0.006)


def test_the_bootstrap_draws_whole_declarations() -> None:
    chance = np.random.default_rng(1)
    groups = np.repeat(np.arange(200), 5)
    by_group = chance.random(200)
    found = (np.repeat(by_group, 5) > 0.5).astype(int)
    risk = np.repeat(by_group + chance.normal(0, 0.5, 200), 5)

    def auroc(at: np.ndarray) -> float:
        return float(roc_auc_score(found[at], risk[at]))

    low, high = bootstrap(auroc, groups)
    row_low, row_high = bootstrap(auroc, np.arange(1_000))
    assert low < auroc(np.arange(1_000)) < high
    assert high - low > 1.5 * (row_high - row_low)
