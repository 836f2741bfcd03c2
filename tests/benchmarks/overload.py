"""What is left of the service when more is asked of it than it can do.

    python -m tests.benchmarks.overload --bundle models/artifacts/bundle

Finds the capacity with as many callers as there are places, then sends a multiple of it and prints
how much is answered all the same, with the limit on requests at once and without one.
"""

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from tests.benchmarks.load import ID, Load, Measured, measure
from tests.benchmarks.sides import SAMPLES
from tests.bundles import a_bundle
from tests.services import KEY, a_process

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
        measure(_load(port, "warm", 8, 1.0))
        alone = measure(_load(port, "one", 16, seconds))
        _tell(places, alone.per_second, alone)
        wanted = times * alone.per_second
        _tell(places, wanted, measure(_load(port, "many", 400, seconds, wanted)))


def _load(
    port: int, name: str, connections: int, seconds: float, per_second: float | None = None
) -> Load:
    lines = SAMPLES.read_text(encoding="utf-8").splitlines()
    return Load(
        port=port,
        path="/v1/lanes",
        bodies=tuple(json.dumps(json.loads(line) | {"declaration_id": ID}) for line in lines),
        connections=connections,
        seconds=seconds,
        name=name,
        key=KEY,
        per_second=per_second,
    )


def _tell(places: int, sent: float, found: Measured) -> None:
    failed = f"{found.failed_p99_ms:9.0f}" if found.failed_p99_ms is not None else f"{'-':>9}"
    print(
        f"{places:8}{sent:9.0f}{found.per_second:12.0f}{found.p50_ms:9.0f}{found.p99_ms:9.0f}{failed}"
    )


if __name__ == "__main__":
    typer.run(main)
