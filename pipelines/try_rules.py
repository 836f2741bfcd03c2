"""Tries other rules on the evaluated declarations: which lanes would move, and whose.

Reads   models/artifacts/bundle/, data/features/features.parquet, data/interim/prepared/…, the rules
Writes  nothing, unless `--out` names a file for the figures

    python -m pipelines.try_rules data/reference/rules/*.yaml

Not a stage: it answers a question that somebody has before a rule holds. Each declaration is taken
for itself, without the lanes of its earlier versions.
"""

from pathlib import Path
from typing import Annotated

import typer

from models.bundle import load
from models.rules_files import read_rules
from pipelines.stage.command import command, say
from pipelines.stage.files import read_as, write_json
from pipelines.stage.options import BundleFolder, FeaturesFile, ItemsFile, PeriodsFile
from pipelines.stage.tables import read_columns
from pipelines.training.periods import Periods
from pipelines.training.rows import read_features
from pipelines.training.settled import EVALUATION_KEY
from selectivity.columns import each_declaration, take
from selectivity.deciding.rule_trial import PastDeclaration, TrialInputs, try_rules

INTERIM = Path("data/interim/prepared")


def main(
    rules: Annotated[list[Path], typer.Argument(help="Rule files, all of them together.")],
    bundle: BundleFolder = Path("models/artifacts/bundle"),
    features: FeaturesFile = Path("data/features/features.parquet"),
    items: ItemsFile = INTERIM / "items.parquet",
    periods: PeriodsFile = INTERIM / "periods.json",
    out: Annotated[Path | None, typer.Option(help="File for the figures, as JSON.")] = None,
) -> None:
    """Say which lanes would move under these rules, beside those of the bundle."""
    asked, loaded, lodged = read_rules(rules), load(bundle), read_columns(items)
    rows = read_as(periods, Periods).rows(lodged, "evaluate")
    evaluated = take(lodged, rows)
    risks = loaded.model.assess(evaluated, read_features(features, len(rows))[rows])
    inputs = TrialInputs(loaded.policy, loaded.prices, EVALUATION_KEY, loaded.model.knowledge.facts)
    pasts = (
        PastDeclaration(*each) for each in zip(each_declaration(evaluated), risks, strict=True)
    )
    trial = try_rules(pasts, loaded.rules, asked, inputs)
    for line in trial.lines():
        say(line)
    if out is not None:
        write_json(out, trial.content())


if __name__ == "__main__":
    command(main)
