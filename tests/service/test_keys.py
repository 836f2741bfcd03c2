"""The commands that make keys, and the key of a first run."""

import http.client
import re
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from serving.callers.api_keys import Role
from serving.callers.key_file import read_keys
from serving.main import app
from serving.start import running
from tests.services import KEY, a_service, let_in, lodged, ndjson, settings_in

A_KEY = re.compile(r"lanes_[0-9a-f]{8}_[0-9a-f]{64}")


def lanes(folder: Path, *arguments: str, **variables: str) -> Result:
    """Run a command on a machine where no key was made yet."""
    plain = settings_in(folder).model_dump(include={"published", "state", "draw_key"})
    environment = {f"LANES_{name.upper()}": str(value) for name, value in plain.items()}
    return CliRunner().invoke(app, arguments, env=environment | variables)


def test_a_new_key_is_shown_once_and_alone_on_standard_output(tmp_path: Path) -> None:
    made = lanes(tmp_path, "keys", "create", "centre", "--role", "scorer", "--role", "auditor")
    listed = lanes(tmp_path, "keys", "list")

    assert made.exit_code == 0, made.stderr
    assert A_KEY.fullmatch(made.stdout.strip())
    assert made.stdout.strip() not in made.stderr + listed.output
    assert re.search(r"centre +valid .* auditor, scorer", listed.stdout)


def test_a_key_is_revoked_and_rotated_by_its_id(tmp_path: Path) -> None:
    key = lanes(tmp_path, "keys", "create", "centre", "--role", "scorer").stdout
    id_ = key.split("_")[1]
    rotated = lanes(tmp_path, "keys", "rotate", id_, "--overlap-hours", "48")
    revoked = lanes(tmp_path, "keys", "revoke", id_)
    again = lanes(tmp_path, "keys", "rotate", id_)

    assert A_KEY.fullmatch(rotated.stdout.strip())
    assert f"key {id_} stays valid until" in rotated.stderr
    assert "is revoked" in revoked.stdout
    assert (again.exit_code, "Make a new one" in again.stderr) == (21, True)
    assert [line.split()[2] for line in lanes(tmp_path, "keys", "list").stdout.splitlines()] == [
        "state",
        "revoked",
        "valid",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "centre"], "--role"),
        (["create", "centre", "--role", "king"], "king"),
        (["create", "centre", "--role", "scorer", "--days", "0"], "--days"),
        (["revoke", "00000000"], "lanes keys list"),
        (["create", "x", "--role", "boss"], "Invalid value for '--role': 'boss' is not one of 'sc"),
    ],
)
def test_a_command_on_keys_that_cannot_be_done_says_why(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    ended = lanes(tmp_path, "keys", *arguments)
    assert ended.exit_code != 0
    assert said in ended.stderr


def test_the_first_run_makes_one_key_and_shows_it_once(tmp_path: Path) -> None:
    first = lanes(tmp_path, "demo", "--once", "--language", "en")
    again = lanes(tmp_path, "demo", "--once", "--language", "en")
    file = tmp_path / "state/demo.key"

    assert (first.exit_code, again.exit_code) == (0, 0), first.output
    (key,) = A_KEY.findall(first.stdout)
    assert file.read_text().strip() == key
    assert file.stat().st_mode & 0o777 == 0o600
    assert key not in again.output + first.stderr
    (kept,) = read_keys(tmp_path / "state/keys.json")
    assert Role.ADMIN not in kept.roles
    assert not {Role.DATA_SCIENTIST, Role.MANAGER} <= set(kept.roles)


def test_no_first_key_is_made_where_there_was_one_before(tmp_path: Path) -> None:
    key = lanes(tmp_path, "keys", "create", "centre", "--role", "scorer").stdout.strip()
    lanes(tmp_path, "keys", "revoke", key.split("_")[1])
    ended = lanes(tmp_path, "demo", "--once", LANES_API_KEY=key)

    assert ended.exit_code == 60
    assert "No valid key came" in ended.stderr or "khóa" in ended.stderr
    assert not (tmp_path / "state/demo.key").exists()


def test_a_command_whose_key_is_not_taken_says_where_keys_come_from(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    unknown = lanes(tmp_path / "other", "keys", "create", "x", "--role", "scorer").stdout.strip()
    file, demo = tmp_path / "one.ndjson", tmp_path / "state/demo.key"
    file.write_bytes(ndjson(lodged()))
    with a_service(tmp_path) as client:

        def told(*arguments: str, key: str) -> str:
            asked = (*arguments, "--url", str(client.base_url))
            ended = lanes(tmp_path, *asked, LANES_API_KEY=key)
            assert ended.exit_code == 60
            assert "Bearer" not in ended.stderr
            return ended.stderr

        for arguments in (("score", str(file)), ("mode", "show"), ("notices", "02CI")):
            for key in ("", unknown):
                said = told(*arguments, key=key)
                assert "Set LANES_API_KEY to a key of `lanes keys create`. There is no" in said
                assert f"{demo}: no backup holds it, and LANES_STATE names" in said
        demo.write_text(unknown)
        said = told("mode", "show", key=unknown)
        assert f"or unset it: then the demonstration key in {demo} is sent" in said
        said = told("mode", "show", key="")
        assert f"the one that was sent is the demonstration key in {demo}" in said


def test_a_service_without_any_key_lets_nobody_in(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, keys=tmp_path / "none.json", port=0)
    with running(settings) as url:
        connection = http.client.HTTPConnection(url.removeprefix("http://"))
        connection.request("GET", "/v1/decisions/D-1", headers={"Authorization": f"Bearer {KEY}"})
        assert connection.getresponse().status == 401
        connection.close()


@pytest.mark.parametrize(
    ("command", "sent"), [("score", lodged()), ("report-inspections", {"inspection_id": "I-1"})]
)
def test_commands_say_so_when_they_are_not_let_in(
    tmp_path: Path, command: str, sent: dict[str, str]
) -> None:
    file = tmp_path / "lines.ndjson"
    file.write_bytes(ndjson(sent))
    with a_service(tmp_path) as client:
        url = str(client.base_url)
        auditor = let_in(settings_in(tmp_path), Role.AUDITOR)
        without = lanes(tmp_path, command, str(file), "--url", url)
        wrong = lanes(tmp_path, command, str(file), "--url", url, LANES_API_KEY=auditor)
        no_key = lanes(tmp_path, command, str(file), "--url", url, LANES_API_KEY="swordfish")

    assert (without.exit_code, wrong.exit_code, no_key.exit_code) == (60, 60, 21)
    assert "lanes keys create" in without.stderr
    assert "LANES_API_KEY" in no_key.stderr
    assert "swordfish" not in no_key.stderr


def test_a_check_looks_at_the_keys(tmp_path: Path) -> None:
    before = lanes(tmp_path, "check")
    lanes(tmp_path, "keys", "create", "centre", "--role", "scorer")
    after = lanes(tmp_path, "check")
    (tmp_path / "state/keys.json").chmod(0o644)
    opened = lanes(tmp_path, "check")

    assert "the first start makes one" in before.stdout
    assert "1 of 1 valid" in after.stdout
    assert "chmod 600" in opened.stderr


def test_every_command_on_keys_is_explained_with_an_example() -> None:
    for command in ("create", "list", "revoke", "rotate"):
        told = CliRunner().invoke(app, ["keys", command, "--help"]).stdout
        assert f"Example: lanes keys {command}" in told


@pytest.mark.parametrize("name", ["Ann ", "Ann  Lee", "a\nb", "a\x1b[31m", ""])
def test_a_name_that_looks_like_another_or_like_more_lines_is_refused(
    tmp_path: Path, name: str
) -> None:
    refused = lanes(tmp_path, "keys", "create", name, "--role", "scorer")
    assert refused.exit_code == 21
    assert A_KEY.search(refused.output) is None


def test_keys_behind_a_link_are_changed_where_they_lie(tmp_path: Path) -> None:
    shared, file = tmp_path / "shared.json", tmp_path / "state/keys.json"
    file.parent.mkdir()
    file.symlink_to(shared)
    lanes(tmp_path, "keys", "create", "centre", "--role", "scorer")
    assert file.is_symlink()
    assert [key.name for key in read_keys(shared)] == ["centre"]


def test_a_folder_is_no_key_file_and_stays_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    told = lanes(tmp_path, "keys", "list", LANES_KEYS=str(folder))
    assert told.exit_code == 21
    assert "it is a folder" in told.stderr
    assert "chmod" not in told.stderr
