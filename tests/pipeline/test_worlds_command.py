"""The command that makes worlds: what it writes, what it refuses, and what to do then."""

import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from pipelines.worlds import app
from selectivity.errors import ParamsError
from tests.bundles import a_bundle
from tests.worlds import SIMULATOR

SMALL = [
    *("--preset", "small", "--set", "weeks=4", "--set", "declarations=800"),
    *("--set", "trade.traders=100", "--set", "fraud.violating_share=0.2"),
    *(
        "--set",
        "fraud.scheme.from_week=2",
        "--set",
        "audit.days=[1, 10]",
        "--set",
        "audit.share=0.1",
    ),
]


def run(*words: str) -> Result:
    """The command line; an error is raised as it is."""
    result = CliRunner().invoke(app, [*words], catch_exceptions=True)
    if isinstance(result.exception, ParamsError):
        raise result.exception
    return result


def place(command: str, folder: Path, *words: str) -> Result:
    return run(command, str(folder), *words, "--reference", str(SIMULATOR))


def make(folder: Path, *words: str) -> Result:
    return run("make", "--out", str(folder), "--reference", str(SIMULATOR), *SMALL, *words)


def content(folder: Path) -> dict[str, bytes]:
    """Every file with its bytes."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("worlds") / "world"
    assert make(folder).exit_code == 0
    return folder


def test_every_command_is_explained_with_an_example_of_its_own() -> None:
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        assert f"Example: python -m pipelines.worlds {name}" in run(name, "--help").stdout
        assert f"python -m pipelines.worlds {name}" in group.epilog
        (words,) = command.epilog.removeprefix("Example: ").splitlines()
        command.make_context(name, shlex.split(words)[4:]).close()  # it can be typed as it stands
    assert "Example: python -m pipelines.worlds presets" in run("--help").stdout


def test_presets_are_listed_with_their_titles() -> None:
    shown = run("presets", "--reference", str(SIMULATOR)).stdout

    assert "small         Small world" in shown


def test_the_same_command_makes_the_same_bytes(made: Path, tmp_path: Path) -> None:
    make(tmp_path / "again")

    assert content(tmp_path / "again") == content(made)


def test_a_number_that_is_set_is_the_one_of_the_world(made: Path) -> None:
    assert "violating_share: 0.2" in (made / "state/world.yaml").read_text()
    assert len((made / "journal-0000.csv").read_text().splitlines()) == 1 + 4


def test_a_folder_that_holds_something_is_left_alone_without_force(
    made: Path, tmp_path: Path
) -> None:
    before = content(made)

    with pytest.raises(ParamsError, match=r"is not empty\. Give another folder, or --force"):
        make(made)

    assert content(made) == before


def test_a_forced_world_replaces_the_one_that_stands_there(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "world"
    shutil.copytree(made, folder)
    place("continue", folder, "--weeks", "1")

    make(folder, "--force")

    tables = {name: b for name, b in content(folder).items() if name.startswith("tables")}
    assert tables == {name: b for name, b in content(made).items() if name.startswith("tables")}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("weeks", "has no `=`. Write e.g."),
        ("week=3", "key week is not known.*did you mean 'weeks'"),
        ("weeks=0", "key weeks: .*greater than 0"),
    ],
)
def test_a_bad_setting_is_refused_and_nothing_is_made(
    setting: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ParamsError, match=message):
        make(tmp_path / "world", "--set", setting)

    assert not (tmp_path / "world").exists()


def test_going_on_in_a_copy_leaves_the_world_as_it_was(made: Path, tmp_path: Path) -> None:
    before = content(made)

    place("continue", made, "--out", str(tmp_path / "copy"), "--weeks", "2")

    after = content(tmp_path / "copy")
    assert content(made) == before
    assert {name: after[name] for name in before if "state" not in name} == {
        name: before[name] for name in before if "state" not in name
    }
    assert "journal-0004.csv" in after


def test_a_copy_never_falls_on_a_folder_that_exists(made: Path, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="lies in the world"):
        place("continue", made, "--out", str(tmp_path))


def test_a_bundle_gives_the_lanes_of_a_world_that_goes_on(made: Path, tmp_path: Path) -> None:
    a_bundle(tmp_path / "bundle")

    words = ("--out", str(tmp_path / "copy"), "--weeks", "1", "--bundle", str(tmp_path / "bundle"))
    place("continue", made, *words)
    place("continue", made, "--out", str(tmp_path / "old"), "--weeks", "1")

    journals = [(tmp_path / one / "journal-0004.csv").read_text() for one in ("copy", "old")]
    assert journals[0] != journals[1]


@pytest.mark.parametrize("command", ["continue", "check", "measure", "report"])
def test_a_folder_without_a_world_is_refused_with_what_to_do(command: str, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"There is no world in .*Make one first"):
        place(command, tmp_path)


def test_a_check_fails_with_the_figure_that_was_missed(tmp_path: Path) -> None:
    make(tmp_path / "off", "--set", "must_hit.red_share=[0.9, 1.0]")

    with pytest.raises(ParamsError, match=r"red_share is 0.* and should be 0.9 to 1"):
        place("check", tmp_path / "off")


def test_a_check_passes_where_all_figures_are_met(tmp_path: Path) -> None:
    make(tmp_path / "fine", "--set", "must_hit.red_share=[0.0, 1.0]")

    checked = place("check", tmp_path / "fine")
    assert checked.exit_code == 0
    assert "wanted: `must_hit` of the preset" in checked.stdout
    assert (
        "\nred_share                     of declarations, those given this lane\n" in checked.stdout
    )


def test_a_report_is_a_page_in_the_world(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "world")

    place("report", tmp_path / "world")

    assert "<html" in (tmp_path / "world/world.html").read_text(encoding="utf-8")
