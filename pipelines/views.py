"""How good the scores are, seen in three ways, because goods that repeat make a memory test.

`all_rows`     every inspected goods item of the evaluation
`new_lines`    those whose goods line never occurred before the evaluation
`line_purged`  trained without any row whose line occurs in the evaluation, and with no outcome of
               an evaluated row in its histories: what is left when memory cannot help
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from models.lane_model import Knowledge
from pipelines.calibrate import calibrated
from pipelines.featurize import featurize
from pipelines.label import as_outcomes
from pipelines.lines import line_numbers
from pipelines.periods import Periods
from pipelines.rows import Rows
from pipelines.train import TrainParams, train_on
from selectivity.columns import Columns, Floats, Ints, first_rows
from selectivity.inspection import FindingClass
from selectivity.metrics import (
    bootstrap,
    expected_calibration_error,
    precision_at,
    recall_at,
)
from selectivity.profile_keys import goods_line


def score_view(
    probabilities: Floats, classes: Ints, groups: Ints, resamples: int
) -> dict[str, Any]:
    """Figures of one view, with 95 % intervals over declarations where they are asked for.

    Args:
        probabilities: shape (n, 3). classes: `FindingClass` found, shape (n,), none unknown.
        groups: number of the declaration of each row, shape (n,); rows of one stand together.
    """
    found, risk = (classes != FindingClass.NONE).astype(np.int64), 1 - probabilities[:, 0]
    figures: dict[str, Any] = {"rows": len(found), "base_rate": _mean(found)}
    if not 0 < found.sum() < len(found):
        return figures
    statistics: dict[str, Callable[[Ints], float]] = {
        "auroc": lambda at: _auroc(found[at], risk[at]),
        "auprc": lambda at: _average_precision(found[at], risk[at]),
        "precision_at_5": lambda at: precision_at(found[at], risk[at], 0.05),
        "precision_at_10": lambda at: precision_at(found[at], risk[at], 0.10),
    }
    for name, statistic in statistics.items():
        figures[name] = statistic(np.arange(len(found)))
        low, high = bootstrap(statistic, groups, resamples=resamples)
        figures[f"{name}_low"], figures[f"{name}_high"] = low, high
    figures["ece"] = expected_calibration_error(found, risk)
    figures["brier"] = float(((risk - found) ** 2).mean())
    return figures | _three_classes(probabilities, classes)


def _three_classes(probabilities: Floats, classes: Ints) -> dict[str, float]:
    present = [at for at in FindingClass if 0 < (classes == at).sum() < len(classes)]
    areas = [_auroc((classes == at).astype(np.int64), probabilities[:, at]) for at in present]
    physical = (classes == FindingClass.PHYSICAL).astype(np.int64)
    return {
        "macro_auroc": float(np.mean(areas)),
        "log_loss": float(log_loss(classes, probabilities, labels=list(range(len(FindingClass))))),
        "physical_recall_at_5": recall_at(physical, probabilities[:, FindingClass.PHYSICAL], 0.05),
    }


def _auroc(found: Ints, risk: Floats) -> float:
    return float(roc_auc_score(found, risk)) if 0 < found.sum() < len(found) else float("nan")


def _average_precision(found: Ints, risk: Floats) -> float:
    return float(average_precision_score(found, risk)) if found.any() else float("nan")


def _mean(values: Ints) -> float:
    return float(values.mean()) if len(values) else float("nan")


def declaration_numbers(items: Columns) -> Ints:
    """Number of the declaration each row belongs to, shape (n,)."""
    starts = np.zeros(len(items["item_no"]), dtype=np.int64)
    starts[first_rows(items)] = 1
    return starts.cumsum()


def new_lines(items: Columns, periods: Periods) -> "np.typing.NDArray[np.bool_]":
    """Rows whose goods line did not occur before the evaluation; rows without one count as new."""
    lines = goods_line(items)
    before = items["accepted_at"] < np.datetime64(periods.evaluate_from)
    seen = set(lines[before]) - {None}
    return np.array([line not in seen for line in lines], dtype=bool)


def line_purged(
    items: Columns,
    outcomes: pd.DataFrame,
    periods: Periods,
    knowledge: Knowledge,
    params: TrainParams,
) -> Floats:
    """Probabilities of the evaluated rows by a model that never met their goods lines.

    Trained and calibrated like the served one, on purged rows and histories. Shape (n, 3).
    """
    lines = goods_line(items)
    evaluated = periods.rows(items, "evaluate")
    met = set(lines[evaluated]) - {None}
    kept = np.array([line not in met for line in lines], dtype=bool)
    kept &= items["accepted_at"] < np.datetime64(periods.evaluate_from)
    purged = outcomes[kept[outcomes["row"].to_numpy()]]
    matrix = featurize(items, as_outcomes(purged), knowledge)
    days, rows = items["accepted_at"], Rows.of(matrix)
    use = kept & periods.rows(items, "train")
    trees = train_on(use, rows, days, line_numbers(items), purged, periods, params)
    use = kept & periods.rows(items, "calibrate")
    calibration = calibrated(trees, matrix, use, purged, periods)
    return calibration.apply(trees.chances(matrix[evaluated]))
