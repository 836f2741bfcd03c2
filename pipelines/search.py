"""Search for params of `train` that rank goods items better. A command, no stage.

    python -m pipelines.search --trials 50
    python -m pipelines.search --trials 100 --apply    # goes on, then writes params.yaml
    python -m pipelines.search --queue 3               # the best three of the trials there are

Every trial trains on the training days and is judged on the calibration days: the newest before the
evaluation, which no trial ever sees, by outcomes that training did not know. Trials stand in
state/search/ and in MLflow, so that a search can be interrupted and goes on when started again;
other data, another space or another goal make another search.
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import optuna
import pandas as pd
import typer

from models.digests import sha256_of
from models.tracking_store import store_of, workspace_root
from pipelines.judging.fitting import read_past
from pipelines.searching.question import Question, key_of
from pipelines.searching.space import SearchParams, Value
from pipelines.searching.study import FIGURES, USED, Teller, attempt, finished, open_study
from pipelines.stage.command import command, say
from pipelines.stage.files import write_text
from pipelines.stage.options import FeaturesFile, ItemsFile, OutcomesFile, ParamsFile, PeriodsFile
from pipelines.stage.params import section, write_values
from pipelines.train import TrainParams
from selectivity.columns import Floats
from selectivity.errors import NotEnoughDataError, SelectivityError
from selectivity.metrics import Interval

FOLDER = Path("state", "search")
TRIALS = 50
"""How many trials a search makes if nobody says otherwise."""
NONE_BETTER = (
    "No trial ranks better than the params of now, which stay. More trials (--trials), or a wider "
    "`search.space`, may find one."
)


def search(
    study: optuna.Study,
    question: Question,
    teller: Teller,
    *,
    trials: int,
    timeout: float | None = None,
    jobs: int = 1,
) -> None:
    """Go on until there are so many trials in all, the time is over, or Ctrl-C."""
    missing = trials - len(finished(study))
    if missing <= 0:
        return
    try:
        study.optimize(
            lambda trial: attempt(trial, question),
            n_trials=missing,
            timeout=timeout,
            n_jobs=jobs,
            callbacks=[teller],
        )
    except KeyboardInterrupt:
        say("search: interrupted; what was found is kept, and the same command goes on")


def wanted_trials(asked: int | None, made: int, *, only_taken: bool) -> int:
    """How many trials there are to be in all.

    Args:
        asked: what was asked for, if anything was.
        made: how many there are.
        only_taken: whether something is done with the best, for which those there are will do.
    """
    return asked or (made if only_taken and made else TRIALS)


def gained(study: optuna.Study, question: Question) -> tuple[Interval, Floats]:
    """How much better the best trial ranks than the present params, and the risks by the latter."""
    now = question.risk({})
    return question.gain(question.risk(study.best_trial.user_attrs[USED]), now), now


def summary(study: optuna.Study, question: Question, gain: Interval, now: Floats) -> str:
    """The best trial against the params of now, on the same resamples of what judges."""
    best, goal = study.best_trial.user_attrs, question.wanted.goal
    past = question.past.periods
    return (
        f"best of {len(finished(study))} trials: {goal} {best[FIGURES][goal]:.4f}, with the params "
        f"of now {question.figures(now)[goal]:.4f}, gain {gain.value:+.4f} "
        f"(95 % {gain.low:+.4f} to {gain.high:+.4f}) on {len(question.judging)} inspected goods "
        f"items accepted from {past.calibrate_from} to {past.calibrate_until}.\n"
    ) + (
        "The best of many looks better than it is. The evaluation, which no trial saw, judges it:\n"
        f"  {' '.join(experiment(best[USED]))}"
        if gain.value > 0
        else NONE_BETTER
    )


def experiment(values: Mapping[str, Value]) -> list[str]:
    """The command that makes everything with these params of `train`."""
    changes = (f"train.{name}={_written(value)}" for name, value in values.items())
    return ["dvc", "exp", "run", *(word for change in changes for word in ("-S", change))]


def _written(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"


def best_of(study: optuna.Study, count: int, *, above: float) -> list[dict[str, Value]]:
    """Params of the best trials, each once, of those that are better than this figure."""
    best: list[dict[str, Value]] = []
    for trial in sorted(finished(study), key=lambda trial: -(trial.value or 0.0)):
        if (trial.value or 0.0) > above and trial.user_attrs[USED] not in best:
            best.append(trial.user_attrs[USED])
    return best[:count]


def table(study: optuna.Study) -> pd.DataFrame:
    """One row per trial: its params and its figures, the best first."""
    rows = [
        {"trial": each.number, **each.user_attrs[USED], **each.user_attrs[FIGURES]}
        for each in sorted(finished(study), key=lambda each: -(each.value or 0.0))
    ]
    return pd.DataFrame(rows)


def queue(values: Mapping[str, Value]) -> None:
    """Queue an experiment of DVC with these params of `train`."""
    words = experiment(values)
    dvc = [sys.executable, "-m", *words[:3]]  # that of this environment, whatever the PATH
    done = subprocess.run([*dvc, "--queue", *words[3:]], check=False)
    if done.returncode:
        raise SelectivityError(
            f"DVC queued no experiment (exit code {done.returncode}). See what it says above."
        )


def main(
    trials: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"Trials in all, with those before; {TRIALS} if left out, or those there are "
            "where --queue or --apply takes from them.",
        ),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=1, help="Seconds after which no trial is begun.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Trials at once, each on a core.")] = 1,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write the best, if better, to params.yaml.")
    ] = False,
    queued: Annotated[
        int,
        typer.Option(
            "--queue", min=0, help="Queue so many of the best, if better, as DVC experiments."
        ),
    ] = 0,
    params: ParamsFile = Path("params.yaml"),
    features: FeaturesFile = Path("data/features/features.parquet"),
    items: ItemsFile = Path("data/interim/prepared/items.parquet"),
    periods: PeriodsFile = Path("data/interim/prepared/periods.json"),
    outcomes: OutcomesFile = Path("data/interim/labelled/outcomes.parquet"),
) -> None:
    """Search for params of `train` that rank better; section `search` of params.yaml says where."""
    wanted, now = section(params, "search", SearchParams), section(params, "train", TrainParams)
    question = Question(read_past(features, items, periods, outcomes), now, wanted)
    files = {file.name: sha256_of(file) for file in (features, items, periods, outcomes)}
    key, root = key_of(question, files), workspace_root(Path.cwd())
    folder = root / FOLDER / key[:12]
    study = open_study(folder, question)
    made = len(finished(study))
    say(f"search: {made} trials of this search are in {folder}")
    in_all = wanted_trials(trials, made, only_taken=apply or queued > 0)
    teller = Teller(question, key, in_all, root, store_of(root))
    search(study, question, teller, trials=in_all, timeout=timeout, jobs=jobs)
    if not finished(study):
        raise NotEnoughDataError("No trial was finished. Give the search more time.")
    teller.send(study)
    write_text(folder / "trials.csv", table(study).to_csv(index=False))
    best = study.best_trial.user_attrs[USED]
    gain, now_risk = gained(study, question)
    told = f"{summary(study, question, gain, now_risk)}\n"
    write_text(folder / "best.txt", told)
    print(told, end="")
    better = best_of(study, queued, above=question.figures(now_risk)[wanted.goal])
    for values in better:
        queue(values)
    if queued:
        few = ", as no more trials rank better than the params of now" * (len(better) < queued)
        say(f"search: {len(better)} of {queued} queued{few}; `dvc queue start` runs what is queued")
    if apply and not gain.value > 0:
        say(f"search: {params} stays as it is")
    elif apply:
        write_values(params, "train", best)
        say(f"search: written into {params}; `dvc repro` makes the bundle anew")


if __name__ == "__main__":
    command(main)
