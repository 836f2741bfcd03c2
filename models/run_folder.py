"""A training run as a folder on disk: all that MLflow is to be told, without MLflow.

run.json      what `Run` describes
artifacts/    files to look at: params.yaml, metrics.json, plots
model/        what the logged model reads
code/         the packages that read it
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from selectivity.declaration import problems
from selectivity.errors import TrackingError

RUN, ARTIFACTS, MODEL, CODE = "run.json", "artifacts", "model", "code"


class Dataset(BaseModel):
    """A file that training read, and its SHA-256."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    digest: str


class Run(BaseModel):
    """What `run.json` says of a training run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    name: str | None = None
    """What people know it by; MLflow makes one up for None."""
    made_at: AwareDatetime
    bundle_digest: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    datasets: tuple[Dataset, ...] = ()
    loader_module: str
    """Module in the folder `code` whose `_load_pyfunc` reads the folder `model`."""
    columns: tuple[str, ...]
    """Columns the model reads; none of them is required by MLflow, the loader checks."""
    requirements: tuple[str, ...]


def read_run(folder: Path) -> Run:
    """The description in a run folder.

    Raises:
        TrackingError: there is none, or another version of this software wrote it.
    """
    try:
        return Run.model_validate_json((folder / RUN).read_bytes())
    except (OSError, ValidationError) as error:
        problem = problems(error) if isinstance(error, ValidationError) else error.strerror
        raise TrackingError(
            f"Run folder {folder} cannot be read ({problem}). It is left where it is: send it with "
            "the version that wrote it, or remove it."
        ) from error
