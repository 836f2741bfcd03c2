"""Trials of a search: drawn by Optuna, kept in a journal on disk, told to MLflow as they end."""

import time
from datetime import UTC, datetime
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from models.search_run import SearchRun, SearchTrial
from models.tracking_store import TrackingStore
from pipelines.searching.question import Question
from pipelines.searching.space import suggest
from pipelines.stage.command import say
from pipelines.stage.outbox import Outbox

USED, FIGURES = "used", "figures"


def open_study(folder: Path, question: Question) -> optuna.Study:
    """The study of this question with all trials that were made before."""
    folder.mkdir(parents=True, exist_ok=True)
    # It warns of trials that broke off: `search` tells of Ctrl-C, and other errors are raised.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    study = optuna.create_study(
        storage=storage, study_name="search", direction="maximize", load_if_exists=True
    )
    # Another seed each time it goes on: the same one would draw the first trials again.
    seed = question.wanted.seed + len(study.trials)
    study.sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True)
    return study


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that came to a figure."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def attempt(trial: optuna.Trial, question: Question) -> float:
    """Train with the params of a trial, and judge."""
    used = suggest(trial, question.wanted.space)
    figures = question.figures(question.risk(used))
    trial.set_user_attr(USED, used)
    trial.set_user_attr(FIGURES, figures)
    return figures[question.wanted.goal]


def as_told(study: optuna.Study, question: Question, key: str) -> SearchRun:
    """The search in MLflow's terms."""
    trials = finished(study)
    asked = question.wanted.model_dump(mode="json")
    return SearchRun(
        key=key,
        begun=_utc(trials[0].datetime_start),
        params={f"search.{name}": str(value) for name, value in asked.items()},
        metrics={f"best.{question.wanted.goal}": study.best_value, "trials": float(len(trials))},
        tags={"kind": "search"},
        trials=tuple(
            SearchTrial(
                number=trial.number,
                begun=_utc(trial.datetime_start),
                ended=_utc(trial.datetime_complete),
                params={
                    f"train.{name}": str(value) for name, value in trial.user_attrs[USED].items()
                },
                metrics=trial.user_attrs[FIGURES],
            )
            for trial in trials
        ),
    )


def _utc(moment: datetime | None) -> datetime:
    """Optuna's moments are local and do not say so."""
    return (moment or datetime.now()).astimezone(UTC)


class Teller:
    """Says how far the search is, and tells MLflow as long as it answers."""

    def __init__(
        self, question: Question, key: str, total: int, root: Path, store: TrackingStore
    ) -> None:
        self._question, self._key, self._total = question, key, total
        self._outbox, self._store = Outbox(root), store
        self._began, self._done, self._answers = time.monotonic(), 0, True

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """After each trial."""
        self._done += 1
        made, each = len(finished(study)), (time.monotonic() - self._began) / self._done
        goal = self._question.wanted.goal
        say(
            f"search: trial {made} of {self._total}: {goal} {trial.value:.4f}, best "
            f"{study.best_value:.4f}, about {each * max(self._total - made, 0) / 60:.0f} min left"
        )
        if self._answers:
            self.send(study)

    def send(self, study: optuna.Study) -> None:
        """Send all that is new; the first time MLflow does not answer, it waits for the end."""
        self._outbox.put_search(as_told(study, self._question, self._key))
        problems = self._outbox.send(self._store).problems
        self._answers = not problems
        for problem in problems:
            say(f"warning: {problem}")
