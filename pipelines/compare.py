"""Is one experiment better than another, or can one not tell? On the same declarations. No stage.

    python -m pipelines.compare main                      # the workspace against a branch
    python -m pipelines.compare amort-coos brave-duck     # two experiments of `dvc exp show`

`dvc exp diff` shows two figures side by side; here both are worked out on the same resamples of the
declarations that both were judged by, so that what is common to both does not blur the difference.
A gain above zero means that the second is better; where its 95 % interval holds zero, one cannot
tell. The risk of a declaration is the highest of its goods items; figures of `dvc metrics` are of
goods items.
"""

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Annotated, NamedTuple

import dvc.api
import numpy as np
import pandas as pd
import typer
from dvc.exceptions import DvcException
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from pipelines.ablation import Resamples
from pipelines.judging.checks import found_in_red, let_go, red_hit_rate
from pipelines.judging.views import NAMES, STATISTICS
from pipelines.stage.command import command, say
from pipelines.stage.tables import KEY
from selectivity.columns import Floats, Ints, Mask
from selectivity.errors import NotEnoughDataError, ParamsError
from selectivity.lanes import Lane
from selectivity.metrics import Interval, bootstrapped

DECISIONS = "data/reports/evaluation/decisions.parquet"
WORKSPACE = "workspace"
RISKS = ["risk_one", "risk_other"]

At = Callable[[Ints], float]
"""A figure of the declarations at these positions."""


class Figure(NamedTuple):
    """The same figure of both."""

    name: str
    one: At
    other: At
    sign: int = 1
    """-1: less is better."""


OF_LANES: Mapping[str, tuple[Callable[[Ints, Mask], float], int]] = {
    "hit rate of red": (red_hit_rate, 1),
    "findings in red": (found_in_red, 1),
    "findings in green": (let_go, -1),
}
"""Figures of lanes, and whether more is better."""


def compared(one: pd.DataFrame, other: pd.DataFrame, resamples: int) -> pd.DataFrame:
    """One row per figure: its name, both values, the gain with its 95 % interval, and the verdict.

    Of declarations that both decided on and that were inspected, by what the other knows of them.

    Raises:
        NotEnoughDataError: there are none, or all of them came to the same.
    """
    both = one.merge(other, on=KEY, suffixes=("_one", "_other"))
    known = both[both["inspected_one"] & both["inspected_other"]].dropna(subset=RISKS)
    found = known["found_other"].to_numpy().astype(np.int64)
    if not 0 < found.sum() < len(found):
        raise NotEnoughDataError(
            f"{len(both)} declarations were judged by both, and {len(known)} of them inspected and "
            f"scored, {found.sum()} with a finding. Compare what was judged by the same days."
        )
    figures = [_of_risks(name, known, found) for name in STATISTICS]
    figures += [_of_lanes(name, known, found) for name in OF_LANES]
    everything = np.arange(len(found))
    rows = []
    for name, at_one, at_other, sign in figures:

        def gain(at: Ints, one: At = at_one, other: At = at_other, sign: int = sign) -> float:
            return sign * (other(at) - one(at))

        interval = bootstrapped(gain, everything, resamples=resamples)
        values = (at_one(everything), at_other(everything))
        rows.append((name, *values, *interval, verdict(interval)))
    return pd.DataFrame(rows, columns=["figure", "one", "other", "gain", "low", "high", "verdict"])


def _of_risks(name: str, known: pd.DataFrame, found: Ints) -> Figure:
    def of(risk: Floats) -> At:
        return lambda at: STATISTICS[name](found[at], risk[at])

    one, other = (of(known[each].to_numpy(np.float64)) for each in RISKS)
    return Figure(NAMES[name], one, other)


def _of_lanes(name: str, known: pd.DataFrame, found: Ints) -> Figure:
    figure, sign = OF_LANES[name]
    wrong = found.astype(bool)

    def of(lane: Ints) -> At:
        return lambda at: figure(lane[at], wrong[at])

    names = ("lane_one", "lane_other")
    one, other = (of(known[each].map(Lane.__getitem__).to_numpy(np.int64)) for each in names)
    return Figure(name, one, other, sign)


def verdict(gain: Interval) -> str:
    """What a gain means."""
    if gain.low > 0:
        return "better"
    return "worse" if gain.high < 0 else "cannot tell"


def decisions_of(revision: str) -> pd.DataFrame:
    """What an experiment, a branch or a commit decided on the days it was judged by.

    Raises:
        ParamsError: there is no such revision here, or its results are not.
    """
    try:
        with dvc.api.open(
            DECISIONS, rev=None if revision == WORKSPACE else revision, mode="rb"
        ) as file:
            return pd.read_parquet(BytesIO(file.read()))
    except (DvcException, OSError) as error:
        raise ParamsError(
            f"{revision}: {DECISIONS} cannot be read ({error}). `dvc exp list` names the "
            "experiments; `dvc repro`, or `dvc exp run` for an experiment, makes its results."
        ) from error


def main(
    base: Annotated[str, typer.Argument(help="Experiment, branch or commit.", show_default=False)],
    other: Annotated[str, typer.Argument(help="Another one.")] = WORKSPACE,
    resamples: Resamples = 1_000,
) -> None:
    """Say of each figure whether the other is better, worse, or whether one cannot tell."""
    one, two = decisions_of(base), decisions_of(other)
    table = compared(one, two, resamples)
    shared = len(one.merge(two, on=KEY))
    if shared < max(len(one), len(two)):
        say(
            f"compare: {shared:,} declarations were judged by both, of {len(one):,} of {base} and "
            f"{len(two):,} of {other}; the others are left out"
        )
    grid = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for heading in ("", base, other, "gain (95 %)", "verdict"):
        grid.add_column(heading, overflow="fold")
    for row in table.itertuples():
        gain = f"{row.gain:+.3f} ({row.low:+.3f} to {row.high:+.3f})"
        grid.add_row(str(row.figure), f"{row.one:.3f}", f"{row.other:.3f}", gain, str(row.verdict))
    Console().print(grid)
    say(
        f"a gain above zero: {other} is better, of findings in green too, where less is better; "
        "all per declaration, where `evaluate` counts goods items"
    )


if __name__ == "__main__":
    command(main)
