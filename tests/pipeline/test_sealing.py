"""The stage `bundle`: everything that decides in one folder, sealed, or no folder at all."""

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from models.bundle import load
from models.trees import DUTY, FINDING, NO_AMOUNTS, TREES, Trees
from pipelines.bundle import main
from selectivity.errors import BundleError, SelectivityError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def made(bundle: Path, tmp_path: Path) -> Path:
    """What earlier stages left, all in one folder."""
    place = Path(shutil.copytree(bundle, tmp_path / "made"))
    (place / "periods.json").write_text("{}")
    (place / "ingest.json").write_text(json.dumps({"source": "tests"}))
    return place


def test_a_bundle_is_loaded_before_it_takes_its_place(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "out/bundle"
    _seal(made, out)
    (made / "stray").touch()
    _seal(made, out)

    assert load(out).manifest.trained_on["ingested"] == {"source": "tests"}
    assert [path.name for path in out.parent.iterdir()] == ["bundle"]


@pytest.mark.parametrize(
    ("name", "left", "problem"),
    [
        ("profiles.npz", "half of it", r"does not fit this software: .*pickle"),
        ("prices.json", '{"yellow": "much"}', r"does not fit this software: yellow: Input"),
        ("prices.json", '{"yellow', r"made/prices\.json cannot be used: Unterminated string"),
    ],
)
def test_a_bundle_that_cannot_be_read_is_not_left_behind(
    made: Path, tmp_path: Path, name: str, left: str, problem: str
) -> None:
    (made / name).write_text(left)

    with pytest.raises(SelectivityError, match=problem) as told:
        _seal(made, tmp_path / "out/bundle")
    assert "\n" not in str(told.value)
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("name", TREES)
@pytest.mark.parametrize("damage", ["half", "all but the end", "all", "a line"])
def test_damaged_trees_are_refused_and_do_not_end_the_process(
    made: Path, tmp_path: Path, name: str, damage: str
) -> None:
    text = (made / name).read_text()
    without_a_line = text.replace("num_leaves=", "\nnum_leaves=", 2).replace("\nTree=1\n", "\n")
    left = {
        "half": text[: len(text) // 2],
        "all but the end": text[: text.index("end of trees")],
        "all": "",
        "a line": without_a_line,
    }
    (made / name).write_text(left[damage])

    with pytest.raises(BundleError, match=rf"{name} is (cut or altered|empty)\. Train them again"):
        _seal(made, tmp_path / "bundle")


def test_a_source_without_amounts_is_told_from_a_file_that_was_emptied(
    made: Path, tmp_path: Path
) -> None:
    (made / DUTY).write_text(NO_AMOUNTS)
    _seal(made, tmp_path / "bundle")

    trees = load(tmp_path / "bundle").model.trees
    assert trees.duty is None
    assert trees.texts()[DUTY] == NO_AMOUNTS

    (made / DUTY).write_text("")  # as sealed before there were words for it
    assert Trees.load(made).duty is None


def test_a_full_disk_is_told_with_the_file_that_did_not_fit(made: Path, tmp_path: Path) -> None:
    size = (made / FINDING).stat().st_size
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.bundle", *_options(made, tmp_path / "out/bundle")],
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"error: {tmp_path}/out/.bundle.part/{FINDING} cannot be" in done.stderr
    assert "File too large" in done.stderr
    assert not list((tmp_path / "out").iterdir())


def _seal(made: Path, out: Path) -> None:
    given = dict(zip(*[iter(_options(made, out))] * 2, strict=True))
    main(**{name.removeprefix("--"): Path(path) for name, path in given.items()})


def _options(made: Path, out: Path) -> list[str]:
    places = {
        "params": ROOT / "params.yaml",
        **dict.fromkeys(["trees", "calibrated", "scorecard", "features"], made),
        "periods": made / "periods.json",
        "ingested": made / "ingest.json",
        "out": out,
    }
    return [part for name, path in places.items() for part in (f"--{name}", str(path))]
