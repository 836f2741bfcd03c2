"""How long training takes, and how much memory, as the history grows: each size in its own process.

python -m tests.benchmarks.training_scale                      # 0.1 and 1 million controlled rows
python -m tests.benchmarks.training_scale --rows 10000000      # 10 million: takes 5 GB of disk
python -m tests.benchmarks.training_scale --features 40 --no-forget    # as others measure

It makes its own data, of chance: all features there are, and labels that two of them explain.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer

from pipelines.train import TrainParams, train
from pipelines.training.learnable import Labels
from pipelines.training.rows import BLOCK, Rows
from selectivity.features.matrix import FEATURE_NAMES

SCORED = 4 * BLOCK


class Run(NamedTuple):
    """Seconds of wall and processor time, peak memory in MiB, goods items scored per CPU second."""

    wall: float
    cpu: float
    peak: float
    scored: float


def make(folder: Path, rows: int, features: int) -> None:
    """Write a feature table of so many rows, and what controls found in them.

    Only the first `features` of them are known: LightGBM leaves the others out.
    """
    chance = np.random.default_rng(0)
    schema = pa.schema([(name, pa.float32()) for name in FEATURE_NAMES])
    classes = []
    with pq.ParquetWriter(folder / "features.parquet", schema, compression="none") as file:
        for start in range(0, rows, BLOCK):
            matrix = chance.random((min(BLOCK, rows - start), len(FEATURE_NAMES)), np.float32)
            matrix[:, features:] = np.nan
            risk = 0.1 * matrix[:, 0] + 0.3 * matrix[:, features - 1] ** 4
            found = chance.random(len(matrix)) < risk
            classes.append(np.where(found, chance.integers(1, 3, len(matrix)), 0).astype(np.int8))
            file.write_table(pa.Table.from_arrays(list(matrix.T.copy()), schema=schema))
    np.save(folder / "classes.npy", np.concatenate(classes))


def learn(folder: Path, *, rounds: int, forget_lines: bool) -> Run:
    """Train on what `make` wrote, then score some of it."""
    began = time.monotonic()
    rows, classes = Rows.stored(folder / "features.parquet"), np.load(folder / "classes.npy")
    params = TrainParams(rounds=rounds, forget_lines=forget_lines)
    trees = train(rows, Labels(classes, np.ones(len(classes), np.float32)), params)
    wall, cpu, peak = time.monotonic() - began, time.process_time(), _peak()
    matrix = rows[: min(SCORED, len(rows))].astype(np.float64)
    scoring = time.process_time()
    trees.chances(matrix)
    return Run(wall, cpu, peak, len(matrix) / (time.process_time() - scoring))


def _peak() -> float:
    """Of this process alone: what the operating system tells a parent includes the parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def run(rows: int, *, features: int, rounds: int, forget_lines: bool) -> Run:
    """One size, in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        make(Path(place), rows, features)
        command = [sys.executable, "-m", "tests.benchmarks.training_scale", "--learn", place]
        command += ["--rounds", str(rounds), "--forget" if forget_lines else "--no-forget"]
        told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return Run(*json.loads(told))


def main(
    rows: Annotated[list[int] | None, typer.Option(help="Another size; repeatable.")] = None,
    features: Annotated[int, typer.Option(min=1, max=len(FEATURE_NAMES))] = len(FEATURE_NAMES),
    rounds: Annotated[int, typer.Option(help="Boosting rounds of each booster.")] = 100,
    forget: Annotated[bool, typer.Option(help="Learn each row twice, as training does.")] = True,
    learn_from: Annotated[Path | None, typer.Option("--learn", hidden=True)] = None,
) -> None:
    """Print a table of sizes."""
    if learn_from is not None:
        print(json.dumps(learn(learn_from, rounds=rounds, forget_lines=forget)))
        return
    print(f"{features} features, {rounds} rounds, rows learnt {1 + forget} times\n")
    print("| controlled rows | wall s | CPU s | peak MiB | scored rows per CPU s |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    for size in rows or (100_000, 1_000_000):
        one = run(size, features=features, rounds=rounds, forget_lines=forget)
        figures = f"{one.wall:.1f} | {one.cpu:.1f} | {one.peak:.0f} | {one.scored:,.0f}"
        print(f"| {size:,} | {figures} |", flush=True)


if __name__ == "__main__":
    typer.run(main)
