"""What every command has around it: errors in one plain line, and the settings under `--help`."""

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from selectivity.errors import SelectivityError
from serving.commands.client import NoValidKeyError
from serving.commands.first_key import how_to_send_another
from serving.settings import PREFIX, Settings

PROJECT = "customs-lane-prediction"


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
        except SelectivityError as error:
            remedy = how_to_send_another(ctx.obj()) if isinstance(error, NoValidKeyError) else ""
            typer.echo(f"error: {error} {remedy}".rstrip(), err=True)
            raise typer.Exit(error.exit_code) from error


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


def variables() -> str:
    """Every setting with its variable, one a line."""
    lines = [
        f"{PREFIX + name.upper():24} {field.description or name.replace('_', ' ')} "
        f"(default {'none' if field.default is None else field.default})"
        for name, field in Settings.model_fields.items()
    ]
    return "\b\nSettings are environment variables:\n" + "\n".join(lines)
