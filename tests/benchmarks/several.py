"""What a second service on the same log brings: answers a second, turn and turn about.

    python -m tests.benchmarks.several --bundle models/artifacts/bundle

One service, then two, on one PostgreSQL of their own and on one file, each with the same number of
callers in all, from a process beside them. Where one processor is left to share nothing is gained;
the number of processors is printed with it.
"""

import os
import statistics
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr

from tests.benchmarks.load import Measured, measure
from tests.benchmarks.sides import samples_for
from tests.bundles import a_bundle
from tests.postgresql import a_server, why_not
from tests.services import a_process

CALLERS = 32


def main(
    bundle: Annotated[Path | None, typer.Option(help="Bundle; a tiny one if left out.")] = None,
    most: Annotated[int, typer.Option(min=2, max=8, help="Services at most.")] = 2,
    rounds: Annotated[int, typer.Option(min=1, max=20)] = 3,
    seconds: Annotated[float, typer.Option(min=1, max=30)] = 5,
) -> None:
    """Measure one service and several on one log."""
    print(f"{os.cpu_count()} processors, {CALLERS} callers in all, middle of {rounds} rounds")
    print(f"{'log':>12}{'services':>10}{'answered/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'refused':>9}")
    with tempfile.TemporaryDirectory() as folder:
        if bundle is None:
            a_bundle(bundle := Path(folder) / "bundle")
        for place in ("file", "PostgreSQL"):
            if place == "PostgreSQL" and (why := why_not()):
                print(f"{place:>12}  {why}")
                continue
            found = {
                services: [
                    _measured(place, services, bundle.resolve(), seconds) for _ in range(rounds)
                ]
                for services in range(1, most + 1)
            }
            for services, all_rounds in found.items():
                _tell(place, services, all_rounds)


def _measured(place: str, services: int, bundle: Path, seconds: float) -> list[Measured]:
    """What each service answered at the same time."""
    with tempfile.TemporaryDirectory() as name, _log(place) as log, ExitStack() as stack:
        ports = []
        for number in range(services):
            folder = Path(name) / str(number)
            folder.mkdir()
            if place == "file":
                log = {
                    "state": Path(name) / "state",
                    "spool": folder / "spool.sqlite",
                    "anchor": folder / "anchor.ndjson",
                }
            _, url = stack.enter_context(a_process(folder, bundle=bundle, **log))
            ports.append(int(url.rpartition(":")[2]))
        with ThreadPoolExecutor(services) as callers:
            list(
                callers.map(lambda port: measure(samples_for(port, f"warm-{port}", 8, 1.0)), ports)
            )
            loads = [samples_for(port, f"s{port}", CALLERS // services, seconds) for port in ports]
            return list(callers.map(measure, loads))


@contextmanager
def _log(place: str) -> Iterator[dict[str, Any]]:
    if place == "file":
        yield {}
        return
    with a_server() as server:
        yield {"database": SecretStr(server.new_database())}


def _tell(place: str, services: int, rounds: list[list[Measured]]) -> None:
    per_second = statistics.median(sum(each.per_second for each in some) for some in rounds)
    p50 = statistics.median(each.p50_ms for some in rounds for each in some)
    p99 = statistics.median(each.p99_ms for some in rounds for each in some)
    refused = sum(each.failed for some in rounds for each in some)
    print(f"{place:>12}{services:10}{per_second:12.0f}{p50:9.1f}{p99:9.1f}{refused:9}", flush=True)


if __name__ == "__main__":
    typer.run(main)
