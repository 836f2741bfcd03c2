"""The commands that send a file to a running service, line by line: score, report-inspections."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from serving.commands import table
from serving.commands.asking import LanguageOption, Url, settings_of, target_of
from serving.commands.client import lines_to_send, send_declarations, send_inspections
from serving.commands.sending import TRIED, Kind, Sending
from serving.log.keep import Receipt

MOST_NAMED = 10
"""Declarations without a decision that are named."""


def score(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Declarations, one JSON object per line.")],
    url: Url = None,
    language: LanguageOption = None,
) -> None:
    """Send declarations to a service and print their lanes."""
    to = target_of(settings_of(context), url, language)

    def send(lines: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
        return send_declarations(lines, to)

    lanes: Counter[str] = Counter()
    sending = Sending(lines_to_send(file), send, kind=Kind.DECLARATIONS)
    for answer in sending:
        if not lanes:
            typer.echo(table.head())
        typer.echo(table.row(answer))
        lanes[answer.get("lane", "refused")] += 1
    counted = ", ".join(f"{number} {lane}" for lane, number in sorted(lanes.items()))
    _end(f"\n{counted}" if counted else "none", lanes["refused"], sending.not_sent)


def report_inspections(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Inspections, one JSON object per line.")],
    url: Url = None,
    language: LanguageOption = None,
) -> None:
    """Send what controls found to a running service."""
    to = target_of(settings_of(context), url, language)

    def send(lines: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
        for number, answer in send_inspections(lines, to):
            yield {**answer, "line": number}

    receipts: Counter[str] = Counter()
    undecided: Counter[str] = Counter()
    sending = Sending(lines_to_send(file), send, kind=Kind.INSPECTIONS)
    for answer in sending:
        if "receipt" not in answer:
            problem = table.what_is_wrong(answer)
            typer.echo(f"refused: line {answer['line']}: {problem}", err=True)
        if unknown := answer.get("no_such_items"):
            problem = table.no_such_items(answer["declaration_id"], unknown)
            typer.echo(f"line {answer['line']}: {problem}", err=True)
        if answer.get("before_acceptance"):
            problem = table.before_acceptance(answer["declaration_id"])
            typer.echo(f"line {answer['line']}: {problem}", err=True)
        receipts[answer.get("receipt", "refused")] += 1
        if answer.get("receipt") == Receipt.PARKED:
            undecided[answer["declaration_id"]] += 1
        if receipts.total() % 1_000 == 0:
            typer.echo(f"{receipts.total()} sent", err=True)
    counted = ", ".join(f"{number} {receipt}" for receipt, number in receipts.items())
    _tell_undecided(list(undecided))
    _end(counted or "none", receipts["refused"], sending.not_sent)


def _tell_undecided(declarations: list[str]) -> None:
    if not declarations:
        return
    named = ", ".join(declarations[:MOST_NAMED])
    more = len(declarations) - MOST_NAMED
    named += f" and {more:,} more" if more > 0 else ""
    typer.echo(f"parked until there is a decision on {named}", err=True)


def _end(counted: str, refused: int, not_sent: int) -> None:
    """Say what became of the lines, and end with 1 unless all were taken."""
    typer.echo(f"{counted}, {not_sent} not sent" if not_sent else counted)
    if not_sent:
        typer.echo(
            f"The first {TRIED} lines were refused alike, so the {not_sent:,} behind them were not "
            "sent. Correct the file, and send it again.",
            err=True,
        )
    raise typer.Exit(1 if refused else 0)
