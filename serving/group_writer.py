"""One thread that writes, and commits everything that waits in one transaction.

A durable commit costs the same for one record as for a hundred. While one batch is being synced to
disk the next one gathers by itself, so nothing ever waits on purpose.
"""

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

from selectivity.errors import DecisionLogError

logger = logging.getLogger(__name__)

Outcome = TypeVar("Outcome")
MOST_AT_ONCE = 512


@dataclass(frozen=True)
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class GroupWriter:
    """Runs work inside durable transactions, in the order in which it was submitted."""

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        on_commit: Callable[[float], None] = lambda seconds: None,
        check: Callable[[], None] = lambda: None,
        around: Callable[[sqlite3.Connection], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        """`check` runs before each transaction; what it raises says why nothing may be kept.

        `around` is entered when a transaction has begun and left before it is committed.
        """
        self._connect, self._on_commit, self._check = connect, on_commit, check
        self._around = around
        self._connection: sqlite3.Connection | None = connect()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="decision-log", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[sqlite3.Connection], Outcome]) -> "asyncio.Future[Outcome]":
        """Queue work. The future has its outcome once the transaction is on disk.

        It fails with DecisionLogError when nothing was kept. Await it through `asyncio.shield`:
        work that was queued is done even if nobody waits any more.
        """
        if not self._thread.is_alive():
            raise DecisionLogError("The decision log is closed. Start the service again.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        self._jobs.put(_Job(work, future, loop))
        return future

    def close(self) -> None:
        """Finish what is queued, then stop."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        batch: list[_Job] = []
        try:
            while (job := self._jobs.get()) is not None:
                batch = [job]
                going_on = self._gather(batch)
                _deliver(batch, self._commit(batch))
                batch = []
                if not going_on:
                    break
        finally:
            self._give_up(batch)
            self._forget_connection()

    def _give_up(self, batch: list[_Job]) -> None:
        """Tell everybody who still waits; after a proper end nobody does."""
        with contextlib.suppress(queue.Empty):
            while True:
                batch += [job for job in [self._jobs.get_nowait()] if job is not None]
        _deliver(batch, [_lost("its writer stopped; start the service again")] * len(batch))

    def _gather(self, batch: list[_Job]) -> bool:
        """Add what waits to the batch; False when the end of all work is among it."""
        with contextlib.suppress(queue.Empty):
            while len(batch) < MOST_AT_ONCE:
                job = self._jobs.get_nowait()
                if job is None:
                    return False
                batch.append(job)
        return True

    def _commit(self, batch: list[_Job]) -> list[Any]:
        started = time.perf_counter()
        try:
            self._check()
            connection = self._connection = self._connection or self._connect()
            connection.execute("BEGIN IMMEDIATE")
            with self._around(connection):
                outcomes = [_outcome(job, connection) for job in batch]
            connection.execute("COMMIT")
        except (sqlite3.Error, DecisionLogError) as error:
            logger.error("decisions not kept", extra={"count": len(batch), "cause": str(error)})
            self._forget_connection()  # after a failed sync nothing it says can be trusted
            return [_lost(str(error))] * len(batch)
        self._on_commit(time.perf_counter() - started)
        return outcomes

    def _forget_connection(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None


def _outcome(job: _Job, connection: sqlite3.Connection) -> Any:
    """What the work gives. A refusal concerns this work alone, not the rest of the batch."""
    try:
        return job.work(connection)
    except DecisionLogError as refusal:
        return refusal


def _lost(cause: str) -> DecisionLogError:
    return DecisionLogError(
        f"The decision could not be kept ({cause}), so no lane is given. Send it again with the "
        "same id and version in a moment; hold the goods as for a check of documents until then."
    )


def _deliver(batch: list[_Job], outcomes: list[Any]) -> None:
    if batch:
        with contextlib.suppress(RuntimeError):  # the loop has ended, nobody waits
            batch[0].loop.call_soon_threadsafe(_resolve, batch, outcomes)


def _resolve(batch: list[_Job], outcomes: list[Any]) -> None:
    for job, outcome in zip(batch, outcomes, strict=True):
        if job.future.done():
            continue
        if isinstance(outcome, Exception):
            job.future.set_exception(outcome)
        else:
            job.future.set_result(outcome)
