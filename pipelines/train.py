"""Train the lane model on goods items that were controlled.

Reads   data/features/features.parquet          one column per feature
        data/interim/prepared/items.parquet     goods items, for their lines
        data/interim/prepared/periods.json      which days train
        data/interim/labelled/outcomes.parquet  what controls found
Writes  models/artifacts/train/booster.txt      LightGBM text format
"""

from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from models.lane_model import BOOSTER
from pipelines.command import FileOption, command, say
from pipelines.featurize import read_features
from pipelines.files import read_json, write_text
from pipelines.label import UNKNOWN, known_classes
from pipelines.params import section
from pipelines.periods import Periods
from pipelines.tables import read_columns
from selectivity.columns import Columns, Floats, Ints, take
from selectivity.errors import NotEnoughDataError
from selectivity.features import FEATURE_NAMES, forget_lines
from selectivity.inspection import FindingClass
from selectivity.profile_keys import goods_line


class TrainParams(BaseModel):
    """Section `train` of params.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 20261
    rounds: int = Field(default=250, gt=0, le=20_000, description="Boosting rounds.")
    learning_rate: float = Field(default=0.05, gt=0, le=1)
    num_leaves: int = Field(default=8, ge=2, le=4_096)
    min_data_in_leaf: int = Field(default=100, ge=1)
    feature_fraction: float = Field(default=0.3, gt=0, le=1)
    bagging_fraction: float = Field(default=0.8, gt=0, le=1)
    lambda_l2: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    line_weight_exponent: float = Field(
        default=0.5, ge=0, le=1, description="A line seen k times weighs k ** -exponent a row."
    )
    forget_lines: bool = Field(
        default=True,
        description="Learn each row twice, once as if its goods line were new: memory must not "
        "stand in for judgement.",
    )
    threads: int = Field(default=1, ge=1)
    smallest_class: int = Field(
        default=20, ge=1, description="Controlled rows each class needs at least."
    )


def train(matrix: Floats, classes: Ints, weights: Floats, params: TrainParams) -> lgb.Booster:
    """Fit a booster on controlled rows. Pure: the same input gives the same trees.

    Args:
        matrix: features, shape (n, number of features).
        classes: `FindingClass` of each row, shape (n,); rows that are `UNKNOWN` are refused.
        weights: above 0, shape (n,).

    Raises:
        ValueError: a row was never inspected. Unknown is not clean.
        NotEnoughDataError: a class has too few rows to be learnt.
    """
    if (classes == UNKNOWN).any():
        raise ValueError("a row that was never inspected cannot be trained on")
    for finding_class in FindingClass:
        count = int((classes == finding_class).sum())
        if count < params.smallest_class:
            raise NotEnoughDataError(
                f"Only {count} controlled goods items of class {finding_class.name} are known for "
                f"training, and {params.smallest_class} are needed. Bring a longer history, give "
                "training more of it (`prepare.warm_up_days`, `label_delay_days`, "
                "`calibration_share`, `evaluation_share`), or, if there are some at all and you "
                "know why, lower `train.smallest_class`."
            )
    if params.forget_lines:
        matrix = np.vstack([matrix, forget_lines(matrix)])
        classes, weights = np.tile(classes, 2), np.tile(weights, 2)
    data = lgb.Dataset(matrix, classes, weight=weights, feature_name=list(FEATURE_NAMES))
    return lgb.train(_options(params), data, num_boost_round=params.rounds)


def _options(params: TrainParams) -> dict[str, Any]:
    return {
        "objective": "multiclass",
        "num_class": len(FindingClass),
        "learning_rate": params.learning_rate,
        "num_leaves": params.num_leaves,
        "min_data_in_leaf": params.min_data_in_leaf,
        "feature_fraction": params.feature_fraction,
        "bagging_fraction": params.bagging_fraction,
        "bagging_freq": 1,
        "lambda_l2": params.lambda_l2,
        "seed": params.seed,
        "num_threads": params.threads,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }


def line_weights(items: Columns, exponent: float) -> Floats:
    """Weight of each row by how often its goods line stands in these rows: k ** -exponent."""
    lines = goods_line(items)
    alone = np.array([line is None for line in lines])
    _, inverse, counts = np.unique(
        np.where(alone, "", lines).astype(str), return_inverse=True, return_counts=True
    )
    sizes = np.where(alone, 1.0, counts[inverse])
    weights: Floats = sizes**-exponent
    return weights


def train_on(
    rows: Any,
    items: Columns,
    matrix: Floats,
    outcomes: pd.DataFrame,
    periods: Periods,
    params: TrainParams,
) -> lgb.Booster:
    """Train on those of `rows` (a mask) whose outcome was known before the evaluation began."""
    classes, weights = known_classes(outcomes, len(matrix), before=periods.evaluate_from)
    use = rows & (classes != UNKNOWN)
    by_line = line_weights(take(items, use), params.line_weight_exponent)
    return train(matrix[use], classes[use], weights[use] * by_line, params)


def main(
    params: FileOption,
    features: FileOption,
    items: FileOption,
    periods: FileOption,
    outcomes: FileOption,
    out: FileOption,
) -> None:
    """Train the lane model on goods items that were controlled."""
    settings = section(params, "train", TrainParams)
    columns = read_columns(items)
    parts = Periods.model_validate(read_json(periods))
    rows = parts.rows(columns, "train")
    booster = train_on(
        rows, columns, read_features(features), pd.read_parquet(outcomes), parts, settings
    )
    write_text(out / BOOSTER, booster.model_to_string())
    say(f"train: {booster.num_trees()} trees from {rows.sum()} goods items lodged in training")


if __name__ == "__main__":
    command(main)
