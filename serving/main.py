"""The command line `lanes`: serve, score, export, verify, replay, check, demo, keys and more.

The one module that reads the environment. Modules that bring the model along are imported where
they are used, because that takes seconds.
"""

import json
import os
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from serving.audit.export import export as export_log
from serving.commands import files, keys, mode, proofs, rules, table
from serving.commands.around import PlainErrors, Version, codes, variables
from serving.commands.asking import LanguageOption, Url, target_of
from serving.commands.client import follow_notices
from serving.commands.first_key import make_first_key
from serving.commands.proofs import LogPlace
from serving.environment import PREFIX, settings_from
from serving.json_logging import log_json_lines, tell_in_full
from serving.log.reader import LogReader
from serving.settings import Settings
from serving.storage.migrations import VERSION
from serving.storage.store import AwayError
from serving.stores import primary_of, store_asked


def _settings(port: int | None = None) -> Settings:
    environment = dict(os.environ)
    if port is not None:
        environment[PREFIX + "PORT"] = str(port)
    return settings_from(environment)


app = typer.Typer(
    cls=PlainErrors,
    epilog=f"{codes()}\n\n{variables()}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"obj": _settings},  # for the commands of other modules
)
app.add_typer(keys.commands, name="keys")
app.add_typer(rules.commands, name="rules")
app.add_typer(mode.commands, name="mode")

Port = Annotated[int | None, typer.Option(help="Port to listen on, instead of LANES_PORT.")]
FreePort = Annotated[
    int | None, typer.Option(help="Port; without it that of LANES_PORT, and a free one if unset.")
]


@app.callback()
def around(version: Version = False) -> None:
    """Puts customs declarations in lanes."""
    tell_in_full()


@app.command(epilog="Example: LANES_STATE=/srv/lanes lanes serve --port 8080 --wait 600")
def serve(
    port: Port = None,
    wait: Annotated[
        float,
        typer.Option(
            min=0,
            max=86_400,
            help="Seconds to wait for a database that does not answer, where there is no copy of "
            "what was answered to start from at once, as at a first start. Without it such a "
            "start is refused.",
        ),
    ] = 0,
) -> None:
    """Serve lanes over HTTP on this machine until stopped."""
    from serving.start import serve as serve_until_stopped

    settings = _settings(port)
    critical = log_json_lines()
    opening = partial(_tell_first_key, settings)
    try:
        serve_until_stopped(
            settings,
            wait_seconds=wait,
            opening=opening,
            newest_critical=lambda: critical.seconds,
        )
    except AwayError as error:
        waited = f" It was waited for {wait:g} s." if wait else ""
        raise AwayError(f"{error}{waited}") from error.__cause__


app.command(epilog="Example: lanes score data/samples/declarations.ndjson --language en")(
    files.score
)
app.command(epilog="Example: lanes report-inspections data/samples/inspections.ndjson")(
    files.report_inspections
)


@app.command(epilog="Example: lanes notices 02CI --follow --language en")
def notices(
    office: Annotated[str, typer.Argument(help="Code of the office.")],
    url: Url = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until Ctrl-C.")] = False,
    language: LanguageOption = None,
) -> None:
    """Print what is new for an office, and acknowledge it."""
    to = target_of(_settings(), url, language)
    printed = 0

    def say_it_waits() -> None:
        typer.echo(f"waiting for notices of {office} (Ctrl-C ends it)", err=True)

    for notice in follow_notices(office, to, follow=follow, waits=say_it_waits):
        typer.echo(table.notice_row(notice))
        printed += 1
    if not printed:
        typer.echo(f"There is nothing new for office {office}.", err=True)


@app.command(epilog="Example: lanes export --to data/raw/feedback")
def export(
    to: Annotated[Path, typer.Option(help="Folder for the files; those there are replaced.")],
) -> None:
    """Write what the log holds as files that training reads."""
    with closing(LogReader(primary_of(_settings()))) as log:
        done = export_log(log, to)
    typer.echo(
        f"{done.declarations} declarations and {done.inspections} inspections "
        f"({done.parked} parked) written to {to}"
    )


app.command(epilog="Example: lanes verify --public-key /srv/audit/signing.pub")(proofs.verify)
app.command(epilog="Example: lanes replay --log /srv/audit/decisions.sqlite --since 2026-03-02")(
    proofs.replay
)


@app.command(epilog="Example: lanes backup --to /srv/backup/2026-03-02")
def backup(to: Annotated[Path, typer.Option(help="Folder to be made.")]) -> None:
    """Copy log, anchor and keys while the service goes on.

    Ends with a proof that the copy is whole. Of a log in a database, all but the log.
    """
    from serving.audit.backup import back_up

    settings = _settings()
    typer.echo(back_up(settings, to).line)
    typer.echo(f"{to} holds {', '.join(sorted(file.name for file in to.iterdir()))}")
    if settings.database is not None:
        typer.echo(f"and not the log itself: dump the {primary_of(settings).name} now, after it")


@app.command(epilog="Example: lanes explain 10600000000123 --language en")
def explain(
    declaration_id: Annotated[str, typer.Argument(help="Id of a declaration in the log.")],
    version_no: Annotated[
        int | None, typer.Option(min=1, max=9_999, help="Newest if left out.")
    ] = None,
    log: LogPlace = None,
    language: LanguageOption = None,
) -> None:
    """Say what weighed in the model's score of a decision.

    As the decision saw it; changes nothing.
    """
    from serving.commands.explanation_table import explanation_lines

    settings = _settings()
    with closing(LogReader(store_asked(log, settings))) as reader:
        language = language or settings.language
        for line in explanation_lines(reader, settings, declaration_id, version_no, language):
            typer.echo(line)


@app.command(epilog="Example: lanes check")
def check() -> None:
    """Verify bundle, rules, log and keys before a start.

    Says what would be served.
    """
    from serving.commands.check import check as look_at

    failed = 0
    for found in look_at(_settings()):
        typer.echo(f"{found.what:12} {found.state}")
        if found.error is not None:
            typer.echo(f"{'':12} {found.error}", err=True)
            failed = failed or found.error.exit_code
    raise typer.Exit(failed)


@app.command(epilog="Example: lanes conflicts > conflicts.ndjson")
def conflicts() -> None:
    """Print what spools brought that the log had otherwise.

    One JSON object per line.
    """
    with closing(LogReader(primary_of(_settings()))) as log:
        found = log.conflicts()
    for conflict in found:
        typer.echo(json.dumps(conflict._asdict()))
    if not found:
        typer.echo("There are no conflicts.", err=True)


@app.command(epilog="Example: LANES_DATABASE=postgresql://owner@db/lanes lanes migrate")
def migrate() -> None:
    """Make the tables of the decision log, or update them."""
    store = primary_of(_settings())
    store.open_to_write().close()
    store.let_go()
    typer.echo(f"The decision log in {store.name} is of version {VERSION}.")


@app.command(epilog="Example: lanes demo --once --language en")
def demo(
    port: FreePort = None,
    once: Annotated[bool, typer.Option("--once", help="Stop after the samples.")] = False,
    samples: Annotated[Path, typer.Option(help="Folder of the samples.")] = Path("data/samples"),
    language: LanguageOption = None,
) -> None:
    """Start the service, send it samples, print their lanes."""
    from serving.commands.demo import ended_by_a_signal, keep_running, show, where_to_look
    from serving.start import running

    settings = _settings(port)
    if "port" not in settings.model_fields_set:
        settings = settings.model_copy(update={"port": 0})  # beside a service that runs already
    with ended_by_a_signal(), running(settings) as url:
        _tell_first_key(settings)
        typer.echo(f"service   {url}\n")
        show(samples, target_of(settings, url, language), typer.echo)
        typer.echo(where_to_look(None if once else url, settings))
        if not once:
            keep_running(typer.echo)


def _tell_first_key(settings: Settings) -> None:
    key = make_first_key(settings, now=datetime.now(UTC))
    if key is not None:
        typer.echo(
            f"first key {key}\n          shown once; kept in {settings.demo_key_file} for the "
            "commands on this machine. See `lanes keys`."
        )


if __name__ == "__main__":
    app()
