"""The service with its decision log in PostgreSQL: the same answers, proofs and exports."""

import json
import shutil
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from serving.log.decision_log import DecisionLog
from serving.start import assemble
from tests.command_line import lanes
from tests.logs import a_record, kept
from tests.postgresql import PostgreSql, programs
from tests.services import (
    a_service,
    eventually,
    keeping_histories,
    lodged,
    ndjson,
    settings_in,
    until,
)


@pytest.fixture
def served(tmp_path: Path, bundle: Path, database: str) -> dict[str, Any]:
    """What was answered before the service was stopped."""
    with a_service(tmp_path, bundle=bundle, database=database) as client:
        assert client.get("/health/ready").json()["status"] == "ready"
        first: dict[str, Any] = client.post("/v1/lanes", json=lodged()).json()
        many = [lodged(declaration_id=f"D-{number}") for number in range(2, 30)]
        client.post("/v1/lanes/batch", content=ndjson(*many))
        until(client, log="ok")  # a server that stood still for a moment sent them into the spool
        inspection = {
            "inspection_id": "I-1",
            "declaration_id": "D-1",
            "control_type": "FULL_PHYSICAL",
            "result": "NO_FINDING",
            "observed_at": "2026-03-03T09:30:00+07:00",
        }
        assert client.post("/v1/inspections", json=inspection).json()["receipt"] == "stored"
    return first


def test_an_answer_is_the_same_after_a_restart_and_in_another_service(
    tmp_path: Path, bundle: Path, database: str, served: dict[str, Any]
) -> None:
    (tmp_path / "other").mkdir()
    with (
        a_service(tmp_path, bundle=bundle, database=database) as one,
        a_service(tmp_path / "other", bundle=bundle, database=database) as other,
    ):
        assert one.post("/v1/lanes", json=lodged()).json() == served
        assert other.post("/v1/lanes", json=lodged()).json() == served
        new = lodged(declaration_id="N-1")
        assert one.post("/v1/lanes", json=new).json() == other.post("/v1/lanes", json=new).json()
        assert one.post("/v1/lanes", json=lodged(importer_id="IMP2")).status_code == 409
        assert other.get("/v1/decisions/N-1").json()["declaration_id"] == "N-1"


@pytest.mark.usefixtures("served")
def test_the_commands_read_the_database(tmp_path: Path, bundle: Path, database: str) -> None:
    here = {"LANES_DATABASE": database, "LANES_BUNDLE": str(bundle)}
    whole = lanes(tmp_path, "verify", **here).stdout
    assert whole.startswith("whole: ")
    assert "records (29 decisions, 1 inspections)" in whole
    assert "29 decisions replayed and equal" in lanes(tmp_path, "replay", **here).stdout
    assert "29 decisions, 1 inspections (0 parked)" in lanes(tmp_path, "check", **here).stdout
    ended = lanes(tmp_path, "export", "--to", str(tmp_path / "out"), **here)
    assert "29 declarations and 1 inspections" in ended.stdout
    lines = (tmp_path / "out/declarations.ndjson").read_text().splitlines()
    assert json.loads(lines[0])["declaration_id"] == "D-1"


def test_a_lane_changed_at_one_service_holds_and_is_told_at_the_other(
    tmp_path: Path, database: str
) -> None:
    (tmp_path / "other").mkdir()
    raised = {"declaration_id": "D-1", "version_no": 1, "to_lane": "RED", "reason_code": "SEAL"}
    with (
        a_service(tmp_path, database=database) as one,
        a_service(tmp_path / "other", database=database) as other,
    ):
        one.post("/v1/lanes", json=lodged())
        assert one.post("/v1/overrides", json=raised).status_code == 200
        assert other.get("/v1/decisions/D-1").json()["final_lane"] == "RED"
        assert other.post("/v1/lanes", json=lodged(version_no=2)).json()["lane"] == "RED"
        told = other.get("/v1/offices/OFF01/notices").json()
        body = {"cursor": told["notices"][1]["cursor"]}
        assert other.post("/v1/offices/OFF01/notices/ack", json=body).status_code == 200
        rest = one.get("/v1/offices/OFF01/notices").json()["notices"]
    here = {"LANES_DATABASE": database}
    proved, again = lanes(tmp_path, "verify", **here), lanes(tmp_path, "replay", **here)

    assert [notice["about"] for notice in told["notices"]] == ["decision", "override", "decision"]
    assert rest == told["notices"][2:]
    assert "whole: 4 records (2 decisions, 0 inspections, 2 acts of people)" in proved.stdout
    assert "2 decisions replayed and equal" in again.stdout


def test_a_changed_lane_holds_while_the_database_is_down_and_none_is_changed(
    tmp_path: Path, database: str, postgresql: PostgreSql
) -> None:
    raised = {"declaration_id": "D-1", "version_no": 1, "to_lane": "RED", "reason_code": "SEAL"}
    with a_service(tmp_path, database=database) as client:
        client.post("/v1/lanes", json=lodged())
        client.post("/v1/lanes", json=lodged(declaration_id="D-2"))
        assert client.post("/v1/overrides", json=raised).status_code == 200
        time.sleep(1.5)  # until the copy has it
        postgresql.kill()
        try:
            amended = client.post("/v1/lanes", json=lodged(version_no=2)).json()
            shown = client.get("/v1/decisions/D-1", params={"version_no": 1}).json()
            refused = client.post("/v1/overrides", json=raised | {"declaration_id": "D-2"})
        finally:
            postgresql.start()
    assert (amended["lane"], shown["final_lane"]) == ("RED", "RED")
    assert refused.status_code == 503


def test_no_look_up_sends_decisions_into_the_spool(
    tmp_path: Path, bundle: Path, database: str
) -> None:
    with a_service(tmp_path, bundle=bundle, database=database) as client:
        client.post("/v1/lanes", json=lodged())
        with PostgreSql.connect(database) as connection:
            connection.execute("SET session_replication_role = replica")  # as an owner can
            connection.execute("UPDATE decisions SET record = '{}'")
        assert client.get("/v1/decisions/%00").status_code == 404
        assert client.get("/v1/decisions/%00/explanation").status_code == 404
        assert client.get("/v1/decisions/D-1").status_code == 503
        assert client.get("/health/ready").json()["log"] == "ok"


@pytest.mark.usefixtures("served")
def test_tampering_with_the_database_is_found(tmp_path: Path, database: str) -> None:
    with PostgreSql.connect(database) as connection:
        connection.execute("SET session_replication_role = replica")  # as an owner can
        connection.execute("UPDATE decisions SET lane = lane + 1 WHERE seq = 7")
    ended = lanes(tmp_path, "verify", LANES_DATABASE=database)
    assert ended.exit_code == 42
    assert "(decision on 'D-7' version 1) was altered" in ended.stderr


def test_tables_are_made_before_the_first_start(tmp_path: Path, database: str) -> None:
    checked = lanes(tmp_path, "check", LANES_DATABASE=database)
    assert "it is made at the first start" in checked.stdout
    empty = lanes(tmp_path, "export", "--to", str(tmp_path), LANES_DATABASE=database)
    assert empty.exit_code == 40
    assert "lanes migrate" in empty.stderr
    for _ in range(2):
        assert "is of version" in lanes(tmp_path, "migrate", LANES_DATABASE=database).stdout
    assert "0 decisions" in lanes(tmp_path, "check", LANES_DATABASE=database).stdout


def test_a_check_refuses_a_database_that_forgets_in_a_power_cut(
    tmp_path: Path, database: str
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    with PostgreSql.connect(database) as connection:
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")  # type: ignore[arg-type]
    for _ in range(2):
        told = lanes(tmp_path, "check", LANES_DATABASE=database)
        assert "would lose decisions in a power cut (synchronous_commit is off)" in told.stderr
        assert "would serve  nothing: see log" in told.stdout
        lanes(tmp_path, "migrate", LANES_DATABASE=database)


def test_a_backup_is_made_in_two_steps_and_restored_into_an_empty_database(
    tmp_path: Path, bundle: Path, postgresql: PostgreSql, database: str
) -> None:
    dump, restored = tmp_path / "lanes.dump", tmp_path / "restored"
    with a_service(tmp_path, bundle=bundle, database=database) as client:
        answer = client.post("/v1/lanes", json=lodged()).json()
        here = {"LANES_DATABASE": database, "LANES_BUNDLE": str(bundle)}
        made = lanes(tmp_path, "backup", "--to", str(tmp_path / "backup"), **here)
        assert made.exit_code == 0, made.stderr
        assert made.stdout.startswith("whole: 1 records (1 decisions, 0 inspections)")
        assert "dump the PostgreSQL database" in made.stdout
        client.post("/v1/lanes", json=lodged(declaration_id="between"))
        until(client, log="ok")
        dumped = [programs() / "pg_dump", "--format=custom", f"--file={dump}", database]
        subprocess.run(dumped, check=True)
        client.post("/v1/lanes", json=lodged(declaration_id="lost"))
    empty = postgresql.new_database()
    restores = [programs() / "pg_restore", "--no-owner", "--exit-on-error", f"--dbname={empty}"]
    subprocess.run([*restores, dump], check=True)
    shutil.copytree(tmp_path / "backup", restored / "state")
    anchor = settings_in(restored).anchor_file
    (restored / "state" / anchor.name).rename(anchor)

    with a_service(restored, bundle=bundle, database=empty) as client:
        assert client.get("/health/ready").json()["anchor"] == "ok"
        assert client.post("/v1/lanes", json=lodged()).json() == answer
        for id_, status in ("between", 200), ("lost", 404):
            assert client.get(f"/v1/decisions/{id_}").status_code == status
    assert lanes(restored, "verify", LANES_DATABASE=empty).exit_code == 0


@pytest.mark.parametrize("waits", [True, False])
def test_of_a_spool_that_is_taken_over_no_backup_is_made(
    tmp_path: Path, database: str, waits: bool
) -> None:
    with a_service(tmp_path, database=database) as client:
        client.post("/v1/lanes", json=lodged())
    settings = settings_in(tmp_path, database=database)
    with closing(DecisionLog(settings.spool_file)) as spool:
        kept(spool, a_record(declaration_id="spooled"))
    if not waits:
        with a_service(tmp_path, database=database):  # takes it over
            pass
    to = str(tmp_path / "backup")
    assert lanes(tmp_path, "backup", "--to", to, LANES_DATABASE=database).exit_code == 0
    assert (tmp_path / "backup" / settings.spool_file.name).exists() == waits


def test_histories_learn_what_another_service_wrote(
    tmp_path: Path, bundle: Path, database: str
) -> None:
    (tmp_path / "other").mkdir()
    with (
        a_service(tmp_path, bundle=bundle, database=database) as one,
        a_service(tmp_path / "other", bundle=bundle, database=database) as other,
    ):
        one.post(
            "/v1/lanes/batch",
            content=ndjson(*[lodged(declaration_id=f"D-{number}") for number in range(5)]),
        )
        known, end = 0, time.monotonic() + 10
        while known < 5 and time.monotonic() < end:
            id_ = f"E-{time.monotonic()}"
            other.post("/v1/lanes", json=lodged(declaration_id=id_))
            known = other.get(f"/v1/decisions/{id_}").json()["record"]["known_upto"] or 0
            time.sleep(0.1)
    assert known >= 5
    here = {"LANES_DATABASE": database, "LANES_BUNDLE": str(bundle)}
    assert lanes(tmp_path, "replay", **here).exit_code == 0


def test_histories_of_a_database_are_kept_for_the_next_start(
    tmp_path: Path, bundle: Path, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    often = keeping_histories(2) | {"bundle": bundle}
    folder = settings_in(tmp_path).histories_folder
    with a_service(tmp_path, database=database, **often) as client:
        for number in range(3):
            client.post("/v1/lanes", json=lodged(declaration_id=f"D-{number}"))
        eventually(lambda: folder.exists() and list(folder.glob("*.histories")))
    parts = assemble(settings_in(tmp_path, database=database, bundle=bundle))
    parts.log.close()
    assert parts.predictor.kept_upto >= 2
    assert parts.predictor.known_upto == 3
    assert database not in caplog.text
