"""How long the histories of training take, and how much memory, as the goods items grow.

python -m tests.benchmarks.history_scale                     # 0.1 and 1 million, beside pandas
python -m tests.benchmarks.history_scale --rows 10000000 --alone --memory-gigabytes 4
python -m tests.benchmarks.history_scale --rows 37000 --check    # that all of them agree

Each size and each engine in a process of its own, all on one thread, from goods items in a Parquet
file to every value in one. Polars takes part where it is installed.
"""

import sys
import tempfile
from importlib.util import find_spec
from itertools import pairwise
from math import log
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer

from pipelines.histories.engine import DuckDB, EngineParams, read_values
from pipelines.histories.inputs import items_in_parts
from selectivity.histories.aggregates import PROFILES, VALUES
from tests.benchmarks.history_peers import in_pandas, in_polars
from tests.benchmarks.history_rows import outcomes, write_items
from tests.benchmarks.own_process import Took, took

PEERS = {"pandas": in_pandas, "polars": in_polars}


def compute(engine: str, file: Path, out: Path, memory_gigabytes: float) -> None:
    """Every value of the goods items of a file, written into the folder `out`."""
    told = outcomes(pq.ParquetFile(file).metadata.num_rows)
    out.mkdir()
    if engine == "duckdb":
        params = EngineParams(memory_gigabytes=memory_gigabytes, threads=1)
        with DuckDB(params, spill=out) as bulk:
            bulk.take_file(file, told)
            bulk.write_values(out)
        return
    values = dict(PEERS[engine](pa.concat_tables(items_in_parts(file)), told))
    for profile in PROFILES:
        table = pa.table({value.name: values[value.name] for value in profile.values()})
        pq.write_table(table, out / f"{profile.name}.parquet", compression="zstd")


def differing(place: Path, engines: list[str]) -> int:
    """How many values the engines do not agree on."""
    first, *others = ([*read_values(place / engine, 100_000)] for engine in engines)
    return sum(
        int((~((one == other) | (np.isnan(one) & np.isnan(other)))).sum())
        for values in others
        for one, other in zip(first, values, strict=True)
    )


def measured(engine: str, file: Path, out: Path, memory_gigabytes: float) -> Took:
    """One engine on one file, in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.history_scale", "--compute", engine]
    command += ["--file", str(file), "--out", str(out)]
    return took([*command, "--memory-gigabytes", str(memory_gigabytes)])


def main(
    rows: Annotated[list[int] | None, typer.Option(help="Another size; repeatable.")] = None,
    rounds: Annotated[int, typer.Option(help="Times each is run; medians are told.")] = 1,
    alone: Annotated[bool, typer.Option("--alone", help="DuckDB alone.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Compare all values.")] = False,
    memory_gigabytes: Annotated[float, typer.Option(min=0.3)] = 4.0,
    engine: Annotated[str, typer.Option("--compute", hidden=True)] = "",
    file: Annotated[Path, typer.Option(hidden=True)] = Path(),
    out: Annotated[Path, typer.Option(hidden=True)] = Path(),
) -> None:
    """Print a table of sizes and engines."""
    if engine:
        compute(engine, file, out, memory_gigabytes)
        return
    engines = ["duckdb"] if alone else ["duckdb", "pandas"]
    if not alone and find_spec("polars"):
        engines.append("polars")
    print(f"{len(VALUES)} values, one thread, engine limit {memory_gigabytes} GB\n")
    print("| goods items | engine | wall s | CPU s | against DuckDB | peak MiB |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    cpu: list[tuple[int, float]] = []
    for size in rows or (100_000, 1_000_000):
        cpu.append((size, _size(size, engines, rounds, memory_gigabytes, check)))
    for (small, few), (large, many) in pairwise(cpu):
        print(
            f"\ngrowth exponent {small:,} to {large:,}: {log(many / few) / log(large / small):.2f}"
        )


def _size(size: int, engines: list[str], rounds: int, memory: float, check: bool) -> float:
    """All engines in turns on so many goods items; gives the CPU seconds of the first."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_items(place / "items.parquet", size)
        runs: dict[str, list[Took]] = {engine: [] for engine in engines}
        for at in range(rounds):
            for engine in engines:
                out = place / (engine if at == 0 else f"{engine}-{at}")
                runs[engine].append(measured(engine, place / "items.parquet", out, memory))
        seconds = {engine: median(run.cpu for run in took) for engine, took in runs.items()}
        for engine, each in runs.items():
            wall, peak = median(run.wall for run in each), max(run.peak for run in each)
            ratio = seconds[engine] / seconds[engines[0]]
            figures = f"{wall:.1f} | {seconds[engine]:.1f} | {ratio:.2f} | {peak:.0f}"
            print(f"| {size:,} | {engine} | {figures} |", flush=True)
        if check:
            print(f"\n{differing(place, engines)} values differ among {', '.join(engines)}\n")
    return seconds[engines[0]]


if __name__ == "__main__":
    typer.run(main)
