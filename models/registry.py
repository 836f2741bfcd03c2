"""Runs, models and their aliases in MLflow. The only module that imports it.

What is to be tracked stands complete in a folder on disk, so that an outage loses nothing: the
folder is sent again, and a run that arrived is known by its key. MLflow is imported inside the
functions, because the import takes seconds.
"""

import json
import logging
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from models.run_folder import ARTIFACTS, CODE, MODEL, Dataset, Run, read_run
from models.search_run import SearchRun, SearchTrial
from models.tracking_store import TrackingStore
from selectivity.errors import TrackingError

RUN_KEY, BUNDLE_DIGEST = "run_key", "bundle_digest"
PARENT = "mlflow.parentRunId"
_MOST_TRIALS = 10_000
CANDIDATE, CHAMPION = "candidate", "champion"

_PATIENCE = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
}
"""MLflow's own defaults wait four minutes for a dead server. What the user sets has precedence."""

_DIGEST_LENGTH = 36
"""MLflow keeps no longer digest of a data set; the whole one goes into the source."""


@dataclass(frozen=True)
class TrackedRun:
    """Where a run ended up. `new` is False when it had arrived before."""

    run_id: str
    model_version: int | None
    new: bool


def reach(store: TrackingStore) -> str | None:
    """Ask the store for a sign of life: the number of the experiment, None if there is none yet.

    Raises:
        TrackingError: it did not answer within seconds.
    """
    with _answering(store) as client:
        known = client.get_experiment_by_name(store.experiment)
        return str(known.experiment_id) if known else None


def log_run(folder: Path, store: TrackingStore) -> TrackedRun:
    """Send a run folder: a run and a new `candidate` version. Sent again it adds nothing.

    Raises:
        TrackingError: the folder or the store failed; the folder stays as it is.
    """
    run = read_run(folder)
    with _answering(store) as client:
        experiment_id = _experiment(client, store)
        return _found(client, store, experiment_id, run) or _sent(
            client, store, experiment_id, run, folder
        )


def promote(digest: str, *, by: str, at: datetime, store: TrackingStore) -> int | None:
    """Make the newest version of this bundle the champion; None when no version has it.

    Raises:
        TrackingError: the store did not answer.
    """
    with _answering(store) as client:
        versions = client.search_model_versions(
            f"name = '{store.model}' and tags.{BUNDLE_DIGEST} = '{digest}'"
        )
        if not versions:
            return None
        version = max(int(found.version) for found in versions)
        for tag, value in (("promoted_by", by), ("promoted_at", at.isoformat())):
            client.set_model_version_tag(store.model, str(version), tag, value)
        client.set_registered_model_alias(store.model, CHAMPION, str(version))
        return version


def log_search(search: SearchRun, store: TrackingStore) -> int:
    """Send a search: a run, and a nested one for each trial that is not there yet.

    Returns:
        How many trials were new to the store.

    Raises:
        TrackingError: the store did not answer; sent again, what arrived is not sent twice.
    """
    with _answering(store) as client:
        experiment_id = _experiment(client, store)
        parent = _run_of_search(client, experiment_id, search)
        known = _known_trials(client, experiment_id, parent)
        new = [trial for trial in search.trials if _trial_key(search, trial) not in known]
        for trial in new:
            _send_trial(client, experiment_id, parent, search, trial)
        for name, value in search.metrics.items():
            client.log_metric(parent, name, value)
        client.set_terminated(parent)
        return len(new)


def _run_of_search(client: Any, experiment_id: str, search: SearchRun) -> str:
    for known in client.search_runs([experiment_id], f"tags.{RUN_KEY} = '{search.key}'"):
        return str(known.info.run_id)
    tags = {**search.tags, RUN_KEY: search.key}
    name = f"search-{search.key[:8]}"
    run = client.create_run(experiment_id, _milliseconds(search.begun), tags, run_name=name)
    for parameter, value in search.params.items():
        client.log_param(run.info.run_id, parameter, value)
    return str(run.info.run_id)


def _known_trials(client: Any, experiment_id: str, parent: str) -> set[str]:
    """Keys of the trials that arrived; what an interrupted sending left of one is removed."""
    below, known = f"tags.{PARENT} = '{parent}'", set()
    for run in client.search_runs([experiment_id], below, max_results=_MOST_TRIALS):
        if run.info.status == "FINISHED":
            known.add(run.data.tags[RUN_KEY])
        else:
            client.delete_run(run.info.run_id)
    return known


def _trial_key(search: SearchRun, trial: SearchTrial) -> str:
    return f"{search.key}-{trial.number}"


def _send_trial(
    client: Any, experiment_id: str, parent: str, search: SearchRun, trial: SearchTrial
) -> None:
    from mlflow.entities import Metric, Param

    tags = {**search.tags, RUN_KEY: _trial_key(search, trial), PARENT: parent}
    begun, ended = _milliseconds(trial.begun), _milliseconds(trial.ended)
    run = client.create_run(experiment_id, begun, tags, run_name=f"trial-{trial.number}")
    params = [Param(name, value) for name, value in trial.params.items()]
    metrics = [Metric(name, value, ended, 0) for name, value in trial.metrics.items()]
    client.log_batch(run.info.run_id, metrics=metrics, params=params)
    client.set_terminated(run.info.run_id, end_time=ended)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@contextmanager
def _answering(store: TrackingStore) -> Iterator[Any]:
    """A client of the store; whatever it or the network raises becomes a TrackingError."""
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    import mlflow
    from sqlalchemy.exc import SQLAlchemyError

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    mlflow.set_tracking_uri(store.uri)
    try:
        yield mlflow.MlflowClient()
    except (mlflow.MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        raise TrackingError(
            f"MLflow at {_without_login(store.uri)} did not take it: {_cause(error)}. Nothing was "
            "lost: what was to be sent is kept. Send it with `python -m pipelines.track --retry` "
            "once MLflow answers."
        ) from error


def _cause(error: Exception) -> str:
    """The end of what are often long chains, on one line."""
    text = " ".join(_without_login(str(error)).split())
    return text.rpartition("(Caused by ")[2].rstrip(").")[:300]


def _without_login(text: str) -> str:
    """Addresses in the text without the name and password some have."""
    return re.sub(r"(?<=://)[^/\s]*@", "", text)


def _experiment(client: Any, store: TrackingStore) -> str:
    found = client.get_experiment_by_name(store.experiment)
    if found is not None:
        return str(found.experiment_id)
    return str(client.create_experiment(store.experiment, artifact_location=store.artifacts))


def _found(client: Any, store: TrackingStore, experiment_id: str, run: Run) -> TrackedRun | None:
    """The run if it arrived before; what an interrupted sending left of it is removed."""
    for known in client.search_runs([experiment_id], f"tags.{RUN_KEY} = '{run.key}'"):
        run_id = known.info.run_id
        versions = client.search_model_versions(f"name = '{store.model}' and run_id = '{run_id}'")
        if known.info.status == "FINISHED":
            numbers = [int(version.version) for version in versions]
            return TrackedRun(run_id, max(numbers, default=None), new=False)
        for version in versions:
            client.delete_model_version(store.model, version.version)
        client.delete_run(run_id)
    return None


def _sent(client: Any, store: TrackingStore, experiment: str, run: Run, folder: Path) -> TrackedRun:
    import mlflow

    tags = {**run.tags, RUN_KEY: run.key, BUNDLE_DIGEST: run.bundle_digest}
    begun = _milliseconds(run.made_at)
    run_id = client.create_run(experiment, begun, tags, run_name=run.name).info.run_id
    with mlflow.start_run(run_id=run_id):  # finished when everything below has arrived
        model = _model(run, folder)
        mlflow.log_params(dict(run.params))
        mlflow.log_metrics(dict(run.metrics), model_id=model.model_id)
        client.log_inputs(run_id, _inputs(run.datasets))
        mlflow.log_artifacts(str(folder / ARTIFACTS))
        version = mlflow.register_model(model.model_uri, store.model, tags=tags).version
        client.set_registered_model_alias(store.model, CANDIDATE, version)
    return TrackedRun(run_id, int(version), new=True)


def _model(run: Run, folder: Path) -> Any:
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, Schema

    anything: Any = AnyType  # without annotations
    columns: list[Any] = [ColSpec(anything(), name, required=False) for name in run.columns]
    with warnings.catch_warnings():
        # An example would be somebody's declaration, kept for ever where many can read it.
        warnings.filterwarnings("ignore", ".*input example was not provided", UserWarning)
        return mlflow.pyfunc.log_model(
            name="model",
            loader_module=run.loader_module,
            data_path=str(folder / MODEL),
            code_paths=[str(path) for path in sorted((folder / CODE).iterdir())],
            signature=ModelSignature(inputs=Schema(columns)),
            pip_requirements=list(run.requirements),
        )


def _inputs(datasets: Sequence[Dataset]) -> list[Any]:
    from mlflow.entities import Dataset as Named
    from mlflow.entities import DatasetInput, InputTag

    context = [InputTag("mlflow.data.context", "training")]
    return [
        DatasetInput(
            Named(data.name, data.digest[:_DIGEST_LENGTH], "local", _source(data)), context
        )
        for data in datasets
    ]


def _source(data: Dataset) -> str:
    return json.dumps({"uri": data.name, "sha256": data.digest})
