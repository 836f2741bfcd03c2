"""How fast a lane is answered with its durable record, beside `mlflow models serve` if wanted.

    python -m tests.benchmarks.serving_latency --bundle models/artifacts/bundle
    python -m tests.benchmarks.serving_latency --model models:/lane-model@candidate --rows rows.csv

Both sides stand on loopback with one process each and are measured in turns, so that a busy machine
is busy for both; each figure is the median of the rounds.
"""

import os
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from tests.benchmarks import sides
from tests.benchmarks.sides import Costs, Side, middle
from tests.bundles import a_bundle


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
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        if bundle is None:
            bundle = folder / "bundle"
            a_bundle(bundle)
        entered = [running.enter_context(sides.lanes(bundle, folder))]
        if model is not None:
            beside = sides.mlflow(model, sides.invocations(rows), folder)
            entered.append(running.enter_context(beside))
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {rounds} × {seconds:g} s")
        for count in connections or [1, 16]:
            found = sides.in_turns(entered, connections=count, rounds=rounds, seconds=seconds)
            _tell(count, entered, found)


def _tell(connections: int, entered: Sequence[Side], found: Sequence[Sequence[Costs]]) -> None:
    print(f"\n{connections} connection{'s' if connections > 1 else ''}")
    print(f"{'':16}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'failed':>8}")
    for side, rounds in zip(entered, found, strict=True):
        speed, p50, p99 = (middle(rounds, name) for name in ("per_second", "p50_ms", "p99_ms"))
        failed = sum(each.measured.failed for each in rounds)
        print(f"{side.name:16}{speed:12,.0f}{p50:10.2f}{p99:10.2f}{failed:8}")
    if len(entered) == 2:
        pairs = zip(*found, strict=True)
        ratios = [ours.measured.per_second / theirs.measured.per_second for ours, theirs in pairs]
        middle_ratio, low, high = statistics.median(ratios), min(ratios), max(ratios)
        print(f"ratio, median of rounds: {middle_ratio:.1f} ({low:.1f} to {high:.1f})")


if __name__ == "__main__":
    typer.run(main)
