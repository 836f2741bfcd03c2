"""A higher past finding rate never lowers the risk, whatever the data say."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.calibration import Calibration
from models.trees import Trees
from pipelines.calibrate import calibrate
from pipelines.train import PHYSICAL_RISES, RISK_RISES, TrainParams, train
from pipelines.training.learnable import Labels
from pipelines.training.rows import Rows
from selectivity.columns import Floats
from selectivity.features.matrix import FEATURE_NAMES, FEATURES

RATES = [at for at, feature in enumerate(FEATURES) if feature.direction > 0]
ROWS = 1_200


@cache
def against_the_rates() -> tuple[Trees, Calibration, Floats]:
    """Trees from rows in which findings grow rarer as most rates rise: they have to resist."""
    chance = np.random.default_rng(0)
    matrix = chance.random((ROWS, len(FEATURE_NAMES)))
    matrix[chance.random(matrix.shape) < 0.1] = np.nan
    falling = np.nan_to_num(matrix[:, RATES], nan=0.5).mean(axis=1)
    risk = 1 / (1 + np.exp(12 * (falling - 0.5))) * np.nan_to_num(matrix[:, 0], nan=0.5)
    found = chance.random(ROWS) < risk
    classes = np.where(found, chance.integers(1, 3, ROWS), 0)
    params = TrainParams(rounds=60, min_data_in_leaf=10, lambda_l2=0, num_leaves=16)
    trees = train(Rows.of(matrix), Labels(classes, np.ones(ROWS)), params)
    curves = calibrate(trees.chances(matrix), classes, np.ones(ROWS))
    return trees, curves, matrix


def test_rates_of_findings_declare_that_risk_rises_with_them() -> None:
    assert {FEATURE_NAMES[at] for at in RATES} >= {
        name for name in FEATURE_NAMES if name.endswith(("_documentary_rate", "_physical_rate"))
    }


@settings(max_examples=60, deadline=None)
@given(
    row=st.integers(0, ROWS - 1),
    raised=st.sets(st.sampled_from(RATES), min_size=1),
    by=st.floats(0, 1),
)
def test_raising_a_finding_rate_never_lowers_the_risk(
    row: int, raised: set[int], by: float
) -> None:
    trees, curves, matrix = against_the_rates()
    before, after = (curves.apply(trees.chances(rows)) for rows in _both(matrix[row], raised, by))
    assert 1 - after[0, 0] >= 1 - before[0, 0]


@settings(max_examples=30, deadline=None)
@given(row=st.integers(0, ROWS - 1), by=st.floats(0, 1))
def test_raising_a_physical_rate_never_lowers_the_chance_of_a_physical_finding(
    row: int, by: float
) -> None:
    trees, curves, matrix = against_the_rates()
    physical = {at for at, direction in enumerate(PHYSICAL_RISES) if direction > 0}
    before, after = (curves.apply(trees.chances(rows)) for rows in _both(matrix[row], physical, by))
    assert after[0, 2] >= before[0, 2]


def test_without_the_constraint_these_rows_would_teach_the_contrary() -> None:
    assert sum(RISK_RISES) == len(RATES) > 0
    trees, _, matrix = against_the_rates()
    low, high = matrix.copy(), matrix.copy()
    low[:, RATES], high[:, RATES] = 0.0, 1.0
    assert (trees.chances(high)[:, 0] >= trees.chances(low)[:, 0]).all()


def _both(row: Floats, raised: set[int], by: float) -> tuple[Floats, Floats]:
    """A row, and the same with some features raised; what is not known stays so."""
    higher = row.copy()
    higher[list(raised)] += by
    return row[None, :], higher[None, :]


@pytest.mark.parametrize("bags", [2, 3])
def test_several_boosters_become_one_that_says_their_mean(bags: int) -> None:
    _, _, matrix = against_the_rates()
    chance = np.random.default_rng(1)
    known = Labels(chance.integers(0, 3, ROWS), np.ones(ROWS))
    params = TrainParams(rounds=5, lambda_l2=0)
    alone = [
        train(Rows.of(matrix), known, params.model_copy(update={"seed": params.seed + bag}))
        for bag in range(bags)
    ]
    together = train(Rows.of(matrix), known, params.model_copy(update={"bags": bags}))
    scores = [trees.finding.predict(matrix, raw_score=True) for trees in alone]
    np.testing.assert_allclose(
        together.finding.predict(matrix, raw_score=True), np.mean(scores, axis=0), atol=1e-12
    )
