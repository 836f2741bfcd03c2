"""The commands `lanes keys`: create, list, revoke, rotate.

A new key alone goes to standard output, so that a script can keep it; what is said about it goes to
standard error.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from serving.callers import key_changes
from serving.callers.api_keys import ApiKey, Role
from serving.callers.key_file import read_keys
from serving.commands.asking import settings_of

commands = typer.Typer(
    help="Make, list, revoke and rotate the keys of callers.",
    epilog="Example: lanes keys create centre --role scorer",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Days = Annotated[int, typer.Option(min=1, max=3_650, help="Days until the key expires.")]
Hours = Annotated[int, typer.Option(min=0, max=720, help="Hours the old key stays valid.")]
Id = Annotated[str, typer.Argument(help="Id of the key, see `lanes keys list`.")]
LINE = "{:10}{:26}{:9}{:18}{:18}{}"


@commands.command(epilog="Example: lanes keys create centre --role scorer --role auditor")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Who will hold the key.")],
    role: Annotated[list[Role], typer.Option(help="What the holder may do; may be repeated.")],
    days: Days = 365,
    office: Annotated[
        str | None, typer.Option(help="The one office whose notices and lanes it is for.")
    ] = None,
) -> None:
    """Make a key and show it, this once."""
    made, key = key_changes.create(
        _file(context), name, role, now=_now(), valid_for=timedelta(days=days), office=office
    )
    _show(made, key)


@commands.command("list", epilog="Example: lanes keys list")
def list_keys(context: typer.Context) -> None:
    """List the keys there are, without the keys themselves."""
    typer.echo(LINE.format("id", "name", "state", "created", "expires", "roles"))
    for key in read_keys(_file(context)):
        created, expires = f"{key.created_at:%Y-%m-%d %H:%M}", f"{key.expires_at:%Y-%m-%d %H:%M}"
        roles = ", ".join(key.roles) + (f" at {key.office}" if key.office else "")
        typer.echo(LINE.format(key.id, key.name, key.state(_now()), created, expires, roles))


@commands.command(epilog="Example: lanes keys revoke 3f9a1c20")
def revoke(context: typer.Context, id_: Id) -> None:
    """Make a key open nothing any more, at once and for ever."""
    revoked = key_changes.revoke(_file(context), id_, now=_now())
    typer.echo(f"key {revoked.id} of {revoked.name} is revoked")


@commands.command(epilog="Example: lanes keys rotate 3f9a1c20 --overlap-hours 48")
def rotate(context: typer.Context, id_: Id, days: Days = 365, overlap_hours: Hours = 24) -> None:
    """Make a new key with the same name and roles.

    The old one ends after the overlap.
    """
    old, made, key = key_changes.rotate(
        _file(context),
        id_,
        now=_now(),
        valid_for=timedelta(days=days),
        overlap=timedelta(hours=overlap_hours),
    )
    _show(made, key)
    typer.echo(f"key {old.id} stays valid until {old.expires_at:%Y-%m-%d %H:%M} UTC", err=True)


def _show(made: ApiKey, key: str) -> None:
    typer.echo(
        f"key {made.id} of {made.name}: {', '.join(made.roles)}; valid until "
        f"{made.expires_at:%Y-%m-%d %H:%M} UTC. Keep it now, it is not shown again:",
        err=True,
    )
    typer.echo(key)


def _file(context: typer.Context) -> Path:
    return settings_of(context).keys_file


def _now() -> datetime:
    return datetime.now(UTC)
