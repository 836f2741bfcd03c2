"""The content of a file of keys, followed while the service runs."""

import asyncio
import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from selectivity.errors import ParamsError
from serving.callers.spare import SPARE

logger = logging.getLogger(__name__)

Content = TypeVar("Content")

UNTOLD = ()
"""No file looks like that."""


class Followed(Generic[Content]):
    """Reads the file again whenever it changed, so that a key taken out of it opens nothing more.

    Each question looks whether it changed. Questions in one turn of the event loop share a look:
    all of them came before it.

    - A file that cannot be used after a change is logged once, and the content known before stays
      in force; `outdated` says so. What a file that was taken away means, `read` decides.
    - A file that could not be read, as its disk is away, is read again at the next question. It may
      never change once more, and a key that was revoked in it would go on to open.
    - Where no file descriptor is left a spare one is used: else whoever makes us use up all of them
      would keep a revoked key in force.
    """

    def __init__(self, file: Path, read: Callable[[Path], Content], *, cause: str) -> None:
        """`cause` is the code under which a bad change is logged.

        Raises:
            ParamsError: the file cannot be used.
        """
        self._file, self._read, self._cause = file, read, cause
        self._path = str(file)  # asked at every request, and quicker than a `Path`
        self._seen = self._now = self._good = self._look()
        """How it looked when it was read last, when it was looked at last, and when it was read
        and could be used."""
        self._content = read(file)
        self._told: Any = UNTOLD
        """How it looked when it was reported last."""
        self._shared_in: asyncio.AbstractEventLoop | None = None
        """The loop in whose turn the file was looked at already."""

    def content(self) -> Content:
        """What the file holds now."""
        loop = _running_loop()
        if loop is None or loop is not self._shared_in:
            if loop is not None:
                loop.call_soon(self._turn_is_over)
            self._shared_in = loop
            self._follow()
        return self._content

    @property
    def outdated(self) -> bool:
        """Whether the file is not what it was and cannot be used: what was known before counts."""
        self.content()
        return bool(self._now != self._good)

    def _follow(self) -> None:
        # Before reading: what changes meanwhile is read at the next question.
        seen = self._now = self._look()
        if seen == self._seen:
            return
        try:
            self._content = SPARE.read(partial(self._read, self._file))
            self._good, self._told = seen, UNTOLD
        except ParamsError as error:
            if seen != self._told:
                what = {"cause": self._cause, "detail": str(error)}
                logger.error("key file refused", extra=what)
            self._told = seen
            if isinstance(error.__cause__, OSError):
                return
        self._seen = seen

    def _turn_is_over(self) -> None:
        self._shared_in = None

    def _look(self) -> Any:
        try:
            found = os.stat(self._path)  # noqa: PTH116
        except OSError:
            return None
        # The last can be set by nobody: without it a file written in place could look as before.
        return found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode, found.st_ctime_ns


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
