"""Trains and calibrates in one go, for whoever compares models: views, ablation, search."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from models.trees import Trees
from pipelines.calibrate import calibrated
from pipelines.featurize import read_features
from pipelines.label import read_outcomes
from pipelines.stage.files import read_as
from pipelines.stage.tables import read_columns
from pipelines.train import TrainParams, train_on
from pipelines.training.learnable import Mask
from pipelines.training.lines import Lines, line_numbers
from pipelines.training.periods import Periods
from pipelines.training.rows import Rows
from selectivity.columns import Columns, Floats

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
    """Train as the stage does. Pure.

    Args:
        kept: mask of the rows that may teach; all of them if left out.
    """
    teach = past.periods.rows(past.items, "train")
    return train_on(
        teach if kept is None else teach & kept,
        Rows.of(past.matrix),
        past.items["accepted_at"],
        past.lines,
        past.outcomes,
        past.periods,
        params,
    )


def fit(past: Past, params: TrainParams, *, kept: Mask | None = None) -> Predict:
    """Train and calibrate as the stages do. Pure.

    Args:
        kept: mask of the rows that may teach; all of them if left out.
    """
    trees = grow(past, params, kept=kept)
    use = past.periods.rows(past.items, "calibrate")
    use = use if kept is None else use & kept
    calibration = calibrated(trees, past.matrix, use, past.outcomes, past.periods)
    return lambda rows: calibration.apply(trees.chances(rows))


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
