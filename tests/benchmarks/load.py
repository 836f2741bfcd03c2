"""A load generator in a process of its own: so many connections, each asks again when answered.

Reads a `Load` as JSON on standard input, writes a `Measured` as JSON on standard output. Loopback
only, and it ends by itself.
"""

import asyncio
import itertools
import subprocess
import sys
import time
from collections.abc import Iterator

from pydantic import BaseModel, Field

ID = "@ID@"
"""Stands in a body where each request needs an id of its own."""


class Load(BaseModel):
    """What to send, to whom, and for how long."""

    port: int
    path: str
    bodies: tuple[str, ...] = Field(min_length=1)
    connections: int = Field(ge=1, le=512)
    per_second: float | None = Field(
        default=None, gt=0, description="Requests begun a second, whatever is answered."
    )
    seconds: float = Field(gt=0, le=60)
    name: str = Field(description="Begins every id, so that no two loads share one.")
    key: str | None = Field(default=None, description="API key to send, if the service wants one.")


class Measured(BaseModel):
    """What came back."""

    answered: int
    failed: int
    seconds: float
    p50_ms: float
    p99_ms: float
    failed_p99_ms: float | None

    @property
    def per_second(self) -> float:
        """Answers per second."""
        return self.answered / self.seconds


def measure(load: Load) -> Measured:
    """Put this load on a service from another process."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.load"],
        input=load.model_dump_json(),
        capture_output=True,
        text=True,
        check=True,
        timeout=load.seconds + 60,
    )
    return Measured.model_validate_json(done.stdout)


async def _generate(load: Load) -> Measured:
    times: list[float] = []
    failed: list[float] = []
    numbers = itertools.count()
    pace = load.connections / load.per_second if load.per_second else 0.0
    started = time.perf_counter()
    end = started + load.seconds
    callers = [
        _ask(
            load,
            numbers,
            end,
            times,
            failed,
            pace=pace,
            first=started + pace * at / load.connections,
        )
        for at in range(load.connections)
    ]
    await asyncio.gather(*callers)
    times.sort()
    return Measured(
        answered=len(times),
        failed=len(failed),
        seconds=time.perf_counter() - started,
        p50_ms=_quantile(times, 0.5) * 1_000,
        p99_ms=_quantile(times, 0.99) * 1_000,
        failed_p99_ms=_quantile(sorted(failed), 0.99) * 1_000 if failed else None,
    )


async def _ask(
    load: Load,
    numbers: Iterator[int],
    end: float,
    times: list[float],
    failed: list[float],
    *,
    pace: float,
    first: float,
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", load.port)
    try:
        for due in itertools.count(first, pace) if pace else itertools.repeat(0.0):
            if pace:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if time.perf_counter() >= end:
                break
            number = next(numbers)
            body = load.bodies[number % len(load.bodies)].replace(ID, f"{load.name}-{number}")
            begun = time.perf_counter()
            status = await _exchange(reader, writer, load, body.encode())
            (times if status == 200 else failed).append(time.perf_counter() - begun)
    finally:
        writer.close()


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, load: Load, body: bytes
) -> int:
    key = f"Authorization: Bearer {load.key}\r\n" if load.key else ""
    head = (
        f"POST {load.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n{key}\r\n"
    )
    writer.write(head.encode() + body)
    answer = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, _, rest = answer.partition(b"content-length:")
    await reader.readexactly(int(rest.split(b"\r\n", 1)[0]))
    return int(answer.split(b" ", 2)[1])


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else float("nan")


if __name__ == "__main__":
    print(asyncio.run(_generate(Load.model_validate_json(sys.stdin.read()))).model_dump_json())
