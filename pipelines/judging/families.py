"""What each family of features adds: a model is trained without it, and its risks are compared."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipelines.judging.fitting import Past, fit
from pipelines.judging.views import STATISTICS, declaration_numbers, new_lines, paired_gain
from pipelines.stage.command import say
from pipelines.stage.progress import shown
from pipelines.train import TrainParams
from pipelines.training.outcomes import UNKNOWN, known_classes
from selectivity.columns import Floats, Ints, take
from selectivity.errors import NotEnoughDataError
from selectivity.features.matrix import FAMILIES, FEATURES
from selectivity.inspection import FindingClass
from selectivity.metrics import Interval

FIGURES = ("auroc", "auprc", "precision_at_5")

Row = Mapping[str, float | str]


class View(NamedTuple):
    """Rows that a model is judged by: what was found in each, and its declaration."""

    name: str
    rows: Ints
    """Positions among the risks that the model gives."""
    found: Ints
    groups: Ints


class Trial(NamedTuple):
    """A feature matrix, what learns from it, and the views of the risks that it gives."""

    matrix: Floats
    risk: Callable[[Floats], Floats]
    """Gives the risks for a feature matrix: `matrix`, or one without some features."""
    views: tuple[View, ...]


def of_family(family: str) -> list[int]:
    """Columns of the features of a family."""
    return [at for at, feature in enumerate(FEATURES) if feature.group == family]


def without(matrix: Floats, family: str) -> Floats:
    """A copy of a feature matrix in which all features of one family are unknown."""
    left_out = matrix.copy()
    left_out[:, of_family(family)] = np.nan
    return left_out


def ablate(trial: Trial, resamples: int, families: Sequence[str] = FAMILIES) -> pd.DataFrame:
    """One row per family and view: what the family adds. Says what it finds as it goes."""
    rows: list[Row] = []
    for of_one in shown(_ablated(trial, resamples, families), len(families), "family"):
        rows += of_one
        told = ", ".join(f"{row['auroc_gain']:+.4f} in {row['view']}" for row in of_one)
        say(f"ablation: {of_one[0]['family']:<12} AUROC {told}")
    return pd.DataFrame(rows)


def _ablated(trial: Trial, resamples: int, families: Sequence[str]) -> Iterator[Sequence[Row]]:
    whole = trial.risk(trial.matrix)
    for family in families:
        reduced = trial.risk(without(trial.matrix, family))
        yield [
            {
                "view": view.name,
                "family": family,
                "features": len(of_family(family)),
                **_gains(whole[view.rows], reduced[view.rows], view, resamples),
            }
            for view in trial.views
        ]


def _gains(whole: Floats, reduced: Floats, view: View, resamples: int) -> Row:
    row: dict[str, float | str] = {}
    gains = {
        name: paired_gain(STATISTICS[name], view.found, whole, reduced, view.groups, resamples)
        for name in FIGURES
    }
    for name, (value, low, high) in gains.items():
        row[name] = STATISTICS[name](view.found, whole)
        row |= {f"{name}_gain": value, f"{name}_low": low, f"{name}_high": high}
    return row | {"verdict": _verdict(gains["auroc"])}


def _verdict(gain: Interval) -> str:
    return "helps" if gain.low > 0 else "harms" if gain.high < 0 else "cannot tell"


def trial_of_past(past: Past, params: TrainParams) -> Trial:
    """Judged by the inspections of the evaluation, as `evaluate` does.

    Raises:
        NotEnoughDataError: nothing was inspected in the evaluation.
    """
    evaluated = past.periods.rows(past.items, "evaluate")
    classes = known_classes(past.outcomes, len(past.matrix))[0][evaluated]
    inspected = classes != UNKNOWN
    if not inspected.any():
        raise NotEnoughDataError(
            "None of the evaluated goods items was inspected, so no family can be judged. Bring "
            "outcomes of that time, or set `prepare.evaluation_from` to days that have some."
        )
    groups = declaration_numbers(take(past.items, evaluated))
    fresh = new_lines(past.items, past.periods.evaluate_from)[evaluated]
    found = (classes > FindingClass.NONE).astype(np.int64)

    def risk(matrix: Floats) -> Floats:
        predict = fit(replace(past, matrix=matrix), params)
        return 1 - predict(matrix[evaluated])[:, FindingClass.NONE]

    masks = {"all_rows": inspected, "new_lines": inspected & fresh}
    views = (
        View(name, np.flatnonzero(mask), found[mask], groups[mask]) for name, mask in masks.items()
    )
    return Trial(past.matrix, risk, tuple(view for view in views if len(set(view.found)) > 1))
