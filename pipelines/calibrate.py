"""Fit what follows the trees, on a later slice of time: probabilities and prices.

Reads   models/artifacts/train/booster.txt      the trees
        data/features/…                         features.parquet, knowledge.json
        data/interim/…                          items, periods, outcomes
        data/reference/rules/*.yaml             what takes capacity before the model does
Writes  models/artifacts/calibrate/calibration.json   one curve per finding class
        models/artifacts/calibrate/prices.json        price of one control per lane
"""

import lightgbm as lgb
import numpy as np
import pandas as pd
from sklearn.isotonic import IsotonicRegression

from models.bundle import PRICES
from models.calibration import Calibration, Curve
from models.lane_model import CALIBRATION, Knowledge, LaneModel
from models.rules_files import read_rules
from pipelines.bundle import BundleParams
from pipelines.command import FileOption, command, say
from pipelines.featurize import read_features
from pipelines.files import read_json, write_text
from pipelines.label import UNKNOWN, known_classes
from pipelines.params import section
from pipelines.periods import Periods
from pipelines.replay import EVALUATION_KEY
from pipelines.tables import read_columns
from selectivity.capacity import Prices, benefits, fit_prices, highest_per_declaration
from selectivity.columns import Columns, Floats, Ints, each_declaration, first_rows, take
from selectivity.errors import NotEnoughDataError
from selectivity.inspection import FindingClass
from selectivity.policy import Policy, least_lane
from selectivity.rules import RuleSet


def calibrate(raw: Floats, classes: Ints, weights: Floats) -> Calibration:
    """Curves that turn raw class scores into observed shares. Pure.

    Args:
        raw: class scores of the trees on controlled rows, shape (n, 3).
        classes: what the controls found, shape (n,), none `UNKNOWN`.
    """
    if len(classes) == 0 or (classes == UNKNOWN).any():
        raise NotEnoughDataError(
            "No inspected goods items fall in the calibration period. Bring more history or make "
            "`prepare.calibration_share` larger."
        )
    return Calibration(
        curves=tuple(_curve(raw[:, at], classes == at, weights) for at in FindingClass)
    )


def _curve(raw: Floats, is_class: "np.typing.NDArray[np.bool_]", weights: Floats) -> Curve:
    fitted = IsotonicRegression(  # type: ignore[no-untyped-call]
        y_min=0, y_max=1, out_of_bounds="clip"
    ).fit(raw, is_class.astype(np.float64), sample_weight=weights)
    return Curve(
        raw=tuple(fitted.X_thresholds_.tolist()), calibrated=tuple(fitted.y_thresholds_.tolist())
    )


def prices_of(
    items: Columns, model: LaneModel, matrix: Floats, rules: RuleSet, policy: Policy
) -> Prices:
    """Prices at which the lanes of these declarations meet the capacity of `policy`. Pure.

    What the random stratum takes is kept free for it.
    """
    starts = first_rows(items)
    probabilities = model.probabilities(matrix)
    least = [
        least_lane(
            each,
            rules=rules,
            policy=policy,
            draw_key=EVALUATION_KEY,
            facts_known=model.knowledge.facts,
        )
        for each in each_declaration(items)
    ]
    worth = benefits(
        probabilities,
        model.duty_share(items),
        value=policy.value,
        yellow=policy.yellow,
        red=policy.red,
    )
    benefit = highest_per_declaration(worth, starts)
    risk = 1 - np.minimum.reduceat(probabilities[:, FindingClass.NONE], starts)
    benefit[risk <= np.array([each.released_up_to for each in least])] = -np.inf
    return fit_prices(
        benefit,
        yellow_share=max(policy.yellow.share - policy.random.yellow, 0.0),
        red_share=max(policy.red.share - policy.random.red, 0.0),
        least=np.array([each.lane for each in least], dtype=np.int64),
    )


def main(
    params: FileOption,
    booster: FileOption,
    features: FileOption,
    knowledge: FileOption,
    items: FileOption,
    periods: FileOption,
    outcomes: FileOption,
    out: FileOption,
) -> None:
    """Fit probabilities and prices on a later slice of time."""
    policy = section(params, "policy", Policy)
    rules = read_rules(section(params, "bundle", BundleParams).rules)
    columns, matrix = read_columns(items), read_features(features)
    parts = Periods.model_validate(read_json(periods))
    slice_ = parts.rows(columns, "calibrate")
    classes, weights = known_classes(
        pd.read_parquet(outcomes), len(matrix), before=parts.evaluate_from
    )
    use = slice_ & (classes != UNKNOWN)
    trees = lgb.Booster(model_file=booster)
    calibration = calibrate(np.asarray(trees.predict(matrix[use])), classes[use], weights[use])
    model = LaneModel(
        trees, calibration, Knowledge.model_validate_json(knowledge.read_text(encoding="utf-8"))
    )
    lodged = take(columns, slice_)
    prices = prices_of(lodged, model, matrix[slice_], rules, policy)
    write_text(out / CALIBRATION, calibration.model_dump_json(indent=1) + "\n")
    write_text(out / PRICES, prices.model_dump_json(indent=1) + "\n")
    say(
        f"calibrate: {use.sum()} controlled goods items; a documents check must be worth "
        f"{prices.yellow:.3f} and a goods inspection {prices.red:.3f} more than its cost"
    )


if __name__ == "__main__":
    command(main)
