"""Tell MLflow of a training run: params, figures, data digests, plots, model card, and the bundle.

Reads   params.yaml, models/artifacts/bundle/        what was asked for, what came out
        data/reports/evaluation/                     metrics.json and plots
        data/reports/                                model card, report, backtest, leak: to look at
        data/interim/ingested/ingest.json            digests of the data
        data/reference/sources/*.yaml                how the source is read, for the model
Writes  data/reports/track.json                      where the run ended up
        state/mlflow-outbox/                         what MLflow did not take yet

A dead server costs seconds and loses nothing: the run waits in the outbox, and the next `track`,
or `python -m pipelines.track --retry`, sends it.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from models.bundle import FILES, MANIFEST, verify
from models.registry import reach
from models.run_folder import ARTIFACTS, CODE, MODEL, Dataset, Run
from models.tracking_store import TrackingStore, store_of, workspace_root
from pipelines.pyfunc import BUNDLE, SOURCES
from pipelines.score import in_one_table
from pipelines.sources.mappings import SourceMapping, load_mapping
from pipelines.stage.command import command, say
from pipelines.stage.files import LEAK, read_json, write_json
from pipelines.stage.options import (
    BundleFolder,
    EvaluationFolder,
    IngestedFolder,
    MappingsFolder,
    ParamsFile,
    ReportsFolder,
    TrackedFile,
)
from pipelines.stage.outbox import Outbox, Sent
from pipelines.stage.params import as_text, leaves, of_stages
from selectivity.declaration import canonical_sha256
from selectivity.errors import ParamsError

LOADER = "pipelines.pyfunc"
SHOWN = ("model_card.html", "model_card.md", "report.html", "backtest/backtest.json")
"""The reports that are kept with a run; none of them names a declaration."""
PACKAGES = ("selectivity", "models", "pipelines")
REQUIREMENTS = (
    *("lightgbm", "msgspec", "numpy", "pandas", "pyarrow", "pydantic"),
    *("pyyaml", "typer", "tzdata"),
)
"""What the code beside a logged model imports, besides MLflow itself."""

_ROOT = Path(__file__).parents[1]
_KEY_DIGITS, _NAME_DIGITS = 32, 8


def describe(
    params: dict[str, Any],
    metrics: dict[str, Any],
    ingested: dict[str, Any],
    mapping: SourceMapping,
    *,
    digest: str,
    tags: dict[str, str],
    at: datetime,
    experiment: str = "",
) -> Run:
    """The run in MLflow's terms. Its key is the same for the same params, bundle and figures.

    Its name begins with that of DVC's experiment, if it is one, and ends with the bundle's.
    """
    content = {"bundle": digest, "params": params, "metrics": metrics}
    return Run(
        key=canonical_sha256(content)[:_KEY_DIGITS],
        name=f"{experiment} {digest[:_NAME_DIGITS]}".strip(),
        made_at=at,
        bundle_digest=digest,
        params={name: as_text(value) for name, value in leaves(params)},
        metrics={
            re.sub(r"[^\w\-. :/]", "_", name): float(value)
            for name, value in leaves(metrics)
            if isinstance(value, int | float) and not isinstance(value, bool)
        },
        tags=tags,
        datasets=tuple(
            Dataset(name=file, digest=sha256) for file, sha256 in ingested["inputs"].items()
        ),
        loader_module=LOADER,
        columns=tuple(in_one_table(mapping).columns),
        requirements=tuple(f"{name}=={version(name)}" for name in REQUIREMENTS),
    )


def revision(folder: Path) -> dict[str, str]:
    """Tags that lead back to the code and data: git commit, and the lock entry of `train`.

    The lock is not committed while the run is told of, so its entry is what later commits share.
    """
    commit, changes = _git(folder, "rev-parse", "HEAD"), _git(folder, "status", "--porcelain")
    lock = folder / "dvc.lock"
    stages = yaml.safe_load(lock.read_bytes())["stages"] if lock.exists() else {}
    return {
        "git_revision": commit or "unknown",
        "git_dirty": "unknown" if changes is None else str(changes != "").lower(),
        "dvc_lock_train": canonical_sha256(stages["train"]) if "train" in stages else "unknown",
    }


def fill(
    folder: Path,
    params: Path,
    bundle: Path,
    evaluation: Path,
    mapping: Path,
    shown: Sequence[Path] = (),
) -> None:
    """Everything of a run folder but its description: files to look at, the model, its code."""
    looked_at = [params, evaluation / "metrics.json", params.with_name("dvc.lock"), *shown]
    for file in [file for file in looked_at if file.exists()]:
        _copy(file, folder / ARTIFACTS / file.name)
    for file in (evaluation / "plots").glob("*"):
        _copy(file, folder / ARTIFACTS / "plots" / file.name)
    for name in (*FILES, MANIFEST):
        _copy(bundle / name, folder / MODEL / BUNDLE / name)
    _copy(mapping, folder / MODEL / SOURCES / mapping.name)
    for package in PACKAGES:
        for file in (_ROOT / package).rglob("*.py"):
            _copy(file, folder / CODE / file.relative_to(_ROOT))


def page_of_runs(address: str, store: TrackingStore) -> str:
    """Where the MLflow at this address shows the runs of the store; before the first, its start."""
    number = reach(store)
    return f"{address}/#/experiments/{number}/runs" if number else address


def answer(key: str, sent: Sent) -> dict[str, Any]:
    """Whether the run arrived, for track.json: the same run gives the same file anywhere."""
    return {"key": key, "tracked": key in sent.runs}


def tell(sent: Sent, store: TrackingStore) -> None:
    """One line per run that arrived, and one per problem."""
    for run in sent.runs.values():
        told = "is" if run.new else "was already"
        say(f"track: run {run.run_id} {told} in MLflow, {store.model} version {run.model_version}")
    if sent.champion is not None:
        say(f"track: {store.model} version {sent.champion} is now champion")
    for problem in sent.problems:
        say(f"warning: {problem}")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        result = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()


def _copy(file: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, place)


def _source(params: Path, content: Any) -> str:
    try:
        return str(content["ingest"]["source"])
    except (KeyError, TypeError) as error:
        raise ParamsError(
            f"Params file {params} has no ingest.source, so the columns of the model are not known."
            " Name the mapping of the source there."
        ) from error


def main(
    params: ParamsFile = Path("params.yaml"),
    bundle: BundleFolder = Path("models/artifacts/bundle"),
    evaluation: EvaluationFolder = Path("data/reports/evaluation"),
    ingested: IngestedFolder = Path("data/interim/ingested"),
    mappings: MappingsFolder = Path("data/reference/sources"),
    reports: ReportsFolder = Path("data/reports"),
    out: TrackedFile = Path("data/reports/track.json"),
    retry: Annotated[bool, typer.Option("--retry", help="Only send what waits.")] = False,
    where: Annotated[str, typer.Option(help="Only say where this MLflow shows the runs.")] = "",
) -> None:
    """Tell MLflow of the training run, or with --retry of all that it did not take before.

    Example: python -m pipelines.track --retry
    """
    root = workspace_root(Path.cwd())
    outbox, store = Outbox(root), store_of(root)
    if retry:
        tell(outbox.send(store), store)
        return
    if where:
        print(f"The runs: {page_of_runs(where, store)}")
        return
    content = of_stages(params)
    mapping = load_mapping(mappings, _source(params, content))
    run = describe(
        content,
        read_json(evaluation / "metrics.json") | {"leak": read_json(reports / LEAK)},
        read_json(ingested / "ingest.json"),
        mapping,
        digest=verify(bundle)[0],
        tags=revision(Path.cwd()),
        at=datetime.now(UTC),
        experiment=os.environ.get("DVC_EXP_NAME", ""),
    )
    file = mappings / f"{mapping.name}.yaml"
    shown = [reports / name for name in SHOWN]
    outbox.put_run(run, lambda folder: fill(folder, params, bundle, evaluation, file, shown))
    sent = outbox.send(store)
    tell(sent, store)
    write_json(out, answer(run.key, sent))


if __name__ == "__main__":
    command(main)
