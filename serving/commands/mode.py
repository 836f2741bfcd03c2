"""The commands `lanes mode`: show, set, approve, on a running service; released, on its log."""

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from typing import Annotated, Any

import typer

from selectivity.deciding.modes import Mode
from selectivity.errors import ParamsError
from selectivity.mode_orders import MOST_HOURS
from serving.audit.released import HEAD, line, released
from serving.commands.asking import LanguageOption, Url, settings_of, target_of
from serving.commands.client import mode_answer
from serving.commands.moments import moment, spoken
from serving.log.reader import LogReader
from serving.stores import store_asked

commands = typer.Typer(
    help="Show or order what the service decides by itself.",
    epilog="Example: lanes mode set NO_GREEN --hours 4 --reason 'contraband in green'",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def _mode(given: str) -> Mode:
    try:
        return Mode(given.upper())
    except ValueError as error:
        raise typer.BadParameter(f"{given!r:.40} is none of {', '.join(Mode)}.") from error


@commands.command(epilog="Example: lanes mode show")
def show(context: typer.Context, url: Url = None, language: LanguageOption = None) -> None:
    """Show the mode in force and what waits for approval.

    With who ordered it, and until when.
    """
    _tell(mode_answer(target_of(settings_of(context), url, language)))


@commands.command("set", epilog="Example: lanes mode set NO_GREEN --hours 4 --reason 'smuggling'")
def order(
    context: typer.Context,
    mode: Annotated[Mode, typer.Argument(help=f"One of {', '.join(Mode)}.", parser=_mode)],
    reason: Annotated[str, typer.Option(help="Why; kept for ever.")],
    hours: Annotated[
        float | None, typer.Option(help=f"How long, at most {MOST_HOURS:g}; not with NORMAL.")
    ] = None,
    url: Url = None,
    language: LanguageOption = None,
) -> None:
    """Tighten at once, or ask to relax.

    To relax waits for a second person.
    """
    _check_hours(mode, hours)
    wanted = {"mode": mode.value, "hours": hours, "reason": reason}
    _tell(mode_answer(target_of(settings_of(context), url, language), order=wanted))


@commands.command(epilog="Example: lanes mode approve 5f0c2a91b3d44e07a6c1d2e3")
def approve(
    context: typer.Context,
    order_id: Annotated[str, typer.Argument(help="Id of the order, see `lanes mode show`.")],
    url: Url = None,
    language: LanguageOption = None,
) -> None:
    """Put in force what somebody else ordered."""
    to = target_of(settings_of(context), url, language)
    _tell(mode_answer(to, path=f"/{order_id}/approve"))


@commands.command("released", epilog="Example: lanes mode released --since 2026-03-02")
def list_released(
    context: typer.Context,
    since: Annotated[datetime, typer.Option(help="Day, or day and time, in UTC.", parser=moment)],
    log: Annotated[
        str | None, typer.Option(help="Log, a file or an address; that of the settings if unset.")
    ] = None,
) -> None:
    """List what became GREEN without the model in force.

    Changes nothing.
    """
    with closing(LogReader(store_asked(log, settings_of(context)))) as reader:
        typer.echo(HEAD)
        listed = 0
        for record in released(reader, since):
            typer.echo(line(record))
            listed += 1
    if not listed:
        typer.echo(f"Nothing was released so since {since:%Y-%m-%d %H:%M}.", err=True)


def _check_hours(mode: Mode, hours: float | None) -> None:
    if mode is Mode.NORMAL and hours is not None:
        raise ParamsError("NORMAL has no end. Leave --hours out.")
    if mode is not Mode.NORMAL and hours is None:
        raise ParamsError(f"{mode} has to end. Add --hours 4 (at most {MOST_HOURS:g}).")


def _tell(answer: Mapping[str, Any]) -> None:
    end = f" until {spoken(answer['until'])}" if answer["until"] else ""
    typer.echo(f"mode {answer['mode']}{', whose order is over' if answer['overdue'] else end}")
    if answer["ordered_by"]:
        second = f", approved by {answer['approved_by']}" if answer["approved_by"] else ""
        since = f"since {spoken(answer['since'])}"
        typer.echo(f"{since}, ordered by {answer['ordered_by']}{second}: {answer['reason']}")
    if answer["only_here"]:
        typer.echo(
            "This service alone knows of it until the log is back: order it at each other service "
            "that decides meanwhile."
        )
    waiting = answer["waiting"]
    if waiting:
        typer.echo(
            f"{waiting['mode']} was ordered by {waiting['ordered_by']} ({waiting['reason']}) and "
            f"waits for another person: lanes mode approve {waiting['order_id']}"
        )
