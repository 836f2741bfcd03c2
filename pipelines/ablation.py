"""What each family of features is worth: leave one out, train anew, and compare. No stage.

    python -m pipelines.ablation
    python -m pipelines.ablation --family description --family price
    python -m pipelines.worlds ablate /tmp/world    # judged by the truth

Judged on the inspected goods items of the evaluation, all of them and those with a new goods line;
in a world on all declarations of the judged weeks, by the truth. The gain is what a family adds:
the figure with all features less the figure without it, on the same resamples of declarations.
Families that tell of the same thing stand in for each other, so gains do not add up.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from pipelines.judging.families import FIGURES, ablate, trial_of_past
from pipelines.judging.fitting import read_past
from pipelines.judging.views import NAMES
from pipelines.stage.command import command
from pipelines.stage.files import write_text
from pipelines.stage.options import (
    AblationFolder,
    FeaturesFile,
    ItemsFile,
    OutcomesFile,
    ParamsFile,
    PeriodsFile,
)
from pipelines.stage.params import section, similar
from pipelines.train import TrainParams
from selectivity.errors import ParamsError
from selectivity.features.matrix import FAMILIES

GAIN = "gain (95 %)"
HEADINGS = ("view", "family", "features")

Resamples = Annotated[int, typer.Option(min=20, help="For the 95 % intervals.")]
Families = Annotated[
    list[str] | None,
    typer.Option("--family", help="One that is left out; may be given again. Else each of them."),
]


def families_of(wanted: Sequence[str] | None) -> Sequence[str]:
    """The families to leave out.

    Raises:
        ParamsError: there is no such family.
    """
    for name in wanted or ():
        if name not in FAMILIES:
            raise ParamsError(
                f"There is no family of features {name!r}{similar(name, list(FAMILIES))}. Give "
                f"--family one of {', '.join(FAMILIES)}."
            )
    return tuple(dict.fromkeys(wanted)) if wanted else FAMILIES


def markdown(table: pd.DataFrame) -> str:
    """The table for people, the family that adds most first in each view."""
    headings = [*HEADINGS, *(cell for name in FIGURES for cell in (NAMES[name], GAIN)), "verdict"]
    lines = [_line(headings), _line("---" for _ in headings)]
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
    params: ParamsFile = Path("params.yaml"),
    features: FeaturesFile = Path("data/features/features.parquet"),
    items: ItemsFile = Path("data/interim/prepared/items.parquet"),
    periods: PeriodsFile = Path("data/interim/prepared/periods.json"),
    outcomes: OutcomesFile = Path("data/interim/labelled/outcomes.parquet"),
    family: Families = None,
    resamples: Resamples = 200,
    out: AblationFolder = Path("data/reports/ablation"),
) -> None:
    """Leave out one family of features at a time, train anew, and say what it was worth.

    Writes ablation.csv and ablation.md.
    """
    families = families_of(family)
    past = read_past(features, items, periods, outcomes)
    trial = trial_of_past(past, section(params, "train", TrainParams))
    write(ablate(trial, resamples, families), out)


if __name__ == "__main__":
    command(main)
