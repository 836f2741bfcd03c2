"""Relive a history week by week as if only a share of it could have been inspected. No stage.

    python -m pipelines.relive
    python -m pipelines.relive --share 0.05 --random 0.1 --by benefit --out /tmp/relived

What an administration does not inspect it never learns. Where nearly everything was inspected one
can see what that costs: the first weeks are known as they were, from then on the model chooses so
many declarations each week, and all that it does not choose stays unknown to it. Declarations that
were not inspected in the past cannot be chosen. Until there is enough to train on, chance chooses.
Rules and lanes are left out: what is looked at is what the model finds by itself.
"""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from pipelines.bundle import checked
from pipelines.judging.weekly import By, Choice, History, ModelRecipe, relive
from pipelines.label import LabelParams
from pipelines.prepare import PrepareParams
from pipelines.stage.command import command, say
from pipelines.stage.files import write_json, write_text
from pipelines.stage.options import IngestedFolder, ParamsFile, RelivedFolder
from pipelines.stage.params import section
from pipelines.stage.progress import shown
from pipelines.stage.tables import read_columns, read_frame
from pipelines.train import TrainParams
from selectivity.deciding.policy import Policy
from selectivity.metrics import wilson

LAST_WEEKS = 13
"""A quarter: what is told in one line."""


def summary(weeks: pd.DataFrame) -> dict[str, float]:
    """All of these weeks in a few figures; `*_low` and `*_high` are 95 % intervals."""
    total = weeks.drop(columns="first_day").sum()
    precision = wilson(total["found"], total["chosen"])
    findings = wilson(total["found"], total["found_there"])
    return {
        "weeks": len(weeks),
        "declarations": int(total["declarations"]),
        "chosen": int(total["chosen"]),
        **precision.named("precision"),
        **findings.named("findings_share"),
        "duty_share_of_best": total["duty_found"] / total["duty_there"]
        if total["duty_there"]
        else float("nan"),
    }


def main(
    params: ParamsFile = Path("params.yaml"),
    ingested: IngestedFolder = Path("data/interim/ingested"),
    share: Annotated[
        float, typer.Option(min=0.001, max=1, help="Of a week's declarations, inspected.")
    ] = Choice.share,
    random: Annotated[
        float, typer.Option(min=0, max=1, help="Share of these places that chance fills.")
    ] = Choice.random,
    by: Annotated[By, typer.Option(help="What puts them in order.")] = Choice.by,
    weeks_known: Annotated[
        int, typer.Option(min=0, help="First weeks, known as they were.")
    ] = Choice.weeks_known,
    retrain_every: Annotated[int, typer.Option(min=1, help="Weeks.")] = Choice.retrain_every,
    seed: Annotated[int, typer.Option(min=0, help="Of what chance chooses.")] = Choice.seed,
    out: RelivedFolder = Path("data/reports/relived"),
) -> None:
    """Relive the ingested history as if only a share of it could have been inspected.

    Writes weeks.csv, a row per week, and summary.json.
    """
    recipe = ModelRecipe(
        prepare=section(params, "prepare", PrepareParams),
        label=section(params, "label", LabelParams),
        train=section(params, "train", TrainParams),
        policy=checked(section(params, "policy", Policy)),
    )
    inspections, findings = (
        read_frame(ingested / f"{name}.parquet") for name in ("inspections", "findings")
    )
    history = History(read_columns(ingested / "items.parquet"), inspections, findings, recipe)
    if not history.eligible.all():
        say(
            f"relive: {history.eligible.mean():.0%} of the declarations were inspected; only those "
            "can be chosen, and what is found among them tells little of the rest"
        )
    choice = Choice(share, random, by, weeks_known, retrain_every, seed)
    total = int(history.week.max()) + 1 - weeks_known
    lived = relive(history, choice, tell=lambda line: say(f"relive: {line}"))
    weeks = pd.DataFrame(shown(lived, total, "week"))
    write_text(out / "weeks.csv", weeks.to_csv(index=False, float_format="%.2f"))
    last = weeks.tail(LAST_WEEKS)
    write_json(out / "summary.json", {"all": summary(weeks), "last_13_weeks": summary(last)})
    for first in range(0, len(weeks), LAST_WEEKS):
        say(f"relive: {_line(weeks[first : first + LAST_WEEKS])}")
    print(f"last {len(last)} weeks: {_line(last)}")


def _line(weeks: pd.DataFrame) -> str:
    told = summary(weeks)
    low, high = told["precision_low"], told["precision_high"]
    return (
        f"from {weeks['first_day'].iloc[0]}: {told['chosen']:,} of {told['declarations']:,} "
        f"inspected, {weeks['by_chance'].sum():,} of them by chance; precision "
        f"{told['precision']:.3f} ({low:.3f} to {high:.3f}), {told['findings_share']:.1%} of the "
        f"findings, {told['duty_share_of_best']:.1%} of the duty that as many could have found"
    )


if __name__ == "__main__":
    command(main)
