"""The service starts while its database is away, and everything comes into the log once."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, cast

import httpx
import psycopg
import pytest
from psycopg import conninfo
from pydantic import SecretStr

from models.bundle import verify
from pipelines.publish import publish
from selectivity.deciding.modes import Mode
from selectivity.errors import BundleError, DecisionLogError, SelectivityError
from selectivity.mode_orders import ModeAsked, ModeStep, order
from serving import start
from serving.deciding.follow_log import LOOK_SECONDS, LogFollower
from serving.deciding.governing import SUBJECT, WATCH_SECONDS, watch
from serving.deciding.predictor import Predictor
from serving.log.checkpointer import Checkpointer
from serving.log.checkpoints import Checkpoint, append
from serving.log.decision_log import DecisionLog
from serving.log.reader import LogReader
from serving.log.signing_key import read_or_create_signing_key
from serving.log.spool import NotTheLogError
from serving.settings import Settings
from serving.start import assemble
from serving.storage import migrations
from serving.storage.acts import Act, What
from serving.storage.chain import Head
from serving.storage.database import LogDatabase
from serving.storage.file import LogFile, open_to_write
from serving.storage.store import AWAY_SECONDS, AwayError, Connection
from serving.stores import compare_with_anchor
from tests.builders import NOON, a_declaration, an_item
from tests.bundles import a_bundle
from tests.command_line import lanes
from tests.logs import OFFICER, PATIENT, a_record, in_a_loop, kept
from tests.postgresql import PostgreSql
from tests.services import (
    ENGLISH,
    KEY,
    a_process,
    a_service,
    bearer,
    lodged,
    ndjson,
    settings_in,
    until,
)

SECONDS = 30


class Day(NamedTuple):
    """What a service kept before it was stopped."""

    first: dict[str, Any]
    """The answer on D-1."""
    raised: str
    """A declaration whose lane an officer made RED."""


def one_of_many(number: int) -> dict[str, Any]:
    """Some get a milder lane than others."""
    return {
        "declaration_id": f"D-{number}",
        "importer_id": f"IMP{number % 3}",
        "importer_compliance_level": (1, 3, 5)[number % 3],
        "items": (an_item(customs_value=50.0 * 4 ** (number % 4)),),
    }


def a_day(client: httpx.Client) -> Day:
    first = client.post("/v1/lanes", json=lodged()).json()
    many = [lodged(**one_of_many(number)) for number in range(2, 20)]
    lines = client.post("/v1/lanes/batch", content=ndjson(*many)).text.splitlines()
    raised = next(
        each["declaration_id"] for each in map(json.loads, lines) if each["lane"] != "RED"
    )
    asked = {"declaration_id": raised, "version_no": 1, "to_lane": "RED", "reason_code": "SEAL"}
    assert client.post("/v1/overrides", json=asked).status_code == 200
    time.sleep(1.5)  # until the copy has it
    return Day(first, raised)


@contextmanager
def down(postgresql: PostgreSql) -> Iterator[None]:
    postgresql.kill()
    try:
        yield
    finally:
        postgresql.start()


def ids_in(database: str) -> list[str]:
    with closing(LogReader(LogDatabase(database))) as log:
        return [f"{each.declaration_id}/{each.version_no}" for _, each in log.records()]


def test_a_start_without_the_database_loses_nothing_and_doubles_nothing(
    tmp_path: Path, bundle: Path, database: str, postgresql: PostgreSql
) -> None:
    with a_service(tmp_path, bundle=bundle, database=database) as client:
        day = a_day(client)
    with down(postgresql):
        began = time.monotonic()
        with a_service(tmp_path, bundle=bundle, database=database) as client:
            ready = client.get("/health/ready")
            assert time.monotonic() - began < 10
            told = ready.json()
            assert (ready.status_code, told["log"], told["histories"]) == (
                200,
                "spooling",
                "behind",
            )
            assert (told["cause"], told["spooled"]) == ("LOG", 0)
            assert "started without the log" in told["detail"]
            assert client.post("/v1/lanes", json=lodged()).json() == day.first
            assert client.post("/v1/lanes", json=lodged(importer_id="IMP2")).status_code == 409
            amended = client.post(
                "/v1/lanes", json=lodged(**one_of_many(int(day.raised[2:])), version_no=2)
            )
            assert amended.json()["lane"] == "RED"
            new = client.post("/v1/lanes", json=lodged(declaration_id="N-1")).json()
            assert (new["degraded"], new["fallback_cause"]) == (True, "HISTORIES_BEHIND")
            assert client.post("/v1/lanes", json=lodged(declaration_id="N-1")).json() == new
            assert client.get("/health/ready").json()["spooled"] == 2
            assert "lanes_histories_behind 1.0" in client.get("/metrics").text

            postgresql.start()
            assert until(client, log="ok", histories="ok")["spooled"] == 0
            assert client.post("/v1/lanes", json=lodged(declaration_id="N-1")).json() == new
            later = client.post("/v1/lanes", json=lodged(declaration_id="N-2")).json()
            shown = client.get("/v1/decisions/N-2").json()
            assert later["fallback_cause"] is None
            assert shown["record"]["known_upto"] == 23  # 19, an override, 2 and their drain

    kept = ids_in(database)
    assert sorted(kept) == sorted(
        [*(f"D-{number}/1" for number in range(1, 20)), f"{day.raised}/2", "N-1/1", "N-2/1"]
    )
    here = {"LANES_DATABASE": database, "LANES_BUNDLE": str(bundle)}
    assert lanes(tmp_path, "verify", **here).stdout.startswith("whole: ")
    again = lanes(tmp_path, "replay", **here)
    assert "22 decisions replayed and equal" in again.stdout, again.stderr
    conflicts = lanes(tmp_path, "conflicts", **here)
    assert (conflicts.stdout, conflicts.stderr) == ("", "There are no conflicts.\n")
    with down(postgresql), a_service(tmp_path, bundle=bundle, database=database) as client:
        assert client.get("/health/ready").json()["spooled"] == 0  # the log had it all


def test_a_service_that_was_started_without_the_database_and_killed_loses_nothing(
    tmp_path: Path, database: str, postgresql: PostgreSql
) -> None:
    address: Any = {"database": SecretStr(database)}
    with a_service(tmp_path, database=database) as client:
        a_day(client)
    headers = ENGLISH | bearer(KEY)
    with down(postgresql):
        for number in (1, 2):  # the second start finds the spool of the first
            with (
                a_process(tmp_path, **address) as (_, url),
                httpx.Client(base_url=url, headers=headers) as client,
            ):
                answers = [
                    client.post("/v1/lanes", json=lodged(declaration_id=f"N-{each}")).json()["lane"]
                    for each in range(5 * number)
                ]
                assert client.get("/health/ready").json()["spooled"] == 5 * number
    with a_service(tmp_path, database=database) as client:
        assert until(client, log="ok")["spooled"] == 0
        again = [
            client.post("/v1/lanes", json=lodged(declaration_id=f"N-{each}")).json()["lane"]
            for each in range(10)
        ]
    assert again == answers
    assert len(ids_in(database)) == len(set(ids_in(database))) == 29


def test_a_database_that_hangs_keeps_no_service_from_starting(
    tmp_path: Path, bundle: Path, database: str, postgresql: PostgreSql
) -> None:
    with a_service(tmp_path, bundle=bundle, database=database) as client:
        day = a_day(client)
    postgresql.hang()
    try:
        began = time.monotonic()
        with a_service(tmp_path, bundle=bundle, database=database) as client:
            assert client.get("/health/ready").json()["log"] == "spooling"
            assert time.monotonic() - began < 10
            assert client.post("/v1/lanes", json=lodged()).json() == day.first
            new = client.post("/v1/lanes", json=lodged(declaration_id="N-1")).json()
            assert new["fallback_cause"] == "HISTORIES_BEHIND"
            postgresql.go_on()
            until(client, log="ok", histories="ok")
    finally:
        postgresql.go_on()
    assert ids_in(database).count("N-1/1") == 1


def test_a_bundle_published_while_the_log_is_away_takes_over_when_it_is_back(
    tmp_path: Path,
    bundle: Path,
    database: str,
    postgresql: PostgreSql,
    caplog: pytest.LogCaptureFixture,
) -> None:
    a_bundle(first := tmp_path / "first", seed=1)
    publish(first, tmp_path / "published", by="a manager", at=NOON)
    fields: dict[str, Any] = {"database": database, "follow_seconds": 0.1}
    with a_service(tmp_path, **fields) as client:
        a_day(client)
    with down(postgresql), a_service(tmp_path, **fields) as client:
        publish(bundle, tmp_path / "published", by="a manager", at=NOON)
        time.sleep(0.5)
        told = client.get("/health/ready").json()
        assert told["bundle"] == verify(first)[0][:16]
        assert "bundle was refused" not in told["detail"]
        postgresql.start()
        until(client, log="ok", histories="ok", bundle=verify(bundle)[0][:16])
        time.sleep(2 * LOOK_SECONDS)
    assert "histories know the log" not in caplog.messages  # nothing was made twice


def a_step(mode: Mode) -> ModeStep:
    asked = ModeAsked.model_validate({"mode": mode, "hours": 2, "reason": "a scheme"})
    step = order([], asked, by=OFFICER, at=datetime.now(UTC))
    assert isinstance(step, ModeStep)
    return step


class Behind:
    """A service whose histories know nothing of its log, which is there; and what follows it."""

    def __init__(self, folder: Path, first: Path, *, follow_seconds: float = 0.1) -> None:
        self.published, self.loads, self.torn = folder / "published", 0, False
        publish(first, self.published, by="a manager", at=NOON)
        self.settings = settings_in(folder, follow_seconds=follow_seconds)
        self.parts = assemble(self.settings)
        self.parts.predictor.known_upto = None

    def prepare(self) -> Predictor:
        self.loads += 1
        if self.torn:
            raise BundleError("It is torn. Publish another one.")
        return start.predictor_for(self.settings, b"k" * 32)

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        task = asyncio.create_task(LogFollower(self.parts, self.prepare).follow())
        yield
        assert not task.done()
        task.cancel()

    async def caught_up(self) -> None:
        end = time.monotonic() + SECONDS
        while self.parts.predictor.behind and time.monotonic() < end:
            await asyncio.sleep(0.05)
        assert not self.parts.predictor.behind


def test_a_bundle_that_does_not_take_over_is_not_loaded_for_the_histories_and_its_cause_is_told(
    tmp_path: Path, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    a_bundle(first := tmp_path / "first", seed=1)
    behind = Behind(tmp_path, first)

    async def follow() -> None:
        publish(bundle, behind.published, by="a manager", at=NOON)
        async with behind.followed():
            await asyncio.sleep(4 * LOOK_SECONDS)
            behind.parts.predictor.cause_detail = "What is published now was refused: it is torn."
            await asyncio.sleep(4 * LOOK_SECONDS)
            assert behind.loads == 0
            publish(first, behind.published, by="a manager", at=NOON)
            await behind.caught_up()

    in_a_loop(follow)
    behind.parts.log.close()
    told = [vars(each) for each in caplog.records if each.message == "histories stay behind"]
    assert ["it is torn" in each["cause"] for each in told] == [False, True]
    assert behind.loads == 1


def test_a_bundle_that_cannot_be_loaded_is_not_tried_at_every_look(
    tmp_path: Path, bundle: Path
) -> None:
    behind = Behind(tmp_path, bundle, follow_seconds=60)
    behind.torn = True

    async def follow() -> None:
        async with behind.followed():
            await asyncio.sleep(4 * LOOK_SECONDS)

    in_a_loop(follow)
    behind.parts.log.close()
    assert behind.loads == 1


def test_histories_are_not_made_anew_that_somebody_else_has_made_meanwhile(
    tmp_path: Path, bundle: Path
) -> None:
    behind = Behind(tmp_path, bundle)

    async def follow() -> None:
        async with behind.followed():
            async with behind.parts.handover.turn:
                await asyncio.sleep(2 * LOOK_SECONDS)
                behind.parts.predictor.known_upto = 0  # as of one that took over
            await asyncio.sleep(2 * LOOK_SECONDS)

    in_a_loop(follow)
    behind.parts.log.close()
    assert behind.loads == 0


@pytest.mark.parametrize(
    ("hours_ago", "ordered", "holds"),
    [
        (3.9, Mode.NORMAL, Mode.NORMAL),
        (4.1, Mode.NORMAL, Mode.NO_GREEN),
        (-0.1, Mode.NORMAL, Mode.NO_GREEN),  # the clock was set back
        (4.1, Mode.MANUAL, Mode.MANUAL),
        (None, Mode.NORMAL, Mode.NORMAL),
    ],
)
def test_who_has_not_seen_the_log_for_hours_is_stricter_and_never_milder(
    tmp_path: Path, hours_ago: float | None, ordered: Mode, holds: Mode
) -> None:
    parts = assemble(settings_in(tmp_path))
    spooling = parts.log._spooling
    assert spooling is not None
    if hours_ago is not None:
        spooling.copy_of = datetime.now(UTC) - timedelta(hours=hours_ago)
    if ordered is not Mode.NORMAL:
        parts.orders = [a_step(ordered)]
    parts.log.close()
    assert parts.mode is holds


def test_an_ordered_mode_holds_at_a_start_without_the_database(
    tmp_path: Path, bundle: Path, database: str, postgresql: PostgreSql
) -> None:
    ordered = {"mode": "NO_GREEN", "hours": 2, "reason": "contraband in green"}
    with a_service(tmp_path, bundle=bundle, database=database) as client:
        time.sleep(1.5)
        assert client.post("/v1/mode", json=ordered).status_code == 200
    with down(postgresql), a_service(tmp_path, bundle=bundle, database=database) as client:
        told = lanes(tmp_path, "check", LANES_DATABASE=database)
        assert "away; the service would start from its copy of " in told.stdout
        assert client.get("/health/ready").json()["mode"] == Mode.NO_GREEN
        assert client.post("/v1/lanes", json=lodged()).json()["lane"] != "GREEN"
        assert client.post("/v1/mode", json=ordered).status_code == 503  # longer is no tighter
        waits = lanes(tmp_path, "check", LANES_DATABASE=database).stdout
        assert "1 record waits in " in waits
        assert "once it is back, the service takes it into the log" in waits


def test_after_hours_without_a_look_at_the_log_nothing_is_released_until_it_is_back(
    tmp_path: Path, bundle: Path, database: str, postgresql: PostgreSql
) -> None:
    with a_service(tmp_path, bundle=bundle, database=database) as client:
        a_day(client)
        for number in range(30, 60):
            client.post("/v1/lanes", json=lodged(**one_of_many(number)))
        lanes_given = {
            number: client.post("/v1/lanes", json=lodged(**one_of_many(number))).json()["lane"]
            for number in range(30, 60)
        }
    green = next(number for number, lane in lanes_given.items() if lane == "GREEN")
    last_seen(tmp_path, timedelta(hours=4, minutes=1))
    again = one_of_many(green) | {"declaration_id": "N-1"}
    with down(postgresql), a_service(tmp_path, bundle=bundle, database=database) as client:
        assert client.get("/health/ready").json()["mode"] == Mode.NO_GREEN
        assert client.post("/v1/lanes", json=lodged(**again)).json()["lane"] == "YELLOW"
        postgresql.start()
        until(client, log="ok", histories="ok", mode=Mode.NORMAL)
        again |= {"declaration_id": "N-2"}
        assert client.post("/v1/lanes", json=lodged(**again)).json()["lane"] == "GREEN"


def test_what_was_ordered_while_nobody_looked_holds_before_anything_is_released(
    tmp_path: Path, database: str, postgresql: PostgreSql
) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    with a_service(tmp_path / "here", database=database) as client:
        a_day(client)
    with a_service(tmp_path / "there", database=database) as client:
        ordered = {"mode": "MANUAL", "hours": 2, "reason": "a scheme came to light"}
        assert client.post("/v1/mode", json=ordered).status_code == 200
    last_seen(tmp_path / "here", timedelta(hours=4, minutes=1))
    with down(postgresql), a_service(tmp_path / "here", database=database) as client:
        assert client.get("/health/ready").json()["mode"] == Mode.NO_GREEN
        postgresql.start()
        end, told = time.monotonic() + SECONDS, {"mode": ""}
        while told["mode"] != Mode.MANUAL and time.monotonic() < end:
            told = client.get("/health/ready").json()
            assert told["mode"] in (Mode.NO_GREEN, Mode.MANUAL)
        assert told["mode"] == Mode.MANUAL


def last_seen(folder: Path, ago: timedelta) -> None:
    """Have the copy be in step so long ago."""
    with closing(open_to_write(settings_in(folder).recent_file)) as copy:
        then = (datetime.now(UTC) - ago).isoformat()
        copy.execute("UPDATE marks SET value = ? WHERE name = 'in_step'", (then,))


def no_copy(settings: Settings) -> None:
    settings.recent_file.unlink()


def a_copy_cut_short(settings: Settings) -> None:
    open_to_write(settings.recent_file).close()  # so that all of it lies in the file
    with settings.recent_file.open("r+b") as file:
        file.truncate(5_000)


def a_copy_of_another_database(settings: Settings) -> None:
    with closing(open_to_write(settings.recent_file)) as copy:
        copy.execute("UPDATE marks SET value = 'the other' WHERE name = 'of'")


def a_copy_that_was_never_complete(settings: Settings) -> None:
    with closing(open_to_write(settings.recent_file)) as copy:
        copy.execute("DELETE FROM marks WHERE name = 'in_step'")


@pytest.mark.parametrize(
    "damage",
    [no_copy, a_copy_cut_short, a_copy_of_another_database, a_copy_that_was_never_complete],
)
def test_without_a_copy_to_go_by_the_start_is_refused_or_waits(
    tmp_path: Path, database: str, postgresql: PostgreSql, damage: Callable[[Settings], None]
) -> None:
    settings = settings_in(tmp_path, database=SecretStr(database))
    with a_service(tmp_path, database=database) as client:
        a_day(client)
    damage(settings)
    with down(postgresql):
        with pytest.raises(AwayError, match=r"a second lane.*lanes serve --wait"):
            assemble(settings)
        told = lanes(tmp_path, "check", LANES_DATABASE=database)
        assert "away, and the service would not start: " in told.stdout
        waited: list[Any] = []
        thread = threading.Thread(target=lambda: waited.append(start._assemble_in(60, settings)))
        thread.start()
        time.sleep(0.5)
        assert not waited
    thread.join()
    (parts,) = waited
    assert parts.log.find("D-19") is not None
    parts.log.close()


@pytest.mark.parametrize("fails", ["the spool", "the log of before", "the anchor"])
def test_a_start_that_fails_leaves_nothing_behind(
    tmp_path: Path, database: str, fails: str
) -> None:
    settings = settings_in(tmp_path, database=SecretStr(database))
    with a_service(tmp_path, database=database) as client:
        client.post("/v1/lanes", json=lodged())
    if fails == "the spool":
        settings.spool_file.unlink()
        settings.spool_file.mkdir()
    elif fails == "the log of before":
        a_log_that_lost_records(settings)
    else:
        settings.anchor_file.unlink()
        settings.anchor_file.mkdir()
    before = threading.active_count()
    with pytest.raises(SelectivityError):
        assemble(settings)
    assert threading.active_count() == before
    with PostgreSql.connect(database) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'lanes' "
            "AND datname = current_database()"
        ).fetchone()
    assert found == (0,)


def test_a_database_that_refuses_us_is_not_away(
    tmp_path: Path, database: str, postgresql: PostgreSql
) -> None:
    with a_service(tmp_path, database=database) as client:
        client.post("/v1/lanes", json=lodged())
    name = conninfo.conninfo_to_dict(database)["dbname"]
    with PostgreSql.connect(postgresql.address("postgres")) as connection:
        connection.execute(f"DROP DATABASE {name}")
    with pytest.raises(DecisionLogError, match="does not exist") as refused:
        assemble(settings_in(tmp_path, database=SecretStr(database)))
    assert not isinstance(refused.value, AwayError)
    for words, away in {
        'FATAL:  password authentication failed for user "lanes"': False,
        'FATAL:  no pg_hba.conf entry for host "10.0.0.1"': False,
        "FATAL:  sorry, too many clients already": True,
        "FATAL:  the database system is starting up": True,
        "Connection refused": True,
    }.items():
        told = LogDatabase(database).unusable(psycopg.OperationalError(words))
        assert isinstance(told, AwayError) is away, words


def test_clusters_on_one_host_are_told_apart_by_their_ports() -> None:
    names = [
        LogDatabase(f"postgresql://lanes@h{port}/log").name
        for port in ("", ":5432", ":5433", ":5434")
    ]
    assert names[0] == names[1] == "PostgreSQL database 'log' on h"
    assert len(set(names)) == 3


@pytest.mark.parametrize(
    ("hosts", "shown"),
    [
        ("a:5611,b:5612", "a:5611,b:5612"),
        ("a,b:5612", "a,b:5612"),
        ("a,b", "a,b"),
        ("?host=a,b&port=5611", "a:5611,b:5611"),
    ],
)
def test_each_of_several_hosts_is_named_with_its_port(hosts: str, shown: str) -> None:
    address = f"postgresql:///log{hosts}" if "?" in hosts else f"postgresql://{hosts}/log"
    assert LogDatabase(address).name == f"PostgreSQL database 'log' on {shown}"


@pytest.mark.parametrize(
    ("parameter", "told"),
    [
        ("target_session_attrs=read-writ", 'invalid target_session_attrs value: "read-writ"'),
        ("sslmode=on", 'invalid sslmode value: "on"'),
        ("port=fünf", 'invalid integer value "fünf" for connection option "port"'),
        ("host=a,b&port=1,2,3", "could not match 3 port numbers to 2 hosts"),
        ("port=99999", 'invalid port number: "99999"'),
        ("host=db..example", "invalid host name: "),
        ("hostaddr=db.example", 'could not parse network address "db.example"'),
        ("connect_timeout=soon", "bad value for connect_timeout: 'soon'"),
        ("service=none", 'definition of service "none" not found'),
        ("sslrootcert=system&sslmode=require", 'weak sslmode "require"'),
        (f"host=/{'a' * 108}", "is too long"),
    ],
)
def test_a_parameter_that_is_misspelt_is_refused_and_not_waited_for(
    parameter: str, told: str
) -> None:
    log = LogDatabase(f"postgresql://lanes@127.0.0.1/log?{parameter}")
    with pytest.raises(DecisionLogError, match=r"Correct that parameter in LANES_DATABASE") as it:
        log.open_to_read()
    assert not isinstance(it.value, AwayError)
    assert told in str(it.value)


def test_a_database_is_spoken_to_in_utf_8_whatever_the_address_says(database: str) -> None:
    with closing(LogDatabase(f"{database}&client_encoding=LATIN1").open_to_write()) as there:
        assert there.execute("SHOW client_encoding").fetchone() == ("UTF8",)


def test_what_comes_back_empty_is_left_empty(
    tmp_path: Path, database: str, postgresql: PostgreSql
) -> None:
    empty = postgresql.new_database()
    with a_service(tmp_path, database=database) as client:
        client.post("/v1/lanes", json=lodged())
    postgresql.replace(database, empty)
    with down(postgresql), a_service(tmp_path, database=database) as client:
        postgresql.start()
        end = time.monotonic() + SECONDS
        while "it has no id" not in client.get("/health/ready").json()["detail"]:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert LogDatabase(database).log_id_there() is None
        postgresql.replace(database, empty)
        until(client, log="ok")


def test_a_log_of_an_older_version_is_brought_up_to_date_when_it_is_back(
    tmp_path: Path, database: str, postgresql: PostgreSql
) -> None:
    with a_service(tmp_path, database=database) as client:
        client.post("/v1/lanes", json=lodged())
    with PostgreSql.connect(database) as connection:
        connection.execute("DROP TABLE acts")  # what the newest version added
        connection.execute("DELETE FROM log_versions WHERE version = %s", (migrations.VERSION,))
    with pytest.raises(DecisionLogError, match="lanes migrate"):
        LogDatabase(database).open_to_read()
    with down(postgresql), a_service(tmp_path, database=database) as client:
        client.post("/v1/lanes", json=lodged(declaration_id="N-1"))
        postgresql.start()
        until(client, log="ok")
    assert ids_in(database) == ["D-1/1", "N-1/1"]


def another_log(settings: Settings) -> str:
    with closing(open_to_write(settings.recent_file)) as copy:
        copy.execute("UPDATE meta SET log_id = 'f00d'")
    return "Another decision log"


def a_log_that_lost_records(settings: Settings) -> str:
    assert settings.database is not None
    with closing(LogReader(LogDatabase(settings.database.get_secret_value()))) as log:
        head = Head(log.head().no + 5, "0" * 64)
        key = read_or_create_signing_key(settings.signing_key_file)
        append(settings.anchor_file, Checkpoint.sign(log.log_id, head, datetime.now(UTC), key))
    return "not the one that was vouched for"


@pytest.mark.parametrize("made", [another_log, a_log_that_lost_records])
def test_a_log_that_is_not_the_one_of_before_is_not_gone_back_to(
    tmp_path: Path,
    database: str,
    postgresql: PostgreSql,
    caplog: pytest.LogCaptureFixture,
    made: Callable[[Settings], str],
) -> None:
    """It is told once, though others may go on writing into what lies there."""
    settings = settings_in(tmp_path, database=SecretStr(database))
    with a_service(tmp_path, database=database) as client:
        a_day(client)
    told = made(settings)
    with down(postgresql), a_service(tmp_path, database=database) as client:
        client.post("/v1/lanes", json=lodged(declaration_id="N-1"))
        postgresql.start()
        end = time.monotonic() + SECONDS
        while told not in client.get("/health/ready").json()["detail"]:
            assert time.monotonic() < end
            time.sleep(0.05)
        with closing(DecisionLog(LogDatabase(database, PATIENT))) as other:
            for number in range(2):
                kept(other, a_record(declaration_id=f"X-{number}"))
                time.sleep(0.8)
        assert client.get("/health/ready").json()["log"] == "spooling"
        assert client.post("/v1/lanes", json=lodged(declaration_id="N-2")).status_code == 200
    assert len(ids_in(database)) == 19 + 2
    assert [each.message for each in caplog.records].count("log not gone back to") == 1


def test_a_signing_key_that_cannot_be_used_meanwhile_does_not_end_the_way_back(
    tmp_path: Path, database: str, postgresql: PostgreSql
) -> None:
    key = settings_in(tmp_path).signing_key_file
    with a_service(tmp_path, database=database) as client:
        client.post("/v1/lanes", json=lodged())
        with down(postgresql):
            client.post("/v1/lanes", json=lodged(declaration_id="N-1"))
            key.chmod(0o644)
        end = time.monotonic() + SECONDS
        while f"chmod 600 {key}" not in client.get("/health/ready").json()["detail"]:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert client.post("/v1/lanes", json=lodged(declaration_id="N-2")).status_code == 200
        key.chmod(0o600)
        assert until(client, log="ok")["spooled"] == 0
    assert ids_in(database) == ["D-1/1", "N-1/1", "N-2/1"]


def test_another_log_that_takes_the_place_of_a_running_one_teaches_and_orders_nothing(
    tmp_path: Path, bundle: Path, database: str, postgresql: PostgreSql
) -> None:
    others = postgresql.new_database()
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    with a_service(tmp_path / "there", bundle=bundle, database=others) as client:
        ordered = {"mode": "NO_GREEN", "hours": 2, "reason": "contraband in green"}
        assert client.post("/v1/mode", json=ordered).status_code == 200
        for number in range(30):
            client.post("/v1/lanes", json=lodged(declaration_id=f"O-{number}"))
    ours: dict[str, Any] = {"bundle": bundle, "database": database, "checkpoint_seconds": 1}
    with a_service(tmp_path / "here", **ours) as client:
        a_day(client)
        postgresql.replace(database, others)
        end = time.monotonic() + SECONDS
        while "Another decision log" not in client.get("/health/ready").json()["detail"]:
            assert time.monotonic() < end
            time.sleep(0.05)
        time.sleep(1.5 * WATCH_SECONDS)
        told = client.get("/health/ready").json()
        assert (told["log"], told["mode"]) == ("spooling", Mode.NORMAL)
        assert client.post("/v1/lanes", json=lodged(declaration_id="N-1")).status_code == 200
        assert client.get("/v1/decisions/N-1").json()["record"]["known_upto"] == 20
        assert client.get("/v1/offices/HQ/notices").status_code == 503  # not the other's
        postgresql.replace(database, others)
        until(client, log="ok")  # nothing of the other log was vouched for as if it were ours
    assert len(ids_in(database)) == 20
    assert len(ids_in(others)) == 30


def test_a_connection_lost_while_the_log_is_recognised_is_no_other_log(
    tmp_path: Path, database: str, postgresql: PostgreSql
) -> None:
    settings = settings_in(tmp_path, database=SecretStr(database))
    with a_service(tmp_path, database=database) as client:
        client.post("/v1/lanes", json=lodged())  # and is vouched for
    with closing(LogReader(LogDatabase(database))) as log:
        with down(postgresql), pytest.raises(AwayError):
            compare_with_anchor(log, settings)
        compare_with_anchor(log, settings)
        a_log_that_lost_records(settings)
        with pytest.raises(NotTheLogError):
            compare_with_anchor(log, settings)


class Reluctant(LogFile):
    """A log whose first openings for reading fail."""

    def __init__(self, file: Path, failures: int) -> None:
        super().__init__(file)
        self.failures, self.tried = failures, list[float]()

    def open_to_read(self, *, quick: bool = False) -> Connection:
        self.tried.append(time.monotonic())
        if self.failures > 0:
            self.failures -= 1
            raise AwayError("no descriptor is left")
        return super().open_to_read(quick=quick)


@pytest.mark.parametrize("follows", ["the log", "the mode"])
def test_what_follows_the_log_outlives_openings_that_fail(
    tmp_path: Path, bundle: Path, follows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.deciding.governing.WATCH_SECONDS", 0.1)
    settings = settings_in(tmp_path, bundle=bundle)
    parts, other = assemble(settings), assemble(settings)
    step = a_step(Mode.NO_GREEN)
    ordered = Act(step.name, What.MODE, SUBJECT, 0, step.model_dump_json(), follows=0)
    record = other.predictor.decide(a_declaration(), earlier_lane=None, now=datetime.now(UTC))
    store = parts.log.store = Reluctant(settings.log_file, failures=3)

    async def follow() -> None:
        await other.log.append(record)
        await other.log.add_act(ordered)
        task = asyncio.create_task(
            LogFollower(parts).follow() if follows == "the log" else watch(parts)
        )
        end = time.monotonic() + SECONDS
        while not task.done() and time.monotonic() < end:
            if parts.predictor.known_upto == 2 or parts.mode is Mode.NO_GREEN:
                break
            await asyncio.sleep(0.05)
        assert not task.done()
        task.cancel()

    in_a_loop(follow)
    for each in (parts, other):
        each.log.close()
    assert store.failures == 0
    if follows == "the mode":
        assert parts.mode is Mode.NO_GREEN
    else:
        assert parts.predictor.known_upto == 2
        assert shortest_pause(store) >= 0.95 * AWAY_SECONDS


class ComingBack(LogFile):
    """A log that is gone back to at the moment when it is opened."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self.spooling, self.looks, self.seen = True, 0, list[int]()
        self.store, self.log_id, self.copied_at = self, "", None

    def open_to_read(self, *, quick: bool = False) -> Connection:
        self.spooling = False
        return super().open_to_read(quick=quick)

    def begin_reading(self, connection: Connection) -> None:
        self.looks += 1
        super().begin_reading(connection)

    def orders_seen(self) -> None:
        self.seen.append(self.looks)


def test_orders_read_while_the_log_comes_back_are_read_again_before_they_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the log had at the first look may lack what others ordered until it was back."""
    monkeypatch.setattr("serving.deciding.governing.WATCH_SECONDS", 0.01)
    parts = assemble(settings_in(tmp_path))
    log, back = parts.log, ComingBack(parts.settings.log_file)
    parts.log = cast(DecisionLog, back)

    async def look() -> None:
        task = asyncio.create_task(watch(parts))
        end = time.monotonic() + SECONDS
        while not back.seen and not task.done() and time.monotonic() < end:
            await asyncio.sleep(0.01)
        task.cancel()

    in_a_loop(look)
    log.close()
    assert back.seen[0] == 2


def shortest_pause(store: Reluctant) -> float:
    """Seconds between the openings that failed."""
    return min(after - before for before, after in pairwise(store.tried[:4]))


def test_who_vouches_for_a_log_that_is_away_does_not_knock_five_times_a_second(
    tmp_path: Path,
) -> None:
    settings = settings_in(tmp_path)
    DecisionLog(settings.log_file).close()
    store, told = Reluctant(settings.log_file, failures=3), list[Checkpoint]()
    key = read_or_create_signing_key(settings.signing_key_file)
    often: dict[str, Any] = {"later": True, "on_checkpoint": told.append}
    with closing(Checkpointer(store, settings.anchor_file, key, **often)):
        end = time.monotonic() + SECONDS
        while not told and time.monotonic() < end:
            time.sleep(0.05)
    assert told
    assert shortest_pause(store) >= 0.95 * AWAY_SECONDS
