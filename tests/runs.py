"""Run folders as the stage `track` makes them, without its pipeline."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from models.bundle import verify
from models.run_folder import Run
from pipelines.sources.mappings import load_mapping
from pipelines.stage.outbox import Outbox
from pipelines.track import describe, fill, revision
from tests.rows import SOURCES

MLFLOW_WARNS = [
    # What MLflow says at its import, and how it calls SQLAlchemy: not ours to mend.
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*`noload`:DeprecationWarning"),
]

PARAMS = {
    "ingest": {"source": "kcs"},
    "train": {"seed": 7},
    "bundle": {"rules": ["a.yaml", "b.yaml"]},
}
METRICS = {"all_rows": {"auroc": 0.75, "rows": 12, "enough": True}, "note": "made up"}
INGESTED = {"inputs": {"data/raw/rows.csv": "ab" * 32}, "rows": 12}


def write_inputs(folder: Path, metrics: dict[str, Any] = METRICS) -> None:
    """The files that `track` reads besides the bundle, as the stages before it write them."""
    plots = folder / "evaluation/plots"
    plots.mkdir(parents=True, exist_ok=True)
    (plots / "roc.csv").write_text("false_positive_rate,true_positive_rate\n0,0\n1,1\n")
    (folder / "evaluation/metrics.json").write_text(json.dumps(metrics))
    (folder / "evaluation/decisions.parquet").write_bytes(b"declarations stay at home")
    (folder / "ingested").mkdir(exist_ok=True)
    (folder / "ingested/ingest.json").write_text(json.dumps(INGESTED))
    (folder / "leak.json").write_text(json.dumps({"basis": "estimated", "green_rate": 0.02}))
    (folder / "params.yaml").write_text(yaml.safe_dump(PARAMS))


def a_run(bundle: Path, *, at: datetime, metrics: dict[str, Any] = METRICS) -> Run:
    """The description of a run of this bundle."""
    kcs = load_mapping(SOURCES, "kcs")
    digest, tags = verify(bundle)[0], revision(bundle)
    return describe(
        PARAMS, metrics, INGESTED, kcs, digest=digest, tags=tags, at=at, experiment="more-leaves"
    )


def put_a_run(
    outbox: Outbox, bundle: Path, *, at: datetime, metrics: dict[str, Any] = METRICS
) -> Path:
    """Put a run of this bundle into the outbox; gives its folder."""
    inputs = outbox.folder.parent / "inputs"
    write_inputs(inputs, metrics)
    params, evaluation = inputs / "params.yaml", inputs / "evaluation"
    return outbox.put_run(
        a_run(bundle, at=at, metrics=metrics),
        lambda folder: fill(folder, params, bundle, evaluation, SOURCES / "kcs.yaml"),
    )
