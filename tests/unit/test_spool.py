"""What goes into the spool while the log fails comes into the log, in order, each record once."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from selectivity.deciding.modes import Mode
from selectivity.errors import AuditError, ConflictError, DecisionLogError
from selectivity.mode_orders import ModeAsked, ModeStep, order
from serving.log import spool
from serving.log.chain_check import walk
from serving.log.decision_log import DecisionLog
from serving.log.journal import Journal
from serving.log.keep import NewDecision, Receipt
from serving.log.reader import LogReader
from serving.log.recent import Recent, copied_at
from serving.log.spool import Reserve, SpoolingJournal
from serving.storage import acts, migrations
from serving.storage.database import LogDatabase
from serving.storage.file import LogFile, open_to_read, open_to_write
from tests.builders import NOON, a_declaration, an_inspection
from tests.command_line import lanes
from tests.logs import (
    OFFICER,
    PATIENT,
    PREDICTOR,
    a_lane_changed,
    a_record,
    acted,
    in_a_loop,
    inspected,
    kept,
)
from tests.postgresql import PostgreSql


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    DecisionLog(tmp_path / "decisions.sqlite").close()
    return tmp_path


@contextmanager
def spooling(folder: Path) -> Iterator[DecisionLog]:
    """A log whose file somebody holds, so that it uses its spool."""
    log = again(folder)
    with closing(sqlite3.connect(folder / "decisions.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert log._spooling is not None
        log._spooling.turn_to_spool("held")
        yield log
        log.close()  # before the file is free: nothing was drained


def again(folder: Path) -> DecisionLog:
    """The log at the next start."""
    return DecisionLog(
        folder / "decisions.sqlite", reserve=Reserve(LogFile(folder / "spool.sqlite"))
    )


def ids_in(log: LogReader) -> list[str]:
    return [record.declaration_id for _, record in log.records()]


def problems_of(folder: Path) -> list[str]:
    log = LogFile(folder / "decisions.sqlite")
    return [each.text for each in log.look_through(lambda it: walk(it)).problems]


def test_what_was_spooled_is_drained_in_order_at_the_next_start(folder: Path) -> None:
    with spooling(folder) as log:
        inspected(log, an_inspection(declaration_id="D-7"))
        ids = [f"D-{number}" for number in range(250)]
        kept(log, *[a_record(declaration_id=id_) for id_ in ids])
        assert log.spooled is not None
        assert log.spooled.waiting == 251
        assert ids_in(LogReader(folder / "decisions.sqlite")) == []
    for _ in range(2):  # and not once more
        with closing(again(folder)) as log:
            assert log.spooled is None
            assert ids_in(log) == ids
            assert log.counts() == (250, 1, 0)
            assert log.conflicts() == []
    assert problems_of(folder) == []


def test_a_record_that_is_in_the_log_already_is_not_doubled(folder: Path) -> None:
    record = a_record()
    with closing(DecisionLog(folder / "decisions.sqlite")) as log:
        kept(log, record)  # committed, though nobody was told in time
    with spooling(folder) as log:
        kept(log, record)
    with closing(again(folder)) as log:
        assert ids_in(log) == ["D-1"]
        assert log.conflicts() == []


def test_the_first_durable_record_stands_and_another_is_kept_as_a_conflict(folder: Path) -> None:
    first = a_record()
    other = first.model_copy(update={"rules_version": "another"})
    with closing(DecisionLog(folder / "decisions.sqlite")) as log:
        kept(log, first)
        inspected(log, an_inspection())
    with spooling(folder) as log:
        kept(log, other, a_record(declaration_id="D-2"))
        inspected(log, an_inspection(result="CANCELLED"))
    with closing(again(folder)) as log:
        assert log.find("D-1") == first
        assert log.find("D-2") is not None
        conflicts = log.conflicts()
    assert [each.kind for each in conflicts] == ["decision", "inspection"]
    assert conflicts[0].text == other.model_dump_json()
    told = lanes(folder, "conflicts", LANES_STATE=str(folder)).stdout.splitlines()
    assert [json.loads(line)["no"] for line in told] == [1, 3]
    assert "2 conflicts" in lanes(folder, "check", LANES_STATE=str(folder)).stdout
    assert problems_of(folder) == []
    with closing(sqlite3.connect(folder / "decisions.sqlite")) as connection, connection:
        connection.execute("UPDATE drains SET conflicts = '[]'")
    assert "was altered" in problems_of(folder)[0]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE decisions SET record = replace(record, 'D-2', 'D-9') WHERE seq = 2",
        "UPDATE decisions SET lane = 0 WHERE seq = 2",
        "DELETE FROM chain WHERE no = 2",
        "DELETE FROM decisions WHERE seq = 2",
    ],
)
def test_nothing_is_taken_from_a_spool_that_was_altered(folder: Path, statement: str) -> None:
    with spooling(folder) as log:
        kept(log, *[a_record(declaration_id=f"D-{number}") for number in range(1, 4)])
    with closing(sqlite3.connect(folder / "spool.sqlite")) as connection, connection:
        connection.execute(statement)
    with pytest.raises(AuditError, match="spool was altered"):
        again(folder)
    assert ids_in(LogReader(folder / "decisions.sqlite")) == []


def a_step(mode: Mode, *known: ModeStep) -> ModeStep:
    """An order by who knows of these."""
    hours = None if mode is Mode.NORMAL else 4
    asked = ModeAsked(mode=mode, hours=hours, reason="contraband")
    step = order(known, asked, by=OFFICER, at=NOON)
    assert isinstance(step, ModeStep)
    return step


def as_act(step: ModeStep, follows: int = 0) -> acts.Act:
    text = step.model_dump_json()
    return acts.Act(
        step.name, acts.What.MODE, "mode", 0, text, follows=follows, tightens=step.tightens
    )


def _altered(**fields: Any) -> ModeStep:
    """An order that tightens, with something that no service writes."""
    return a_step(Mode.NO_GREEN).model_copy(update=fields)


def kinds_in(folder: Path) -> list[str]:
    with closing(LogReader(folder / "decisions.sqlite")) as log:
        return [link.kind for link in log.links()]


def test_orders_that_tighten_are_spooled_and_drained_between_the_decisions_of_their_time(
    folder: Path,
) -> None:
    with closing(DecisionLog(folder / "decisions.sqlite")) as log:
        first = a_step(Mode.RULES_ONLY)
        acted(log, as_act(first))
    tighter = a_step(Mode.NO_GREEN, first)
    tightest = a_step(Mode.MANUAL, first, tighter)
    with spooling(folder) as log:
        kept(log, a_record(declaration_id="D-1"))
        assert acted(log, as_act(tighter, follows=1)) is None
        kept(log, a_record(declaration_id="D-2"))
        acted(log, as_act(tightest, follows=2))
        assert log.mode_steps() == [first, tighter, tightest]
        assert log.waits(tightest.name)
        assert not log.waits(first.name)
    for _ in range(2):  # and not once more
        with closing(again(folder)) as log:
            assert log.mode_steps() == [first, tighter, tightest]
            assert not log.waits(tightest.name)
            assert log.conflicts() == []
    assert kinds_in(folder) == ["act", "decision", "act", "decision", "act", "drain"]
    assert problems_of(folder) == []
    with spooling(folder) as log:  # the spool still holds what the log has by now
        assert log.mode_steps() == [first, tighter, tightest]


def test_nothing_but_an_order_that_tightens_is_spooled_of_what_people_do(folder: Path) -> None:
    tightened = a_step(Mode.NO_GREEN)
    with spooling(folder) as log:
        with pytest.raises(DecisionLogError, match="Nothing was kept about 'D-1'"):
            acted(log, a_lane_changed("D-1"))
        for mode in (Mode.NORMAL, Mode.NO_GREEN):
            with pytest.raises(DecisionLogError, match="needs what others ordered"):
                acted(log, as_act(a_step(mode, tightened)))
        assert log.mode_steps() == []
    assert again(folder).head().no == 0


def test_an_order_whose_answer_was_lost_is_not_doubled_and_others_came_before_it(
    folder: Path,
) -> None:
    given, of_others = a_step(Mode.NO_GREEN), a_step(Mode.MANUAL)
    with closing(DecisionLog(folder / "decisions.sqlite")) as log:
        acted(log, as_act(given))  # committed, though nobody was told in time
        acted(log, as_act(of_others, follows=1))
    with spooling(folder) as log:
        acted(log, as_act(given))
    with closing(again(folder)) as log:
        assert log.mode_steps() == [given, of_others]
        assert log.conflicts() == []


def test_another_order_of_the_same_name_is_a_conflict(folder: Path) -> None:
    stands = a_step(Mode.NO_GREEN)
    other = stands.model_copy(update={"ordered_by": OFFICER.model_copy(update={"name": "Binh"})})
    with closing(DecisionLog(folder / "decisions.sqlite")) as log:
        acted(log, as_act(stands))
    with spooling(folder) as log:
        acted(log, as_act(other))
    with closing(again(folder)) as log:
        assert log.mode_steps() == [stands]
        (conflict,) = log.conflicts()
    assert (conflict.kind, conflict.text) == ("act", other.model_dump_json())
    assert problems_of(folder) == []


def test_an_order_that_was_drained_is_not_here_alone_when_the_log_is_away_again(
    folder: Path,
) -> None:
    step = a_step(Mode.NO_GREEN)
    with spooling(folder) as log:
        acted(log, as_act(step))
        assert log.waits(step.name)
    with spooling(folder) as log:  # which drained it when it began
        assert log.mode_steps() == [step]
        assert not log.waits(step.name)


@pytest.mark.parametrize(
    "forged",
    [
        as_act(a_step(Mode.NORMAL, a_step(Mode.NO_GREEN))),
        as_act(a_step(Mode.NO_GREEN))._replace(text="{}"),
        a_lane_changed("D-1"),
        as_act(a_step(Mode.NO_GREEN))._replace(about="another"),
        as_act(a_step(Mode.NO_GREEN))._replace(number=1),
        as_act(a_step(Mode.NO_GREEN))._replace(name=f"{'5e' * 12}:approved"),
        as_act(_altered(approved_by=OFFICER)),
        as_act(_altered(at=NOON.replace(tzinfo=None))),
        as_act(_altered(at=datetime.max.replace(tzinfo=UTC))),
    ],
    ids=[
        *("relaxes", "unreadable", "a lane", "another subject", "a version"),
        *("another name", "approved", "nowhere", "at the end of time"),
    ],
)
def test_nobody_relaxes_by_what_he_puts_into_a_spool(folder: Path, forged: acts.Act) -> None:
    with spooling(folder) as log:
        kept(log, a_record())
        other = Journal(LogFile(folder / "spool.sqlite"), aside=True)
        other.keep([lambda links, its: acts.take(forged, links, its)])  # linked as it ought to be
        other.let_go()
        if not forged.tightens:
            assert log.mode_steps() == []
    with pytest.raises(AuditError, match=r"spool was altered from outside: record 2 \(act"):
        again(folder)
    assert kinds_in(folder) == []


AT_NO_PLACE = (
    a_record(declaration_id="D-2")
    .model_copy(update={"decided_at": NOON.replace(tzinfo=None)})
    .as_kept()
)
"""A decision whose time has no offset."""


@pytest.mark.parametrize("text", [AT_NO_PLACE, "{}", "no JSON"])
def test_a_decision_that_cannot_be_read_is_not_taken_from_a_spool(folder: Path, text: str) -> None:
    sound, record = a_record(), a_record(declaration_id="D-2")
    other = Journal(LogFile(folder / "spool.sqlite"), aside=True)
    other.keep([NewDecision(sound, sound.as_kept()), NewDecision(record, text)])
    other.let_go()
    with pytest.raises(AuditError, match=r"spool was altered from outside: record 2 \(decision"):
        again(folder)
    assert kinds_in(folder) == []


def test_callers_get_the_same_answer_while_the_spool_is_used_and_after(folder: Path) -> None:
    before, first = a_record(declaration_id="D-0"), a_record()
    with closing(DecisionLog(folder / "decisions.sqlite")) as log:
        kept(log, before)
    with spooling(folder) as log:
        assert kept(log, first)[0].no is None  # it has no number in the log yet
        (twin,) = kept(log, first.model_copy(update={"bundle_digest": "f" * 64}))
        (other,) = kept(log, a_record(importer_id="IMP2"))
        assert (log.find("D-0"), log.find("D-1")) == (before, first)
        assert (twin.new, twin.record) == (False, first)
        assert isinstance(other, ConflictError)
        assert inspected(log, an_inspection()) is Receipt.STORED


@pytest.mark.parametrize("waited_for", [False, True])
def test_a_later_version_is_kept_in_a_spool_that_does_not_know_the_one_before(
    folder: Path, waited_for: bool
) -> None:
    """What it went by stands in the log, which cannot be asked."""
    first = a_record()
    with closing(DecisionLog(folder / "decisions.sqlite")) as log:
        kept(log, first)
    lane = first.decision.lane
    second = PREDICTOR.decide(a_declaration(version_no=2), earlier_lane=lane, now=NOON)
    with spooling(folder) as log:
        if waited_for:
            inspected(log, an_inspection())
        told = in_a_loop(lambda: log.append(second, in_step=True))
    assert (told.new, told.record) == (True, second)


def test_the_log_is_written_again_as_soon_as_it_can_be(folder: Path) -> None:
    with spooling(folder) as log:
        kept(log, a_record())
    with closing(again(folder)) as log:
        with closing(sqlite3.connect(folder / "decisions.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            kept(log, a_record(declaration_id="D-2"))
            assert log.spooled is not None
            assert log.spooled.waiting == 1
        wait_until_drained(log)
        assert kept(log, a_record(declaration_id="D-3"))[0].no == 5  # two decisions, two drains
        assert ids_in(log) == ["D-1", "D-2", "D-3"]


def wait_until_drained(log: DecisionLog) -> None:
    end = time.monotonic() + 10
    while log.spooled is not None and time.monotonic() < end:
        time.sleep(0.02)
    assert log.spooled is None


class HungJournal(Journal):
    """Whose first work ends when it is let."""

    def __init__(self, file: Path) -> None:
        super().__init__(LogFile(file))
        self.works, self.begun, self.may_end = 0, threading.Event(), threading.Event()

    def keep(self, works: Sequence[Any]) -> list[Any]:
        self.works += 1
        if not self.begun.is_set():
            self.begun.set()
            self.may_end.wait(20)
        return super().keep(works)


def test_the_log_is_not_tried_while_somebody_who_began_to_write_it_is_at_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads at one connection would end each other's transactions."""
    monkeypatch.setattr(spool, "RETRY_SECONDS", 0.01)
    log = HungJournal(folder / "decisions.sqlite")
    log.begun.set()  # the start is not to hang
    journal = SpoolingJournal(log, Reserve(LogFile(folder / "spool.sqlite")))
    log.begun.clear()
    before, record = log.works, a_record()
    writer = threading.Thread(
        target=journal.keep, args=([NewDecision(record, record.as_kept())],), daemon=True
    )
    writer.start()
    assert log.begun.wait(20)
    journal.turn_to_spool("hung")
    time.sleep(0.5)
    assert log.works == before + 1
    log.may_end.set()
    writer.join()
    end = time.monotonic() + 20
    while journal.in_use and time.monotonic() < end:
        time.sleep(0.01)
    journal.let_go()
    assert not journal.in_use
    assert ids_in(LogReader(folder / "decisions.sqlite")) == ["D-1"]


class FileWithOtherErrors(LogFile):
    """Fails otherwise than a spool does, as a database."""

    errors = (ConnectionError,)


def test_a_spool_that_cannot_be_read_keeps_nobody_out_of_the_log(folder: Path) -> None:
    file = folder / "decisions.sqlite"
    reserve = Reserve(LogFile(folder / "spool.sqlite"), draining=FileWithOtherErrors(file))
    with closing(DecisionLog(file, reserve=reserve)) as log:
        assert log._spooling is not None
        log._spooling._drained_from.close()
        log._spooling.turn_to_spool("tried")
        kept(log, a_record())
        end = time.monotonic() + 20
        while "closed" not in str(log._spooling._cause) and time.monotonic() < end:
            time.sleep(0.01)
        assert "closed" in str(log._spooling._cause)
        with closing(sqlite3.connect(file, timeout=5, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # it may be tried just now, and not for so long
            other.execute("ROLLBACK")


def test_a_log_of_the_version_before_is_read_as_it_is_and_then_brought_up_to_date(
    tmp_path: Path,
) -> None:
    file = tmp_path / "decisions.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(migrations.STEPS[2])
        connection.execute("INSERT INTO meta VALUES ('an old one')")
        connection.execute("PRAGMA user_version = 2")
        connection.commit()
    before = file.read_bytes()
    with closing(LogReader(file)) as log:
        assert log.conflicts() == []
    assert LogFile(file).look_through(lambda it: walk(it)).problems == []
    assert file.read_bytes() == before
    with closing(DecisionLog(file)) as written:
        assert kept(written, a_record())[0].no == 1
        assert written.log_id == "an old one"
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (migrations.VERSION,)


@contextmanager
def on_a_server(folder: Path, database: str) -> Iterator[DecisionLog]:
    store = LogDatabase(database)
    store.open_to_write().close()
    recent = Recent(folder / "recent.sqlite", store, most=1_000)
    spool = LogFile(folder / "spool.sqlite")
    with closing(DecisionLog(store, reserve=Reserve(spool, recent=recent))) as log:
        yield log


def test_a_server_that_hangs_is_answered_for_from_the_copy(
    folder: Path, postgresql: PostgreSql, database: str
) -> None:
    mine, theirs = a_record(declaration_id="D-1"), a_record(declaration_id="D-2")
    with on_a_server(folder, database) as log:
        with closing(DecisionLog(LogDatabase(database, PATIENT))) as other:
            kept(other, theirs)
        end = time.monotonic() + 5
        assert log._spooling is not None
        assert log._spooling.at_hand is not None
        while log._spooling.at_hand.find("D-2") is None and time.monotonic() < end:
            time.sleep(0.05)
        kept(log, mine)
        postgresql.hang()
        try:
            started = time.monotonic()
            assert log.find("D-1") == mine
            assert time.monotonic() - started < 2  # 0.3 on an idle machine
            started = time.monotonic()
            assert log.find("D-2") == theirs
            assert log.find("D-3") is None
            assert kept(log, a_record(declaration_id="D-3"))[0].new
            assert log.strictest_lane("D-2") == theirs.decision.lane
            assert time.monotonic() - started < 2  # nobody waits for it any more
        finally:
            postgresql.go_on()
        wait_until_drained(log)
        assert sorted(ids_in(log)) == ["D-1", "D-2", "D-3"]


def test_a_spool_or_copy_that_fails_keeps_no_decision_from_the_database(
    folder: Path, database: str
) -> None:
    store = LogDatabase(database, PATIENT)
    store.open_to_write().close()
    recent = Recent(folder / "recent.sqlite", store, most=1_000)
    reserve = Reserve(LogFile(folder / "spool.sqlite"), recent=recent)
    with closing(DecisionLog(store, reserve=reserve)) as log:
        recent._copy.close()
        assert kept(log, a_record())[0].new
        assert log._spooling is not None
        log._spooling._drained_from.close()
        log._spooling.turn_to_spool("tried")
        assert kept(log, a_record(declaration_id="D-2"))[0].new
        with closing(DecisionLog(store)) as other:  # nobody keeps it out
            assert kept(other, a_record(declaration_id="D-3"))[0].new
        assert log.spooled is not None
        assert log.spooled.waiting == 1
    with on_a_server(folder, database) as log:
        assert sorted(ids_in(log)) == ["D-1", "D-2", "D-3"]


def test_a_copy_of_another_log_is_thrown_away(folder: Path) -> None:
    for name in ("one", "other"):
        store = LogFile(folder / f"{name}.sqlite")
        with closing(DecisionLog(store)) as log:
            kept(log, a_record(declaration_id=f"D-{name}"))
        recent = Recent(folder / "recent.sqlite", store, most=1_000)
        recent.remember([a_record(declaration_id=f"D-{name}")])
        recent.close()
    assert ids_in(LogReader(folder / "recent.sqlite")) == ["D-other"]


def test_nothing_of_another_log_is_left_in_a_copy_even_if_it_held_orders_alone(
    folder: Path,
) -> None:
    one, other = (LogFile(folder / f"{name}.sqlite") for name in ("one", "other"))
    for store in (one, other):
        store.open_to_write().close()
    file = folder / "recent.sqlite"
    Recent(file, one, most=10).close()
    with closing(open_to_write(file)) as copy:
        copy.execute("INSERT INTO acts VALUES (1, 'o:0', 'mode', 'mode', 0, NULL, 0, '{}')")
        copy.execute("INSERT INTO marks VALUES ('acts', '61')")
    recent = Recent(file, other, most=10)
    recent.close()
    with closing(open_to_read(file)) as copy:
        assert copy.execute("SELECT count(*) FROM acts").fetchone() == (0,)
        assert copy.execute("SELECT * FROM marks WHERE name = 'acts'").fetchone() is None


def test_a_copy_that_cannot_be_marked_is_refused_by_name_and_closed(folder: Path) -> None:
    store, file = LogFile(folder / "decisions.sqlite"), folder / "recent.sqlite"
    store.open_to_write().close()
    Recent(file, store, most=10).close()
    with closing(open_to_write(file)) as copy:
        copy.execute(
            "CREATE TRIGGER full BEFORE INSERT ON marks BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    with pytest.raises(DecisionLogError, match=r"recent.sqlite cannot be used \(disk full\)"):
        Recent(file, store, most=10)


@pytest.mark.parametrize("garbage", ["", "soon", "2026-03-02T09:30:00", "-7", "٣"])
def test_marks_of_a_copy_that_cannot_be_read_are_as_good_as_none(
    folder: Path, garbage: str
) -> None:
    store, file = LogFile(folder / "decisions.sqlite"), folder / "recent.sqlite"
    with closing(DecisionLog(store)) as log:
        kept(log, a_record())
    Recent(file, store, most=10).close()
    with closing(open_to_write(file)) as copy:
        for name in ("upto", "acts", "in_step", "drained S"):
            copy.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, garbage))
    with pytest.raises(DecisionLogError, match="was never complete"):
        copied_at(file, store.name)
    recent = Recent(file, store, most=10)
    assert recent.drained("S").no == 0
    until = time.monotonic() + 20
    while recent.in_step is None and time.monotonic() < until:
        recent.look()
        time.sleep(0.05)
    assert recent.in_step is not None
    recent.close()
    assert ids_in(LogReader(file)) == ["D-1"]


def test_the_copy_holds_the_newest_decisions_alone(folder: Path) -> None:
    records = [a_record(declaration_id=f"D-{number}") for number in range(30)]
    recent = Recent(folder / "recent.sqlite", LogFile(folder / "decisions.sqlite"), most=10)
    for record in records:
        recent.remember([record])
    recent.close()
    assert ids_in(LogReader(folder / "recent.sqlite")) == [f"D-{each}" for each in range(20, 30)]


def test_what_is_spooled_while_the_spool_is_drained_comes_into_the_log_as_well(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = again(folder)
    spooling = log._spooling
    assert spooling is not None
    drain, late = spooling._drain, a_record(declaration_id="D-late")

    def drained_and_then_one_more(through: Journal) -> None:
        drain(through)
        if not spooling._turn.locked():  # not the last time, when nobody else has the turn
            spooling.keep([NewDecision(late, late.model_dump_json())])

    monkeypatch.setattr(spooling, "_drain", drained_and_then_one_more)
    spooling.turn_to_spool("held")
    until = time.monotonic() + 20
    while spooling.in_use and time.monotonic() < until:
        time.sleep(0.05)
    log.close()
    with closing(LogReader(folder / "decisions.sqlite")) as reader:
        assert ids_in(reader) == ["D-late"]
