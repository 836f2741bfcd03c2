"""The tracking server is down, hangs or is damaged: training goes on, and nothing is lost."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import mlflow
import pytest

from models.registry import reach
from models.tracking_store import TrackingStore, store_of
from pipelines.stage.files import read_json
from pipelines.stage.outbox import Outbox, Promotion
from selectivity.errors import TrackingError
from tests.rows import SOURCES
from tests.runs import MLFLOW_WARNS, a_run, put_a_run, write_inputs

pytestmark = MLFLOW_WARNS
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
PASSWORD = "swordfish"


@pytest.fixture(scope="module", autouse=True)
def imported() -> None:
    """MLflow's import takes seconds that are not the server's."""
    import mlflow  # noqa: F401


@pytest.fixture
def dead() -> Iterator[TrackingStore]:
    """A port that nobody listens on and nobody else gets."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        yield TrackingStore(f"http://ann:{PASSWORD}@127.0.0.1:{taken.getsockname()[1]}")


@pytest.fixture
def hanging() -> Iterator[TrackingStore]:
    """A server that takes the call and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield TrackingStore(f"http://127.0.0.1:{server.getsockname()[1]}")


def test_a_stage_with_a_dead_server_succeeds_and_the_run_is_sent_later(
    dead: TrackingStore, bundle: Path, tmp_path: Path
) -> None:
    write_inputs(tmp_path)
    done = _track(tmp_path, bundle, dead)

    assert done.returncode == 0, done.stderr
    (warning,) = done.stderr.splitlines()
    assert warning.startswith("warning: MLflow at http://127.0.0.1:")
    assert "Nothing was lost" in warning
    assert PASSWORD not in warning
    told = read_json(tmp_path / "track.json")
    assert told["tracked"] is False

    outbox = Outbox(tmp_path)
    assert [folder.name for folder in outbox.runs()] == [told["key"]]
    sent = outbox.send(store_of(tmp_path, {}))
    assert sent.runs[told["key"]].model_version == 1
    client = mlflow.MlflowClient(store_of(tmp_path, {}).uri)
    figures = client.get_run(sent.runs[told["key"]].run_id).data.metrics
    assert figures["leak.green_rate"] == 0.02
    assert outbox.runs() == []


@pytest.mark.parametrize("server", ["dead", "hanging"])
def test_waiting_for_a_server_that_does_not_answer_takes_seconds(
    server: str,
    bundle: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")  # not 5, only to be quicker here
    outbox = Outbox(tmp_path)
    for auroc in (0.5, 0.6):
        put_a_run(outbox, bundle, at=NOW, metrics={"auroc": auroc})
    outbox.put_promotion(Promotion(digest="0" * 64, by="ann.lee", at=NOW))
    waiting = outbox.runs()

    started = time.monotonic()
    sent = outbox.send(request.getfixturevalue(server))

    assert time.monotonic() - started < 5
    assert len(sent.problems) == 1
    assert not sent.runs
    assert outbox.runs() == waiting
    assert outbox.promotion.exists()


def test_a_damaged_store_is_told_and_nothing_is_lost(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this was an SQLite file once" * 400)
    outbox = Outbox(tmp_path)
    put_a_run(outbox, bundle, at=NOW)

    (problem,) = outbox.send(store_of(tmp_path, {})).problems

    assert "mlflow.db did not take it: " in problem
    assert len(outbox.runs()) == 1


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (f"http://ann:{PASSWORD}@127.0.0.1:99999", "Invalid url: http://127.0.0.1:99999/"),
        (f"mysql://ann:{PASSWORD}@127.0.0.1/runs", "No module named"),
    ],
)
def test_an_address_that_cannot_be_used_is_told_without_its_password(
    address: str, told: str
) -> None:
    with pytest.raises(TrackingError, match=re.escape(told)) as refused:
        reach(TrackingStore(address))
    assert PASSWORD not in str(refused.value)


def test_a_stage_stopped_while_it_writes_leaves_no_half_of_a_run(
    bundle: Path, tmp_path: Path
) -> None:
    def stopped(folder: Path) -> None:
        (folder / "artifacts").mkdir()
        raise KeyboardInterrupt

    outbox = Outbox(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        outbox.put_run(a_run(bundle, at=NOW), stopped)
    assert outbox.runs() == []


def test_what_a_killed_stage_left_is_swept_out_and_never_sent(bundle: Path, tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    half = outbox.folder / ".tmpa1b2" / "a-key"
    half.mkdir(parents=True)
    (half / "run.json").write_text("{")
    assert outbox.runs() == []

    folder = put_a_run(outbox, bundle, at=NOW)
    assert {path.name for path in outbox.folder.iterdir()} == {".lock", folder.name}


def _track(folder: Path, bundle: Path, store: TrackingStore) -> "subprocess.CompletedProcess[str]":
    paths = {
        "params": "params.yaml",
        "bundle": str(bundle),
        "evaluation": "evaluation",
        "ingested": "ingested",
        "reports": ".",
        "mappings": str(SOURCES),
        "out": "track.json",
    }
    options = [part for name, path in paths.items() for part in (f"--{name}", path)]
    return subprocess.run(
        [sys.executable, "-m", "pipelines.track", *options],
        cwd=folder,
        env={**os.environ, "MLFLOW_TRACKING_URI": store.uri, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
