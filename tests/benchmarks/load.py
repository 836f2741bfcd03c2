"""A load generator in a process of its own: so many connections, each asks again when answered.

Reads a `Load` as JSON on standard input, writes a `Measured` as JSON on standard output. Loopback
only, and it ends by itself. It shares the machine with what it measures, so it does as little as
it can for a request.
"""

import asyncio
import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import uvloop
from pydantic import BaseModel, ConfigDict, Field

ID = "@ID@"
"""Stands in a body where each request needs an id of its own."""
PATIENCE_SECONDS = 10.0
"""How long an answer may take that was asked for before the end."""


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
    media: str = "application/json"


class Measured(BaseModel):
    """What came back."""

    model_config = ConfigDict(ser_json_inf_nan="strings")  # NaN where nothing was answered

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
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=load.seconds + 60,
    )
    return Measured.model_validate_json(done.stdout)


class _Caller(asyncio.Protocol):
    """One connection: sends a request, reads its answer, and asks again until the end."""

    def __init__(self, request: Callable[[], bytes], times: "_Times", ended: Callable[[], None]):
        self._request, self._times, self._ended = request, times, ended
        self._answer = b""
        self._begun = 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def ask(self) -> None:
        """Send a request, unless the time is over."""
        wait = self._times.until_next()
        if wait is None:
            self._transport.close()
        elif wait > 0:
            asyncio.get_running_loop().call_later(wait, self._ask_now)
        else:
            self._ask_now()

    def _ask_now(self) -> None:
        self._begun = self._times.due_at or time.perf_counter()
        self._transport.write(self._request())

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if (status := _status_of(self._answer)) is not None:
            self._answer = b""
            self._times.took(time.perf_counter() - self._begun, status)
            self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended()


class _Times:
    """When requests are due, and how long their answers took."""

    def __init__(self, load: Load, first: float, started: float) -> None:
        self._end = started + load.seconds
        self._pace = load.connections / load.per_second if load.per_second else 0.0
        self._due = first
        self.due_at: float | None = None
        """When the request at hand was due, if there is a pace: waiting for its turn counts."""
        self.answered: list[float] = []
        self.failed: list[float] = []

    def until_next(self) -> float | None:
        """Seconds until the next request is due; None when the time is over."""
        now = time.perf_counter()
        wait = max(0.0, self._due - now)
        self.due_at = self._due if self._pace else None
        self._due += self._pace
        return None if now + wait >= self._end else wait

    def took(self, seconds: float, status: bytes) -> None:
        (self.answered if status == b"200" else self.failed).append(seconds)


def _status_of(answer: bytes) -> bytes | None:
    """The status of an answer that is there to its end."""
    head, there, body = answer.partition(b"\r\n\r\n")
    if not there:
        return None
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return head[9:12] if len(body) >= int(length) else None


async def _generate(load: Load) -> Measured:
    loop = asyncio.get_running_loop()
    requests = _requests(load)
    gone = asyncio.Semaphore(0)
    started = time.perf_counter()
    pace = 1 / load.per_second if load.per_second else 0.0
    times = [_Times(load, started + pace * at, started) for at in range(load.connections)]
    callers = []
    for each in times:
        caller = _Caller(lambda: next(requests), each, gone.release)
        await loop.create_connection([caller].pop, "127.0.0.1", load.port)
        callers.append(caller)
    for caller in callers:
        caller.ask()
    async with asyncio.timeout(load.seconds + PATIENCE_SECONDS):
        for _ in callers:
            await gone.acquire()
    return _measured(times, time.perf_counter() - started)


def _requests(load: Load) -> Iterator[bytes]:
    key = f"Authorization: Bearer {load.key}\r\n" if load.key else ""
    head = f"POST {load.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {load.media}\r\n{key}"
    parts = [body.encode().split(ID.encode()) for body in load.bodies]
    for number in itertools.count():
        body = f"{load.name}-{number}".encode().join(parts[number % len(parts)])
        yield f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _measured(times: list[_Times], seconds: float) -> Measured:
    answered = sorted(itertools.chain.from_iterable(each.answered for each in times))
    failed = sorted(itertools.chain.from_iterable(each.failed for each in times))
    return Measured(
        answered=len(answered),
        failed=len(failed),
        seconds=seconds,
        p50_ms=_quantile(answered, 0.5) * 1_000,
        p99_ms=_quantile(answered, 0.99) * 1_000,
        failed_p99_ms=_quantile(failed, 0.99) * 1_000 if failed else None,
    )


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else float("nan")


if __name__ == "__main__":
    measured = uvloop.run(_generate(Load.model_validate_json(sys.stdin.read())))
    print(measured.model_dump_json())
