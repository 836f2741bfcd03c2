"""What a file holds, followed while the service runs."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from selectivity.errors import ParamsError

logger = logging.getLogger(__name__)

Content = TypeVar("Content")


class Followed(Generic[Content]):
    """Looks at the file at every question: what is taken out of it counts no more at once.

    A file that cannot be used after a change is reported once, and what was known before stays in
    force; `read` says what a file that was taken away means.
    """

    def __init__(self, file: Path, read: Callable[[Path], Content], *, cause: str) -> None:
        """`cause` is the code under which a bad change is logged.

        Raises:
            ParamsError: the file cannot be used.
        """
        self._file, self._read, self._cause = file, read, cause
        self._seen = self._look()
        self._content = read(file)

    def content(self) -> Content:
        """What the file holds now."""
        seen = self._look()
        if seen != self._seen:
            self._seen = seen  # before reading: what changes meanwhile is read at the next question
            try:
                self._content = self._read(self._file)
            except ParamsError:
                logger.error("key file refused", extra={"cause": self._cause})
        return self._content

    def _look(self) -> Any:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode
