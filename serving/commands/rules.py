"""The commands `lanes rules`: check, test, backtest. They change nothing."""

from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from models.rules_files import read_rules, rows_of
from selectivity.errors import RulesError
from selectivity.rules.rule_set import RuleSet
from serving.commands.asking import settings_of

commands = typer.Typer(
    help="Check rules, and try them on past declarations.",
    epilog="Example: lanes rules check data/reference/rules/*.yaml",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Files = Annotated[list[Path], typer.Argument(help="Rule files, all of them together.")]
Log = Annotated[
    str | None,
    typer.Option("--on", help="File or database of the decision log; the service's if unset."),
]


@commands.command(epilog="Example: lanes rules check data/reference/rules/*.yaml")
def check(files: Files) -> None:
    """Read the rules as the service does.

    Says what they are, or what is wrong first.
    """
    rules = read_rules(files)
    layers = Counter(str(rule.layer) for rule in rules.rules)
    by_layer = ", ".join(f"{number} {layer}" for layer, number in layers.items())
    typer.echo(f"{len(rules.rules)} rules of version {rules.version}: {by_layer}")
    if len(files) > 1:
        order = ", ".join(file.name for file in files)
        typer.echo(
            f"The version is that of this order: {order}. A bundle has the order of params.yaml."
        )


@commands.command(epilog="Example: lanes rules test data/reference/rules/vietnam.yaml")
def test(files: Files) -> None:
    """Run the cases of every rule, one by one, and say which fail."""
    failed = 0
    for file, row in rows_of(files):
        name = row.get("id", "without id") if isinstance(row, dict) else "?"
        try:
            (rule,) = RuleSet.build([(file, row)]).rules
            typer.echo(f"{name}  {len(rule.cases)} cases hold")
        except RulesError as error:
            failed += 1
            typer.echo(f"{name}  {error}", err=True)
    if failed:
        raise typer.Exit(RulesError.exit_code)
    read_rules(files)  # each may hold, and two have the same id


@commands.command(
    epilog="Example: lanes rules backtest data/reference/rules/*.yaml --on state/decisions.sqlite"
)
def backtest(context: typer.Context, files: Files, on: Log = None) -> None:
    """Say which lanes of the decision log would have moved.

    And whose, had these rules held.
    """
    from serving.commands.rule_backtest import backtest as try_on
    from serving.log.reader import LogReader
    from serving.stores import store_asked

    settings = settings_of(context)
    with closing(LogReader(store_asked(on, settings))) as log:
        trial = try_on(read_rules(files), log, settings)
    for line in trial.lines():
        typer.echo(line)
