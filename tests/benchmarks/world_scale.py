"""How long worlds take, and how much memory, as they grow: each size in a process of its own.

python -m tests.benchmarks.world_scale                        # 0.24 and 1 million goods items
python -m tests.benchmarks.world_scale --items 10000000       # and 10 million: some minutes
"""

import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from math import log
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

ITEMS_A_DECLARATION = 2.93
"""Goods items per declaration version that `mid_n` comes to, parcels and amendments included."""


class Run(NamedTuple):
    """One world: goods items, seconds of wall and processor time, and peak memory in MiB."""

    items: int
    wall: float
    cpu: float
    peak: float


def run(items: int) -> Run:
    """Make a world of about this many goods items and throw it away."""
    declarations = round(items / ITEMS_A_DECLARATION)
    traders = min(60_000, max(1_500, declarations // 40))
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pipelines.worlds", "make", "--preset", "mid_n"]
        command += ["--out", str(Path(folder, "world"))]
        command += ["--set", f"declarations={declarations}", "--set", f"trade.traders={traders}"]
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - began
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Run(items, wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def main(
    items: Annotated[list[int] | None, typer.Option(help="One more size; repeatable.")] = None,
) -> None:
    """Print a table of sizes, and the exponent of growth between neighbours."""
    runs = []
    print("| goods items | wall s | CPU s | peak MiB |\n| --- | --- | --- | --- |")
    for size in sorted({240_000, 1_000_000, *(items or [])}):
        runs.append(run(size))
        one = runs[-1]
        print(f"| {one.items:,} | {one.wall:.1f} | {one.cpu:.1f} | {one.peak:.0f} |", flush=True)
    for small, large in pairwise(runs):
        grown = log(large.items / small.items)
        cpu, memory = log(large.cpu / small.cpu) / grown, log(large.peak / small.peak) / grown
        print(
            f"{small.items:,} to {large.items:,}: CPU grows with exponent {cpu:.2f}, "
            f"memory {memory:.2f}"
        )


if __name__ == "__main__":
    typer.run(main)
