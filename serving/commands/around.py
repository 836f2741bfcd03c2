"""What every command has around it: errors in one plain line, and the settings under `--help`."""

import errno
import os
import signal
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from selectivity.errors import (
    AuditError,
    BundleError,
    DecisionLogError,
    ParamsError,
    RulesError,
    SelectivityError,
    ServiceError,
)
from serving.commands.client import NoValidKeyError
from serving.commands.first_key import how_to_send_another
from serving.environment import PREFIX
from serving.settings import Settings

PROJECT = "customs-lane-prediction"
ENDS: Mapping[int, str] = {
    0: "done",
    SelectivityError.exit_code: "some lines were refused, or a file cannot be used",
    2: "the command itself was not given as its --help says",
    ParamsError.exit_code: "a setting, a key or an option cannot be used",
    BundleError.exit_code: "there is no bundle that can be used",
    RulesError.exit_code: "the rules are refused",
    DecisionLogError.exit_code: "the decision log cannot be used or reached",
    AuditError.exit_code: "the log, or what is decided again, is not what was kept",
    ServiceError.exit_code: "no service answers, or it refuses",
}
"""Exit codes of commands, with what they mean. Where several things are wrong, of the first."""


class PlainErrors(TyperGroup):
    """Says what went wrong in one line and ends with the error's own exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Options in front of the command are few; the others are said to stand behind it."""
        known = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        given = args[0].partition("=")[0] if args else ""
        if given.startswith("-") and given not in known:
            typer.echo(
                f"error: {given} stands in front of the command. Options go behind it, as in "
                "`lanes score FILE --language en`; `lanes --help` lists the commands.",
                err=True,
            )
            raise typer.Exit(2)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            raise
        except OSError as error:
            if error.errno == errno.EPIPE:
                _end_as_nobody_reads_on()
            what = error.filename or "What this command says"
            typer.echo(
                f"error: {what} cannot be read or written ({error.strerror}). Make room, or give "
                "another place.",
                err=True,
            )
            raise typer.Exit(SelectivityError.exit_code) from error
        except SelectivityError as error:
            remedy = how_to_send_another(ctx.obj()) if isinstance(error, NoValidKeyError) else ""
            typer.echo(f"error: {error} {remedy}".rstrip(), err=True)
            raise typer.Exit(error.exit_code) from error


def _end_as_nobody_reads_on() -> None:
    """As every tool whose output goes to `head`: without a word, and with a code that no failure
    has. All is closed by now. From the beginning on the signal would end us where a service hangs
    up as well."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)


def _tell_version(asked: bool) -> None:
    if not asked:
        return
    try:
        typer.echo(f"lanes {version(PROJECT)}")
    except PackageNotFoundError:
        typer.echo("lanes, run from its files without being installed")
    raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", is_eager=True, callback=_tell_version, help="Print it and end."),
]


def codes() -> str:
    """With what commands end, one a line."""
    lines = [f"{number:<3} {meaning}" for number, meaning in sorted(ENDS.items())]
    return "\b\nCommands end with:\n" + "\n".join(lines)


def variables() -> str:
    """Every setting with its variable, one a line."""
    lines = [
        f"{PREFIX + name.upper():24} {field.description or name.replace('_', ' ')} "
        f"(default {'none' if field.default is None else field.default})"
        for name, field in Settings.model_fields.items()
    ]
    return "\b\nSettings are environment variables:\n" + "\n".join(lines)
