"""May the new bundle take over from the one in force? Both decide on the same declarations.

Reads   models/artifacts/bundle/            the new bundle
        models/published/                   the one in force
        data/reports/evaluation/            verdict.json, decisions.parquet of the new one
        data/features/, data/interim/       features, items, periods, outcomes
Writes  data/reports/gate.json              every check with its numbers

    python -m pipelines.gate

`publish` asks this by itself. Not a stage of dvc.yaml: its result hangs on what is in force.
"""

from math import isnan
from pathlib import Path

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from models.bundle import load
from models.pointer import POINTER, read_pointer
from pipelines.judging.checks import Verdict
from pipelines.judging.fitting import read_past
from pipelines.judging.takeover import GateParams, Judged, judge, read_decisions
from pipelines.stage.command import command, say
from pipelines.stage.files import VERDICT, read_json, write_json
from pipelines.stage.options import (
    BundleFolder,
    DataFolder,
    EvaluationFolder,
    GateFile,
    ParamsFile,
    PublishedFolder,
)
from pipelines.stage.params import section
from selectivity.errors import BundleError, ParamsError, SelectivityError

DATA, PARAMS = Path("data"), Path("params.yaml")
MEANS = {
    Verdict.PASS: "no figure is worse by more than its margin, with 95 % confidence",
    Verdict.CANNOT_TELL: "a figure may be worse by more than its margin, but is not shown to be "
    "worse; whoever publishes decides",
    Verdict.FAIL: "a figure is shown to be worse, perhaps by more than its margin; `publish` "
    "refuses without --despite",
}
REPORT = Path("data/reports/gate.json")


def read_and_judge(
    *, bundle: Path, published: Path, evaluation: Path, data: Path, params: GateParams
) -> Judged | None:
    """Judge the new bundle beside the one in force; None if there is no other one in force.

    Raises:
        BundleError: one of the two cannot be used by this software.
        NotEnoughDataError: there is nothing to judge them by.
        ParamsError: what was evaluated is another bundle.
    """
    pointer, new = read_pointer(published), load(bundle)
    if pointer is None or pointer.digest == new.digest:
        return None
    if read_json(evaluation / VERDICT).get("bundle") != new.digest:
        raise ParamsError(
            f"{evaluation} is not of the bundle in {bundle}. Judge it first: `dvc repro evaluate`."
        )
    in_force = load(published / pointer.bundle)
    if in_force.digest != pointer.digest:
        raise BundleError(
            f"{published / pointer.bundle} holds another bundle than {published / POINTER} names. "
            "Publish a bundle again, and find out who put it there."
        )
    prepared = data / "interim/prepared"
    past = read_past(
        data / "features/features.parquet",
        prepared / "items.parquet",
        prepared / "periods.json",
        data / "interim/labelled/outcomes.parquet",
    )
    decisions = read_decisions(evaluation / "decisions.parquet")
    return judge(new, in_force, past, decisions, params)


def table(judged: Judged) -> Table:
    """The checks, for people."""
    grid = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for heading in ("", "in force", "new", "gain (95 %)", "margin", "verdict"):
        grid.add_column(heading, overflow="fold")
    for check in judged.checks:
        gain, low, high = (_number(each, "+.3f") for each in check.gain)
        numbers = (_number(each, ".3f") for each in (check.in_force, check.new))
        gained = f"{gain} ({low} to {high})"
        grid.add_row(check.name, *numbers, gained, f"{check.margin:g}", check.verdict)
    return grid


def _number(value: float, form: str) -> str:
    """A question mark where nothing was there to count."""
    return "?" if isnan(value) else format(value, form)


def tell(judged: Judged, out: Path) -> None:
    """Say what it came to, and write it down."""
    say(
        f"gate: {judged.new[:16]} beside {judged.in_force[:16]}, which is in force, on "
        f"{judged.declarations:,} declarations from {judged.first_day} on, {judged.inspected:,} of "
        "them inspected"
    )
    Console(stderr=True).print(table(judged))
    if not judged.same_policy:
        say("gate: their policies differ, and so do their lanes, whatever the models say")
    say(
        "gate: a gain above zero: the new one is better; of model time, gain and margin are shares "
        "of the time in force"
    )
    say(f"gate: {judged.verdict}: {MEANS[judged.verdict]}")
    write_json(out, judged.content())


def stop_if_worse(bundle: Path, published: Path, evaluation: Path, *, despite: bool) -> None:
    """Say how a bundle does beside the one in force, as far as that can be told.

    Raises:
        BundleError: it is shown to be worse, and nobody wants it all the same.
        ParamsError: the margins cannot be read.
    """
    params = section(PARAMS, "gate", GateParams, optional=True) if PARAMS.exists() else GateParams()
    try:
        judged = read_and_judge(
            bundle=bundle, published=published, evaluation=evaluation, data=DATA, params=params
        )
    except (SelectivityError, OSError) as error:
        why: object = error
        if isinstance(error, OSError):
            why = f"{error.filename} cannot be read ({error.strerror}). Run `dvc repro evaluate`."
        say(f"warning: the bundle was not compared with the one in force. {why}")
        return
    if judged is None:
        return
    tell(judged, REPORT)
    if judged.verdict is Verdict.FAIL and not despite:
        worse = ", ".join(check.name for check in judged.checks if check.verdict is Verdict.FAIL)
        raise BundleError(
            f"The bundle is worse than the one in force ({worse}), so it is not published. Find "
            "out why, or give --despite, and the reason as --note."
        )


def main(
    bundle: BundleFolder = Path("models/artifacts/bundle"),
    published: PublishedFolder = Path("models/published"),
    evaluation: EvaluationFolder = Path("data/reports/evaluation"),
    data: DataFolder = DATA,
    params: ParamsFile = PARAMS,
    out: GateFile = REPORT,
) -> None:
    """Say of each figure whether the new bundle is at least as good as the one in force.

    Ends with 1 if it is shown to be worse.
    """
    judged = read_and_judge(
        bundle=bundle,
        published=published,
        evaluation=evaluation,
        data=data,
        params=section(params, "gate", GateParams, optional=True),
    )
    if judged is None:
        say("gate: no other bundle is in force; there is nothing to be compared with")
        return
    tell(judged, out)
    if judged.verdict is Verdict.FAIL:
        raise typer.Exit(1)


if __name__ == "__main__":
    command(main)
