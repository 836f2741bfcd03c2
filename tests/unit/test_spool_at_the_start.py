"""A spool that lost what the log does not have is noticed at the start, with the log or without."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from selectivity.errors import AuditError
from serving.log.decision_log import DecisionLog
from serving.log.held_note import HeldNote
from serving.log.recent import Recent
from serving.log.spool import Reserve
from serving.storage.chain import COLUMNS, DECISION, Head, record_hash
from serving.storage.file import LogFile
from serving.storage.store import AwayError
from tests.logs import a_record, kept
from tests.services import eventually


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    DecisionLog(tmp_path / "decisions.sqlite").close()
    return tmp_path


def started(folder: Path, *, away: bool = False, spool: str = "spool") -> DecisionLog:
    """A log with a copy beside it, as one that lies elsewhere has."""
    store = LogFile(folder / "decisions.sqlite")
    recent = Recent(folder / "recent.sqlite", store, most=1_000, away=away)
    beside = LogFile(folder / f"{spool}.sqlite")
    gone: dict[str, Any] = {"recognise": still_away, "away": "gone"} if away else {}
    return DecisionLog(store, reserve=Reserve(beside, recent=recent, **gone))


def still_away() -> None:
    raise AwayError("gone")


def spool(folder: Path, *ids: str) -> None:
    """Have the log take what is in the spool, then keep these in it while the log is away."""
    with closing(started(folder)) as log:
        copy = recent_of(log)
        eventually(lambda: copy.in_step is not None)
    with closing(started(folder, away=True)) as log:
        kept(log, *[a_record(declaration_id=each) for each in ids])


def recent_of(log: DecisionLog) -> Recent:
    assert log._spooling is not None
    assert log._spooling._reserve.recent is not None
    return log._spooling._reserve.recent


def altered(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE decisions SET lane = 3 WHERE seq = (SELECT max(no) FROM chain)")


def cut(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DELETE FROM chain WHERE no = (SELECT max(no) FROM chain)")


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def removed(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("drained", [False, True])
@pytest.mark.parametrize("away", [False, True])
@pytest.mark.parametrize("damage", [altered, cut, emptied, removed])
def test_a_spool_that_lost_records_is_refused_also_while_the_log_is_away(
    folder: Path, damage: Callable[[Path], None], away: bool, drained: bool
) -> None:
    if drained:
        spool(folder, "D-1", "D-2")
    spool(folder, "D-3", "D-4")
    damage(folder / "spool.sqlite")
    for _ in range(2):  # what the first start made there does not hide it from the second
        with pytest.raises(AuditError, match=r"spool.* from outside.*LANES_SPOOL"):
            started(folder, away=away)
    started(folder, away=away, spool="another").close()  # as the message says


def test_a_whole_spool_is_gone_on_with_while_the_log_is_away(folder: Path) -> None:
    spool(folder, "D-1", "D-2")
    spool(folder, "D-3", "D-4")
    for waiting in (3, 4):
        with closing(started(folder, away=True)) as log:
            kept(log, a_record(declaration_id=f"D-{waiting + 2}"))
            assert log.spooled is not None
            assert log.spooled.waiting == waiting
    with closing(started(folder)) as log:
        assert [each.declaration_id for _, each in log.records()] == [f"D-{n}" for n in range(1, 7)]


def test_a_spool_that_the_log_has_may_be_removed(folder: Path) -> None:
    spool(folder, "D-1", "D-2")
    started(folder).close()
    (folder / "spool.sqlite").unlink()
    for away in (True, False):
        started(folder, away=away).close()


def test_what_a_spool_holds_is_noted_while_it_is_used(folder: Path) -> None:
    spool(folder, "D-1")
    with closing(started(folder, away=True)) as log:
        kept(log, a_record(declaration_id="D-2"))
        eventually(lambda: held_in(folder, log) == 2)  # a service that is killed comes to no end


def held_in(folder: Path, log: DecisionLog) -> int:
    found = recent_of(log).held(str(folder / "spool.sqlite"))
    return 0 if found is None else found[1].no


def test_nothing_is_taken_behind_records_that_the_log_has_and_the_spool_lost(folder: Path) -> None:
    spool(folder, "D-1", "D-2")
    started(folder).close()
    cut(folder / "spool.sqlite")  # what is kept in it next would pass for what the log has
    reserve = Reserve(LogFile(folder / "spool.sqlite"))
    with pytest.raises(AuditError, match=r"record 2, up to which the log has it.* LANES_SPOOL"):
        DecisionLog(folder / "decisions.sqlite", reserve=reserve)


def test_a_spool_that_is_lost_is_missed_beside_a_log_file_as_well(tmp_path: Path) -> None:
    full = list[str]()

    def begun() -> DecisionLog:
        beside, note = LogFile(tmp_path / "spool.sqlite"), HeldNote(tmp_path / "spool.json")
        reserve = Reserve(beside, recognise=lambda: still_away() if full else None, note=note)
        return DecisionLog(tmp_path / "decisions.sqlite", reserve=reserve)

    with closing(begun()) as log:
        assert log._spooling is not None
        full.append("its disk is full")
        log._spooling.turn_to_spool(*full)
        kept(log, a_record())
        eventually(lambda: (tmp_path / "spool.json").exists())  # one that is killed comes to no end
    full.clear()
    (tmp_path / "spool.sqlite").rename(tmp_path / "aside.sqlite")
    with pytest.raises(AuditError, match="it held 1 record that the log did not have yet"):
        begun()
    aside = tmp_path / "decisions.aside"
    (tmp_path / "decisions.sqlite").rename(aside)
    begun().close()  # beside another log nothing is missed
    aside.replace(tmp_path / "decisions.sqlite")
    with pytest.raises(AuditError, match="it held 1 record that the log did not have yet"):
        begun()
    (tmp_path / "aside.sqlite").replace(tmp_path / "spool.sqlite")
    with closing(begun()) as log:
        assert [each.declaration_id for _, each in log.records()] == ["D-1"]


def test_what_the_log_has_is_not_missed_though_nobody_noted_it(folder: Path) -> None:
    spool(folder, "D-1", "D-2")
    started(folder).close()
    with closing(sqlite3.connect(folder / "recent.sqlite")) as copy, copy:
        assert copy.execute("DELETE FROM marks WHERE name LIKE 'drained %'").rowcount == 1
    (folder / "spool.sqlite").unlink()
    with closing(started(folder)) as log:
        assert [each.declaration_id for _, each in log.records()] == ["D-1", "D-2"]


def test_a_single_record_that_was_lost_is_missed(folder: Path) -> None:
    spool(folder, "D-1")
    (folder / "spool.sqlite").unlink()
    with pytest.raises(AuditError, match="it held 1 record that the log did not have yet"):
        started(folder, away=True)


def test_another_record_in_the_place_of_the_last_is_noticed(folder: Path) -> None:
    spool(folder, "D-1", "D-2")
    cut(folder / "spool.sqlite")
    with closing(sqlite3.connect(folder / "spool.sqlite")) as connection, connection:
        connection.execute("DELETE FROM decisions WHERE seq = (SELECT max(seq) FROM decisions)")
    with closing(DecisionLog(folder / "spool.sqlite")) as log:
        kept(log, a_record(declaration_id="D-3"))
    for away in (True, False):
        with pytest.raises(AuditError, match="was emptied, cut or replaced"):
            started(folder, away=away)


def test_a_record_that_is_whole_and_follows_on_another_is_noticed(folder: Path) -> None:
    spool(folder, "D-1", "D-2")
    with closing(sqlite3.connect(folder / "spool.sqlite")) as connection, connection:
        (seq, *columns, text) = connection.execute(
            f"SELECT seq, {', '.join(COLUMNS[DECISION])}, record FROM decisions "
            "ORDER BY seq LIMIT 1"
        ).fetchone()
        found = record_hash("0" * 64, 1, DECISION, seq, columns, text)
        connection.execute(
            "UPDATE chain SET prev_hash = ?, record_hash = ? WHERE no = 1", ("0" * 64, found)
        )
    for away in (True, False):
        with pytest.raises(AuditError, match="altered from outside"):
            started(folder, away=away)


def test_what_two_spools_hold_is_noted_side_by_side(tmp_path: Path) -> None:
    notes = [HeldNote(tmp_path / "spool.json") for _ in range(2)]
    for at, note in enumerate(notes):
        note.log_id = "log"
        note.note_held(f"spool {at}", f"id {at}", Head(at + 1, "ab"))
    assert notes[1].held("spool 0") == ("id 0", Head(1, "ab"))
    assert notes[0].held("spool 1") == ("id 1", Head(2, "ab"))
    notes[0].log_id = "another"
    assert notes[0].held("spool 1") is None
