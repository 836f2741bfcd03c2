"""The short way to raw scores gives the bits of the long one."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest
from lightgbm.basic import LightGBMError

from models.bundle import load
from models.raw_scores import FEW_ROWS, RawScores
from selectivity.columns import Floats
from selectivity.features.matrix import FEATURE_NAMES


@pytest.fixture(scope="module")
def booster(bundle: Path) -> lgb.Booster:
    return load(bundle).model.trees.finding


def some_rows(count: int, seed: int = 0) -> Floats:
    """Numbers as features have them: some large, some missing."""
    chance = np.random.default_rng(seed)
    rows = chance.normal(scale=3, size=(count, len(FEATURE_NAMES)))
    rows[chance.random(rows.shape) < 0.2] = np.nan
    return rows


@pytest.mark.parametrize("count", [0, 1, 3, FEW_ROWS, FEW_ROWS + 1, 200])
def test_scores_are_those_of_the_booster_bit_by_bit(booster: lgb.Booster, count: int) -> None:
    rows = some_rows(200)[:count]
    expected = booster.predict(some_rows(200))[:count]
    np.testing.assert_array_equal(RawScores(booster)(rows), expected)


def test_rows_may_lie_anyhow_in_memory(booster: lgb.Booster) -> None:
    wide = some_rows(9)
    for rows in (wide[::3], np.asfortranarray(wide[:4])):
        np.testing.assert_array_equal(RawScores(booster)(rows), booster.predict(rows))


def test_rows_of_another_width_are_refused(booster: lgb.Booster) -> None:
    with pytest.raises(LightGBMError, match="number of features"):
        RawScores(booster)(some_rows(2)[:, 1:])


def test_threads_do_not_get_the_scores_of_each_other(booster: lgb.Booster) -> None:
    many = [some_rows(3, seed) for seed in range(40)]
    alone = [booster.predict(rows) for rows in many]
    scores = RawScores(booster)
    with ThreadPoolExecutor(8) as threads:
        for _ in range(5):
            for mine, expected in zip(threads.map(scores, many), alone, strict=True):
                np.testing.assert_array_equal(mine, expected)
