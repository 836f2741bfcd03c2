"""Files that nobody but the service may read."""

import contextlib
import os
import stat
from pathlib import Path

from models.durable import sync


def create(file: Path, content: bytes) -> None:
    """Write a file that only its owner can read. One that is there already stays as it is.

    It appears with its whole content or not at all, so that two services that start at the same
    moment agree on one.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    half = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(half, file)
        sync(file.parent)
    finally:
        half.unlink()


def others_may_read(file: Path) -> bool:
    """Whether anybody but the owner has any right to the file."""
    return bool(stat.S_IMODE(file.stat().st_mode) & 0o077)
