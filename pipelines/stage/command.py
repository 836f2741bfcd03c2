"""How every stage is started: options are paths, errors are one plain line and an exit code."""

import os
import sys
from collections.abc import Callable
from errno import EIO
from pathlib import Path
from types import ModuleType
from typing import Any

import typer

from pipelines.stage.files import NO_ROOM
from selectivity.errors import SelectivityError


def command(main: Callable[..., Any]) -> None:
    """Run a stage's `main` with its options from the command line.

    `--help` ends with the examples in the docstring of its module.
    """
    app = typer.Typer(add_completion=False)
    app.command(epilog=examples(sys.modules[main.__module__]))(main)
    typed(app)


def examples(module: ModuleType, subcommand: str = "") -> str:
    """The commands that a module's docstring shows; that of DVC for a stage that shows none.

    With `subcommand` those of this one alone.
    """
    shown = [
        line.strip()
        for line in (module.__doc__ or "").splitlines()
        if line.startswith(("    python -m ", "    lanes "))
        and (not subcommand or f" {subcommand} " in f"{line} ")
    ]
    name = module.__spec__.name if module.__spec__ else module.__name__
    return "Example: " + "\n\n".join(shown or [f"dvc repro {name.rpartition('.')[2]}"])


def typed(app: Callable[[], Any]) -> None:
    """Run a command line; what is wrong with its input is told in one line."""
    try:
        app()
    except SelectivityError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is None and error.errno not in (*NO_ROOM, EIO):
            raise
        where = error.filename or f"what {_started()} writes"
        print(
            f"error: {where} cannot be read or written ({error.strerror}). Correct the path, its "
            "rights, or make room.",
            file=sys.stderr,
        )
        sys.exit(os.EX_IOERR)


def _started() -> str:
    """The stage or command that runs."""
    spec = sys.modules["__main__"].__spec__
    return spec.name if spec else Path(sys.argv[0]).name


def say(line: str) -> None:
    """One line of progress, at once, apart from what the command prints as its result."""
    print(line, file=sys.stderr, flush=True)
