"""Runs a command in a process of its own and tells what it took of the machine."""

import os
import subprocess
import time
from collections.abc import Sequence
from typing import NamedTuple


class Took(NamedTuple):
    """Seconds of wall and processor time, peak memory in MiB, and what the command printed."""

    wall: float
    cpu: float
    peak: float
    printed: str


def took(command: Sequence[str]) -> Took:
    """Run a command to its end.

    Raises:
        SystemExit: it failed.
    """
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    wall, cpu = time.monotonic() - began, used.ru_utime + used.ru_stime
    return Took(wall, cpu, used.ru_maxrss / 1024, printed)
