"""Where this service stands between others: the same declarations, in turns, on this machine.

    python -m tests.benchmarks.ladder --rounds 5 --seconds 2

`mlflow models serve` gets finished feature rows and gives probabilities: no declaration, no
history, no rules, no log. The others get declarations. Every side has one process and the same
trees; ratios are medians over rounds of ours to theirs in the same round: of answers per second,
and of the time in which 99 of 100 are answered. After that each is sent so many a second, whatever
it answers. It ends by itself.
"""

import os
import signal
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Annotated

import typer

from tests.benchmarks import sides
from tests.benchmarks.load import Measured
from tests.benchmarks.sides import Costs, Side, middle
from tests.bundles import a_bundle

LITTLE, MUCH = 30.0, 0.7
"""Requests a second, and the share of what a side answers at most."""
LINES = 2_000
"""Declarations in a batch."""

FORMAT = "{:18}{:>11}{:>9}{:>9}{:>10}{:>8}{:>9}{:>9}{:>10}"


def main(
    bundle: Annotated[Path | None, typer.Option(help="Bundle; one on chance numbers else.")] = None,
    rounds: Annotated[int, typer.Option(min=1, max=50)] = 5,
    seconds: Annotated[float, typer.Option(min=0.1, max=30)] = 2.0,
    connections: Annotated[int, typer.Option(min=1, max=32)] = 32,
    only: Annotated[list[str] | None, typer.Option(help="Sides besides ours; else all.")] = None,
    python: Annotated[
        Path | None, typer.Option(help="Python of an environment with what serving needs alone.")
    ] = None,
) -> None:
    """Measure ours between the naive and the bare."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the sides are to end with it
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        if bundle is None:
            bundle = folder / "bundle"
            a_bundle(bundle, rounds=250, leaves=8)
        (folder / "ours").mkdir()
        entered = [running.enter_context(sides.lanes(bundle, folder / "ours", python=python))]
        for kind in only or ["unlogged", "bare", "checked", "naive", "queued", "mlflow"]:
            entered.append(running.enter_context(_beside(kind, bundle, folder)))
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {connections} connections")
        found = sides.in_turns(entered, connections=connections, rounds=rounds, seconds=seconds)
        _tell(entered, found)
        _tell_of_batches(entered[0], rounds)
        _tell_at_pace(entered, found, connections=connections, seconds=2 * seconds)


def _beside(kind: str, bundle: Path, folder: Path) -> AbstractContextManager[Side]:
    if kind == "mlflow":
        return sides.mlflow(*_finished_rows(bundle, folder), folder)
    return sides.beside(kind, "/v1/lanes", bundle.resolve(), folder / kind)


def _finished_rows(bundle: Path, folder: Path) -> tuple[str, tuple[str, ...]]:
    """The bundle's trees as a model of MLflow, and rows for it."""
    import json

    import mlflow.pyfunc
    import numpy as np

    from selectivity.features.matrix import FEATURE_NAMES

    served, loader = folder / "served", "tests.benchmarks.trees_alone"
    mlflow.pyfunc.save_model(served, loader_module=loader, data_path=str(bundle))
    rows = np.random.default_rng(0).normal(size=(50, len(FEATURE_NAMES))).round(4).tolist()
    return str(served), tuple(
        json.dumps({"dataframe_split": {"columns": FEATURE_NAMES, "data": [row]}}) for row in rows
    )


def _tell(entered: Sequence[Side], found: Sequence[Sequence[Costs]]) -> None:
    heads = ("answers/s", "p50 ms", "p99 ms", "CPU µs", "MiB", "start s", "ours is", "p99 of")
    print(FORMAT.format("side", *heads))
    for side, rounds in zip(entered, found, strict=True):
        beside = [
            (our.measured, their.measured) for our, their in zip(found[0], rounds, strict=True)
        ]
        print(
            FORMAT.format(
                side.name,
                f"{middle(rounds, 'per_second'):,.0f}",
                f"{middle(rounds, 'p50_ms'):.2f}",
                f"{middle(rounds, 'p99_ms'):.2f}",
                f"{statistics.median(each.cpu_us for each in rounds):,.0f}",
                f"{side.tree.resident_mebibytes():,.0f}",
                f"{side.started_in_seconds:.1f}",
                f"{_ratio(beside, 'per_second'):.2f} ×",
                f"{_ratio(beside, 'p99_ms'):.3f} ×",
            )
        )
        if failed := sum(each.measured.failed for each in rounds):
            print(f"{'':18}{failed} failed")


def _ratio(beside: Sequence[tuple[Measured, Measured]], name: str) -> float:
    return statistics.median(getattr(our, name) / getattr(their, name) for our, their in beside)


def _tell_of_batches(side: Side, rounds: int) -> None:
    per_second, cpu_us = sides.in_batches(side, lines=LINES, rounds=rounds)
    print(f"\n{side.name}, {LINES:,} a request: {per_second:,.0f}/s, {cpu_us:,.0f} CPU µs each")


def _tell_at_pace(
    entered: Sequence[Side], found: Sequence[Sequence[Costs]], *, connections: int, seconds: float
) -> None:
    """Latency from when a request was due, at little load and at much."""
    print(f"\n{'':18}{'sent/s':>9}{'p50 ms':>9}{'p99 ms':>9}")
    for side, rounds in zip(entered, found, strict=True):
        for pace in (LITTLE, MUCH * middle(rounds, "per_second")):
            each = sides.at_pace(side, pace, connections=connections, seconds=seconds)
            print(f"{side.name:18}{pace:9,.0f}{each.p50_ms:9.2f}{each.p99_ms:9.2f}")


if __name__ == "__main__":
    typer.run(main)
