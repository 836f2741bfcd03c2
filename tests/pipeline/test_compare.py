"""Of two experiments one is better only where chance does not explain it."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines import compare
from pipelines.compare import WORKSPACE, compared, decisions_of, verdict
from pipelines.stage.tables import KEY
from selectivity.errors import NotEnoughDataError, ParamsError
from selectivity.metrics import Interval

COUNT = 2_000


def decisions(sharpness: float, *, seed: int = 1, first: int = 0) -> pd.DataFrame:
    """One in five with a finding; the sharper, the higher their risk. The riskiest are in red."""
    found = np.random.default_rng(7).random(COUNT) < 0.2
    noise = np.random.default_rng(seed).normal(size=COUNT)
    risk = 1 / (1 + np.exp(-(sharpness * found + noise)))
    order = np.argsort(np.argsort(-risk))
    return pd.DataFrame(
        {
            "declaration_id": [f"D-{first + each}" for each in range(COUNT)],
            "version_no": 1,
            "lane": np.select([order < 100, order < 500], ["RED", "YELLOW"], "GREEN"),
            "risk": risk,
            "inspected": np.arange(COUNT) % 4 > 0,
            "found": found,
        }
    )


def verdicts(one: pd.DataFrame, other: pd.DataFrame) -> dict[str, str]:
    table = compared(one, other, 100)
    return dict(zip(table["figure"], table["verdict"], strict=True))


def test_what_is_sharper_is_better_and_the_other_way_round_worse() -> None:
    blunt, sharp = decisions(0.5), decisions(2.0)
    assert set(verdicts(blunt, sharp).values()) == {"better"}
    assert set(verdicts(sharp, blunt).values()) == {"worse"}


def test_a_gain_is_above_zero_where_the_other_is_better_also_where_less_is() -> None:
    table = compared(decisions(0.5), decisions(2.0), 100).set_index("figure")
    green = table.loc["findings in green"]
    assert green["other"] < green["one"]
    assert green["gain"] == green["one"] - green["other"]
    assert (table["low"] > 0).all()


def test_where_nothing_differs_one_cannot_tell() -> None:
    assert set(verdicts(decisions(1), decisions(1, seed=2)).values()) == {"cannot tell"}
    table = compared(decisions(1), decisions(1), 100)
    assert (table[["gain", "low", "high"]] == 0).all(axis=None)


def test_only_inspected_declarations_of_both_count() -> None:
    one, other = decisions(1), decisions(2)
    other.loc[~other["inspected"], "risk"] = 0.0
    other = other.sample(frac=1, random_state=0)
    shared = compared(one, other, 50)
    alone = compared(one[one["inspected"]], other[other["inspected"]], 50)
    pd.testing.assert_frame_equal(shared, alone)
    more = pd.concat([other, decisions(2, first=COUNT)])
    pd.testing.assert_frame_equal(compared(one, more, 50), shared)


def test_without_common_declarations_it_says_what_to_do() -> None:
    with pytest.raises(NotEnoughDataError, match="judged by the same days"):
        compared(decisions(1), decisions(1, first=COUNT), 50)


@pytest.mark.parametrize(
    ("gain", "told"),
    [
        (Interval(0.1, 0.01, 0.2), "better"),
        (Interval(-0.1, -0.2, -0.01), "worse"),
        (Interval(0.1, -0.01, 0.2), "cannot tell"),
        (Interval(0.0, 0.0, 0.0), "cannot tell"),
        (Interval(0.1, float("nan"), float("nan")), "cannot tell"),
    ],
)
def test_a_verdict_needs_an_interval_on_one_side_of_zero(gain: Interval, told: str) -> None:
    assert verdict(gain) == told


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose commit and workspace decided otherwise."""
    monkeypatch.chdir(tmp_path)
    _write(tmp_path, decisions(0.5))
    git = shutil.which("git") or "git"
    for command in (
        [git, "init", "-q"],
        [sys.executable, "-m", "dvc", "init", "-q"],
        [sys.executable, "-m", "dvc", "add", "-q", compare.DECISIONS],
        [git, "add", "."],
        [git, "-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-qm", "first"],
    ):
        subprocess.run(command, check=True)
    _write(tmp_path, decisions(2.0))
    return tmp_path


def _write(folder: Path, table: pd.DataFrame) -> None:
    file = folder / compare.DECISIONS
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    table.to_parquet(file)


def test_the_command_compares_the_workspace_with_a_revision(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    _write(project, pd.concat([decisions(2.0), decisions(2.0, first=COUNT)]))
    compare.main("HEAD", WORKSPACE, resamples=50)
    said = capsys.readouterr()
    assert "AUROC" in said.out
    assert said.out.count("better") == 7
    assert "2,000 declarations were judged by both, of 2,000 of HEAD and 4,000 of workspace" in (
        said.err
    )


def test_a_revision_that_is_not_there_is_told_by_name(project: Path) -> None:
    assert len(decisions_of(WORKSPACE)[KEY]) == COUNT
    with pytest.raises(ParamsError, match=r"no-such-name: .*dvc exp list"):
        decisions_of("no-such-name")
