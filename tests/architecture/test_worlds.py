"""The truth of a simulated world stays with the simulator, and its tables are in the dictionary."""

import re
from pathlib import Path

import pytest
import yaml

from pipelines.simulator.schema import TABLES, TRUTH
from selectivity.columns import HEADER, ITEM
from tests.architecture.tree import ROOT, imported_names, modules

TRUTHFUL_STAGES = {"simulate", "world_report"}
TRUTHFUL = ("pipelines/simulator/", "pipelines/trials/", "pipelines/reporting/world_")
TRUTHFUL_MODULES = {"pipelines/simulate.py", "pipelines/worlds.py", "pipelines/world_report.py"}


def test_no_stage_reads_the_truth_but_the_report_on_the_world_itself() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    told = {name for name, stage in stages.items() if "truth" in yaml.safe_dump(stage)}

    assert told == TRUTHFUL_STAGES


@pytest.mark.parametrize("module", modules(), ids=str)
def test_no_module_knows_the_truth_but_those_that_make_and_judge_worlds(module: Path) -> None:
    name = module.as_posix()
    if name in TRUTHFUL_MODULES or name.startswith(TRUTHFUL):
        return
    knows = {
        imported
        for imported in imported_names(module)
        if imported.startswith(("pipelines.simulator", "pipelines.trials", "pipelines.worlds"))
    }
    text = (ROOT / module).read_text(encoding="utf-8")
    paths = re.findall(r"raw/truth|truth/|truth\.parquet|[\"']truth[\"']", text)

    assert not [*knows, *paths], f"{module} reaches for the truth"


@pytest.mark.parametrize("table", [*TABLES, *TRUTH])
def test_the_data_dictionary_names_every_column_of_a_simulated_world(table: str) -> None:
    dictionary = (ROOT / "data/README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_]+)`", dictionary)) | {*HEADER, *ITEM}
    columns = {**TABLES, **TRUTH}[table]
    lanes = {"propensity_green", "propensity_yellow", "propensity_red"}  # "of each lane"

    assert table in named
    assert set(columns) - named - lanes == set()
