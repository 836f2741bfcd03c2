"""The main line, as a user runs it: copy, `dvc repro` twice, publish, serve, score, learn."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
import yaml

from tests.architecture.tree import ROOT, kept_files
from tests.runs import MLFLOW_WARNS

pytestmark = MLFLOW_WARNS

SMALLER = {
    "  declarations: 40000": "  declarations: 9000",
    "  smallest_class: 20": "  smallest_class: 1",
    "  rounds: 250": "  rounds: 30",
    "  resamples: 200": "  resamples: 20",
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean copy of the project with smaller numbers, all stages run once."""
    root = tmp_path_factory.mktemp("project")
    for file in kept_files():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, root / file)
    params = (root / "params.yaml").read_text(encoding="utf-8")
    for ours, smaller in SMALLER.items():
        assert ours in params
        params = params.replace(ours, smaller)
    (root / "params.yaml").write_text(params, encoding="utf-8")
    run(root, "git", "init", "-q")
    run(root, "git", "add", "-A")
    run(root, "git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "x")
    run(root, "dvc", "repro")
    return root


def run(root: Path, *command: str) -> str:
    """What a command of the project printed, both ways; it has to succeed."""
    scripts = str(Path(sys.executable).parent)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")
    }
    environment |= {
        "PATH": scripts + os.pathsep + os.environ["PATH"],
        "PYTHONPATH": str(root),
        "DVC_NO_ANALYTICS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def test_a_second_run_does_nothing(workspace: Path) -> None:
    assert "Data and pipelines are up to date" in run(workspace, "dvc", "repro")


def test_metrics_hold_three_views_lanes_and_what_was_refused(workspace: Path) -> None:
    shown = json.loads(run(workspace, "dvc", "metrics", "show", "--json"))[""]["data"]
    metrics = shown["data/reports/evaluation/metrics.json"]["data"]
    assert {"all_rows", "new_lines", "line_purged", "lanes"} <= set(metrics)
    assert 0 < metrics["all_rows"]["auroc_low"] < metrics["all_rows"]["auroc_high"] < 1
    lanes = metrics["lanes"]
    shares = [lanes[f"{lane}_share"] for lane in ("green", "yellow", "red")]
    assert sum(shares) == pytest.approx(1)
    assert shown["data/interim/ingested/ingest.json"]["data"]["rows"]["refused"] == 0


def test_plots_are_made(workspace: Path) -> None:
    run(workspace, "dvc", "plots", "show")
    assert (workspace / "dvc_plots/index.html").stat().st_size > 1_000


def test_nothing_that_was_made_is_a_pickle(workspace: Path) -> None:
    made = [*(workspace / "models").rglob("*"), *(workspace / "data/features").rglob("*")]
    assert made
    for file in made:
        assert file.suffix not in {".pkl", ".pickle", ".joblib"}
        if file.is_file():
            assert not file.read_bytes().startswith(b"\x80\x04")


def test_no_stage_reads_the_simulated_truth_but_the_report_on_it(workspace: Path) -> None:
    stages = yaml.safe_load((workspace / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    read = {
        name
        for name, stage in stages.items()
        if any("truth" in dependency["path"] for dependency in stage["deps"])
    }

    assert len(stages) > 10
    assert read == {"world_report"}


def test_the_run_is_tracked_and_the_model_scores_in_the_columns_of_the_source(
    workspace: Path,
) -> None:
    assert json.loads((workspace / "data/reports/track.json").read_text())["tracked"] is True
    mlflow.set_tracking_uri(f"sqlite:///{workspace}/mlflow.db")
    model = mlflow.pyfunc.load_model("models:/lane-model@candidate")
    raw = workspace / "data/raw/simulated"
    header, items = (
        pd.read_parquet(raw / name).drop(columns="month")
        for name in ("declarations", "goods_items")
    )
    frame = items.merge(header.tail(20), on=["declaration_id", "version_no"])
    scored = model.predict(frame)
    assert len(scored) == len(frame)
    assert set(scored["lane"]) <= {"GREEN", "YELLOW", "RED"}


def test_rules_can_be_tried_on_what_was_evaluated(workspace: Path) -> None:
    def tried(*files: str) -> dict[str, Any]:
        rules = [f"data/reference/rules/{file}.yaml" for file in files]
        out = ("--out", "tried.json")
        run(workspace, "python", "-m", "pipelines.try_rules", *rules, *out)
        found: dict[str, Any] = json.loads((workspace / "tried.json").read_text())
        return found

    every = [file.stem for file in (workspace / "data/reference/rules").glob("*.yaml")]
    same, fewer = tried(*every), tried("fallback")
    assert same["declarations"] > 1_000
    assert (same["moves"], sum(same["hits"].values()) > 100) == ({}, True)
    assert (fewer["up"] + fewer["down"]) > 10


def test_published_served_scored_and_learnt_from(workspace: Path) -> None:
    # So small a world teaches little, and the evaluation says so.
    run(workspace, sys.executable, "-m", "pipelines.publish", "--by", "tests", "--despite")
    shown = run(workspace, "lanes", "demo", "--once", "--language", "en")
    assert "Ivory" in shown
    assert re.search(r"GREEN|green", shown)
    told = run(workspace, "lanes", "export", "--to", "data/raw/feedback")
    assert "12 declarations and 2 inspections" in told
    before = json.loads((workspace / "data/interim/ingested/ingest.json").read_text())
    run(workspace, "dvc", "repro", "label")
    ingested = json.loads((workspace / "data/interim/ingested/ingest.json").read_text())
    assert ingested["declarations"] == before["declarations"] + 12
    upto = ingested["feedback_upto"]
    assert (upto["decision_seq"], upto["inspection_seq"], len(upto["log_id"])) == (12, 2, 32)
    outcomes = pd.read_parquet(workspace / "data/interim/labelled/outcomes.parquet")
    sent = (workspace / "data/samples/inspections.ndjson").read_text().splitlines()
    assert {json.loads(line)["inspection_id"] for line in sent} <= set(outcomes["inspection_id"])
