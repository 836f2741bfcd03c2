"""Checkpoints say how long the log was and how it ended, and only the key's holder can make one."""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from selectivity.errors import AuditError, DecisionLogError, ParamsError
from serving.log.chain_check import Walked, walk
from serving.log.checkpointer import CUT_LOOKS, LOOK_SECONDS, Checkpointer, Schedule
from serving.log.checkpoints import Anchor, Checkpoint, append, newest_signed
from serving.log.decision_log import DecisionLog
from serving.log.signing_key import key_id, public_file, read_or_create_signing_key, read_public
from serving.storage.chain import Head
from serving.storage.file import LogFile
from tests.builders import NOON
from tests.logs import a_record, anchored, kept, path_of

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
KEYS = {key_id(KEY.public_key()): KEY.public_key()}
SELDOM = Schedule(records=1_000, seconds=3_600)


def a_checkpoint(records: int = 3) -> Checkpoint:
    return Checkpoint.sign("log", Head(records, "a" * 64), NOON, KEY)


def a_log(folder: Path, **fields: Any) -> tuple[DecisionLog, Path]:
    """A log whose checkpoints go to a file, once it is closed at the latest."""
    log = DecisionLog(folder / "state/decisions.sqlite")
    anchor = folder / "other-disk/anchor.ndjson"
    checkpointer = Checkpointer(
        log.store, anchor, KEY, schedule=fields.pop("schedule", SELDOM), **fields
    )
    log.at_the_end(checkpointer.close)
    return log, anchor


def vouched(anchor: Path) -> list[int]:
    """How many records each checkpoint vouches for, all signed by the key."""
    checkpoints = [line.checkpoint for line in anchored(anchor)]
    assert all(each is not None and each.signed_by(KEYS) for each in checkpoints)
    return [each.records for each in checkpoints if each is not None]


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end, "it did not happen within 10 s"
        time.sleep(0.02)


def test_a_signing_key_is_made_once_and_its_public_half_is_written(tmp_path: Path) -> None:
    file = tmp_path / "state" / "signing.key"
    key = read_or_create_signing_key(file)

    assert read_or_create_signing_key(file).private_bytes_raw() == key.private_bytes_raw()
    assert file.stat().st_mode & 0o777 == 0o600
    assert key_id(read_public(public_file(file))) == key_id(key.public_key())
    assert {each.name for each in file.parent.iterdir()} == {"signing.key", "signing.pub"}


def test_a_public_half_is_on_the_disk_and_one_that_a_power_cut_emptied_is_written_again(
    tmp_path: Path, synced: list[int]
) -> None:
    """Without it no start: whoever took its place could have signed another log."""
    file = tmp_path / "signing.key"
    key = read_or_create_signing_key(file)
    assert synced[-2:] == [public_file(file).stat().st_ino, tmp_path.stat().st_ino]
    public_file(file).write_bytes(b"")
    assert read_or_create_signing_key(file).private_bytes_raw() == key.private_bytes_raw()
    assert key_id(read_public(public_file(file))) == key_id(key.public_key())


def test_a_signing_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "signing.key"
    read_or_create_signing_key(file)
    file.chmod(0o640)
    with pytest.raises(ParamsError, match="chmod 600"):
        read_or_create_signing_key(file)


def test_a_damaged_signing_key_is_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "signing.key"
    read_or_create_signing_key(file)
    file.write_text("nonsense")
    with pytest.raises(ParamsError, match="Restore it"):
        read_or_create_signing_key(file)
    assert file.read_text() == "nonsense"


def test_a_public_key_of_somebody_else_is_noticed(tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        read_or_create_signing_key(tmp_path / f"{name}.key")
    shutil.copy(tmp_path / "theirs.pub", tmp_path / "ours.pub")
    with pytest.raises(ParamsError, match="which of the two was replaced"):
        read_or_create_signing_key(tmp_path / "ours.key")
    with pytest.raises(ParamsError, match="no public Ed25519 key"):
        read_public(tmp_path / "ours.key")


@pytest.mark.parametrize(
    "change",
    [{"records": 2}, {"head": "b" * 64}, {"log_id": "other"}, {"at": NOON.replace(hour=13)}],
)
def test_a_checkpoint_stands_for_what_was_signed_alone(change: dict[str, Any]) -> None:
    assert a_checkpoint().signed_by(KEYS)
    assert not a_checkpoint().model_copy(update=change).signed_by(KEYS)
    assert not a_checkpoint().signed_by({})


def test_a_checkpoint_is_on_the_disk_when_it_counts(tmp_path: Path, synced: list[int]) -> None:
    anchor = tmp_path / "anchor.ndjson"
    for _ in range(2):
        append(anchor, a_checkpoint())
    file, folder = (place.stat().st_ino for place in (anchor, tmp_path))
    assert synced == [file, folder, file]


def test_a_checkpoint_of_which_a_part_was_written_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that becomes full takes what has room, and says so by the count alone."""
    write, anchor = os.write, tmp_path / "anchor.ndjson"
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda descriptor, content: write(descriptor, content[:40]))
        with pytest.raises(OSError, match="No space left"):
            append(anchor, a_checkpoint(3))
    append(anchor, a_checkpoint(4))
    assert [line.torn for line in anchored(anchor)] == [True, False]


def test_the_newest_that_was_signed_is_that_at_the_end(tmp_path: Path) -> None:
    anchor = tmp_path / "anchor.ndjson"
    for records in (3, 5, 4):
        append(anchor, a_checkpoint(records))
    append(anchor, a_checkpoint(9).model_copy(update={"records": 10}))
    append(anchor, a_checkpoint(0))
    newest = newest_signed(anchor, [KEY.public_key()])
    assert newest is not None
    assert newest.records == 4


def test_a_log_that_nobody_signed_for_is_not_missed(tmp_path: Path) -> None:
    anchor, told = tmp_path / "anchor.ndjson", list[Anchor]()
    append(anchor, a_checkpoint().model_copy(update={"records": 9}))
    log = DecisionLog(tmp_path / "decisions.sqlite")
    Checkpointer(log.store, anchor, KEY, on_anchor=told.append).close()
    log.close()
    assert told == [Anchor.OK]


def test_a_line_that_was_cut_short_does_not_spoil_the_next(tmp_path: Path) -> None:
    file = tmp_path / "anchor.ndjson"
    append(file, a_checkpoint(1))
    file.write_bytes(file.read_bytes() + b'{"log_id": "lo')
    append(file, a_checkpoint(2))
    found = [line.checkpoint for line in anchored(file)]
    assert found == [a_checkpoint(1), None, a_checkpoint(2)]


def test_a_log_is_vouched_for_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    log, anchor = a_log(tmp_path)
    kept(log, *[a_record(declaration_id=f"D-{number}") for number in range(7)])
    log.close()
    assert vouched(anchor) == [0, 7]


@pytest.mark.parametrize("schedule", [Schedule(records=2, seconds=3_600), Schedule(seconds=0.1)])
def test_a_log_is_vouched_for_as_it_grows(tmp_path: Path, schedule: Schedule) -> None:
    seen: list[Checkpoint] = []
    log, anchor = a_log(tmp_path, schedule=schedule, on_checkpoint=seen.append)
    kept(log, a_record(), a_record(declaration_id="D-2"))
    wait_until(lambda: vouched(anchor)[-1] == 2)
    log.close()
    assert vouched(anchor)[-1] == 2  # nothing was new at the end
    assert [each.records for each in seen] == vouched(anchor)


def test_a_log_goes_on_while_its_anchor_cannot_be_written(tmp_path: Path) -> None:
    log, anchor = a_log(tmp_path, schedule=Schedule(records=1))
    aside = anchor.rename(tmp_path / "aside")
    anchor.mkdir()
    assert kept(log, a_record())[0].new
    time.sleep(0.3)
    anchor.rmdir()
    aside.rename(anchor)
    wait_until(lambda: vouched(anchor) == [0, 1])
    log.close()


def test_a_log_that_lost_records_it_had_is_not_gone_on_with(tmp_path: Path) -> None:
    log, _ = a_log(tmp_path)
    log.close()
    backup = shutil.copytree(path_of(log).parent, tmp_path / "backup")
    log, anchor = a_log(tmp_path)
    kept(log, a_record())
    log.close()
    shutil.rmtree(path_of(log).parent)
    shutil.copytree(backup, path_of(log).parent)

    with pytest.raises(DecisionLogError, match=r"it had 1 records, and it has 0.*lanes verify"):
        Checkpointer(log.store, anchor, KEY)
    assert vouched(anchor) == [0, 0, 1]


def test_a_new_log_may_share_the_anchor_of_another(tmp_path: Path) -> None:
    log, anchor = a_log(tmp_path)
    kept(log, a_record())
    log.close()
    path_of(log).unlink()
    log, _ = a_log(tmp_path)
    log.close()
    assert vouched(anchor) == [0, 1, 0]


def test_an_anchor_that_cannot_be_written_is_named_at_the_start(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "decisions.sqlite")
    with pytest.raises(ParamsError, match="LANES_ANCHOR"):
        Checkpointer(log.store, tmp_path, KEY)
    log.close()


def garbled(lines: list[bytes]) -> list[bytes]:
    return [line.replace(b'"records"', b'"rexords"') for line in lines]


def the_newest_garbled(lines: list[bytes]) -> list[bytes]:
    return [*lines[:-1], *garbled(lines[-1:])]


def the_newest_claims_more(lines: list[bytes]) -> list[bytes]:
    return [*lines[:-1], lines[-1].replace(b'"records":2', b'"records":9')]


def nothing_but_noise(_: list[bytes]) -> list[bytes]:
    return [bytes(range(128, 256)).replace(b"\n", b"") + b"\n"]


def nothing_but_zeros(lines: list[bytes]) -> list[bytes]:
    return [bytes(len(line) - 1) + b"\n" for line in lines]  # as some disks leave a cut of power


def cut_short(lines: list[bytes]) -> list[bytes]:
    return [*lines[:-1], lines[-1][:-20] + b"\n"]


def the_last_just_begun(lines: list[bytes]) -> list[bytes]:
    return [*lines, lines[-1][:5]]


def emptied(_: list[bytes]) -> list[bytes]:
    return []


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (the_newest_garbled, Anchor.DAMAGED),
        (the_newest_claims_more, Anchor.DAMAGED),
        (cut_short, Anchor.OK),  # as a power cut leaves it
        (emptied, Anchor.NEW),
        (garbled, None),
        (nothing_but_noise, None),
        (nothing_but_zeros, None),
        (the_last_just_begun, Anchor.OK),
    ],
)
def test_a_damaged_anchor_is_told_or_keeps_the_log_from_starting(
    tmp_path: Path,
    damage: Callable[[list[bytes]], list[bytes]],
    found: Anchor | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    log, anchor = a_log(tmp_path)
    kept(log, a_record(), a_record(declaration_id="D-2"))
    log.close()
    anchor.write_bytes(b"".join(damage(anchor.read_bytes().splitlines(keepends=True))))
    told: list[Anchor] = []
    log = DecisionLog(path_of(log))
    if found is None:
        with pytest.raises(DecisionLogError, match=r"The anchor .* is damaged.*lanes verify"):
            Checkpointer(log.store, anchor, KEY, on_anchor=told.append)
    else:
        Checkpointer(log.store, anchor, KEY, on_anchor=told.append).close()
        assert told == [found]
        assert ("anchor not as it was left" in caplog.text) == (found is not Anchor.OK)
    log.close()


@pytest.mark.parametrize("records", [0, 2])
def test_a_start_on_another_log_than_before_is_told_with_what_to_do(
    tmp_path: Path, records: int, caplog: pytest.LogCaptureFixture
) -> None:
    log, anchor = a_log(tmp_path)
    kept(log, a_record())
    log.close()
    told: list[Anchor] = []
    other = DecisionLog(tmp_path / "another.sqlite")
    if records:
        kept(other, *[a_record(declaration_id=f"D-{each}") for each in range(records)])
    for _ in range(2):  # at the next start the anchor vouches for this one as well
        Checkpointer(other.store, anchor, KEY, on_anchor=told.append).close()
    other.close()
    assert told == [Anchor.OTHER, Anchor.OK]
    (cause,) = [vars(it)["cause"] for it in caplog.records if it.msg == "another log than before"]
    assert f"the decision log {log.log_id:.8} up to record 1" in cause
    assert f"nothing of the log {other.log_id:.8}" in cause
    assert "Bring that log back" in cause
    assert "lanes mode set" in cause


def test_of_several_logs_before_the_last_is_the_one_that_is_missed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    anchor, ids = tmp_path / "anchor.ndjson", list[str]()
    for name in ("first", "second"):
        log = DecisionLog(tmp_path / f"{name}.sqlite")
        kept(log, a_record())
        ids.append(log.log_id)
        Checkpointer(log.store, anchor, KEY).close()
        log.close()
    caplog.clear()
    third = DecisionLog(tmp_path / "third.sqlite")
    Checkpointer(third.store, anchor, KEY).close()
    third.close()
    (cause,) = [vars(it)["cause"] for it in caplog.records if it.msg == "another log than before"]
    assert f"the decision log {ids[1]:.8} up to record 1" in cause


def test_a_log_before_that_held_nothing_is_not_missed(tmp_path: Path) -> None:
    log, anchor = a_log(tmp_path)
    log.close()
    other, told = DecisionLog(tmp_path / "another.sqlite"), list[Anchor]()
    Checkpointer(other.store, anchor, KEY, on_anchor=told.append).close()
    other.close()
    assert told == [Anchor.OK]


def test_a_log_that_another_key_vouched_for_is_missed_at_the_first_start(tmp_path: Path) -> None:
    """The state folder may have been lost with the key."""
    theirs, anchor = DecisionLog(tmp_path / "theirs.sqlite"), tmp_path / "anchor.log"
    kept(theirs, a_record())
    told: list[Anchor] = []
    Checkpointer(theirs.store, anchor, Ed25519PrivateKey.generate()).close()
    ours = DecisionLog(tmp_path / "ours.sqlite")
    for _ in range(2):
        Checkpointer(ours.store, anchor, KEY, on_anchor=told.append).close()
    for log in (theirs, ours):
        log.close()
    assert told == [Anchor.OTHER, Anchor.OK]


@pytest.mark.parametrize(("earlier", "found"), [([KEY.public_key()], Anchor.OK), ([], Anchor.NEW)])
def test_what_an_earlier_key_signed_counts(
    tmp_path: Path, earlier: list[Ed25519PublicKey], found: Anchor
) -> None:
    log, anchor = a_log(tmp_path)
    kept(log, a_record())
    log.close()
    told: list[Anchor] = []
    log = DecisionLog(path_of(log))
    new = Ed25519PrivateKey.generate()
    Checkpointer(log.store, anchor, new, on_anchor=told.append, earlier=earlier).close()
    log.close()
    assert told == [found]


def test_no_other_log_is_vouched_for_than_the_one_that_is_meant(tmp_path: Path) -> None:
    log, told, anchor = DecisionLog(tmp_path / "it.sqlite"), list[Anchor](), tmp_path / "anchor"
    kept(log, a_record())
    options: dict[str, Any] = {"later": True, "log_id": "0" * 32, "on_anchor": told.append}
    checkpointer = Checkpointer(log.store, anchor, KEY, **options)
    wait_until(lambda: told == [Anchor.FAILING])
    checkpointer.close()
    log.close()
    assert not anchor.exists()


def test_a_reader_that_lags_behind_now_and_then_cuts_no_log(tmp_path: Path) -> None:
    log, told = DecisionLog(tmp_path / "it.sqlite"), list[Anchor]()
    checkpointer = Checkpointer(log.store, tmp_path / "anchor", KEY, on_anchor=told.append)

    def lag() -> None:
        raise AuditError("it has fewer records")

    for _ in range(CUT_LOOKS):
        checkpointer._try(lag)
        checkpointer._try(lambda: None)
    checkpointer.close()
    log.close()
    assert Anchor.FAILING in told
    assert Anchor.CUT not in told


def test_of_a_long_anchor_the_end_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, anchor = a_log(tmp_path)
    kept(log, a_record())
    log.close()
    monkeypatch.setattr("serving.log.checkpoints.TAIL_BYTES", 500)  # in the midst of a line
    told: list[Anchor] = []
    log = DecisionLog(path_of(log))
    Checkpointer(log.store, anchor, KEY, on_anchor=told.append).close()
    log.close()
    assert told == [Anchor.OK]


@pytest.mark.parametrize("more", [0, 2, 4], ids=["shorter", "as long", "longer"])
def test_nothing_is_vouched_for_that_was_cut_while_the_service_ran(
    tmp_path: Path, more: int, caplog: pytest.LogCaptureFixture
) -> None:
    told, vouched = list[Anchor](), list[Checkpoint]()
    options: dict[str, Any] = {"on_anchor": told.append, "on_checkpoint": vouched.append}
    log, _ = a_log(tmp_path, schedule=Schedule(records=1, seconds=0), **options)
    kept(log, *[a_record(declaration_id=f"D-{each}") for each in range(4)])
    wait_until(lambda: vouched[-1].records == 4)
    with closing(sqlite3.connect(path_of(log))) as connection, connection:
        connection.execute("DELETE FROM chain WHERE no > 2")
        connection.execute("DELETE FROM decisions WHERE seq > 2")
    if more:
        kept(log, *[a_record(declaration_id=f"E-{each}") for each in range(more)])
    wait_until(lambda: told[-1] is Anchor.CUT)
    log.close()
    assert vouched[-1].records == 4
    assert "it was cut or replaced while the service ran" in caplog.records[-1].__dict__["cause"]


def test_a_hash_that_is_no_text_keeps_nothing_from_being_vouched_for(tmp_path: Path) -> None:
    log, _ = a_log(tmp_path)
    kept(log, a_record())
    log.close()
    with closing(sqlite3.connect(path_of(log))) as connection, connection:
        connection.execute(
            "INSERT INTO chain SELECT no + 1, kind, seq, prev_hash, x'ff' FROM chain"
        )
    again, anchor = a_log(tmp_path)
    again.close()
    assert vouched(anchor)[-1] == 2
    assert walk_of(path_of(log)).problems


def walk_of(file: Path) -> Walked:
    return LogFile(file).look_through(walk)


@pytest.mark.parametrize("found", [Anchor.OK, Anchor.DAMAGED])
def test_an_anchor_that_cannot_be_written_is_told_and_so_is_its_end(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    found: Anchor,
) -> None:
    """Its end is how it was found at the start, and a disk that fails for long cuts no log."""
    monkeypatch.setattr("serving.log.checkpointer.AWAY_SECONDS", 0.01)
    told: list[Anchor] = []
    log, anchor = a_log(tmp_path)
    kept(log, a_record())
    log.close()
    if found is Anchor.DAMAGED:
        with anchor.open("a") as stream:
            stream.write("{}\n")
    log, _ = a_log(tmp_path, schedule=Schedule(records=1, seconds=0), on_anchor=told.append)
    aside = anchor.with_suffix(".aside")
    anchor.rename(aside)
    kept(log, a_record(declaration_id="D-2"))
    fails_for_long(told)
    anchor.mkdir()
    fails_for_long(told)
    anchor.rmdir()
    aside.rename(anchor)
    wait_until(lambda: told[-1] is found)
    log.close()
    assert set(told) == {found, Anchor.FAILING}
    # Each once, though it was tried again all the while; it was gone once more for a moment.
    gone, folder, *for_a_moment = causes(caplog)
    assert for_a_moment in ([], [gone])
    assert "Put it back" in gone
    assert "directory" in folder


def fails_for_long(told: list[Anchor]) -> None:
    before = told.count(Anchor.FAILING)
    wait_until(lambda: told.count(Anchor.FAILING) > before + CUT_LOOKS)


def causes(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Why no checkpoint was written, as often as it was told."""
    return [vars(each)["cause"] for each in caplog.records if each.message == "no checkpoint"]


def test_a_log_in_which_nothing_is_new_is_not_vouched_for_again(tmp_path: Path) -> None:
    log, anchor = a_log(tmp_path, schedule=Schedule(records=1_000, seconds=0))
    time.sleep(3 * LOOK_SECONDS)
    log.close()
    assert vouched(anchor) == [0]


def test_a_log_behind_a_link_is_looked_through_as_it_is_while_it_grows(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    link = tmp_path / "decisions.sqlite"
    link.symlink_to(tmp_path / "disk/log.sqlite")
    log = DecisionLog(link)
    kept(log, a_record())
    seen = LogFile(link).look_through(lambda connection: walk(connection).decisions)
    log.close()
    assert seen == 1
