"""What each controlled row counts for in the trees and in the calibration, and nothing later."""

import numpy as np
import pandas as pd
import pytest

from models.trees import Trees
from pipelines.calibrate import calibrate, calibrated
from pipelines.train import TrainParams, train
from pipelines.training.boosters import Examples, fit
from pipelines.training.learnable import Labels, learnable
from pipelines.training.lines import ALONE, line_weights
from pipelines.training.outcomes import known_classes
from pipelines.training.rows import Rows
from selectivity.columns import Floats
from selectivity.features.matrix import FEATURE_NAMES
from tests.spoken import PERIODS, a_spoken_model, on, outcomes_of, spoken

LATER = pd.Timestamp(on(25))
"""When the evaluation has begun."""


def all_alike(rows: int) -> Floats:
    return np.zeros((rows, len(FEATURE_NAMES)))


def test_a_booster_of_rows_all_alike_says_their_weighted_mean() -> None:
    answers, weights = np.repeat([1.0, 0.0], 200), np.repeat([1.0, 3.0], 200)
    options = {"objective": "binary", "num_iterations": 1, "seed": 1, "verbosity": -1}
    booster = fit(Examples([Rows.of(all_alike(400))], answers, weights), options)
    assert booster.predict(all_alike(1)) == pytest.approx([0.25])


@pytest.mark.parametrize("forget_lines", [True, False])
def test_a_finding_is_as_likely_and_as_grave_as_weights_say(forget_lines: bool) -> None:
    """Rows count as 200, of which 50 are wrong: physical ones 0.4 each, documentary ones 0.6."""
    classes = np.repeat([0, 1, 2], [100, 50, 50])
    known = Labels(classes, weights=np.repeat([1.5, 0.6, 0.4], [100, 50, 50]))
    params = TrainParams(rounds=3, bagging_fraction=1, forget_lines=forget_lines)
    (chances,) = train(Rows.of(all_alike(200)), known, params).chances(all_alike(1))
    assert chances.tolist() == pytest.approx([0.25, 0.4])


def test_expected_duty_weighs_findings_by_how_their_lines_repeat() -> None:
    """Of two kinds of goods, the first brings 100 or 300 and the second twice that: at weights of
    1 to 3 that is 250 and 500."""
    matrix = all_alike(400)
    matrix[200:, 0] = 1
    duties = np.tile([100.0, 300.0], 200) * np.repeat([1, 2], 200)
    weights = np.tile([0.25, 0.75], 200)
    known = Labels(np.ones(400, dtype=np.int64), weights, duties=duties)
    clean = Labels(np.zeros(400, dtype=np.int64), np.ones(400), np.zeros(400))
    both = Labels(*(np.concatenate(pair) for pair in zip(known[:3], clean[:3], strict=True)))
    params = TrainParams(
        rounds=200,
        learning_rate=0.3,
        lambda_l2=0,
        feature_fraction=1,
        bagging_fraction=1,
        min_data_in_leaf=50,
    )
    trees = train(Rows.of(np.concatenate([matrix, matrix])), both, params)
    expected = trees.duty_given_finding(matrix[[0, 399]])
    assert expected is not None
    assert expected.tolist() == pytest.approx([250.0, 500.0], rel=0.02)


def test_trees_weigh_a_row_by_how_often_its_line_repeats_whatever_its_chance_was() -> None:
    told = outcomes_of(*({"weight": weight} for weight in (2.0, 2.0, 4.0, 4.0, 4.0)))
    days = np.full(6, np.datetime64("2026-01-02"))
    lines = np.array([7, 7, 8, ALONE, ALONE, 7], dtype=np.uint64)
    use, known = learnable(np.ones(6, dtype=bool), days, lines, told, PERIODS, 1.0)
    assert use.tolist() == [True] * 5 + [False]
    assert known.weights.tolist() == [0.5, 0.5, 1.0, 1.0, 1.0]


def test_goods_that_cannot_be_known_again_repeat_nothing() -> None:
    lines = np.array([ALONE, ALONE, ALONE, ALONE, 5, 5, 5, 5, 6], dtype=np.uint64)
    assert line_weights(lines, 0.5).tolist() == [1.0] * 4 + [0.5] * 4 + [1.0]


def test_of_several_controls_the_one_that_weighs_most_counts() -> None:
    told = outcomes_of({"weight": 2.0}, {"row": 0, "weight": 5.0}, {"row": 0, "weight": 3.0})
    assert known_classes(told, 1)[1].tolist() == [5.0]


def test_what_becomes_known_as_the_evaluation_begins_is_not_known_before_it() -> None:
    told = outcomes_of(
        {"observed_at": pd.Timestamp("2026-01-20T23:59:59Z")},
        {"observed_at": pd.Timestamp("2026-01-21T00:00:00Z")},
    )
    assert known_classes(told, 2, before=PERIODS.evaluate_from)[0].tolist() == [0, -1]


def test_duties_assessed_after_the_evaluation_began_are_not_trained_on() -> None:
    told = outcomes_of(
        {"finding_class": 1, "additional_duty": 30.0},
        {"finding_class": 1, "additional_duty": 50.0},
        {"row": 0, "finding_class": 1, "additional_duty": 900.0, "observed_at": LATER},
    )
    days = np.full(2, np.datetime64("2026-01-02"))
    lines = np.full(2, ALONE, dtype=np.uint64)
    _, known = learnable(np.ones(2, dtype=bool), days, lines, told, PERIODS, 0.5)
    assert known.duties is not None
    assert known.duties.tolist() == pytest.approx([30.0, 49.8])


def test_duties_assessed_after_the_evaluation_began_do_not_scale_the_expected_ones() -> None:
    """Trees expect 50 of each of twenty findings, which brought 100: (2000 + 1000) / 2000."""
    early = [{"finding_class": 1, "additional_duty": 100.0} for _ in range(20)]
    late = [
        {"row": row, "finding_class": 1, "additional_duty": 900.0, "observed_at": LATER}
        for row in range(20)
    ]
    matrix = spoken([0.5] * 20, duties=[50.0] * 20)
    trees: Trees = a_spoken_model().trees
    for told in (early, early + late):
        calibration = calibrated(
            trees, matrix, np.ones(20, dtype=bool), outcomes_of(*told), PERIODS
        )
        assert calibration.duty == pytest.approx(1.5)


@pytest.mark.parametrize(("rows", "knots"), [(100, 1), (99, 241)])
def test_calibrated_chances_are_the_weighted_shares_of_what_was_found(
    rows: int, knots: int
) -> None:
    """With few rows a smooth curve, with many steps: both weigh what a row stands for."""
    classes = np.repeat([0, 1, 2], [rows, rows, rows])
    weights = np.repeat([5.0, 1.0, 4.0], rows)
    raw = np.full((3 * rows, 2), 0.5)
    told = calibrate(raw, classes, weights)
    assert (len(told.finding.raw), len(told.physical.raw)) == (knots, knots)
    np.testing.assert_allclose(told.apply(raw[:1]), [[0.5, 0.1, 0.4]], atol=1e-3)
