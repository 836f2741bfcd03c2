"""What has to survive a power cut."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(file: Path, *parts: str | bytes | memoryview) -> None:
    """Replace a file: a reader, also one after a power cut, finds the old one or the new one."""
    new = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with new.open("wb") as stream:
            for part in parts:
                stream.write(part.encode() if isinstance(part, str) else part)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)  # a full disk has no room for halves
    sync(file.parent)  # the rename, too
