"""Runs the command `lanes` for tests."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from serving.main import app
from tests.services import KEY, ROOT, settings_in


def lanes(folder: Path, *arguments: str, **variables: str) -> Result:
    """Run a command in this process, with all state in this folder."""
    return CliRunner().invoke(app, arguments, env=_environment(folder) | variables)


def lanes_alone(
    folder: Path, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "serving.main", *arguments],
        cwd=ROOT,
        env=os.environ | _environment(folder) | variables,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )


AS_IN_A_TERMINAL = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("serving.main", run_name="__main__", alter_sys=True)
"""
"""Ctrl-C is heard also where the tests run in the background, whose processes are deaf to it."""
PATIENCE_SECONDS = 120.0


@contextmanager
def lanes_meanwhile(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command in a process of its own, whose output can be read while it runs; not for ever."""
    with subprocess.Popen(
        [sys.executable, "-u", "-c", AS_IN_A_TERMINAL, *arguments],
        cwd=ROOT,
        env=os.environ | _environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        end = threading.Timer(PATIENCE_SECONDS, process.kill)
        end.start()
        try:
            yield process
        finally:
            end.cancel()
            process.kill()


def _environment(folder: Path) -> dict[str, str]:
    plain = settings_in(folder).model_dump(include={"published", "state", "draw_key", "keys"})
    named = {f"LANES_{name.upper()}": str(value) for name, value in plain.items()}
    return named | {"LANES_API_KEY": KEY}
