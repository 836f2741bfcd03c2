"""A backup made while the service decides is whole, and a service started from it goes on."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from selectivity.errors import DecisionLogError
from serving.audit.backup import back_up
from serving.log.reader import LogReader
from serving.log.signing_key import public_file
from serving.start import assemble
from tests.command_line import lanes
from tests.fault.test_killed import load_on
from tests.power_cut import why_not
from tests.services import ROOT, a_process, a_service, lodged, settings_in

KILLED_AT_THE_KEYS = """
import os, runpy, signal, sys

def kill(event, given):
    if event == "shutil.copyfile" and str(given[0]).endswith("keys.json"):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
runpy.run_module("serving.main", run_name="__main__")
"""


@pytest.fixture
def backed_up(tmp_path: Path, bundle: Path) -> tuple[Path, int]:
    """A backup that was made under load, and how many answers had been given before."""
    with a_process(tmp_path, bundle=bundle) as (_, url), load_on(url, "B") as answered:
        while len(answered) < 20:
            time.sleep(0.01)
        before = len(answered)
        made = lanes(tmp_path, "backup", "--to", str(tmp_path / "backup"))
        time.sleep(0.3)
    assert made.exit_code == 0, made.stderr
    assert "whole" in made.stdout
    assert f"{tmp_path / 'backup'} holds decisions.sqlite, draw.key, keys.json" in made.stdout
    return tmp_path / "backup", before


def test_a_backup_holds_all_that_was_answered_before_and_can_be_served(
    backed_up: tuple[Path, int], tmp_path: Path
) -> None:
    backup, before = backed_up
    restored = tmp_path / "restored"
    (restored / "state").mkdir(parents=True)
    for file in backup.iterdir():
        shutil.copy2(file, restored / "state" / file.name)
    anchor = restored / "state" / settings_in(tmp_path).anchor_file.name
    shutil.move(anchor, restored / anchor.name)
    shutil.copy2(backup / "keys.json", restored / "keys.json")

    kept = LogReader(restored / "state/decisions.sqlite").counts()[0]
    with a_service(restored) as client:
        assert client.post("/v1/lanes", json=lodged(declaration_id="after")).status_code == 200
    assert kept >= before
    assert lanes(restored, "verify").exit_code == 0


def test_a_backup_is_for_its_owner_alone(backed_up: tuple[Path, int]) -> None:
    open_to_all = [file.name for file in backed_up[0].glob("*") if file.stat().st_mode & 0o007]
    assert set(open_to_all) <= {"state-anchor.ndjson", "signing.pub"}


def test_a_branch_is_told_that_a_restored_log_is_another_than_before(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with a_service(tmp_path) as client:
        client.post("/v1/lanes", json=lodged(declaration_id="before"))
        assert lanes(tmp_path, "backup", "--to", str(tmp_path / "backup")).exit_code == 0
        early = client.get("/v1/offices/OFF01/notices").json()["cursor"]
        client.post("/v1/lanes", json=lodged(declaration_id="lost"))
        late = client.get("/v1/offices/OFF01/notices").json()["cursor"]
    for file in settings.state.glob("decisions.sqlite*"):
        file.unlink()
    shutil.copy2(tmp_path / "backup/decisions.sqlite", settings.log_file)
    shutil.copy2(tmp_path / "backup" / settings.anchor_file.name, settings.anchor_file)
    with a_service(tmp_path) as client:
        for number in range(3):
            client.post("/v1/lanes", json=lodged(declaration_id=f"new-{number}"))
        told = {
            cursor: client.get("/v1/offices/OFF01/notices", params={"after": cursor}).status_code
            for cursor in (early, late, early.rpartition("-")[0])
        }
    assert list(told.values()) == [200, 409, 200]


def test_another_signing_key_takes_nothing_from_what_the_one_before_signed(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with a_service(tmp_path) as client:
        client.post("/v1/lanes", json=lodged())
    settings.signing_key_file.unlink()
    public_file(settings.signing_key_file).rename(settings.state / "signing.until-2026-03.pub")
    with a_service(tmp_path) as client:
        assert client.get("/health/ready").json()["anchor"] == "ok"
        client.post("/v1/lanes", json=lodged(declaration_id="after"))
        backed = lanes(tmp_path, "backup", "--to", str(tmp_path / "backup"))
    assert backed.exit_code == 0, backed.stderr
    assert "signing.until-2026-03.pub" in backed.stdout
    assert lanes(tmp_path, "verify").exit_code == 0
    (settings.state / "signing.until-2026-03.pub").unlink()
    assert lanes(tmp_path, "verify").exit_code == 42


def test_a_log_that_holds_less_than_was_vouched_for_is_refused(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with a_service(tmp_path) as client:
        client.post("/v1/lanes", json=lodged(declaration_id="before"))
        assert lanes(tmp_path, "backup", "--to", str(tmp_path / "backup")).exit_code == 0
        client.post("/v1/lanes", json=lodged(declaration_id="after"))
    shutil.copy2(tmp_path / "backup/decisions.sqlite", settings.log_file)
    with pytest.raises(DecisionLogError, match="not the one that was vouched for"):
        assemble(settings)


def test_a_backup_never_goes_over_another(tmp_path: Path) -> None:
    with a_service(tmp_path) as client:
        client.post("/v1/lanes", json=lodged())
    there = tmp_path / "there"
    first, second = (lanes(tmp_path, "backup", "--to", str(there)) for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 40)
    assert "not there yet" in second.stderr
    assert (there.stat().st_mode & 0o777, (there / "keys.json").stat().st_mode & 0o777) == (
        0o700,
        0o600,
    )


def test_a_backup_of_an_altered_log_says_so(tmp_path: Path) -> None:
    with a_service(tmp_path) as client:
        client.post("/v1/lanes", json=lodged())
    settings_in(tmp_path).anchor_file.write_text("")
    made = lanes(tmp_path, "backup", "--to", str(tmp_path / "backup"))
    assert made.exit_code == 42
    assert "not whole" in made.stderr


@pytest.mark.parametrize("damaged", ["decisions.sqlite", "draw.key"])
def test_a_backup_that_fails_half_way_leaves_nothing_and_can_be_made_again(
    tmp_path: Path, damaged: str
) -> None:
    with a_service(tmp_path) as client:
        client.post("/v1/lanes", json=lodged())
    settings = settings_in(tmp_path)
    draw_key = settings.state / "draw.key"
    draw_key.write_text("5e" * 32)
    settings = settings.model_copy(update={"draw_key": draw_key})
    aside = tmp_path / "aside"
    (settings.state / damaged).rename(aside)
    if damaged == "draw.key":
        draw_key.mkdir()  # no file that could be copied
    else:
        settings.log_file.write_bytes(b"no database" * 1_000)
    with pytest.raises(DecisionLogError):
        back_up(settings, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
    if damaged == "draw.key":
        draw_key.rmdir()
    aside.replace(settings.state / damaged)
    assert back_up(settings, tmp_path / "backup").problems == ()


def backed_up_by(
    folder: Path, *program: str, before: Callable[[], None] = lambda: None
) -> "subprocess.CompletedProcess[str]":
    """What a process of its own comes to that makes a backup of this service."""
    with a_service(folder) as client:
        client.post("/v1/lanes", json=lodged())
    settings = settings_in(folder).model_dump()
    named = {f"LANES_{name.upper()}": str(each) for name, each in settings.items() if each}
    command = [*program, "backup", "--to", str(folder / "backup")]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | named, capture_output=True, text=True, preexec_fn=before
    )


def test_a_backup_that_was_killed_is_not_there_and_can_be_made_again(tmp_path: Path) -> None:
    """Half of one would look like one, and lack the keys when it is needed."""
    killed = backed_up_by(tmp_path, sys.executable, "-c", KILLED_AT_THE_KEYS)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (tmp_path / "backup").exists()
    assert back_up(settings_in(tmp_path), tmp_path / "backup").problems == ()
    assert (tmp_path / "backup/keys.json").exists()
    assert list(tmp_path.glob(".backup*")) == []


def test_a_backup_that_finds_no_room_says_so_of_its_own_folder(tmp_path: Path) -> None:
    """Whoever reads that the log cannot be used restores it, though it is whole."""

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (36_000, resource.RLIM_INFINITY))

    program = (sys.executable, "-m", "serving.main")
    made = backed_up_by(tmp_path, *program, before=little_room)
    assert made.returncode == 40
    assert made.stderr.startswith(f"error: No backup was made in {tmp_path / 'backup'}: ")
    assert "restore" not in made.stderr
    assert list(tmp_path.glob("*backup*")) == []


@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_a_backup_is_on_the_disk_when_it_is_called_whole(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    strace = ("strace", "-f", "-y", "-e", "trace=fsync,fdatasync,rename", "-o", str(trace))
    made = backed_up_by(tmp_path, *strace, sys.executable, "-m", "serving.main")
    assert made.returncode == 0, made.stderr
    before, _, after = trace.read_text().partition("rename(")
    synced = {Path(name).name for name in re.findall(r"sync\(\d+<(.*?)>", before)}
    assert {file.name for file in (tmp_path / "backup").iterdir()} - synced == set()
    assert f"<{tmp_path}>" in after  # the name as well
