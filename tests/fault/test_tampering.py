"""Whatever is done to a stored log: the verifier finds it, or has said that it cannot."""

import random
import shutil
import sqlite3
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from selectivity.errors import DecisionLogError
from serving.audit.verify import verify
from serving.log.chain_check import Fault
from serving.log.checkpoints import Checkpoint, append
from serving.log.signing_key import public_file
from serving.start import assemble, running
from serving.storage.chain import Head
from serving.storage.file import LogFile
from serving.storage.store import Found
from tests import tampering
from tests.builders import NOON
from tests.command_line import lanes
from tests.services import a_service, lodged, settings_in
from tests.tampering import FOUND, KEY, NOT_SHOWN, VOUCHED, a_copy, a_log, tampered, verdict_on

SEED, COUNT, FLIPS = 2027, 200, 40


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of some hundred records, whole. Copy it before you alter it."""
    return a_log(tmp_path_factory.mktemp("logs") / "original")


def contents(file: Path) -> list[str] | None:
    """Everything that a reader gets from this file; None if it gets nothing."""
    try:
        with closing(sqlite3.connect(file)) as connection:
            return list(connection.iterdump())
    except (sqlite3.Error, UnicodeDecodeError):
        return None


def test_a_log_that_nobody_touched_is_whole(original: Path) -> None:
    with a_copy(original, random.Random(SEED)) as copy:
        verdict = verdict_on(copy)
    assert verdict is not None
    assert verdict.line.startswith("whole: 320 records (240 decisions, 60 inspections, 20 acts")
    assert "300 of them vouched for by 4 checkpoints" in verdict.line
    assert "20 newer ones are chained only. Not shown: what was cut off" in verdict.line


def test_logs_that_an_anchor_names_besides_are_counted(original: Path) -> None:
    with a_copy(original, random.Random(SEED)) as copy:
        for other in ("one", "another", "one"):
            append(copy.anchor, Checkpoint.sign(other, Head(5, "a" * 64), NOON, KEY))
        verdict = verdict_on(copy)
    assert verdict is not None
    assert "; the anchor also names 2 other logs. Not shown" in verdict.line
    assert (verdict.checkpoints, verdict.problems) == (4, ())


def test_tampering_is_found(original: Path) -> None:
    tried, found = tampered(original, COUNT, SEED)
    missed = [way.__name__ for way in FOUND if found[way.__name__] < tried[way.__name__]]
    assert missed == []
    assert sum(tried.values()) == COUNT


def test_of_many_that_were_altered_each_is_found(original: Path) -> None:
    with a_copy(original, random.Random(SEED)) as copy:
        copy.run("UPDATE decisions SET record = record || ' ' WHERE seq <= 150")
        verdict = verdict_on(copy)
    assert verdict is not None
    altered = [problem.no for problem in verdict.problems if problem.fault is Fault.ALTERED]
    assert len(set(altered)) == 150


@pytest.mark.parametrize("way", NOT_SHOWN)
def test_what_leaves_no_trace_is_not_vouched_for(original: Path, way: tampering.Way) -> None:
    with a_copy(original, random.Random(SEED)) as copy:
        way(copy)
        verdict = verdict_on(copy)
    assert verdict is not None
    assert verdict.problems == ()  # should one be found some day, move its way to those found
    assert verdict.vouched is not None
    assert verdict.vouched.records <= VOUCHED
    assert "Not shown" in verdict.line


@pytest.mark.parametrize(
    ("way", "fault", "told"),
    [
        (tampering.alter_a_character, Fault.ALTERED, "was altered"),
        (tampering.change_a_time, Fault.ALTERED, "(decision on 'D-"),
        (tampering.alter_a_hash, Fault.ALTERED, "was altered"),
        (tampering.put_an_inspection_to_another_decision, Fault.ALTERED, "another decision"),
        (tampering.swap_two_rows, Fault.REORDERED, "its own place is"),
        (tampering.swap_two_records, Fault.REORDERED, "its own place is"),
        (tampering.delete_a_row, Fault.MISSING, "is missing"),
        (tampering.delete_a_record, Fault.MISSING, "is missing"),
        (tampering.insert_a_row, Fault.INSERTED, "belongs to no record"),
        (tampering.truncate_what_was_vouched_for, Fault.TRUNCATED, "vouches for 300"),
        (tampering.link_a_suffix_anew, Fault.REPLACED, "were replaced"),
        (tampering.alter_a_record_and_its_hash, Fault.REPLACED, "does not follow on"),
        (tampering.garble_a_checkpoint, Fault.NOT_VOUCHED, "of the anchor was not signed"),
        (tampering.take_every_checkpoint_away, Fault.NOT_VOUCHED, "no checkpoint"),
        (tampering.link_anew_and_sign_with_another_key, Fault.NOT_VOUCHED, "no checkpoint"),
    ],
)
def test_the_verifier_says_what_was_done(
    original: Path, way: tampering.Way, fault: Fault, told: str
) -> None:
    with a_copy(original, random.Random(SEED)) as copy:
        way(copy)
        verdict = verdict_on(copy)
    assert verdict is not None
    assert {problem.fault for problem in verdict.problems} >= {fault}
    assert verdict.problems[0].fault is fault
    assert told in verdict.line
    assert verdict.line.startswith("not whole: ")


@pytest.mark.parametrize("no", [1, 7, 320])
def test_one_altered_record_is_named_and_no_other(original: Path, no: int) -> None:
    with a_copy(original, random.Random(SEED)) as copy:
        copy.write_text(no, copy.text_of(no).replace("D-", "E-", 1))
        verdict = verdict_on(copy)
    assert verdict is not None
    assert [problem.no for problem in verdict.problems] == [no]


def test_a_hash_that_was_altered_is_told_of_its_record_and_of_no_other(original: Path) -> None:
    with a_copy(original, random.Random(SEED)) as copy:
        copy.run("UPDATE chain SET record_hash = ? WHERE no = 7", "0" * 64)
        verdict = verdict_on(copy)
    assert verdict is not None
    assert [(problem.no, problem.fault) for problem in verdict.problems] == [(7, Fault.ALTERED)]


@pytest.mark.parametrize("no", [0, -3])
def test_a_record_in_front_of_the_first_was_put_in(original: Path, no: int) -> None:
    with a_copy(original, random.Random(SEED)) as copy:
        copy.run(
            "INSERT INTO chain SELECT ?, kind, seq, prev_hash, record_hash FROM chain WHERE no = 5",
            no,
        )
        verdict = verdict_on(copy)
    assert verdict is not None
    assert (no, Fault.INSERTED) in [(each.no, each.fault) for each in verdict.problems]


def test_a_name_that_is_no_text_stops_no_verifier(original: Path) -> None:
    with a_copy(original, random.Random(SEED)) as copy:
        copy.run("UPDATE inspections SET declaration_id = CAST(x'ff' AS TEXT) WHERE seq = 3")
        verdict = verdict_on(copy)
    assert verdict is not None
    assert [problem.fault for problem in verdict.problems] == [Fault.ALTERED]


def test_a_checkpoint_that_was_cut_short_is_told_and_no_fault(original: Path) -> None:
    with a_copy(original, random.Random(SEED)) as copy:
        copy.anchor.write_bytes(copy.anchor.read_bytes()[:-20])
        verdict = verdict_on(copy)
    assert verdict is not None
    assert "200 of them vouched for by 3 checkpoints" in verdict.line
    assert "; 1 lines of the anchor were cut short" in verdict.line


def test_the_verdict_does_not_depend_on_the_order_of_the_anchor(original: Path) -> None:
    """Services that share an anchor, and backups put together, leave it in any order."""
    with a_copy(original, random.Random(SEED)) as copy:
        copy.write_text(150, copy.text_of(150).replace("OFF01", "OFF02"))
        copy.link_anew(150)
        lines = copy.anchor.read_bytes().splitlines(keepends=True)
        told = set()
        for some in permutations(lines):
            copy.anchor.write_bytes(b"".join(some))
            verdict = verdict_on(copy)
            assert verdict is not None
            assert verdict.vouched is not None
            told.add((verdict.line, verdict.vouched.records, verdict.checkpoints))
    ((line, *counts),) = told
    assert line.startswith("not whole: records 101 to 200 are not those")
    assert counts == [VOUCHED, len(lines)]


def test_what_the_anchor_gets_while_the_log_is_looked_through_is_left_for_the_next_time(
    original: Path,
) -> None:
    class Growing(LogFile):
        def look_through(self, look: Callable[[Any], Found]) -> Found:
            append(copy.anchor, Checkpoint.sign(log_id, Head(999, "later"), NOON, KEY))
            return super().look_through(look)

    with a_copy(original, random.Random(SEED)) as copy:
        log_id = str(copy.run("SELECT log_id FROM meta")[0][0])
        log = Growing(copy.folder / "decisions.sqlite")
        first, second = (verify(log, copy.anchor, [KEY.public_key()]) for _ in range(2))
    assert first.problems == ()
    assert [problem.fault for problem in second.problems] == [Fault.TRUNCATED]


def test_a_checkpoint_for_more_records_than_any_log_can_have_is_no_fault_of_ours(
    original: Path,
) -> None:
    with a_copy(original, random.Random(SEED)) as copy:
        log_id = str(copy.run("SELECT log_id FROM meta")[0][0])
        append(copy.anchor, Checkpoint.sign(log_id, Head(10**30, "beyond"), NOON, KEY))
        verdict = verdict_on(copy)
    assert verdict is not None
    assert [problem.fault for problem in verdict.problems] == [Fault.TRUNCATED]


def test_a_long_anchor_is_not_held_in_memory(original: Path) -> None:
    with a_copy(original, random.Random(SEED)) as copy:
        lines = copy.anchor.read_bytes() * 2_000
        unsigned = lines.replace(b'"head":"', b'"head":"0', 2_000)
        copy.anchor.write_bytes(lines + unsigned)
        tracemalloc.start()
        try:
            verdict = verdict_on(copy)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert verdict is not None
    assert verdict.checkpoints == 8_000 + 6_000
    assert verdict.problems[-1].text.startswith("1900 more lines of the anchor were not signed")
    assert most < len(lines)


def test_an_index_that_hides_a_record_is_found(original: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(original, tmp_path / "copy")
    file = folder / "decisions.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'decisions_by_lineage'"
        ).fetchone()
    content, size = bytearray(file.read_bytes()), 4096
    leaf = slice((page - 1) * size, page * size)
    assert b"D-77" in content[leaf]
    content[leaf] = content[leaf].replace(b"D-77", b"X-77")
    file.write_bytes(content)
    verdict = verify(LogFile(file), folder / "anchor.ndjson", [KEY.public_key()])
    assert [problem.fault for problem in verdict.problems][:1] == [Fault.DAMAGED]


def test_a_byte_that_flipped_on_the_disk_is_found_or_changes_nothing(
    original: Path, tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    before = contents(original / "decisions.sqlite")
    found = 0
    for number in range(FLIPS):
        folder = tmp_path / str(number)
        shutil.copytree(original, folder)
        file = folder / "decisions.sqlite"
        content = bytearray(file.read_bytes())
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        file.write_bytes(content)
        try:
            whole = not verify(LogFile(file), folder / "anchor.ndjson", [KEY.public_key()]).problems
        except DecisionLogError:
            whole = False
        found += not whole
        assert not whole or contents(file) == before
    assert found > FLIPS / 2


def test_a_log_that_is_gone_is_missed_by_whoever_vouched_for_it(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with a_service(tmp_path) as client:
        client.post("/v1/lanes", json=lodged())
    for file in settings.state.glob("decisions.sqlite*"):
        file.unlink()
    with pytest.raises(DecisionLogError, match=r"is gone, and the anchor .* vouches for 1 records"):
        assemble(settings)
    told = lanes(tmp_path, "check")
    assert "is gone, and the anchor" in told.stderr
    assert "would serve  nothing: see log" in told.stdout
    vouched = settings.anchor_file.read_bytes()
    theirs = Ed25519PrivateKey.generate()  # of another service, which wrote last
    append(
        settings.anchor_file, Checkpoint.sign("7" * 32, Head(9, "ab"), datetime.now(UTC), theirs)
    )
    public = public_file(settings.signing_key_file)
    public.rename(public.with_name("signing.until-2026-03.pub"))
    settings.signing_key_file.unlink()
    with pytest.raises(DecisionLogError, match="vouches for 1 records"):
        assemble(settings)
    settings.anchor_file.unlink()
    settings.anchor_file.mkdir()
    unreadable = lanes(tmp_path, "check")
    assert "cannot be read (Is a directory)" in unreadable.stderr
    settings.anchor_file.rmdir()
    settings.anchor_file.write_bytes(vouched)
    settings.anchor_file.rename(tmp_path / "archived.ndjson")
    assert "it is made at the first start" in lanes(tmp_path, "check").stdout
    with running(settings):
        pass
    (tmp_path / "another").mkdir()
    beside = settings_in(tmp_path / "another", anchor=settings.anchor_file)
    with running(beside):  # what another service vouched for is no log of this one
        pass


def test_an_emptied_log_is_no_new_one(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with running(settings):
        pass
    assert settings.anchor_file.stat().st_size > 0
    assert settings.log_file.stat().st_mode & 0o077 == 0  # for no other account of the machine
    settings.log_file.write_bytes(b"")
    with pytest.raises(DecisionLogError, match="is empty, and the anchor"):
        assemble(settings)
    assert settings.log_file.stat().st_size == 0
