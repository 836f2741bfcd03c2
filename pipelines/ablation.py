"""What each family of features is worth: leave one out, train anew, and compare. No stage.

    python -m pipelines.ablation
    python -m pipelines.worlds ablate /tmp/world    # judged by the truth

Judged on the inspected goods items of the evaluation, all of them and those with a new goods line;
in a world on all declarations of the judged weeks, by the truth. The gain is what a family adds:
the figure with all features less the figure without it, on the same resamples of declarations.
Families that tell of the same thing stand in for each other, so gains do not add up.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
import typer

from pipelines.judging.fitting import Past, fit, read_past
from pipelines.judging.views import STATISTICS, declaration_numbers, new_lines, paired_gain
from pipelines.label import UNKNOWN, known_classes
from pipelines.stage.command import FileOption, command, say
from pipelines.stage.files import write_text
from pipelines.stage.params import section
from pipelines.stage.progress import shown
from pipelines.train import TrainParams
from selectivity.columns import Floats, Ints, take
from selectivity.errors import NotEnoughDataError
from selectivity.features import FAMILIES, FEATURES
from selectivity.inspection import FindingClass
from selectivity.metrics import Interval

FIGURES = ("auroc", "precision_at_5")
HEADINGS = ("view", "family", "features", "AUROC", "gain (95 %)", "P@5%", "gain (95 %)", "verdict")

Row = Mapping[str, float | str]
Resamples = Annotated[int, typer.Option(min=20, help="For the 95 % intervals.")]


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
    """From a matrix to risks; that of `matrix` or of one with features taken out."""
    views: tuple[View, ...]


def of_family(family: str) -> list[int]:
    """Columns of the features of a family."""
    return [at for at, feature in enumerate(FEATURES) if feature.group == family]


def without(matrix: Floats, family: str) -> Floats:
    """The same, but nothing is known of one family in any row."""
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


def markdown(table: pd.DataFrame) -> str:
    """The table for people, the family that adds most first in each view."""
    lines = [_line(HEADINGS), _line("---" for _ in HEADINGS)]
    for _, rows in table.groupby("view", sort=False):
        for row in rows.sort_values("auroc_gain", ascending=False).to_dict("records"):
            lines.append(_line(_cells({str(name): value for name, value in row.items()})))
    about = (__doc__ or "").rpartition("\n\n")[2]
    return "\n".join(["# What each family of features is worth", "", about, *lines]) + "\n"


def _cells(row: Mapping[str, object]) -> Iterator[str]:
    yield from (str(row["view"]), str(row["family"]), str(row["features"]))
    for name in FIGURES:
        gain, low, high = (row[f"{name}_{what}"] for what in ("gain", "low", "high"))
        yield f"{row[name]:.4f}"
        yield f"{gain:+.4f} ({low:+.4f} to {high:+.4f})"
    yield str(row["verdict"])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def write(table: pd.DataFrame, out: Path) -> None:
    """The table as ablation.csv and ablation.md in a folder, and on the terminal."""
    text = markdown(table)
    write_text(out / "ablation.csv", table.to_csv(index=False, float_format="%.6f"))
    write_text(out / "ablation.md", text)
    print(text)


def main(
    params: FileOption = Path("params.yaml"),
    features: FileOption = Path("data/features/features.parquet"),
    items: FileOption = Path("data/interim/prepared/items.parquet"),
    periods: FileOption = Path("data/interim/prepared/periods.json"),
    outcomes: FileOption = Path("data/interim/labelled/outcomes.parquet"),
    resamples: Resamples = 200,
    out: FileOption = Path("data/reports/ablation"),
) -> None:
    """Leave out one family of features at a time, train anew, and say what it was worth.

    Writes ablation.csv and ablation.md.
    """
    past = read_past(features, items, periods, outcomes)
    write(ablate(trial_of_past(past, section(params, "train", TrainParams)), resamples), out)


if __name__ == "__main__":
    command(main)
