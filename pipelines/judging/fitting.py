"""Trains and calibrates in one go, for whoever compares models or learns week by week."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from models.calibration import Calibration
from models.trees import Trees
from pipelines.calibrate import calibrated
from pipelines.stage.files import read_as
from pipelines.stage.tables import read_columns
from pipelines.train import TrainParams, train
from pipelines.training.learnable import learnable
from pipelines.training.lines import Lines, line_numbers
from pipelines.training.outcomes import read_outcomes
from pipelines.training.periods import Periods
from pipelines.training.rows import Rows, read_features
from selectivity.columns import Columns, Floats, Mask

Predict = Callable[[Floats], Floats]
"""Gives calibrated chances of each finding class, shape (n, 3), from a feature matrix."""


@dataclass(frozen=True)
class Past:
    """All that training looks at: goods items, their features, outcomes, and the periods."""

    items: Columns
    matrix: Floats
    outcomes: pd.DataFrame
    periods: Periods

    @cached_property
    def lines(self) -> Lines:
        """Number of the goods line of each item, shape (n,)."""
        return line_numbers(self.items)


def grow(past: Past, params: TrainParams, *, kept: Mask | None = None) -> Trees:
    """Train on the training days. Pure.

    Args:
        kept: mask of the rows that may teach; all of them if left out.
    """
    return _grown(past, past.periods.rows(past.items, "train"), params, kept)


class Learnt(NamedTuple):
    """What training and calibration come to."""

    trees: Trees
    """They decide: from all that was known before the evaluation."""
    rehearsal: Trees
    """From the training days alone: what the calibration days judge."""
    calibration: Calibration


def learn(past: Past, params: TrainParams, *, kept: Mask | None = None) -> Learnt:
    """Train and calibrate as the stages do. Pure.

    Args:
        kept: mask of the rows that may teach; all of them if left out.
    """
    rehearsal = grow(past, params, kept=kept)
    use = past.periods.rows(past.items, "calibrate")
    use = use if kept is None else use & kept
    calibration = calibrated(rehearsal, past.matrix, use, past.outcomes, past.periods)
    if not params.refit:
        return Learnt(rehearsal, rehearsal, calibration)
    trees = _grown(past, past.periods.lodged_before(past.items), params, kept)
    return Learnt(trees, rehearsal, calibration)


def fit(past: Past, params: TrainParams, *, kept: Mask | None = None) -> Predict:
    """What `learn` comes to, as a function of the feature matrix."""
    learnt = learn(past, params, kept=kept)
    return lambda rows: learnt.calibration.apply(learnt.trees.chances(rows))


def _grown(past: Past, use: Mask, params: TrainParams, kept: Mask | None) -> Trees:
    use, known = learnable(
        use if kept is None else use & kept,
        past.items["accepted_at"],
        past.lines,
        past.outcomes,
        past.periods,
        params.line_weight_exponent,
    )
    return train(Rows.of(past.matrix).chosen(use), known, params)


def read_past(features: Path, items: Path, periods: Path, outcomes: Path) -> Past:
    """What the stages before `train` wrote."""
    declared = read_columns(items)
    count = len(declared["item_no"])
    return Past(
        items=declared,
        matrix=read_features(features, count),
        outcomes=read_outcomes(outcomes, count),
        periods=read_as(periods, Periods),
    )
