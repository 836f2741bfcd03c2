"""One thread that writes, and commits everything that waits in one transaction.

A durable commit costs the same for one record as for a hundred. While one batch is being synced to
disk the next one gathers by itself, so nothing ever waits on purpose.
"""

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from selectivity.errors import DecisionLogError
from serving.log.journal import Outcome, Work, lost

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 512
TELL_SECONDS = 5.0
"""How often to log that nothing is kept."""


class _Job(NamedTuple):
    work: Work[Any]
    future: asyncio.Future[Any]


class GroupWriter:
    """Runs work inside durable transactions, in the order in which it was submitted."""

    def __init__(
        self,
        keep: Callable[[Sequence[Work[Any]]], list[Any]],
        let_go: Callable[[], None] = lambda: None,
    ) -> None:
        """`keep` does work durably and gives what came of each; `let_go` is called at the end."""
        self._keep, self._let_go = keep, let_go
        self._jobs: queue.SimpleQueue[list[_Job] | None] = queue.SimpleQueue()
        self._together: list[_Job] | None = None
        self._ended = False
        self._untold, self._told_at = 0, -TELL_SECONDS
        self._thread = threading.Thread(target=self._run, name="decision-log", daemon=True)
        self._thread.start()

    def submit(self, work: Work[Outcome]) -> "asyncio.Future[Outcome]":
        """Queue work. The future has its outcome once the transaction is on disk.

        It fails with DecisionLogError when nothing was kept. Await it through `asyncio.shield`:
        work that was queued is done even if nobody waits any more.
        """
        if self._ended:
            raise DecisionLogError("The decision log is closed. Start the service again.")
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        job = _Job(work, future)
        if self._together is None:
            self._queue([job])
        else:
            self._together.append(job)
        return future

    @contextlib.contextmanager
    def one_transaction(self) -> Iterator[None]:
        """Queue what is submitted inside at the end, at once: else the thread begins with the first
        and leaves the others for the next transaction.
        """
        jobs: list[_Job] = []
        self._together = jobs
        try:
            yield
        finally:
            self._together = None
            if jobs:
                self._queue(jobs)

    def _queue(self, jobs: list[_Job]) -> None:
        self._jobs.put(jobs)
        if self._ended:  # meanwhile, and nobody would be told
            self._give_up([])

    def close(self) -> None:
        """Finish what is queued, then stop."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        batch: list[_Job] = []
        try:
            while batch := self._jobs.get() or []:
                going_on = self._gather(batch)
                _deliver(batch, self._commit(batch))
                batch = []
                if not going_on:
                    break
        finally:
            self._ended = True
            self._give_up(batch)
            self._let_go()

    def _give_up(self, batch: list[_Job]) -> None:
        """Tell everybody who still waits; after a proper end nobody does."""
        with contextlib.suppress(queue.Empty):
            while True:
                batch += self._jobs.get_nowait() or []
        _deliver(batch, [lost("its writer stopped; start the service again")] * len(batch))

    def _gather(self, batch: list[_Job]) -> bool:
        """Add what waits to the batch; False when the end of all work is among it."""
        with contextlib.suppress(queue.Empty):
            while len(batch) < MOST_AT_ONCE:
                jobs = self._jobs.get_nowait()
                if jobs is None:
                    return False
                batch += jobs
        return True

    def _commit(self, batch: list[_Job]) -> list[Any]:
        try:
            return self._keep([job.work for job in batch])
        except DecisionLogError as error:
            self._tell_not_kept(len(batch), error)
            return [error] * len(batch)

    def _tell_not_kept(self, count: int, error: DecisionLogError) -> None:
        """Now and then: a disk that is full is often that of the service's log as well."""
        self._untold += count
        if time.monotonic() - self._told_at >= TELL_SECONDS:
            logger.error("not kept", extra={"count": self._untold, "cause": str(error)})
            self._untold, self._told_at = 0, time.monotonic()


def _deliver(batch: list[_Job], outcomes: list[Any]) -> None:
    if batch:
        with contextlib.suppress(RuntimeError):  # the loop has ended, nobody waits
            batch[0].future.get_loop().call_soon_threadsafe(_resolve, batch, outcomes)


def _resolve(batch: list[_Job], outcomes: list[Any]) -> None:
    for job, outcome in zip(batch, outcomes, strict=True):
        if job.future.done():
            continue
        if isinstance(outcome, Exception):
            job.future.set_exception(outcome)
        else:
            job.future.set_result(outcome)
