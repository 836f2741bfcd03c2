"""No durable record, no lane: a log that cannot be written means 503, and heals by itself."""

import resource
import sqlite3
from pathlib import Path

import httpx

from tests.services import KEY, a_process, a_service, bearer, lodged, ndjson, settings_in


def _refused(answer: httpx.Response) -> None:
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "lane" not in answer.json()


def test_a_locked_log_gives_no_lane_until_it_is_free(tmp_path: Path) -> None:
    with a_service(tmp_path) as client:
        first = client.post("/v1/lanes", json=lodged(declaration_id="D-0")).json()
        other = sqlite3.connect(settings_in(tmp_path).log_file, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        _refused(client.post("/v1/lanes", json=lodged()))
        assert client.get("/health/ready").status_code == 503
        assert client.get("/health/ready").json()["cause"] == "LOG"
        again = client.post("/v1/lanes", json=lodged(declaration_id="D-0"))
        other.execute("ROLLBACK")
        other.close()

        assert again.json() == first  # what was kept is answered though nothing can be written
        assert client.get("/v1/decisions/D-1").status_code == 404
        assert client.post("/v1/lanes", json=lodged()).status_code == 200
        assert client.get("/health/ready").status_code == 200


def test_each_line_of_a_batch_is_refused_while_the_log_is_locked(tmp_path: Path) -> None:
    with a_service(tmp_path) as client:
        other = sqlite3.connect(settings_in(tmp_path).log_file, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        many = [lodged(declaration_id=f"D-{number}") for number in range(3)]
        answer = client.post("/v1/lanes/batch", content=ndjson(*many))
        other.execute("ROLLBACK")
        other.close()
    statuses = [httpx.Response(200, content=line).json()["status"] for line in answer.iter_lines()]
    assert statuses == [503, 503, 503]


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
