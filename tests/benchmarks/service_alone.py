"""Starts the service in an environment that has what it needs at run time and nothing else.

    make alone

Fails if the environment holds anything of training, or if start or memory are over their bounds.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from serving.client import call
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
        lines = ndjson(*[lodged(declaration_id=f"A-{number}") for number in range(DECLARATIONS)])
        status, answers = call(url, "POST", "/v1/lanes/batch", lines, key=KEY)
        assert status == 200, answers
        assert answers.count(b'"source":"model"') == DECLARATIONS, answers[:500]
        return Measured(first_seconds, seconds, _resident_bytes(process.pid))


def _resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1_024
    raise AssertionError("the system does not say how much memory the service holds")


def main(
    python: Annotated[Path, typer.Option(help="Interpreter of the environment.")],
    most_seconds: Annotated[float, typer.Option(help="Bound for the start.")] = 5.0,
    most_mebibytes: Annotated[float, typer.Option(help="Bound for the memory.")] = 130.0,
) -> None:
    """Say what is there that should not be, how long the start takes and how much it holds."""
    unwanted = found_of_training(python)
    with tempfile.TemporaryDirectory() as name:
        found = measure(python.absolute(), Path(name))
    mebibytes = found.resident_bytes / MEBIBYTE
    print(f"of training: {', '.join(unwanted) or 'nothing'}")
    print(f"start to ready: {found.start_seconds:.2f} s (bound {most_seconds:g})")
    print(f"the very first start, which makes byte code: {found.first_start_seconds:.2f} s")
    print(f"resident after {DECLARATIONS} declarations: {mebibytes:.0f} MiB ({most_mebibytes:g})")
    sys.exit(bool(unwanted) or found.start_seconds > most_seconds or mebibytes > most_mebibytes)


if __name__ == "__main__":
    typer.run(main)
