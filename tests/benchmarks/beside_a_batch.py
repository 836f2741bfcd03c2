"""How long a declaration that comes alone waits while batches are decided on, one after the other.

    python -m tests.benchmarks.beside_a_batch --seconds 8

Batches of 2,000 lines follow each other without a break, and so many single declarations a second
are sent beside them; latency counts from when each was due. It ends by itself.
"""

import tempfile
import threading
from itertools import count
from pathlib import Path
from typing import Annotated

import typer

from tests.benchmarks import sides
from tests.benchmarks.sides import Side
from tests.bundles import a_bundle

LINES = 2_000


def main(
    seconds: Annotated[float, typer.Option(min=0.1, max=60)] = 8.0,
    per_second: Annotated[float, typer.Option(min=1, max=500, help="Single declarations.")] = 20.0,
) -> None:
    """Measure single declarations with and without batches beside them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        a_bundle(folder / "bundle", rounds=250, leaves=8)
        (folder / "ours").mkdir()
        with sides.lanes(folder / "bundle", folder / "ours") as side:
            print(f"{'':18}{'sent/s':>8}{'p50 ms':>8}{'p99 ms':>8}{'lines/s':>9}")
            _measure(side, "alone", per_second, seconds)
            over = threading.Event()
            lines = [0]
            batches = threading.Thread(target=_send_batches, args=(side, over, lines))
            batches.start()
            try:
                _measure(side, "beside batches", per_second, seconds)
            finally:
                over.set()
                batches.join()
            print(f"{'':42}{lines[0] / seconds:9,.0f}")


def _measure(side: Side, name: str, per_second: float, seconds: float) -> None:
    found = sides.at_pace(side, per_second, connections=8, seconds=seconds, name=name)
    print(f"{name:18}{per_second:8,.0f}{found.p50_ms:8.1f}{found.p99_ms:8.1f}")


def _send_batches(side: Side, over: threading.Event, lines: list[int]) -> None:
    for number in count():
        if over.is_set():
            return
        sides.send_batch(side, f"batch-{number}", LINES)
        lines[0] += LINES


if __name__ == "__main__":
    typer.run(main)
