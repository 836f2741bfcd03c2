"""Services to measure, each in a process of its own on loopback: ours, and others beside it."""

import contextlib
import csv
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from selectivity.errors import ServiceError
from serving.commands.client import BATCH_SECONDS, call
from tests.benchmarks.load import ID, Load, Measured, measure
from tests.benchmarks.process_tree import Tree
from tests.services import KEY, ROOT, free_port, settings_in

SAMPLES = ROOT / "data/samples/declarations.ndjson"
MOST_ROWS = 100
START_SECONDS = 120.0


class Side(NamedTuple):
    """A running service, and what to send to it."""

    name: str
    port: int
    path: str
    bodies: tuple[str, ...]
    tree: Tree
    started_in_seconds: float
    key: str | None = None


class Costs(NamedTuple):
    """What came back in one round, and what it cost the service's processes."""

    measured: Measured
    cpu_us: float
    """CPU time per answer, of user and system, over all of its processes."""


def declarations() -> list[dict[str, Any]]:
    """The samples."""
    return [json.loads(line) for line in SAMPLES.read_text(encoding="utf-8").splitlines()]


def declaration_bodies() -> tuple[str, ...]:
    """The samples as callers send them, each with an id of its own."""
    return tuple(json.dumps(each | {"declaration_id": ID}) for each in declarations())


def samples_for(
    port: int, name: str, connections: int, seconds: float, per_second: float | None = None
) -> Load:
    """The samples for a service at this port; `name` keeps their ids apart from those of others."""
    return Load(
        port=port,
        path="/v1/lanes",
        bodies=declaration_bodies(),
        connections=connections,
        seconds=seconds,
        name=name,
        key=KEY,
        per_second=per_second,
    )


def invocations(rows: Path | None = None) -> tuple[str, ...]:
    """Rows as MLflow takes them: of a CSV file, else the samples' first goods items."""
    return tuple(
        json.dumps({"dataframe_split": {"columns": list(row), "data": [list(row.values())]}})
        for row in _rows(rows)
    )


def _rows(file: Path | None) -> list[dict[str, Any]]:
    if file is None:
        return [
            {name: value for name, value in fields.items() if not isinstance(value, list | dict)}
            for each in declarations()
            for fields in [each | each["items"][0]]
        ]
    with file.open(encoding="utf-8", newline="") as stream:
        return list(islice(csv.DictReader(stream), MOST_ROWS))


@contextmanager
def lanes(bundle: Path, folder: Path, *, python: Path | None = None) -> Iterator[Side]:
    """This service as it is, with its durable log."""
    port = free_port()
    settings = settings_in(folder, port=port, bundle=bundle.resolve()).model_dump()
    variables = {
        f"LANES_{name.upper()}": str(value) for name, value in settings.items() if value is not None
    }
    command = [str(python or sys.executable), "-m", "serving.main", "serve"]
    with _process(command, port, folder / "lanes.log", "/health/live", variables) as (tree, took):
        serving = json.loads(call(f"http://127.0.0.1:{port}", "GET", "/health/ready")[1])["serving"]
        if serving != "model":
            raise SystemExit(f"the service could not use {bundle}")
        bodies = declaration_bodies()
        yield Side("lanes, durable", port, "/v1/lanes", bodies, tree, took, KEY)


@contextmanager
def beside(kind: str, path: str, bundle: Path, folder: Path) -> Iterator[Side]:
    """One of `tests.benchmarks.peers`."""
    port = free_port()
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tests.benchmarks.peers", kind, str(bundle), str(folder)]
    command += [str(port)]
    with _process(command, port, folder / "peer.log", "/health/live") as (tree, took):
        yield Side(kind, port, path, declaration_bodies(), tree, took, KEY)


@contextmanager
def mlflow(model: str, bodies: tuple[str, ...], folder: Path) -> Iterator[Side]:
    """`mlflow models serve` with this model."""
    port = free_port()
    command = ["mlflow", "models", "serve", "-m", model, "--env-manager", "local"]
    command += ["-h", "127.0.0.1", "-p", str(port)]
    beside_us = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {"PATH": beside_us, "PYTHONPATH": str(ROOT), "MLFLOW_DISABLE_TELEMETRY": "true"}
    with _process(command, port, folder / "mlflow.log", "/ping", variables) as (tree, took):
        yield Side("mlflow serve", port, "/invocations", bodies, tree, took)


@contextmanager
def _process(
    command: Sequence[str],
    port: int,
    log: Path,
    ready: str,
    variables: Mapping[str, str] | None = None,
) -> Iterator[tuple[Tree, float]]:
    begun = time.perf_counter()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | dict(variables or {}),
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        _wait(process, port, ready, log)
        yield Tree(process.pid), time.perf_counter() - begun
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)  # all that it started, too
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", port: int, path: str, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(ServiceError):
            if call(f"http://127.0.0.1:{port}", "GET", path)[0] == 200:
                return
        time.sleep(0.05)
    raise SystemExit(f"{' '.join(process.args)} did not start:\n{log.read_text()[-2_000:]}")  # type: ignore[arg-type]


def in_turns(
    sides: Sequence[Side], *, connections: int, rounds: int, seconds: float
) -> list[list[Costs]]:
    """Each side in each round, forwards and backwards, so that a busy minute meets all alike."""
    for side in sides:
        _warm(side, connections)
    found: list[list[Costs]] = [[] for _ in sides]
    for number in range(rounds):
        order = list(enumerate(sides))
        for at, side in order if number % 2 else reversed(order):
            found[at].append(_round(side, connections, seconds, f"r{number}"))
    return found


def _warm(side: Side, connections: int) -> None:
    warmed = _round(side, connections, 1.0, "warm").measured
    if warmed.failed or not warmed.answered:
        body = side.bodies[0].encode()
        url = f"http://127.0.0.1:{side.port}"
        status, answer = call(url, "POST", side.path, body, key=side.key)
        raise SystemExit(f"{side.name} refuses ({status}): {answer[:1_000].decode()}")


def at_pace(
    side: Side, per_second: float, *, connections: int, seconds: float, name: str = "pace"
) -> Measured:
    """What comes back when so many are sent a second, counted from when each was due."""
    return _round(side, connections, seconds, f"{name}{per_second:.0f}", per_second).measured


def send_batch(side: Side, name: str, lines: int) -> None:
    """So many declarations in one request; `name` keeps their ids apart from those of others."""
    bodies = (side.bodies[at % len(side.bodies)] for at in range(lines))
    content = "\n".join(body.replace(ID, f"{name}-{at}") for at, body in enumerate(bodies))
    url, path = f"http://127.0.0.1:{side.port}", f"{side.path}/batch"
    status, answers = call(url, "POST", path, content.encode(), key=side.key, seconds=BATCH_SECONDS)
    if status != 200 or answers.count(b'"lane"') < lines:
        raise SystemExit(f"{side.name} refuses a batch ({status}): {answers[:500].decode()}")


def in_batches(side: Side, *, lines: int, rounds: int) -> tuple[float, float]:
    """Declarations a second and CPU µs a declaration, so many lines in a request, one at a time."""
    per_second, cpu_us = [], []
    for number in range(rounds + 1):
        begun, spent = time.perf_counter(), side.tree.cpu_seconds()
        send_batch(side, f"batch-{number}", lines)
        per_second.append(lines / (time.perf_counter() - begun))
        cpu_us.append((side.tree.cpu_seconds() - spent) / lines * 1e6)
    return statistics.median(per_second[1:]), statistics.median(cpu_us[1:])


def _round(
    side: Side, connections: int, seconds: float, name: str, per_second: float | None = None
) -> Costs:
    load = Load(
        port=side.port,
        path=side.path,
        bodies=side.bodies,
        key=side.key,
        connections=connections,
        per_second=per_second,
        seconds=seconds,
        name=f"{name}-{connections}",
    )
    begun = side.tree.cpu_seconds()
    measured = measure(load)
    spent = side.tree.cpu_seconds() - begun
    return Costs(measured, spent / max(measured.answered, 1) * 1e6)


def middle(costs: Sequence[Costs], name: str) -> float:
    """The median of a figure of `Measured` over the rounds."""
    return statistics.median(float(getattr(each.measured, name)) for each in costs)
