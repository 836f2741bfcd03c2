"""How fast a lane is answered with its durable record, beside `mlflow models serve` if wanted.

    python -m tests.benchmarks.serving_latency --bundle models/artifacts/bundle
    python -m tests.benchmarks.serving_latency --model models:/lane-model@candidate --rows rows.csv

Both sides stand on loopback with one process each and are measured in turns, so that a busy machine
is busy for both; each figure is the median of the rounds.
"""

import contextlib
import csv
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from selectivity.errors import ServiceError
from serving.client import call
from tests.benchmarks.load import ID, Load, Measured, measure
from tests.bundles import a_bundle
from tests.services import KEY, ROOT, a_process, free_port

SAMPLES = ROOT / "data/samples/declarations.ndjson"
MOST_ROWS = 100


class Side(NamedTuple):
    """A running service, and what to send to it."""

    name: str
    port: int
    path: str
    bodies: tuple[str, ...]
    key: str | None = None


def main(
    bundle: Annotated[Path | None, typer.Option(help="Bundle; a tiny one if left out.")] = None,
    model: Annotated[str | None, typer.Option(help="MLflow model to measure beside it.")] = None,
    rows: Annotated[
        Path | None, typer.Option(help="CSV in the model's columns; else the samples as rows.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, max=50)] = 5,
    seconds: Annotated[float, typer.Option(min=0.1, max=30)] = 2.0,
    connections: Annotated[list[int] | None, typer.Option(help="Several may be given.")] = None,
) -> None:
    """Measure one-declaration latency and requests per second."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        sides = [running.enter_context(_lanes(bundle, Path(folder)))]
        if model is not None:
            sides.append(running.enter_context(_mlflow(model, rows, Path(folder))))
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {rounds} × {seconds:g} s")
        for count in connections or [1, 16]:
            _warm(sides, count)
            _tell(count, sides, _in_turns(sides, count, rounds, seconds))


@contextmanager
def _lanes(bundle: Path | None, folder: Path) -> Iterator[Side]:
    if bundle is None:
        bundle = folder / "bundle"
        a_bundle(bundle)
    with a_process(folder, bundle=bundle.resolve()) as (_, url):
        serving = json.loads(call(url, "GET", "/health/ready")[1])["serving"]
        if serving != "model":
            raise typer.BadParameter(f"the service could not use {bundle}")
        bodies = tuple(json.dumps(each | {"declaration_id": ID}) for each in _samples())
        yield Side("lanes, durable", int(url.rpartition(":")[2]), "/v1/lanes", bodies, KEY)


@contextmanager
def _mlflow(model: str, rows: Path | None, folder: Path) -> Iterator[Side]:
    port = free_port()
    command = ["mlflow", "models", "serve", "-m", model, "--env-manager", "local"]
    command += ["-h", "127.0.0.1", "-p", str(port)]
    beside_us = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": beside_us, "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "mlflow.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait(process, port, folder / "mlflow.log")
        bodies = tuple(_invocation(row) for row in _rows(rows))
        yield Side("mlflow serve", port, "/invocations", bodies)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)  # all that it started, too
        process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            if call(f"http://127.0.0.1:{port}", "GET", "/ping")[0] == 200:
                return
        except ServiceError:
            time.sleep(0.2)
    raise SystemExit(f"mlflow models serve did not start:\n{log.read_text()[-2_000:]}")


def _samples() -> list[dict[str, Any]]:
    return [json.loads(line) for line in SAMPLES.read_text(encoding="utf-8").splitlines()]


def _rows(file: Path | None) -> list[dict[str, Any]]:
    if file is None:
        return [
            {name: value for name, value in fields.items() if not isinstance(value, list | dict)}
            for each in _samples()
            for fields in [each | each["items"][0]]
        ]
    with file.open(encoding="utf-8", newline="") as stream:
        return list(islice(csv.DictReader(stream), MOST_ROWS))


def _invocation(row: dict[str, Any]) -> str:
    return json.dumps({"dataframe_split": {"columns": list(row), "data": [list(row.values())]}})


def _warm(sides: Sequence[Side], connections: int) -> None:
    for side in sides:
        warmed = _measure(side, connections, 1.0, "warm")
        if warmed.failed or not warmed.answered:
            status, body = call(
                f"http://127.0.0.1:{side.port}", "POST", side.path, _first(side), key=side.key
            )
            raise SystemExit(f"{side.name} refuses ({status}): {body[:1_000].decode()}")


def _first(side: Side) -> bytes:
    return side.bodies[0].encode()


def _in_turns(
    sides: Sequence[Side], connections: int, rounds: int, seconds: float
) -> list[list[Measured]]:
    measured: list[list[Measured]] = [[] for _ in sides]
    for number in range(rounds):
        order = list(enumerate(sides))
        for at, side in order if number % 2 else reversed(order):
            measured[at].append(_measure(side, connections, seconds, f"r{number}"))
    return measured


def _measure(side: Side, connections: int, seconds: float, name: str) -> Measured:
    load = Load(
        port=side.port,
        path=side.path,
        bodies=side.bodies,
        key=side.key,
        connections=connections,
        seconds=seconds,
        name=f"{name}-{connections}",
    )
    return measure(load)


def _tell(connections: int, sides: Sequence[Side], measured: Sequence[Sequence[Measured]]) -> None:
    print(f"\n{connections} connection{'s' if connections > 1 else ''}")
    print(f"{'':16}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'failed':>8}")
    speeds = []
    for side, rounds in zip(sides, measured, strict=True):
        speeds.append(statistics.median(each.per_second for each in rounds))
        p50 = statistics.median(each.p50_ms for each in rounds)
        p99 = statistics.median(each.p99_ms for each in rounds)
        failed = sum(each.failed for each in rounds)
        print(f"{side.name:16}{speeds[-1]:12,.0f}{p50:10.2f}{p99:10.2f}{failed:8}")
    if len(sides) == 2:
        pairs = zip(*measured, strict=True)
        ratios = [ours.per_second / theirs.per_second for ours, theirs in pairs]
        middle, low, high = statistics.median(ratios), min(ratios), max(ratios)
        print(f"ratio, median of rounds: {middle:.1f} ({low:.1f} to {high:.1f})")


if __name__ == "__main__":
    typer.run(main)
