"""Runs a module of ours in a process of its own, with the code that runs here."""

import os
import sys


def command(module: str, *arguments: str) -> list[str]:
    """What runs it; to be given `environment()`."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """Where it finds code: where we do, and not first in the folder that we were started in, where
    other versions of ours may lie, or files that are named as what we import.
    """
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
