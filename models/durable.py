"""What has to survive a power cut."""

import os
import shutil
from pathlib import Path


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def half_of(file: Path) -> Path:
    """What this process writes to before it gives the file its name: hidden, beside the file."""
    return file.with_name(f".{file.name}.{os.getpid()}")


def half_folder_of(folder: Path) -> Path:
    """The same of a folder, which only one process at a time puts together."""
    return folder.with_name(f".{folder.name}.part")


def sweep(folder: Path, *files: str) -> None:
    """Clear away the halves of these files (names or patterns), and of folders, left by processes
    that were killed.

    Only while nobody else is at work in the folder.
    """
    hidden = (f".{name}.[0-9]*" for name in files)
    for pattern in (*hidden, half_folder_of(folder / "*").name):
        for left in folder.glob(pattern):
            shutil.rmtree(left) if left.is_dir() else left.unlink()


def write_durably(file: Path, *parts: str | bytes | memoryview) -> None:
    """Replace a file: a reader, also one after a power cut, finds the old one or the new one."""
    new = half_of(file)
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
