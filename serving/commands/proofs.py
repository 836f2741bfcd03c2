"""The commands that prove what was decided, on the log alone: verify, replay."""

from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from selectivity.errors import AuditError
from serving.commands.asking import settings_of
from serving.commands.moments import moment
from serving.log.reader import LogReader
from serving.stores import store_asked

LogPlace = Annotated[
    str | None,
    typer.Option(help="File of the log or address of its database; that in use if left out."),
]


def verify(
    context: typer.Context,
    log: LogPlace = None,
    anchor: Annotated[
        Path | None, typer.Option(help="Its checkpoints; LANES_ANCHOR if left out.")
    ] = None,
    public_key: Annotated[
        list[Path] | None,
        typer.Option(help="Key they are signed with, best a copy kept elsewhere; may be repeated."),
    ] = None,
) -> None:
    """Prove that the log is what the service wrote.

    Or say what was done to it; changes nothing.
    """
    from serving.audit.verify import verify as look_at
    from serving.log.signing_key import kept_public, read_public

    settings = settings_of(context)
    own = settings.signing_key_file
    signers = [read_public(file) for file in public_key] if public_key else kept_public(own)
    verdict = look_at(store_asked(log, settings), anchor or settings.anchor_file, signers)
    if verdict.problems:
        raise AuditError(
            f"{verdict.line}. Keep log and anchor as they are for an investigation, and compare "
            "them with the backups."
        )
    typer.echo(verdict.line)


def replay(
    context: typer.Context,
    log: LogPlace = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            help="Leave out what was decided before this day, or day and time, in UTC: by other "
            "software, for one.",
            parser=moment,
        ),
    ] = None,
) -> None:
    """Decide again on the whole log and compare.

    Each decision as on its day, with the bundle, rules, histories and draw key it names; changes
    nothing.
    """
    from serving.audit.replay import replay as decide_again

    settings = settings_of(context)
    with closing(LogReader(store_asked(log, settings))) as reader:
        replayed = decide_again(reader, settings, since=since)
    if not replayed.all_equal:
        raise AuditError(
            f"{replayed.line}. Verify the log first; give what is missing, or find out whether "
            "this software is of another version than the one that decided (see “Publish, upgrade "
            "and go back” in RUNBOOK.md)."
        )
    typer.echo(
        f"{replayed.line}. Not shown: that the log is whole, which `lanes verify` shows, or that a "
        "lane was right."
    )
