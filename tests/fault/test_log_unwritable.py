"""No durable record, no lane: where neither log nor spool can be written, 503; both heal alone."""

import os
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from serving.log.reader import LogReader
from tests.builders import an_item
from tests.command_line import lanes
from tests.services import KEY, a_process, a_service, bearer, lodged, ndjson, settings_in, until


def _refused(answer: httpx.Response) -> None:
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "lane" not in answer.json()


@contextmanager
def held(*files: Path) -> Iterator[None]:
    """Another program that lets nobody write these."""
    others = [sqlite3.connect(file, isolation_level=None) for file in files]
    for other in others:
        other.execute("BEGIN EXCLUSIVE")
    yield
    for other in others:
        other.close()


def test_a_locked_log_hands_over_to_the_spool(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    ivory, cotton = (an_item(hs_code="050710"),), (an_item(hs_code="520100"),)
    with a_service(tmp_path) as client:
        before = client.post("/v1/lanes", json=lodged(declaration_id="D-0")).json()
        with held(settings.log_file):
            first = client.post("/v1/lanes", json=lodged(items=ivory)).json()
            ready = client.get("/health/ready")
            again = client.post("/v1/lanes", json=lodged(items=ivory)).json()
            other = client.post("/v1/lanes", json=lodged(items=cotton))
            second = client.post("/v1/lanes", json=lodged(items=cotton, version_no=2)).json()
            kept = client.post("/v1/lanes", json=lodged(declaration_id="D-0")).json()
            found = client.get("/v1/decisions/D-1").json()
        assert ready.status_code == 200
        state = ready.json()
        assert (state["log"], state["cause"], state["spooled"]) == ("spooling", "LOG", 1)
        assert first == again
        assert first["lane"] == second["lane"] == "RED"  # a lineage only tightens
        assert other.status_code == 409
        assert kept == before
        assert found["version_no"] == 2

        assert until(client, log="ok")["spooled"] == 0
        assert client.post("/v1/lanes", json=lodged(items=ivory)).json() == first
    log = LogReader(settings.log_file)
    assert [record.key for _, record in log.records()] == [("D-0", 1), ("D-1", 1), ("D-1", 2)]
    assert log.conflicts() == []
    counted = "4 records (3 decisions, 0 inspections, 1 drains of a spool)"
    assert counted in lanes(tmp_path, "verify").stdout


def test_with_log_and_spool_locked_there_is_no_lane(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with a_service(tmp_path) as client:
        with held(settings.log_file, settings.spool_file):
            _refused(client.post("/v1/lanes", json=lodged()))
            assert client.get("/health/ready").status_code == 503
            assert client.get("/health/ready").json()["log"] == "failing"
            many = [lodged(declaration_id=f"D-{number}") for number in range(3)]
            answer = client.post("/v1/lanes/batch", content=ndjson(*many))
            assert client.get("/v1/decisions/D-1").status_code == 404
        lines = [httpx.Response(200, content=line).json() for line in answer.iter_lines()]
        assert [line["status"] for line in lines] == [503, 503, 503]
        assert client.post("/v1/lanes", json=lodged()).status_code == 200
        until(client, log="ok")
    assert LogReader(settings.log_file).counts()[0] == 1


def test_a_log_that_can_be_written_and_not_read_is_not_ready(tmp_path: Path) -> None:
    """As with a bad sector: every caller gets a 503, and a load balancer has to know."""
    file = settings_in(tmp_path).log_file
    with a_service(tmp_path) as client:
        client.post("/v1/lanes", json=lodged())
        os.truncate(file.with_name(f"{file.name}-wal"), 0)
        _refused(client.post("/v1/lanes", json=lodged(declaration_id="D-2")))
        ready = client.get("/health/ready")
    assert (ready.status_code, ready.json()["log"]) == (503, "failing")


def test_the_command_says_why_an_order_is_not_kept(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    order = ["mode", "set", "NO_GREEN", "--hours", "1", "--reason", "contraband"]
    with a_service(tmp_path) as client:
        with held(settings.log_file, settings.spool_file):
            told = lanes(tmp_path, *order, "--url", str(client.base_url))
        until(client, log="ok")
    assert told.exit_code == 60
    assert told.stderr.startswith("error: The service answers 503: The decision could not be kept")
    assert "locked" in told.stderr


def test_a_full_disk_gives_no_lane_until_there_is_room(tmp_path: Path) -> None:
    with (
        a_process(tmp_path) as (process, url),
        httpx.Client(base_url=url, headers=bearer(KEY)) as client,
    ):
        assert client.post("/v1/lanes", json=lodged()).status_code == 200
        _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4_096, hard))
        for number in range(3):
            _refused(client.post("/v1/lanes", json=lodged(declaration_id=f"F-{number}")))
        assert client.get("/health/ready").status_code == 503
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))

        assert client.get("/health/ready").status_code == 200
        assert client.post("/v1/lanes", json=lodged(declaration_id="F-0")).status_code == 200
        assert client.get("/v1/decisions/D-1").status_code == 200


def test_a_full_disk_hands_over_to_a_spool_on_another_and_heals(tmp_path: Path) -> None:
    """No file may grow beyond where the log is already: only there the disk is full."""
    settings = settings_in(tmp_path)
    with (
        a_process(tmp_path) as (process, url),
        httpx.Client(base_url=url, headers=bearer(KEY)) as client,
    ):
        many = [lodged(declaration_id=f"D-{number}") for number in range(200)]
        client.post("/v1/lanes/batch", content=ndjson(*many))
        full = settings.log_file.with_name(settings.log_file.name + "-wal").stat().st_size
        _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (full, hard))
        first = client.post("/v1/lanes", json=lodged(declaration_id="F-0"))
        assert first.status_code == 200
        assert client.get("/health/ready").json()["log"] == "spooling"
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))

        assert until(client, log="ok")["log"] == "ok"
        again = client.post("/v1/lanes", json=lodged(declaration_id="F-0"))
        assert again.json() == first.json()
    assert LogReader(settings.log_file).find("F-0") is not None
