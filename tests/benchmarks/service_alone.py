"""Starts the service in an environment that has what it needs at run time and nothing else.

    make alone

Fails if the environment holds anything of training, or if start or memory are over their bounds.
The start is bounded by its CPU time, which does not depend on who else uses the machine.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from serving.commands.client import BATCH_SECONDS, call
from tests.bundles import a_bundle
from tests.services import KEY, ROOT, a_process, lodged, ndjson

NOT_THERE = ("pandas", "sklearn", "mlflow", "dvc", "pyarrow", "duckdb", "matplotlib", "pytest")
DECLARATIONS = 200
MEBIBYTE = 1 << 20


class Measured(NamedTuple):
    """From starting the process to the first answer that it is ready, and memory after work."""

    first_start_seconds: float
    """Once byte code has to be made of everything."""
    start_seconds: float
    start_cpu_seconds: float
    """Of the service and of the process in which it tries the bundle."""
    resident_bytes: int


def found_of_training(python: Path) -> list[str]:
    """Packages of training that this interpreter could import."""
    code = (
        "from importlib.util import find_spec\n"
        f"print(*[name for name in {NOT_THERE!r} if find_spec(name)])"
    )
    ran = subprocess.run([python, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return ran.stdout.split()


def measure(python: Path, folder: Path) -> Measured:
    """Start a service with a bundle, have it decide on some declarations, and look at it."""
    a_bundle(folder / "bundle")
    started = time.perf_counter()
    with a_process(folder, python=python, bundle=folder / "bundle"):
        first_seconds = time.perf_counter() - started
    started = time.perf_counter()
    with a_process(folder, python=python, bundle=folder / "bundle") as (process, url):
        seconds = time.perf_counter() - started
        cpu_seconds = _cpu_seconds(process.pid)
        lines = ndjson(*[lodged(declaration_id=f"A-{number}") for number in range(DECLARATIONS)])
        status, answers = call(
            url, "POST", "/v1/lanes/batch", lines, key=KEY, seconds=BATCH_SECONDS
        )
        assert status == 200, answers
        assert answers.count(b'"source":"model"') == DECLARATIONS, answers[:500]
        return Measured(first_seconds, seconds, cpu_seconds, _resident_bytes(process.pid))


def _cpu_seconds(pid: int) -> float:
    """Time in the program and in the system, its own and that of children that ended."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, after_name[11:15])) / os.sysconf("SC_CLK_TCK")


def _resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1_024
    raise AssertionError("the system does not say how much memory the service holds")


def main(
    python: Annotated[Path, typer.Option(help="Interpreter of the environment.")],
    most_cpu_seconds: Annotated[float, typer.Option(help="Bound for the start.")] = 3.0,
    most_mebibytes: Annotated[float, typer.Option(help="Bound for the memory.")] = 120.0,
) -> None:
    """Say what is there that should not be, how long the start takes and how much it holds."""
    unwanted = found_of_training(python)
    with tempfile.TemporaryDirectory() as name:
        found = measure(python.absolute(), Path(name))
    mebibytes = found.resident_bytes / MEBIBYTE
    print(f"of training: {', '.join(unwanted) or 'nothing'}")
    print(f"start to ready: {found.start_seconds:.2f} s")
    print(f"CPU of the start: {found.start_cpu_seconds:.2f} s (bound {most_cpu_seconds:g})")
    print(f"the very first start, which makes byte code: {found.first_start_seconds:.2f} s")
    held = f"{mebibytes:.0f} MiB (bound {most_mebibytes:g})"
    print(f"resident after {DECLARATIONS} declarations: {held}")
    too_slow = found.start_cpu_seconds > most_cpu_seconds
    sys.exit(bool(unwanted) or too_slow or mebibytes > most_mebibytes)


if __name__ == "__main__":
    typer.run(main)
