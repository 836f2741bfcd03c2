"""Where MLflow keeps what it is told: the store that a user names, or the project's own."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TrackingStore:
    """An MLflow store. `artifacts` is for new experiments; None leaves it to the server."""

    uri: str
    artifacts: str | None = None
    experiment: str = "lane-prediction"
    model: str = "lane-model"


def workspace_root(folder: Path) -> Path:
    """The project's own folder, also from the copies in which DVC runs experiments.

    >>> workspace_root(Path("/lanes/.dvc/tmp/exps/a1/data")).as_posix()
    '/lanes'
    """
    for parent in (folder, *folder.parents):
        if parent.parts[-3:] == (".dvc", "tmp", "exps"):
            return parent.parents[2]
    return folder


def store_of(root: Path, environment: Mapping[str, str] = os.environ) -> TrackingStore:
    """The store the user's environment names, else an SQLite file in the project's folder."""
    uri = environment.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    file = uri.removeprefix("sqlite:///")
    local = file != uri
    if local:  # a relative path would mean another file in each copy DVC runs experiments in
        uri = f"sqlite:///{root.resolve() / file}"
    return TrackingStore(
        uri=uri,
        artifacts=(root.resolve() / "mlartifacts").as_uri() if local else None,
        experiment=environment.get("MLFLOW_EXPERIMENT_NAME") or TrackingStore.experiment,
    )
