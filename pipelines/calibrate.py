"""Fit what follows the trees: probabilities on days they have not seen, prices on the newest days.

Reads   models/artifacts/train/…                the trees that decide, and those of the rehearsal
        data/features/…                         features.parquet, knowledge.json
        data/interim/…                          items, periods, outcomes
        data/reference/rules/*.yaml             what takes capacity before the model does
Writes  models/artifacts/calibrate/calibration.json   one curve per question, and the scale of duty
        models/artifacts/calibrate/prices.json        price of one control per lane
"""

import numpy as np
import pandas as pd
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from models.bundle import PRICES
from models.calibration import AS_IT_IS, Calibration, Curve
from models.lane_model import CALIBRATION, Knowledge, LaneModel
from models.trees import REHEARSAL, Trees
from pipelines.bundle import BundleParams, check_not_emptied, checked
from pipelines.stage.command import command, say
from pipelines.stage.files import read_as, write_text
from pipelines.stage.options import (
    CalibratedFolder,
    FeaturesFile,
    ItemsFile,
    KnowledgeFile,
    OutcomesFile,
    ParamsFile,
    PeriodsFile,
    TreesFolder,
)
from pipelines.stage.params import section
from pipelines.stage.tables import read_columns
from pipelines.training.outcomes import UNKNOWN, known_classes, known_duties, read_outcomes
from pipelines.training.periods import Periods
from pipelines.training.rows import read_features
from pipelines.training.settled import settled
from selectivity.columns import Columns, Floats, Ints, Mask, each_declaration, first_rows, take
from selectivity.deciding.capacity import (
    Prices,
    benefits,
    fit_prices,
    highest_per_declaration,
    places_of,
)
from selectivity.deciding.policy import Policy
from selectivity.errors import NotEnoughDataError
from selectivity.inspection import FindingClass
from selectivity.rules.rule_set import RuleSet

FEW = 100
"""With fewer answers of either kind the curve has two parameters: steps would follow chance."""

FEW_DUTIES = 20.0
"""The duty that trees expect counts as much as the duty of this many findings."""


def calibrate(chances: Floats, classes: Ints, weights: Floats) -> Calibration:
    """Curves that turn raw chances into observed shares. Pure.

    Args:
        chances: raw chances of the trees on controlled rows, shape (n, 2).
        classes: what the controls found, shape (n,), none `UNKNOWN`.
    """
    if len(classes) == 0 or (classes == UNKNOWN).any():
        raise NotEnoughDataError(
            "Of no goods item of the calibration period was a result known before the evaluation "
            "begins. Bring more history, make `prepare.calibration_share` larger, or "
            "`prepare.label_delay_days` as long as results take."
        )
    found = classes > FindingClass.NONE
    physical = classes[found] == FindingClass.PHYSICAL
    return Calibration(
        finding=_curve(chances[:, 0], found, weights),
        physical=_curve(chances[found, 1], physical, weights[found]),
    )


def calibrated(
    trees: Trees,
    matrix: Floats,
    use: Mask,
    outcomes: pd.DataFrame,
    periods: Periods,
) -> Calibration:
    """Curves and scale of the trees from those rows of the mask `use` that were controlled."""
    classes, weights = known_classes(outcomes, len(matrix), before=periods.evaluate_from)
    duties = known_duties(outcomes, len(matrix), before=periods.evaluate_from)
    use = use & (classes != UNKNOWN)
    curves = calibrate(trees.chances(matrix[use]), classes[use], weights[use])
    found = use & (classes > FindingClass.NONE)
    expected = trees.duty_given_finding(matrix[found])
    if expected is None or duties is None:
        return curves
    return curves.model_copy(update={"duty": duty_factor(expected, duties[found])})


def duty_factor(expected: Floats, duties: Floats) -> float:
    """Makes the duty that the trees expect of findings come to what these findings brought.

    Few findings say little about a sum: the trees' own word counts as `FEW_DUTIES` of them.
    """
    if len(expected) == 0:
        return 1.0
    prior = FEW_DUTIES * expected.mean()
    return float((duties.sum() + prior) / (expected.sum() + prior))


def _curve(raw: Floats, answers: Mask, weights: Floats) -> Curve:
    fewest = min(answers.sum(), (~answers).sum())
    if fewest == 0:
        return AS_IT_IS
    return _steps(raw, answers, weights) if fewest >= FEW else _sigmoid(raw, answers, weights)


def _steps(raw: Floats, answers: Mask, weights: Floats) -> Curve:
    fitted = IsotonicRegression(  # type: ignore[no-untyped-call]
        y_min=0, y_max=1, out_of_bounds="clip"
    ).fit(raw, answers.astype(np.float64), sample_weight=weights)
    return Curve(
        raw=tuple(fitted.X_thresholds_.tolist()), calibrated=tuple(fitted.y_thresholds_.tolist())
    )


_KNOTS = np.linspace(-12, 12, 241)
DIGITS = 6
"""Behind the point, of slope and shift. The solver stops at a ten-thousandth, and its last digits
come from the processor: with them the same data gave another bundle on another machine."""


def _sigmoid(raw: Floats, answers: Mask, weights: Floats) -> Curve:
    """Source: J. Platt, Advances in Large Margin Classifiers, 1999; here on the raw logit."""
    clipped = np.clip(raw, 1e-6, 1 - 1e-6)
    logits = np.log(clipped / (1 - clipped))
    fitted = LogisticRegression(C=1e3)  # type: ignore[no-untyped-call]
    fitted.fit(logits[:, None], answers, sample_weight=weights)
    slope, shift = np.round([max(fitted.coef_[0, 0], 0.0), fitted.intercept_[0]], DIGITS)
    return Curve(
        raw=tuple(_chance(_KNOTS).tolist()),
        calibrated=tuple(_chance(slope * _KNOTS + shift).tolist()),
    )


def _chance(logits: Floats) -> Floats:
    chances: Floats = np.exp(-np.logaddexp(0, -logits))  # of steep curves, without overflow
    return chances


def prices_of(
    items: Columns, model: LaneModel, matrix: Floats, rules: RuleSet, policy: Policy
) -> Prices:
    """Prices at which the lanes of these declarations meet the capacity of `policy`. Pure.

    What the random stratum takes is kept free for it.
    """
    starts = first_rows(items)
    probabilities = model.probabilities(matrix)
    least = settled(
        each_declaration(items),
        rules=rules,
        policy=policy,
        facts_known=model.knowledge.facts,
    )
    worth = benefits(
        probabilities,
        model.duty_share(items, matrix),
        value=policy.value,
        yellow=policy.yellow,
        red=policy.red,
    )
    benefit = highest_per_declaration(worth, starts)
    nothing = np.minimum.reduceat(probabilities[:, FindingClass.NONE], starts)
    benefit[1 - nothing <= np.array([each.released_up_to for each in least])] = -np.inf
    return fit_prices(
        benefit,
        np.column_stack([places_of(control, nothing) for control in (policy.yellow, policy.red)]),
        yellow_share=max(policy.yellow.share - policy.random.yellow, 0.0),
        red_share=max(policy.red.share - policy.random.red, 0.0),
        least=np.array([each.lane for each in least], dtype=np.int64),
    )


def main(
    params: ParamsFile,
    trees: TreesFolder,
    features: FeaturesFile,
    knowledge: KnowledgeFile,
    items: ItemsFile,
    periods: PeriodsFile,
    outcomes: OutcomesFile,
    out: CalibratedFolder,
) -> None:
    """Fit probabilities on days that the rehearsal has not seen, prices on the newest days."""
    policy = checked(section(params, "policy", Policy))
    rules = section(params, "bundle", BundleParams).read_rules()
    for folder in (trees, trees / REHEARSAL):
        check_not_emptied(folder)
    columns, parts = read_columns(items), read_as(periods, Periods)
    count = len(columns["item_no"])
    matrix, told = read_features(features, count), read_outcomes(outcomes, count)
    slice_, newest = parts.rows(columns, "calibrate"), parts.newest(columns)
    calibration = calibrated(Trees.load(trees / REHEARSAL), matrix, slice_, told, parts)
    model = LaneModel(Trees.load(trees), calibration, read_as(knowledge, Knowledge))
    prices = prices_of(take(columns, newest), model, matrix[newest], rules, policy)
    write_text(out / CALIBRATION, calibration.model_dump_json(indent=1) + "\n")
    write_text(out / PRICES, prices.model_dump_json(indent=1) + "\n")
    say(
        f"calibrate: {slice_.sum()} goods items lodged, {newest.sum()} in the newest days; "
        "a documents check must be worth "
        f"{prices.yellow:.3f} and a goods inspection {prices.red:.3f} more than its cost, times "
        f"{places_of(policy.yellow, 1.0):g} and {places_of(policy.red, 1.0):g} where nothing is "
        "to be found"
    )


if __name__ == "__main__":
    command(main)
