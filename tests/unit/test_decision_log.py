"""The log keeps every decision once, durably, in the order it came."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, cast

import pytest

from selectivity.deciding.office_loads import OfficeLoad, OfficeLoads
from selectivity.errors import ConflictError, DecisionLogError
from selectivity.inspection import Inspection
from selectivity.lanes import Lane
from selectivity.record import DecisionRecord
from serving.log.decision_log import DecisionLog
from serving.log.group_writer import GroupWriter
from serving.log.journal import Journal, lost, prove
from serving.log.keep import NewDecision, Receipt
from serving.log.reader import LogReader
from serving.storage.acts import Act, What
from serving.storage.chain import Links
from serving.storage.database import LogDatabase
from serving.storage.file import LogFile, open_to_read, open_to_write
from serving.storage.store import Connection
from tests.builders import NOON, a_declaration, an_inspection, an_item
from tests.bundles import a_predictor, a_scorecard
from tests.logs import PATIENT, PREDICTOR, a_record, in_a_loop, inspected, kept, path_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "decisions.sqlite"


@pytest.fixture
def log_in_file(file: Path) -> Iterator[DecisionLog]:
    log = DecisionLog(file)
    yield log
    log.close()


@pytest.fixture(params=["file", "PostgreSQL"])
def log(request: pytest.FixtureRequest) -> Iterator[DecisionLog]:
    """A log in a file, then one in a database: it has to be the same log."""
    if request.param == "file":
        yield request.getfixturevalue("log_in_file")
    else:
        log = DecisionLog(LogDatabase(request.getfixturevalue("database"), PATIENT))
        yield log
        log.close()


def test_a_kept_decision_is_found_again(log: DecisionLog) -> None:
    record = a_record()
    (outcome,) = kept(log, record)

    assert outcome.new
    assert log.find("D-1") == log.find("D-1", 1) == record
    assert log.find("D-1", 2) is None
    with closing(LogReader(log.store)) as reader:
        assert reader.find("D-1") == record


def test_every_commit_reaches_the_disk_before_it_counts(file: Path) -> None:
    connection = open_to_write(file)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


@pytest.mark.parametrize(
    ("done", "later"),
    [
        ("UPDATE decisions SET lane = 7", a_record(version_no=2)),
        ("DELETE FROM decisions", an_inspection()),
        (
            "UPDATE decisions SET record = json_set(record, '$.declared.items', json('[]'))",
            an_inspection(inspection_id="I-2"),
        ),
    ],
)
def test_what_was_altered_is_refused_and_stops_no_writer(
    log_in_file: DecisionLog, done: str, later: DecisionRecord | Inspection
) -> None:
    kept(log_in_file, a_record())
    inspected(log_in_file, an_inspection())
    with closing(sqlite3.connect(path_of(log_in_file))) as connection, connection:
        connection.execute(done)
    if isinstance(later, DecisionRecord):
        (refused,) = kept(log_in_file, later)
        assert "altered from outside" in str(refused)
    else:
        with pytest.raises(DecisionLogError, match="altered from outside"):
            inspected(log_in_file, later)
    (told,) = kept(log_in_file, a_record(declaration_id="D-2"))
    assert told.new


def test_a_connection_that_failed_is_not_used_again(file: Path) -> None:
    journal = Journal(LogFile(file))

    def fail(links: Links, connection: Connection) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    (before,) = journal.keep([lambda links, connection: connection])
    with pytest.raises(DecisionLogError, match="disk I/O error"):
        journal.keep([fail])
    (after,) = journal.keep([lambda links, connection: connection])
    journal.let_go()
    assert after is not before


def test_twins_that_come_together_get_one_decision(log: DecisionLog) -> None:
    outcomes = kept(log, *[a_record() for _ in range(20)])

    assert [outcome.new for outcome in outcomes].count(True) == 1
    assert len({outcome.record.model_dump_json() for outcome in outcomes}) == 1
    assert log.counts()[0] == 1


def test_a_decision_that_is_not_kept_counts_for_no_version_that_comes_with_it(file: Path) -> None:
    """As of a second try that another mode, or another bundle, put in another lane."""
    first, red = a_record(), a_record(items=(an_item(hs_code="050710"),))
    twin = first.model_copy(update={"decision": red.decision})
    lane = first.decision.lane
    second = PREDICTOR.decide(a_declaration(version_no=2), earlier_lane=lane, now=NOON)
    assert lane is not red.decision.lane
    journal = Journal(LogFile(file))
    journal.keep([NewDecision(first, first.as_kept())])
    works = [NewDecision(twin, twin.as_kept()), NewDecision(second, second.as_kept(), in_step=True)]
    told = journal.keep(works)
    journal.let_go()
    assert [(each.new, each.record) for each in told] == [(False, first), (True, second)]


def test_the_first_decision_stands_when_the_model_changed(log: DecisionLog) -> None:
    first = a_record()
    kept(log, first)
    later = first.model_copy(update={"bundle_digest": "f" * 64})
    (outcome,) = kept(log, later)

    assert not outcome.new
    assert outcome.record == first


def test_other_content_under_the_same_key_is_refused_alone(log: DecisionLog) -> None:
    first, other, third = kept(
        log, a_record(), a_record(importer_id="IMP2"), a_record(declaration_id="D-2")
    )
    assert first.new
    assert third.new
    assert isinstance(other, ConflictError)
    assert "'D-1' version 1" in str(other)


def test_nothing_is_kept_in_a_file_that_was_deleted(log_in_file: DecisionLog) -> None:
    log = log_in_file
    kept(log, a_record())
    path_of(log).unlink()
    for _ in range(2):  # and no new one is begun, which would know nothing of the first decision
        (outcome,) = kept(log, a_record(declaration_id="D-2"))
        assert isinstance(outcome, DecisionLogError)
        assert "deleted or replaced" in str(outcome)
    assert not path_of(log).exists()


def test_what_lies_in_a_deleted_part_is_brought_into_the_file_when_nobody_reads_it(
    log_in_file: DecisionLog, tmp_path: Path
) -> None:
    log, file = log_in_file, path_of(log_in_file)
    kept(log, a_record())
    with closing(open_to_read(file)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM decisions").fetchone()
        kept(log, a_record(declaration_id="D-2"))  # behind what the reader sees
        file.with_name(f"{file.name}-wal").unlink()
        (third,) = kept(log, a_record(declaration_id="D-3"))
        assert third.new
    for _ in range(2):
        (outcome,) = kept(log, a_record(declaration_id="D-4"))
        assert "part of the decision log, was deleted" in str(outcome)
    left = tmp_path / "left.sqlite"
    left.write_bytes(file.read_bytes())
    with closing(LogReader(left)) as log_left:
        assert [each.declaration_id for _, each in log_left.records()] == ["D-1", "D-2", "D-3"]


def test_a_lineage_remembers_its_strictest_lane(log: DecisionLog) -> None:
    ivory = (an_item(hs_code="050710"),)
    kept(log, a_record(lineage_id="L", items=ivory), a_record(lineage_id="L", version_no=2))

    assert log.find("D-1", 2) is not None
    assert log.strictest_lane("L") is Lane.RED
    assert log.strictest_lane("another") is None


def test_a_version_that_names_another_lineage_keeps_the_lane_of_both(log: DecisionLog) -> None:
    ivory = (an_item(hs_code="050710"),)
    kept(log, a_record(lineage_id="L", items=ivory), a_record(lineage_id="M", version_no=2))

    assert log.strictest_lane("D-1") is Lane.RED
    assert log.strictest_lane("M", "D-1") is Lane.RED


def test_a_lineage_counts_what_is_still_on_its_way_to_the_disk(log: DecisionLog) -> None:
    async def look_before_it_is_kept() -> tuple[Lane | None, bool]:
        future = log.append(a_record(items=(an_item(hs_code="050710"),)))
        seen, done = log.strictest_lane("D-1"), future.done()
        await future
        return seen, done

    assert in_a_loop(look_before_it_is_kept) == (Lane.RED, False)


def test_everything_is_read_in_the_order_it_came(log: DecisionLog) -> None:
    ids = [f"D-{number}" for number in (3, 1, 2)]
    kept(log, *[a_record(declaration_id=id_) for id_ in ids])

    numbered = list(log.records())
    assert [record.declaration_id for _, record in numbered] == ids
    assert [seq for seq, _ in numbered] == [1, 2, 3]
    assert [record.declaration_id for _, record in log.records(after=2)] == ["D-2"]


def test_an_inspection_is_kept_once(log: DecisionLog) -> None:
    kept(log, a_record())

    assert inspected(log, an_inspection()) is Receipt.STORED
    assert inspected(log, an_inspection()) is Receipt.KNOWN
    with pytest.raises(ConflictError, match="I-1"):
        inspected(log, an_inspection(result="CANCELLED"))
    ((_, inspection, decision),) = log.inspections()
    assert inspection == an_inspection()
    assert decision is not None


def test_an_inspection_before_its_decision_is_parked_until_then(log: DecisionLog) -> None:
    assert inspected(log, an_inspection()) is Receipt.PARKED
    assert inspected(log, an_inspection()) is Receipt.PARKED
    (other, outcome) = kept(log, a_record(declaration_id="D-2"), a_record())

    assert other.parked == ()
    assert outcome.parked == (an_inspection(),)
    assert inspected(log, an_inspection()) is Receipt.KNOWN
    assert log.counts() == (2, 1, 0)


def test_an_inspection_belongs_to_the_newest_version_of_its_day(log: DecisionLog) -> None:
    kept(log, a_record(), a_record(version_no=2))
    inspected(log, an_inspection())
    kept(log, a_record(version_no=3))

    ((_, _, decision),) = log.inspections()
    assert decision is not None
    assert decision.record.version_no == 2


def test_a_closed_log_takes_nothing(file: Path) -> None:
    log = DecisionLog(file)
    log.close()
    with pytest.raises(DecisionLogError, match="Start the service again"):
        in_a_loop(lambda: log.append(a_record()))


def test_closing_finishes_what_is_queued(file: Path) -> None:
    log = DecisionLog(file)

    async def append_and_close() -> list[Any]:
        futures = [log.append(a_record(declaration_id=f"D-{number}")) for number in range(50)]
        await asyncio.to_thread(log.close)
        return await asyncio.gather(*futures)

    assert all(outcome.new for outcome in in_a_loop(append_and_close))
    assert LogReader(file).counts()[0] == 50


def test_a_locked_log_refuses_and_heals(file: Path, log_in_file: DecisionLog) -> None:
    log = log_in_file
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    (refused,) = kept(log, a_record())
    other.execute("ROLLBACK")
    other.close()

    assert isinstance(refused, DecisionLogError)
    assert not isinstance(refused, ConflictError)
    assert log.find("D-1") is None
    assert log.strictest_lane("D-1") is None
    assert kept(log, a_record())[0].new


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_nobody_waits_for_a_writer_that_died(file: Path) -> None:
    def fail(_: Links, __: Connection) -> None:
        raise ZeroDivisionError

    async def submit_some() -> list[Any]:
        futures = [writer.submit(fail) for _ in range(3)]
        return await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), 5)

    writer = GroupWriter(Journal(LogFile(file)).keep)
    outcomes = in_a_loop(submit_some)
    writer.close()
    assert [type(outcome) for outcome in outcomes] == [DecisionLogError] * 3
    with pytest.raises(DecisionLogError, match="Start the service again"):
        in_a_loop(submit_some)


def test_what_is_submitted_together_is_kept_together_whatever_happens_inside() -> None:
    batches: list[int] = []

    def keep(works: Sequence[Any]) -> list[Any]:
        batches.append(len(works))
        time.sleep(0.05)  # so long that the first alone would be taken without the others
        return list(works)

    async def submit_some() -> list[Any]:
        futures: list[Any] = []
        with suppress(ZeroDivisionError), writer.one_transaction():
            for number in range(5):
                futures.append(writer.submit(cast(Any, number)))
                await asyncio.sleep(0.01)
            1 / 0  # noqa: B018
        together = await asyncio.wait_for(asyncio.gather(*futures), 5)
        return [*together, await asyncio.wait_for(writer.submit(cast(Any, 5)), 5)]

    writer = GroupWriter(keep)
    assert in_a_loop(submit_some) == [0, 1, 2, 3, 4, 5]
    writer.close()
    assert batches == [5, 1]


def test_who_no_longer_waits_keeps_nobody_else_from_being_told() -> None:
    def keep(works: Sequence[Any]) -> list[Any]:
        time.sleep(0.05)
        return list(works)

    async def submit_and_cancel_one() -> list[Any]:
        with writer.one_transaction():
            one, other, refused = (
                writer.submit(cast(Any, given)) for given in (0, 1, lost("full"))
            )
        one.cancel()
        told = asyncio.gather(other, refused, return_exceptions=True)
        return await asyncio.wait_for(told, 5)

    writer = GroupWriter(keep)
    told, refused = in_a_loop(submit_and_cancel_one)
    writer.close()
    assert told == 1
    assert isinstance(refused, DecisionLogError)


def test_that_nothing_is_kept_is_logged_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    def full(_: Sequence[Any]) -> list[Any]:
        raise DecisionLogError("the disk is full")

    async def submit() -> None:
        writer = GroupWriter(full)
        for _ in range(30):
            await asyncio.gather(writer.submit(nothing), return_exceptions=True)
        writer.close()

    def nothing(*_: Any) -> None: ...

    asyncio.run(submit())
    assert [record.getMessage() for record in caplog.records] == ["not kept"]


def test_the_end_waits_for_what_is_queued_in_front_of_it_and_no_longer() -> None:
    def keep(works: Sequence[Any]) -> list[Any]:
        time.sleep(0.1)  # meanwhile both the second and the end are queued
        return list(works)

    async def submit_and_close() -> list[Any]:
        futures = [writer.submit(cast(Any, 0))]
        await asyncio.sleep(0.02)
        futures.append(writer.submit(cast(Any, 1)))
        await asyncio.wait_for(asyncio.to_thread(writer.close), 5)
        return await asyncio.wait_for(asyncio.gather(*futures), 5)

    writer = GroupWriter(keep)
    assert in_a_loop(submit_and_close) == [0, 1]


def test_the_lane_of_another_lineage_counts_under_the_id_while_it_is_on_its_way(
    log: DecisionLog,
) -> None:
    record = a_record(lineage_id="L-1")

    async def ask() -> Lane | None:
        kept = log.append(record)
        strictest = log.strictest_lane(record.declaration_id)
        await kept
        return strictest

    assert in_a_loop(ask) is record.decision.lane


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_who_comes_while_the_writer_lets_go_is_told() -> None:
    def keep(works: Sequence[Any]) -> list[Any]:
        raise SystemExit  # ends a thread without a word

    async def submit_twice() -> list[Any]:
        first = writer.submit(cast(Any, 1))
        with writer.one_transaction():
            late = writer.submit(cast(Any, 2))
            await asyncio.wait([first], timeout=5)
        told = [first, late]
        return await asyncio.wait_for(asyncio.gather(*told, return_exceptions=True), 5)

    letting_go = threading.Event()
    writer = GroupWriter(keep, lambda: bool(letting_go.wait(10)) or None)
    told = in_a_loop(submit_twice)
    letting_go.set()
    writer._thread.join(5)  # its end is told of in this test, not in the next one
    assert ["its writer stopped" in str(each) for each in told] == [True, True]


def test_who_is_held_back_while_the_writer_stops_is_told(file: Path) -> None:
    async def submit_and_stop() -> Any:
        with writer.one_transaction():
            held = writer.submit(prove)
            writer.close()
        return await asyncio.wait_for(asyncio.gather(held, return_exceptions=True), 5)

    writer = GroupWriter(Journal(LogFile(file)).keep)
    (told,) = in_a_loop(submit_and_stop)
    assert "its writer stopped" in str(told)


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\0" + b"x" * 4096])
def test_a_file_that_is_no_database_is_refused(file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(DecisionLogError, match="restore it from a backup"):
        DecisionLog(file)
    assert file.read_bytes() == content


def test_a_log_without_a_chain_is_refused_and_left_as_it_is(file: Path) -> None:
    DecisionLog(file).close()
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(DecisionLogError, match=r"not chained.*give another LANES_STATE"):
        DecisionLog(file)
    assert file.read_bytes() == before


def test_a_log_of_another_version_is_refused(file: Path) -> None:
    DecisionLog(file).close()
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(DecisionLogError, match="version 7, not up to 4"):
        DecisionLog(file)


def test_a_record_altered_from_outside_is_not_answered(
    file: Path, log_in_file: DecisionLog
) -> None:
    log = log_in_file
    kept(log, a_record())
    connection = sqlite3.connect(file)
    with connection:
        connection.execute("UPDATE decisions SET record = '{}'")
    connection.close()
    with pytest.raises(DecisionLogError, match="altered from outside"):
        log.find("D-1")


def test_reading_a_log_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(DecisionLogError, match="There is no decision log"):
        LogReader(tmp_path / "none.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_a_changed_lane_counts_from_the_moment_it_is_queued(file: Path) -> None:
    log = DecisionLog(file)
    kept(log, a_record())
    act = Act("x:in force", What.OVERRIDE, "D-1", 1, "{}", lane=Lane.RED, follows=0)

    async def change() -> tuple[Any, ...]:
        before = log.strictest_lane("D-1")
        on_its_way = log.add_act(act)
        with pytest.raises(ConflictError, match="Somebody else"):
            log.add_act(act)
        while_queued = log.strictest_lane("D-1")
        return before, while_queued, await on_its_way, log.strictest_lane("D-1")

    assert in_a_loop(change) == (Lane.YELLOW, Lane.RED, 2, Lane.RED)
    assert log.strictest_lane_before(1, "D-1") is None
    log.close()


def test_while_a_step_is_on_its_way_no_other_is_taken(file: Path) -> None:
    log = DecisionLog(file)
    kept(log, a_record())
    waiting = Act("x:pending", What.OVERRIDE, "D-1", 1, "{}", lane=None, follows=0)
    raised = Act("y:in force", What.OVERRIDE, "D-1", 1, "{}", lane=Lane.RED, follows=0)

    async def change() -> tuple[Any, ...]:
        on_its_way = log.add_act(waiting)
        with pytest.raises(ConflictError, match="Somebody else"):
            log.add_act(raised)
        return log.strictest_lane("D-1"), await on_its_way

    assert in_a_loop(change) == (Lane.YELLOW, 2)
    log.close()


def test_of_two_who_act_on_the_same_state_the_second_is_told(file: Path) -> None:
    log = DecisionLog(file)
    kept(log, a_record())

    async def act(name: str) -> Any:
        what = Act(name, What.OVERRIDE, "D-1", 1, "{}", lane=None, follows=0)
        return await asyncio.gather(log.add_act(what), return_exceptions=True)

    assert in_a_loop(lambda: act("a")) == [2]
    (second,) = in_a_loop(lambda: act("b"))
    assert isinstance(second, ConflictError)
    log.close()


def test_lineages_are_told_of_many_at_once_and_of_nobody(log: DecisionLog) -> None:
    one, other = a_record(lineage_id="L-1"), a_record(declaration_id="D-2")
    kept(log, one, other)
    lineages = log.lineages(["L-1", "D-2", "D-3", "L-2"])
    assert lineages.keys == {one.key, other.key}
    assert [each.key for each in lineages.under("L-1", "D-1", "D-3")] == [one.key]
    assert log.strictest_lane("L-1", lineages=lineages) is one.decision.lane
    assert log.strictest_lane("D-3", lineages=lineages) is None
    assert not log.lineages([]).keys


def test_of_what_was_decided_today_no_more_is_held_than_offices_are_counted_by(
    log: DecisionLog,
) -> None:
    predictor = a_predictor()
    predictor.scorecard = a_scorecard()
    declared = [
        a_declaration(declaration_id=f"D-{level}", importer_compliance_level=level)
        for level in (1, 3, 5)
    ]
    whole = [predictor.decide(each, earlier_lane=None, now=NOON) for each in declared]
    kept(log, *whole)
    held = log.kept_since(NOON.date())
    assert [each.key for each in reversed(held)] == [each.key for each in whole]
    assert all(each.declared == {"declaration_office": "OFF01"} for each in held)
    one, other = (_counted(some) for some in (whole, held))
    assert [one.taken(lane) for lane in Lane] == [other.taken(lane) for lane in Lane]
    votes = [vote for each in whole for vote in each.decision.votes]
    assert [one.rank(vote) for vote in votes] == [other.rank(vote) for vote in votes]
    assert len({one.rank(vote) for vote in votes}) > 2


def _counted(records: Sequence[DecisionRecord]) -> OfficeLoad:
    loads = OfficeLoads()
    for each in records:
        office = each.declared["declaration_office"]
        loads.count(office, each.decided_at, each.decision, key=each.key)
    return loads.of("OFF01", NOON)
