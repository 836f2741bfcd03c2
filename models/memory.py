"""Memory that this process no longer needs, back to the operating system."""

import ctypes
from contextlib import suppress


def give_back_memory() -> None:
    """Give free memory back to the system: the C library keeps it otherwise, in small pieces."""
    with suppress(AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
