"""How good the scores are, seen in three ways, because goods that repeat make a memory test.

`all_rows`     every inspected goods item of the evaluation
`new_lines`    those whose goods line never occurred before the evaluation
`line_purged`  trained without any row whose line occurs in the evaluation, and with no outcome of
               an evaluated row in its histories: what is left when memory cannot help
"""

from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from typing import Any

import numpy as np
from sklearn.metrics import log_loss

from models.lane_model import Knowledge
from pipelines.featurize import featurize
from pipelines.histories.engine import EngineParams
from pipelines.judging.fitting import Past, fit
from pipelines.stage.areas import auroc, average_precision
from pipelines.train import TrainParams
from pipelines.training.outcomes import as_outcomes
from selectivity.columns import Columns, Floats, Ints, Mask, first_rows
from selectivity.histories.keys import goods_line
from selectivity.inspection import FindingClass
from selectivity.metrics import (
    Interval,
    bootstrapped,
    equal_mass_calibration_error,
    expected_calibration_error,
    precision_at,
    recall_at,
    widened,
)

Statistic = Callable[[Ints, Floats], float]

_TOPS = {"precision_at_5": 0.05, "precision_at_10": 0.10}
"""Shares of so many of the rows."""
STATISTICS: Mapping[str, Statistic] = {
    "auroc": auroc,
    "auprc": average_precision,
    **{name: partial(precision_at, share=share) for name, share in _TOPS.items()},
}
"""How well risks rank what was found: the higher the better."""
NAMES = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "precision_at_5": "P@5 %",
    "precision_at_10": "P@10 %",
}
"""What people call them."""


def paired_gain(
    statistic: Statistic, found: Ints, one: Floats, other: Floats, groups: Ints, resamples: int
) -> Interval:
    """How much better the first risk ranks than the other, on the same resamples.

    Args:
        groups: number of the declaration of each row, shape (n,); rows of one stand together.
    """

    def gain(at: Ints) -> float:
        return statistic(found[at], one[at]) - statistic(found[at], other[at])

    return bootstrapped(gain, groups, resamples=resamples)


def _of_rows(statistic: Statistic, found: Ints, risk: Floats, at: Ints) -> float:
    return statistic(found[at], risk[at])


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
    for name, statistic in STATISTICS.items():
        of_rows = partial(_of_rows, statistic, found, risk)
        figure = bootstrapped(of_rows, groups, resamples=resamples)
        if name in _TOPS:
            figure = widened(figure, int(len(found) * _TOPS[name]))
        figures |= figure.named(name)
    figures["ece"] = expected_calibration_error(found, risk)
    figures["ece_equal_mass"] = equal_mass_calibration_error(found, risk)
    figures["brier"] = float(((risk - found) ** 2).mean())
    figures["brier_skill"] = 1 - figures["brier"] / float(found.mean() * (1 - found.mean()))
    figures["predicted_over_found"] = float(risk.mean() / found.mean())
    return figures | _three_classes(probabilities, classes)


def left_out(metrics: dict[str, Any]) -> list[str]:
    """A line per view that could not be made."""
    told = [(name, figures.get("left_out")) for name, figures in metrics.items()]
    return [f"The view {name} is left out. {why}" for name, why in told if why]


def _three_classes(probabilities: Floats, classes: Ints) -> dict[str, float]:
    present = [at for at in FindingClass if 0 < (classes == at).sum() < len(classes)]
    areas = [auroc(classes == at, probabilities[:, at]) for at in present]
    physical = (classes == FindingClass.PHYSICAL).astype(np.int64)
    return {
        "macro_auroc": float(np.mean(areas)),
        "log_loss": float(log_loss(classes, probabilities, labels=list(range(len(FindingClass))))),
        "physical_recall_at_5": recall_at(physical, probabilities[:, FindingClass.PHYSICAL], 0.05),
    }


def _mean(values: Ints) -> float:
    return float(values.mean()) if len(values) else float("nan")


def declaration_numbers(items: Columns) -> Ints:
    """Number of the declaration each row belongs to, shape (n,)."""
    starts = np.zeros(len(items["item_no"]), dtype=np.int64)
    starts[first_rows(items)] = 1
    return starts.cumsum()


def new_lines(items: Columns, first: date) -> Mask:
    """Rows whose goods line did not occur before this day; rows without one count as new."""
    lines = goods_line(items)
    before = items["accepted_at"] < np.datetime64(first)
    seen = set(lines[before]) - {None}
    return np.array([line not in seen for line in lines], dtype=bool)


def line_purged(
    past: Past, knowledge: Knowledge, params: TrainParams, engine: EngineParams | None = None
) -> Floats:
    """Probabilities of the evaluated rows by a model that never met their goods lines.

    Trained and calibrated like the served one, on purged rows and histories. Shape (n, 3).
    """
    items, periods = past.items, past.periods
    lines = goods_line(items)
    evaluated = periods.rows(items, "evaluate")
    met = set(lines[evaluated]) - {None}
    kept = np.array([line not in met for line in lines], dtype=bool)
    kept &= items["accepted_at"] < np.datetime64(periods.evaluate_from)
    purged = past.outcomes[kept[past.outcomes["row"].to_numpy()]]
    matrix = featurize(items, as_outcomes(purged), knowledge, engine)
    without = Past(items, matrix, purged, periods)
    return fit(without, params, kept=kept)(matrix[evaluated])
