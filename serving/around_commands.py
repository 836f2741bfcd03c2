"""What every command has around it: errors in one plain line, and the settings under `--help`."""

from typing import Any

import typer
from typer.core import TyperGroup

from selectivity.errors import SelectivityError
from serving.settings import PREFIX, Settings


class PlainErrors(TyperGroup):
    """Says what went wrong in one line and ends with the error's own exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except SelectivityError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(error.exit_code) from error


def variables() -> str:
    """Every setting with its variable, one a line."""
    lines = [
        f"{PREFIX + name.upper():24} {field.description or name.replace('_', ' ')} "
        f"(default {'none' if field.default is None else field.default})"
        for name, field in Settings.model_fields.items()
    ]
    return "\b\nSettings are environment variables:\n" + "\n".join(lines)
