"""Judge the bundle on days after its training, with the very `decide` that the service calls.

Reads   models/artifacts/bundle/                       the bundle, verified and loaded as served
        data/features/features.parquet, data/interim/… features, items, periods, outcomes
Writes  data/reports/evaluation/metrics.json           figures with intervals, for DVC and MLflow
        data/reports/evaluation/decisions.parquet      one row per evaluated declaration
        data/reports/evaluation/plots/*.csv            calibration, capacity, roc, lanes
        data/reports/evaluation/verdict.json           what speaks against publishing the bundle
"""

from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field
from sklearn.metrics import roc_curve

from models.bundle import Bundle, load
from pipelines.featurize import FeaturizeParams
from pipelines.histories.engine import EngineParams
from pipelines.judging.capacity_curve import capacity_curve
from pipelines.judging.fitting import Past, read_past
from pipelines.judging.lanes import (
    duty_of_findings,
    lane_figures,
    outcome_of_declarations,
    over_capacity,
)
from pipelines.judging.replay import replay
from pipelines.judging.views import (
    declaration_numbers,
    left_out,
    line_purged,
    new_lines,
    score_view,
)
from pipelines.judging.without_model import against_model, points_catch_too_little
from pipelines.stage.command import command, say
from pipelines.stage.files import VERDICT, without_nan, write_json, write_text
from pipelines.stage.options import (
    BundleFolder,
    EvaluationFolder,
    FeaturesFile,
    ItemsFile,
    OutcomesFile,
    ParamsFile,
    PeriodsFile,
)
from pipelines.stage.params import section
from pipelines.stage.tables import write_frame
from pipelines.train import TrainParams
from pipelines.training.outcomes import UNKNOWN, known_classes
from selectivity.columns import Floats, Ints, take
from selectivity.errors import NotEnoughDataError
from selectivity.inspection import FindingClass
from selectivity.lanes import LANES
from selectivity.metrics import calibration_bins, ranks


class EvaluateParams(BaseModel):
    """Section `evaluate` of params.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resamples: int = Field(default=200, ge=20, le=10_000, description="For the 95 % intervals.")


def plots(
    risk: Floats, found: Ints, groups: Ints, lanes: pd.DataFrame, *, resamples: int
) -> dict[str, pd.DataFrame]:
    """Tables behind the plots, one row per point. `groups` as in `score_view`."""
    false_positives, true_positives, _ = roc_curve(found, risk)
    keep = np.unique(np.linspace(0, len(false_positives) - 1, 200).astype(int))
    return {
        "calibration": pd.DataFrame(
            [
                {
                    "predicted": mean,
                    "observed": seen.value,
                    "low": seen.low,
                    "high": seen.high,
                    "rows": count,
                }
                for mean, seen, count in calibration_bins(found, risk, groups=groups)
            ]
        ),
        "capacity": capacity_curve(risk, found, groups, resamples=resamples),
        "roc": pd.DataFrame(
            {
                "false_positive_rate": false_positives[keep],
                "true_positive_rate": true_positives[keep],
            }
        ),
        "lanes": _lanes_per_week(lanes),
    }


def _lanes_per_week(lanes: pd.DataFrame) -> pd.DataFrame:
    week = lanes.accepted_at.dt.tz_convert(None).dt.to_period("W").dt.start_time
    counts = pd.crosstab(week.dt.strftime("%Y-%m-%d").rename("week"), lanes.lane, normalize="index")
    return counts.reindex(columns=list(LANES), fill_value=0.0).reset_index()


def evaluate(
    bundle: Bundle,
    past: Past,
    train_params: TrainParams,
    params: EvaluateParams,
    engine: EngineParams | None = None,
) -> tuple[dict[str, Any], pd.DataFrame, dict[str, pd.DataFrame]]:
    """Metrics, decisions and plots of the evaluation period. Pure.

    Outcomes are all that became known in the end; features hold only what was known on the day.
    """
    items, outcomes, periods = past.items, past.outcomes, past.periods
    rows = periods.rows(items, "evaluate")
    evaluated, matrix = take(items, rows), past.matrix[rows]
    classes = known_classes(outcomes, len(rows))[0][rows]
    inspected = classes != UNKNOWN
    if not inspected.any():
        raise NotEnoughDataError(
            f"None of the {len(inspected)} goods items accepted from {periods.evaluate_from} to "
            f"{periods.evaluate_until} was inspected, so nothing can be judged. Bring outcomes of "
            "that time, or set `prepare.evaluation_from` and `evaluation_until` to days that have."
        )
    groups = declaration_numbers(evaluated)
    probabilities = bundle.model.probabilities(matrix)
    views: dict[str, Any] = {
        "all_rows": (probabilities, inspected),
        "new_lines": (probabilities, inspected & new_lines(items, periods.evaluate_from)[rows]),
    }
    missed = {}
    try:
        purged = line_purged(past, bundle.model.knowledge, train_params, engine)
        views["line_purged"] = (purged, inspected)
    except NotEnoughDataError as error:  # no reason to keep the other views back
        missed["line_purged"] = {"rows": int(inspected.sum()), "left_out": str(error)}
    metrics: dict[str, Any] = {
        name: score_view(scores[use], classes[use], groups[use], params.resamples)
        for name, (scores, use) in views.items()
    } | missed
    decisions = replay(evaluated, bundle.model.assess(evaluated, matrix), bundle)
    duty = duty_of_findings(evaluated, outcomes, rows, bundle)
    lanes = outcome_of_declarations(decisions, evaluated, classes, duty)
    metrics["lanes"] = lane_figures(lanes)
    without = replay(evaluated, [None] * len(decisions), bundle)
    by_points = outcome_of_declarations(without, evaluated, classes, duty)
    metrics["without_model"] = lane_figures(by_points) | against_model(
        by_points, lanes, bundle.policy
    )
    found = (classes[inspected] > FindingClass.NONE).astype(np.int64)
    risk = 1 - probabilities[inspected, 0]
    points = plots(risk, found, groups[inspected], lanes, resamples=params.resamples)
    return metrics, lanes, points


def main(
    params: ParamsFile,
    bundle: BundleFolder,
    features: FeaturesFile,
    items: ItemsFile,
    periods: PeriodsFile,
    outcomes: OutcomesFile,
    out: EvaluationFolder,
) -> None:
    """Judge the bundle on days after its training."""
    judged, past = load(bundle), read_past(features, items, periods, outcomes)
    metrics, lanes, tables = evaluate(
        judged,
        past,
        section(params, "train", TrainParams),
        section(params, "evaluate", EvaluateParams),
        section(params, "featurize", FeaturizeParams),
    )
    write_json(out / "metrics.json", without_nan(metrics))
    write_frame(lanes, out / "decisions.parquet")
    for name, table in tables.items():
        write_text(out / "plots" / f"{name}.csv", table.to_csv(index=False))
    verdict = {
        "bundle": judged.digest,
        "against": no_better_than_chance(metrics),
        "warnings": [
            *left_out(metrics),
            *over_capacity(lanes, judged.policy),
            *points_catch_too_little(metrics["without_model"]),
        ],
    }
    write_json(out / VERDICT, verdict)
    _tell(metrics)
    for warning in (*verdict["warnings"], *verdict["against"]):
        say(f"warning: {warning}")


def _tell(metrics: dict[str, Any]) -> None:
    for name in ("all_rows", "new_lines", "line_purged"):
        view = metrics[name]
        if "auroc" in view:
            say(
                f"evaluate: {name:<12} AUROC {view['auroc']:.3f} AUPRC {view['auprc']:.3f} "
                f"P@5% {view['precision_at_5']:.3f} P@10% {view['precision_at_10']:.3f} "
                f"ECE {view['ece']:.3f} (equal mass {view['ece_equal_mass']:.3f}), "
                f"{view['rows']} inspected goods items"
            )
    for what, lanes in (("lanes", metrics["lanes"]), ("by points", metrics["without_model"])):
        say(
            f"evaluate: {what:<12} green {lanes['green_share']:.1%}, "
            f"yellow {lanes['yellow_share']:.1%}, red {lanes['red_share']:.1%}"
        )


def no_better_than_chance(metrics: dict[str, Any]) -> list[str]:
    """A line when the scores cannot be told from a coin toss."""
    view = metrics["all_rows"]
    if ranks(view):
        return []
    return [
        f"on {view['rows']} inspected goods items the scores cannot be told from chance "
        "(the 95 % interval of the AUROC reaches 0.5, or too few of them had a finding). Do not "
        "publish this bundle without knowing why."
    ]


if __name__ == "__main__":
    command(main)
