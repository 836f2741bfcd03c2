"""The decision log in PostgreSQL: one chain by several writers, never changed, never waited for."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from selectivity.errors import DecisionLogError, ParamsError
from selectivity.lanes import Lane
from serving.audit.replay import replay
from serving.deciding.assign import assign
from serving.deciding.draw_key import read_or_create_draw_key
from serving.deciding.parts import Parts
from serving.log.chain_check import walk
from serving.log.decision_log import DecisionLog
from serving.log.reader import LogReader
from serving.start import predictor_for
from serving.storage import migrations
from serving.storage.database import LogDatabase, Patience
from tests.builders import a_declaration, an_inspection, an_item
from tests.logs import PATIENT, a_record, in_a_loop, inspected, kept
from tests.postgresql import PostgreSql
from tests.services import settings_in


@contextmanager
def logs_on(
    database: str, number: int = 1, patience: Patience = PATIENT
) -> Iterator[list[DecisionLog]]:
    logs = [DecisionLog(LogDatabase(database, patience)) for _ in range(number)]
    yield logs
    for log in logs:
        log.close()


def run(database: str, statement: str) -> Any:
    with PostgreSql.connect(database) as connection:
        return connection.execute(statement)


def test_several_writers_make_one_chain(database: str) -> None:
    async def keep_all(logs: list[DecisionLog]) -> list[Any]:
        begun = []
        for number in range(60):
            begun += [log.append(a_record(declaration_id=f"D-{number}")) for log in logs]
            if number % 7 == 0:
                await asyncio.sleep(0.002)
        return await asyncio.gather(*begun)

    with logs_on(database, 3) as logs:
        outcomes = in_a_loop(lambda: keep_all(logs))
        walked = LogDatabase(database).look_through(lambda connection: walk(connection))

    assert walked.problems == []
    assert walked.head.no == walked.decisions == 60  # of three twins each, one was kept
    assert [outcome.new for outcome in outcomes].count(True) == 60
    answers = {(each.record.declaration_id, each.record.model_dump_json()) for each in outcomes}
    assert len(answers) == 60


def test_two_services_that_decide_on_one_lineage_at_once_only_tighten(
    tmp_path: Path, database: str
) -> None:
    settings = settings_in(tmp_path, database=database)

    def parts() -> Parts:
        predictor = predictor_for(settings, read_or_create_draw_key(settings.draw_key_file))
        return Parts(predictor, DecisionLog(LogDatabase(database, PATIENT)), settings=settings)

    async def lodge_both(one: Parts, other: Parts) -> list[Lane]:
        ivory, cotton = (an_item(hs_code="050710"),), (an_item(hs_code="520100"),)
        lanes = []
        for number in range(10):
            pair = [a_declaration(declaration_id=f"D-{number}", version_no=1, items=ivory)]
            pair += [a_declaration(declaration_id=f"D-{number}", version_no=2, items=cotton)]
            decided = await asyncio.gather(assign(pair[0], one), assign(pair[1], other))
            lanes += [record.decision.lane for record in decided]
        return lanes

    one, other = parts(), parts()
    in_a_loop(lambda: lodge_both(one, other))
    for each in (one, other):
        each.log.close()
    with closing(LogReader(LogDatabase(database))) as log:
        records = list(log.records())
        before = [
            (log.strictest_lane_before(seq, record.declaration_id), record.decision.lane)
            for seq, record in records
        ]
        assert len(before) == 20
        assert [lane for earlier, lane in before if earlier and lane < earlier] == []
        assert replay(log, settings).all_equal


def test_services_that_start_together_make_one_log(database: str) -> None:
    ids: list[str] = []

    def start() -> None:
        with logs_on(database) as (log,):
            ids.append(log.log_id)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 4
    assert len(set(ids)) == 1
    assert run(database, "SELECT count(*) FROM log_versions").fetchone() == (len(migrations.STEPS),)


def test_a_database_without_a_log_is_not_read_as_an_empty_one(database: str) -> None:
    with pytest.raises(DecisionLogError, match=r"There is no decision log.*lanes migrate"):
        LogReader(LogDatabase(database))


def test_a_log_of_newer_software_is_refused(database: str) -> None:
    with logs_on(database):
        run(database, "INSERT INTO log_versions (version) VALUES (99)")
    for use in (DecisionLog, LogReader):
        with pytest.raises(DecisionLogError, match=r"version 99, newer.*Start the newer software"):
            use(LogDatabase(database))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE decisions SET lane = 1",
        "DELETE FROM decisions",
        "TRUNCATE chain",
        "UPDATE chain SET record_hash = ''",
        "DELETE FROM inspections",
        "UPDATE inspections SET inspection = '{}'",
        "UPDATE meta SET log_id = ''",
    ],
)
def test_what_was_written_is_not_changed_by_mistake(database: str, statement: str) -> None:
    with logs_on(database) as (log,):
        inspected(log, an_inspection(inspection_id="I-0", declaration_id="D-0"))
        kept(log, a_record())
        inspected(log, an_inspection())
    with pytest.raises(psycopg.errors.RaiseException, match="never changed nor deleted"):
        run(database, statement)


@pytest.mark.parametrize("setting", ["synchronous_commit"])
def test_a_database_that_forgets_in_a_power_cut_is_refused(database: str, setting: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    run(database, f"ALTER DATABASE {name} SET {setting} = off")
    with pytest.raises(DecisionLogError, match=f"power cut \\({setting} is off\\)"):
        DecisionLog(LogDatabase(database))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("postgresql://ann@db/lanes?secret=hunter22", "a parameter that there is not, 'secret'"),
        ("postgresql://ann@db/lanes?password=hunter22%zz", "no address of a PostgreSQL database"),
        ("postgresql://ann@[hunter22/lanes", "no address of a PostgreSQL database"),
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_showing_it(
    address: str, said: str
) -> None:
    with pytest.raises(ParamsError, match=said) as refused:
        LogDatabase(address)
    assert "hunter22" not in str(refused.value)


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(DecisionLogError, match="LANES_DATABASE") as refused:
        LogReader(LogDatabase("postgresql://ann@127.0.0.1:1/lanes?password=hunter22"))
    assert "hunter22" not in str(refused.value)


def test_a_writer_waits_no_longer_than_it_was_given(postgresql: PostgreSql, database: str) -> None:
    with logs_on(database, patience=Patience()) as (log,):
        while isinstance(kept(log, a_record())[0], DecisionLogError):
            pass  # the machine is busy
        with PostgreSql.connect(database) as other:
            other.execute("BEGIN; LOCK TABLE decisions IN ACCESS EXCLUSIVE MODE")
            started = time.monotonic()
            (outcome,) = kept(log, a_record(declaration_id="D-2"))
            waited = time.monotonic() - started
        assert isinstance(outcome, DecisionLogError)
        assert waited < 2  # 0.3 on an idle machine; the lock is held for ever
        while isinstance(kept(log, a_record(declaration_id="D-2"))[0], DecisionLogError):
            pass
    with closing(LogReader(LogDatabase(database))) as reader:
        assert reader.counts()[0] == 2


def test_a_reader_comes_back_when_the_server_does(postgresql: PostgreSql, database: str) -> None:
    with logs_on(database) as (log,):
        kept(log, a_record())
    with closing(LogReader(LogDatabase(database, Patience(read_seconds=1)))) as reader:
        with PostgreSql.connect(database) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'lanes'"
            )
        with pytest.raises(DecisionLogError):
            reader.find("D-1")
        assert reader.find("D-1") is not None
        postgresql.hang()
        try:
            with pytest.raises(DecisionLogError, match="did not answer in time"):
                reader.head()
        finally:
            postgresql.go_on()
        assert reader.head().no == 1
