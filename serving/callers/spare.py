"""One file descriptor that is held back, for the file that has to be read when no other is left."""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

Content = TypeVar("Content")

NONE_LEFT = (errno.EMFILE, errno.ENFILE)


class SpareDescriptor:
    """Lends its descriptor to who finds none, and takes the next free one in its place."""

    def __init__(self) -> None:
        self._held: int | None = None
        self.hold()

    def hold(self) -> None:
        """Take one, unless it is held already or there is none."""
        if self._held is None:
            with suppress(OSError):
                self._held = os.open(os.devnull, os.O_RDONLY)

    def read(self, read: Callable[[], Content]) -> Content:
        """What `read` gives, which opens no more than one file at a time."""
        self.hold()
        try:
            return read()
        except Exception as error:
            if self._held is None or not _none_left(error):
                raise
        os.close(self._held)
        self._held = None
        try:
            return read()
        finally:
            self.hold()


def _none_left(error: Exception) -> bool:
    cause = error if isinstance(error, OSError) else error.__cause__
    return isinstance(cause, OSError) and cause.errno in NONE_LEFT


SPARE = SpareDescriptor()
"""That of this process."""
