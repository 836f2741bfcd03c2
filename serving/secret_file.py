"""Files that nobody but the service may read."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from models.durable import half_of, sync


def create(file: Path, content: bytes) -> None:
    """Write a file that only its owner can read. One that is there already stays as it is.

    It appears with its whole content or not at all, so that two services that start at the same
    moment agree on one.
    """
    with _beside(file, content) as half, contextlib.suppress(FileExistsError):
        os.link(half, file)


def replace(file: Path, content: bytes) -> None:
    """Put a file that only its owner can read in place of the one there; durable on return.

    If the file is a link, what it points at is replaced.
    """
    place = file.resolve()
    with _beside(place, content) as half:
        half.replace(place)


def read(file: Path) -> bytes:
    """What a file holds. A pipe in its place is not read: that would wait for ever.

    Raises:
        OSError: it cannot be read, or is no plain file.
    """
    if not stat.S_ISREG(file.stat().st_mode):
        what = "it is a folder" if file.is_dir() else "it is no plain file"
        raise OSError(errno.EINVAL, what, str(file))
    return file.read_bytes()


def others_may_read(file: Path) -> bool:
    """Whether anybody but the owner has any right to the file."""
    return bool(stat.S_IMODE(file.stat().st_mode) & 0o077)


@contextlib.contextmanager
def _beside(file: Path, content: bytes) -> Iterator[Path]:
    """The whole content on disk under another name, to be given the right one inside."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    half = half_of(file)
    half.unlink(missing_ok=True)  # left by a process that was killed
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        yield half
        sync(file.parent)
    finally:
        half.unlink(missing_ok=True)
