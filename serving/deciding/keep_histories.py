"""Keeps what the histories know in a file now and then, so that a start need not read a long log.

A process of its own does it, from the file before and the log: the service goes on meanwhile, and
what it holds in memory is not in the file, whatever became of that.

    python -m serving.deciding.keep_histories < what.json
"""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from pathlib import Path

from pydantic import BaseModel

from models.pointer import NAME_DIGITS
from selectivity.errors import SelectivityError
from serving.deciding.catch_up import CatchUp
from serving.deciding.histories_file import HistoriesFile
from serving.deciding.parts import Parts
from serving.deciding.predictor import Predictor
from serving.deciding.published import load_whole
from serving.deciding.trial import REFUSED, last_line
from serving.log.reader import LogReader
from serving.same_code import command, environment
from serving.settings import Settings
from serving.stores import store_at

logger = logging.getLogger(__name__)

SECONDS = 3_600
"""The first time a long log is read from its beginning, by whoever has the processor last."""
NICE = 10


class Task(BaseModel):
    """What is to be kept. It comes over a pipe: arguments are seen by others."""

    log: str
    """Path or address."""
    bundle: Path
    digest: str
    folder: Path
    draw_key: str
    """In hexadecimal."""


async def keep_beside(task: Task) -> int:
    """Have a process of its own do it; gives the number of the last record that is known.

    Raises:
        OSError: there is no room for a process, or it could not do it.
    """
    child = subprocess.Popen(
        command("serving.deciding.keep_histories"),
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        told, failed = await asyncio.to_thread(_what_it_says, child, task)
    finally:
        if child.poll() is None:
            child.kill()  # the file of before stays
    if child.returncode or not told.strip().isdigit():
        refused = child.returncode == REFUSED
        code = f"the process ended with code {child.returncode}"
        raise ChildProcessError(last_line(failed) if refused else code)
    return int(told)


def _what_it_says(child: "subprocess.Popen[bytes]", task: Task) -> tuple[bytes, bytes]:
    with child:
        try:
            return child.communicate(task.model_dump_json().encode(), timeout=SECONDS)
        except subprocess.TimeoutExpired as error:
            child.kill()
            raise ChildProcessError(f"the process did not end within {SECONDS} s") from error


class HistoriesKeeper:
    """Has them kept when so many records came that a start would feel it."""

    def __init__(
        self, parts: Parts, keep_beside: Callable[[Task], Awaitable[int]] = keep_beside
    ) -> None:
        """`keep_beside` raises OSError if nothing was kept."""
        self._parts, self._keep_beside = parts, keep_beside
        self._tried_at = time.monotonic()  # a start keeps what it read, if that was much
        self._tried: dict[str, int] = {}
        """Records that were known when it was tried last, by the digest of the bundle."""

    async def follow(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._parts.settings.follow_seconds)
            predictor = self._parts.predictor
            if self._due(predictor):
                await self._keep(predictor)

    def _due(self, predictor: Predictor) -> bool:
        if predictor.bundle is None or predictor.known_upto is None or self._parts.log.spooling:
            return False
        before = max(predictor.kept_upto, self._tried.get(predictor.bundle.digest, 0))
        settings = self._parts.settings
        many = predictor.known_upto - before >= settings.histories_records
        return many and time.monotonic() - self._tried_at >= settings.histories_seconds

    async def _keep(self, predictor: Predictor) -> None:
        assert predictor.bundle is not None
        digest = predictor.bundle.digest
        self._tried, self._tried_at = {digest: predictor.known_upto or 0}, time.monotonic()
        try:
            task = _task(digest, predictor.draw_key, self._parts.settings)
            predictor.kept_upto = await self._keep_beside(task)
        except OSError as error:  # the next records are reason to try again
            logger.warning("histories not kept", extra={"cause": str(error)})
        else:
            logger.info("histories kept", extra={"no": predictor.kept_upto})


def _task(digest: str, draw_key: bytes, settings: Settings) -> Task:
    place = str(settings.log_file)
    if settings.database is not None:
        place = settings.database.get_secret_value()
    return Task(
        log=place,
        bundle=settings.bundle or settings.published / digest[:NAME_DIGITS],
        digest=digest,
        folder=settings.histories_folder,
        draw_key=draw_key.hex(),
    )


def keep(task: Task) -> int:
    """Keep what the histories know now; gives the number of the last record that they know.

    Raises:
        SelectivityError: the bundle or the log cannot be used, or a record was altered.
        OSError: the file cannot be written.
    """
    predictor = Predictor.of_bundle(
        load_whole(task.bundle, task.digest), draw_key=bytes.fromhex(task.draw_key)
    )
    kept = HistoriesFile(task.folder, predictor.draw_key, often=1)
    with closing(LogReader(store_at(task.log))) as log, log.one_moment():
        reading = CatchUp(predictor, log, kept)
        reading.to(log.head().no)
        reading.keep_in(kept)
    return reading.at


def _stand_back() -> None:
    """Let the service have the processor, and where memory runs out, let this be what is ended."""
    os.nice(NICE)
    with suppress(OSError):  # not on every system
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


if __name__ == "__main__":
    signal.alarm(2 * SECONDS)  # ends it by itself where who began it was killed meanwhile
    _stand_back()
    try:
        print(keep(Task.model_validate_json(sys.stdin.buffer.read())))
    except (SelectivityError, OSError) as error:
        print(error, file=sys.stderr)
        sys.exit(REFUSED)
