"""An auditor verifies the log of a service with one command, while it runs and afterwards."""

from pathlib import Path

import pytest

from serving.log.decision_log import DecisionLog
from serving.log.signing_key import read_or_create_signing_key
from tests.builders import an_inspection, an_item
from tests.command_line import lanes
from tests.services import a_service, lodged


@pytest.fixture
def state(tmp_path: Path, bundle: Path) -> Path:
    """The state folder that a service left after three declarations and an inspection."""
    with a_service(tmp_path, bundle=bundle) as client:
        for number in (1, 2, 3):
            items = (an_item(customs_value=1_000.0 * number),)
            client.post("/v1/lanes", json=lodged(declaration_id=f"D-{number}", items=items))
        found = an_inspection(declaration_id="D-2").model_dump(mode="json", exclude_unset=True)
        client.post("/v1/inspections", json=found)
    return tmp_path / "state"


def every_file(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_stopped_service_leaves_a_log_that_is_vouched_for_to_its_end(
    tmp_path: Path, state: Path
) -> None:
    before = every_file(tmp_path)
    ended = lanes(tmp_path, "verify")
    assert ended.exit_code == 0, ended.stderr
    assert ended.stdout.startswith("whole: 4 records (3 decisions, 1 inspections)")
    assert "4 of them vouched for by 2 checkpoints" in ended.stdout
    assert ended.stdout.count("\n") == 1
    assert every_file(tmp_path) == before


def test_a_stopped_service_leaves_its_log_in_one_file(state: Path) -> None:
    left = {file.name for file in state.iterdir()}
    assert left == {"decisions.sqlite", "signing.key", "signing.pub"}


def test_a_log_can_be_verified_while_the_service_runs(tmp_path: Path) -> None:
    with a_service(tmp_path) as client:
        client.post("/v1/lanes", json=lodged())
        ended = lanes(tmp_path, "verify")
        assert "\nlanes_checkpoint_records 0.0\n" in client.get("/metrics").text
    assert ended.exit_code == 0, ended.stderr
    assert "0 of them vouched for by 1 checkpoints" in ended.stdout
    assert "1 newer ones are chained only" in ended.stdout


def test_an_altered_log_is_told_in_one_line(tmp_path: Path, state: Path) -> None:
    file = state / "decisions.sqlite"
    content = file.read_bytes()
    assert content.count(b'"customs_value":2000.0') == 1
    file.write_bytes(content.replace(b'"customs_value":2000.0', b'"customs_value":2009.0'))
    ended = lanes(tmp_path, "verify")
    assert ended.exit_code == 42
    told = "error: not whole: record 2 (decision on 'D-2' version 1) was altered. Keep log"
    assert ended.stderr.startswith(told)
    assert ended.stderr.count("\n") == 1


def test_files_can_be_given_by_name(tmp_path: Path, state: Path) -> None:
    for file in (state / "decisions.sqlite", state / "signing.pub"):
        file.rename(tmp_path / file.name)
    anchor = (tmp_path / "state-anchor.ndjson").rename(tmp_path / "anchor")
    log, key = tmp_path / "decisions.sqlite", tmp_path / "signing.pub"
    given = ["--log", str(log), "--anchor", str(anchor), "--public-key", str(key)]
    assert lanes(tmp_path, "verify", *given).exit_code == 0


def test_after_a_change_of_the_key_both_public_keys_are_given(tmp_path: Path, state: Path) -> None:
    for name in ("signing.key", "signing.pub"):
        (state / name).rename(tmp_path / name)
    with a_service(tmp_path) as client:
        client.post("/v1/lanes", json=lodged(declaration_id="D-4"))

    old, new = str(tmp_path / "signing.pub"), str(state / "signing.pub")
    both = lanes(tmp_path, "verify", "--public-key", old, "--public-key", new)
    assert both.exit_code == 0, both.stderr
    assert "5 of them vouched for by 4 checkpoints" in both.stdout
    assert "line 1 of the anchor was not signed" in lanes(tmp_path, "verify").stderr


def test_a_key_of_somebody_else_proves_nothing(tmp_path: Path, state: Path) -> None:
    read_or_create_signing_key(tmp_path / "other.key")
    ended = lanes(tmp_path, "verify", "--public-key", str(tmp_path / "other.pub"))
    assert ended.exit_code == 42
    assert "no checkpoint signed by the given key" in ended.stderr


@pytest.mark.parametrize(
    ("gone", "code", "said"),
    [
        ("state/decisions.sqlite", 40, "There is no decision log"),
        ("state/signing.pub", 21, "--public-key"),
        ("state-anchor.ndjson", 42, "--anchor"),
    ],
)
def test_what_is_missing_is_named(
    tmp_path: Path, state: Path, gone: str, code: int, said: str
) -> None:
    (tmp_path / gone).unlink()
    ended = lanes(tmp_path, "verify")
    assert ended.exit_code == code
    assert said in ended.stderr


def test_a_log_that_was_lost_is_still_named_by_the_anchor(tmp_path: Path, state: Path) -> None:
    (state / "decisions.sqlite").unlink()
    DecisionLog(state / "decisions.sqlite").close()  # another one, under an id of its own
    with a_service(tmp_path):
        pass
    ended = lanes(tmp_path, "verify")
    assert ended.exit_code == 0
    assert "; the anchor also names 1 other log" in ended.stdout
