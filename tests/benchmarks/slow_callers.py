"""What good callers get while many others begin requests and never end them.

    python -m tests.benchmarks.slow_callers --bundle models/artifacts/bundle --slow 500

Finds what a service answers at half its capacity alone, then with so many slow callers beside it,
who hold half a header, half a body or nothing, send a drop every second, and come again when they
are cut off.
"""

import selectors
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from tests.benchmarks.load import Measured, measure
from tests.benchmarks.sides import samples_for
from tests.bundles import a_bundle
from tests.services import KEY, a_process

HEAD = f"POST /v1/lanes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
BEGUN = ("", "P", f"{HEAD}X: ", f"{HEAD}Content-Length: 9999\r\n\r\n{{")
DROP_SECONDS = 1.0
CALLERS = 16
"""Of those who are not slow."""


class Slow:
    """Callers in a thread, who take all the time they are given."""

    def __init__(self, port: int, number: int) -> None:
        self._port, self._enough = port, threading.Event()
        self.lives: list[float] = []
        """Seconds that each connection lasted."""
        self._since: dict[socket.socket, float] = {}
        self._look = selectors.DefaultSelector()
        for at in range(number):
            self._call(at)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> None:
        """Let go of all of them."""
        self._enough.set()
        self._thread.join()
        for caller in self._since:
            caller.close()

    def _call(self, at: int) -> None:
        caller = socket.create_connection(("127.0.0.1", self._port), timeout=10)
        caller.sendall(BEGUN[at % len(BEGUN)].encode())
        caller.setblocking(False)
        self._since[caller] = time.monotonic()
        self._look.register(caller, selectors.EVENT_READ, at)

    def _run(self) -> None:
        due = time.monotonic() + DROP_SECONDS
        while not self._enough.is_set():
            for key, _ in self._look.select(0.1):
                self._hear(key)
            if time.monotonic() >= due:
                due += DROP_SECONDS
                for caller in self._since:
                    with suppress(OSError):
                        caller.send(b"x")

    def _hear(self, key: selectors.SelectorKey) -> None:
        caller = key.fileobj
        assert isinstance(caller, socket.socket)
        with suppress(BlockingIOError):
            try:
                if caller.recv(65_536):
                    return
            except ConnectionError:
                pass
            self._look.unregister(caller)
            self.lives.append(time.monotonic() - self._since.pop(caller))
            caller.close()
            with suppress(OSError):
                self._call(key.data)


def main(
    bundle: Annotated[Path | None, typer.Option(help="Bundle; a tiny one if left out.")] = None,
    slow: Annotated[int, typer.Option(min=1, max=5_000, help="Slow callers.")] = 500,
    seconds: Annotated[float, typer.Option(min=5, max=50)] = 20,
) -> None:
    """Measure what good callers get beside slow ones."""
    with tempfile.TemporaryDirectory() as folder:
        if bundle is None:
            a_bundle(bundle := Path(folder) / "bundle")
        with a_process(Path(folder), bundle=bundle.resolve()) as (_, url):
            port = int(url.rpartition(":")[2])
            half = measure(samples_for(port, "one", CALLERS, 5.0)).per_second / 2
            print(
                f"{'slow':>6}{'sent/s':>9}{'answered/s':>12}{'good %':>8}{'p50 ms':>9}{'p99 ms':>9}"
            )
            _tell(0, half, measure(samples_for(port, "alone", CALLERS, seconds, half)))
            with _beside(port, slow) as callers:
                _tell(slow, half, measure(samples_for(port, "beside", CALLERS, seconds, half)))
            lives = sorted(callers.lives)
            told = f"the longest for {lives[-1]:.1f} s" if lives else "none was cut off"
            print(f"{len(lives)} slow connections were cut off, {told}")


@contextmanager
def _beside(port: int, number: int) -> Iterator[Slow]:
    callers = Slow(port, number)
    try:
        yield callers
    finally:
        callers.end()


def _tell(slow: int, sent: float, found: Measured) -> None:
    good = 100 * found.answered / (found.answered + found.failed)
    print(
        f"{slow:6}{sent:9.0f}{found.per_second:12.0f}{good:8.2f}{found.p50_ms:9.1f}"
        f"{found.p99_ms:9.1f}",
        flush=True,
    )


if __name__ == "__main__":
    typer.run(main)
