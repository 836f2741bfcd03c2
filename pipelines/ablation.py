"""What each family of features is worth: leave one out, train anew, and compare. No stage.

    python -m pipelines.ablation
    python -m pipelines.ablation --world /tmp/world

Judged on the inspected goods items of the evaluation, all of them and those with a new goods line;
with --world on all declarations of the judged weeks, by the truth. The gain is what a family adds:
the figure with all features less the figure without it, on the same resamples of declarations.
Families that tell of the same thing stand in for each other, so gains do not add up.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipelines.command import FileOption, command, say
from pipelines.files import write_text
from pipelines.fitting import Past, fit, read_past
from pipelines.label import UNKNOWN, known_classes
from pipelines.params import section
from pipelines.simulator.store import Folder
from pipelines.train import TrainParams
from pipelines.trials.learning import Recipe, read_recipe
from pipelines.trials.measures import case_of, matrices, pipeline_risk
from pipelines.views import STATISTICS, declaration_numbers, new_lines, paired_gain
from selectivity.attribution import FAMILIES
from selectivity.columns import Floats, Ints, take
from selectivity.errors import NotEnoughDataError
from selectivity.features import FEATURES
from selectivity.inspection import FindingClass
from selectivity.metrics import Interval

FIGURES = ("auroc", "precision_at_5")
HEADINGS = ("view", "family", "features", "AUROC", "gain (95 %)", "P@5%", "gain (95 %)", "verdict")

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


def ablate(trial: Trial, families: Iterable[str], resamples: int) -> Iterator[Row]:
    """One row per family and view: what the family adds. The models are trained as it goes."""
    whole = trial.risk(trial.matrix)
    for family in families:
        reduced = trial.risk(without(trial.matrix, family))
        for view in trial.views:
            yield {
                "view": view.name,
                "family": family,
                "features": len(of_family(family)),
                **_gains(whole[view.rows], reduced[view.rows], view, resamples),
            }


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
    fresh = new_lines(past.items, past.periods)[evaluated]
    found = (classes > FindingClass.NONE).astype(np.int64)

    def risk(matrix: Floats) -> Floats:
        predict = fit(replace(past, matrix=matrix), params)
        return 1 - predict(matrix[evaluated])[:, FindingClass.NONE]

    masks = {"all_rows": inspected, "new_lines": inspected & fresh}
    views = (
        View(name, np.flatnonzero(mask), found[mask], groups[mask]) for name, mask in masks.items()
    )
    return Trial(past.matrix, risk, tuple(view for view in views if len(set(view.found)) > 1))


def trial_of_world(folder: Folder, recipe: Recipe) -> Trial:
    """Judged by the truth, on every declaration of the weeks that do not teach."""
    case = case_of(folder, recipe)
    judged = np.flatnonzero(case.judged)
    view = View("truth", judged, case.violating[judged], np.arange(len(judged)))

    def risk(matrix: Floats) -> Floats:
        return case.of_declarations(pipeline_risk(matrix, case.found, case, recipe))

    return Trial(matrices(case)[0], risk, (view,))


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


def _shown(rows: Iterator[Row], views: int, families: int) -> pd.DataFrame:
    """Rows as they come, with progress and an estimate of the time left."""
    console, seen = Console(stderr=True), []
    columns = (TextColumn("family"), MofNCompleteColumn(), BarColumn(), TimeRemainingColumn())
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("families", total=families)
        for row in rows:
            seen.append(row)
            if len(seen) % views == 0:
                bar.advance(task)
                say(
                    f"ablation: {row['family']:<12} AUROC {row['auroc_gain']:+.4f} in {row['view']}"
                )
    return pd.DataFrame(seen)


def main(
    params: FileOption = Path("params.yaml"),
    features: FileOption = Path("data/features/features.parquet"),
    items: FileOption = Path("data/interim/prepared/items.parquet"),
    periods: FileOption = Path("data/interim/prepared/periods.json"),
    outcomes: FileOption = Path("data/interim/labelled/outcomes.parquet"),
    world: Annotated[
        Path | None, typer.Option(help="Folder of a world: judge by its truth instead.")
    ] = None,
    resamples: Annotated[int, typer.Option(min=20, help="For the 95 % intervals.")] = 200,
    out: FileOption = Path("data/reports"),
) -> None:
    """Leave out one family of features at a time, train anew, and say what it was worth.

    Writes ablation.csv and ablation.md.
    """
    if world is not None:
        trial = trial_of_world(Folder.of(world), read_recipe(params))
    else:
        past = read_past(features, items, periods, outcomes)
        trial = trial_of_past(past, section(params, "train", TrainParams))
    table = _shown(ablate(trial, FAMILIES, resamples), len(trial.views), len(FAMILIES))
    write_text(out / "ablation.csv", table.to_csv(index=False, float_format="%.6f"))
    write_text(out / "ablation.md", markdown(table))
    print(markdown(table))


if __name__ == "__main__":
    command(main)
