"""Trains and calibrates in one go, for whoever compares models: views, ablation, search."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.calibrate import calibrated
from pipelines.featurize import read_features
from pipelines.files import read_json
from pipelines.lines import line_numbers
from pipelines.periods import Periods
from pipelines.rows import Rows
from pipelines.tables import read_columns
from pipelines.train import TrainParams, train_on
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


def fit(past: Past, params: TrainParams, *, kept: npt.NDArray[np.bool_] | None = None) -> Predict:
    """Train and calibrate as the stages do. Pure.

    Args:
        kept: mask of the rows that may teach; all of them if left out.
    """
    items, matrix, outcomes, periods = past.items, past.matrix, past.outcomes, past.periods
    teach = np.ones(len(matrix), dtype=bool) if kept is None else kept
    trees = train_on(
        teach & periods.rows(items, "train"),
        Rows.of(matrix),
        items["accepted_at"],
        line_numbers(items),
        outcomes,
        periods,
        params,
    )
    use = teach & periods.rows(items, "calibrate")
    calibration = calibrated(trees, matrix, use, outcomes, periods)
    return lambda rows: calibration.apply(trees.chances(rows))


def read_past(features: Path, items: Path, periods: Path, outcomes: Path) -> Past:
    """What the stages before `train` wrote."""
    return Past(
        items=read_columns(items),
        matrix=read_features(features),
        outcomes=pd.read_parquet(outcomes),
        periods=Periods.model_validate(read_json(periods)),
    )
