"""Whether files can be written in a folder, without leaving one there.

A disk that turned read-only, or is full, still shows everything that it holds.
"""

import errno
import os
from pathlib import Path

ROOM_BYTES = 65_536
"""A start needs some pages of a log and of what SQLite puts beside it."""
UNNAMED = getattr(os, "O_TMPFILE", None)
"""Makes a file that has no name and is gone when it is closed; not every system has it."""
TELLING = (errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EACCES)
"""What else goes wrong may be for want of such files on this disk."""


def no_room_in(folder: Path) -> str | None:
    """Why nothing can be written there; None if it can, or if nobody can tell."""
    while not folder.exists():  # it is made at a start
        folder = folder.parent
    if not folder.is_dir():
        return os.strerror(errno.ENOTDIR)
    if UNNAMED is None:
        return None
    try:
        descriptor = os.open(folder, os.O_RDWR | UNNAMED, 0o600)
    except OSError as error:
        return _told(error)
    try:
        os.posix_fallocate(descriptor, 0, ROOM_BYTES)
    except OSError as error:
        return _told(error)
    finally:
        os.close(descriptor)
    return None


def _told(error: OSError) -> str | None:
    return os.strerror(error.errno) if error.errno in TELLING else None
