"""What is left of the service when more is asked of it than it can do.

    python -m tests.benchmarks.overload --bundle models/artifacts/bundle

Finds the capacity with as many callers as there are places, then sends a multiple of it and prints
how much is answered all the same, with the limit on requests at once and without one.
"""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from tests.benchmarks.load import Measured, measure
from tests.benchmarks.sides import samples_for
from tests.bundles import a_bundle
from tests.services import a_process

NO_LIMIT = 1_024


def main(
    bundle: Annotated[Path | None, typer.Option(help="Bundle; a tiny one if left out.")] = None,
    times: Annotated[float, typer.Option(min=1, max=20, help="Times the capacity.")] = 3,
    seconds: Annotated[float, typer.Option(min=1, max=30)] = 5,
    limit: Annotated[list[int] | None, typer.Option(help="Places; several may be given.")] = None,
) -> None:
    """Measure what is answered in time under too much load."""
    print(f"{'places':>8}{'sent/s':>9}{'answered/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'503 p99':>9}")
    for places in limit or [32, NO_LIMIT]:
        with tempfile.TemporaryDirectory() as folder:
            if bundle is None:
                a_bundle(Path(folder) / "bundle")
            _measure(bundle or Path(folder) / "bundle", Path(folder), places, times, seconds)


def _measure(bundle: Path, folder: Path, places: int, times: float, seconds: float) -> None:
    with a_process(folder, bundle=bundle.resolve(), at_once_limit=places) as (_, url):
        port = int(url.rpartition(":")[2])
        measure(samples_for(port, "warm", 8, 1.0))
        alone = measure(samples_for(port, "one", 16, seconds))
        _tell(places, alone.per_second, alone)
        wanted = times * alone.per_second
        _tell(places, wanted, measure(samples_for(port, "many", 400, seconds, wanted)))


def _tell(places: int, sent: float, found: Measured) -> None:
    failed = f"{found.failed_p99_ms:9.0f}" if found.failed_p99_ms is not None else f"{'-':>9}"
    print(
        f"{places:8}{sent:9.0f}{found.per_second:12.0f}{found.p50_ms:9.0f}{found.p99_ms:9.0f}{failed}"
    )


if __name__ == "__main__":
    typer.run(main)
