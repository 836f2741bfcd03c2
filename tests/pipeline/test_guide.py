"""What the guide shows of use from Python runs, one block after the other, and says what is so."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.bundle import load
from pipelines.evaluate import EvaluateParams, evaluate
from pipelines.label import ItemOutcome
from pipelines.stage.files import without_nan, write_json
from selectivity.features.matrix import FEATURE_NAMES
from selectivity.features.remembered import DEVIATIONS, OF_PROFILES
from selectivity.histories.aggregates import DECAY, PROFILES
from tests.pasts import QUICK, a_past, stored

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "pipelines/README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", GUIDE, re.M | re.S)


@pytest.fixture(scope="module")
def space(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The names that all blocks leave behind, run in a project that has gone through its stages."""
    project = tmp_path_factory.mktemp("project")
    past = a_past()
    past = replace(past, outcomes=past.outcomes[past.outcomes["row"] % 3 > 0])  # others: not known
    shutil.copytree(bundle, project / "models/artifacts/bundle")
    shutil.copytree(ROOT / "data/samples", project / "data/samples")
    folders = {
        "features": "features",
        "items": "interim/prepared",
        "periods": "interim/prepared",
        "outcomes": "interim/labelled",
    }
    for name, file in stored(past, project).items():
        (project / "data" / folders[name]).mkdir(parents=True, exist_ok=True)
        file.rename(project / "data" / folders[name] / file.name)
    metrics, decided, _ = evaluate(load(bundle), past, QUICK, EvaluateParams(resamples=200))
    write_json(project / "data/reports/evaluation/metrics.json", without_nan(metrics))
    names: dict[str, Any] = {"decided": decided}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.setenv("MPLBACKEND", "agg")
        for block in BLOCKS:
            exec(compile(block, "pipelines/README.md", "exec"), names)
    return names


def test_a_figure_of_the_report_comes_out_the_same_in_python(space: Any) -> None:
    assert len(BLOCKS) == 4
    figures, reported = space["figures"], space["reported"]
    assert {name: figures[name] for name in reported} == reported


def test_tables_of_the_guide_hold_what_it_says(space: Any) -> None:
    assert tuple(space["features"].columns) == FEATURE_NAMES
    assert space["meaning"][0].tolist() == list(FEATURE_NAMES)
    assert len(space["items"]) == len(space["features"]) == len(space["past"].matrix)
    assert space["curve"].predicted.is_monotonic_increasing
    samples = (ROOT / "data/samples/declarations.ndjson").read_text("utf-8").splitlines()
    assert len(space["lanes"]) == len(samples)


def test_the_data_dictionary_describes_the_columns_of_decisions_and_outcomes(space: Any) -> None:
    assert _described("Decisions") == list(space["decided"].columns)
    assert _described("Outcomes") == list(ItemOutcome._fields)


def _described(heading: str) -> list[str]:
    """The columns that a table of the data dictionary names, in its order."""
    dictionary = (ROOT / "data/README.md").read_text(encoding="utf-8")
    section = dictionary.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`(\w+)`", row)]


def test_the_idea_of_the_guide_is_judged_with_an_interval(space: Any) -> None:
    gain = space["gain"]
    assert gain.low <= gain.value <= gain.high
    assert space["idea"].shape == (len(space["past"].matrix),)


def test_every_feature_of_a_history_has_a_name_that_the_guide_explains() -> None:
    explained = GUIDE.partition("Names of what was known before")[2].partition("\n\n")[0]
    words = re.findall(r"`(\w+)`", explained)
    kinds = "|".join(sorted(set(words) - {"trader", "hs4", "origin_hs4", "decayed"}))
    keys = "|".join(sorted((profile.name for profile in PROFILES), key=len, reverse=True))
    names = [feature.name for feature in (*OF_PROFILES, *DEVIATIONS)]
    whole = rf"(?:{keys})_(?:{kinds})(?:(?:_decayed)?_\d+)?"
    assert [name for name in names if not re.fullmatch(whole, name)] == []
    assert DECAY == {1: 2, 2: 1, 3: 1}  # four times, twice, once
