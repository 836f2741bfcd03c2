"""A killed, stopped or abandoned service: nothing that was answered is lost or answered twice."""

import json
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from selectivity.errors import ServiceError
from serving.audit.replay import replay
from serving.audit.verify import verify
from serving.commands.client import call
from serving.log.reader import LogReader
from serving.log.signing_key import public_file, read_public
from serving.storage.file import LogFile
from tests.command_line import lanes
from tests.services import (
    KEY,
    a_process,
    a_service,
    bearer,
    keeping_histories,
    lodged,
    ndjson,
    settings_in,
    until,
)

CALLERS = 8


@contextmanager
def load_on(url: str, prefix: str) -> Iterator[dict[str, Any]]:
    """Callers that send one declaration after the other until they are cut off; their answers."""
    answered: dict[str, Any] = {}
    enough = threading.Event()

    def send_until_cut_off(caller: int) -> None:
        for number in range(100_000):
            id_ = f"{prefix}-{caller}-{number}"
            body = json.dumps(lodged(declaration_id=id_)).encode()
            try:
                status, answer = call(url, "POST", "/v1/lanes", body, key=KEY)
            except ServiceError:
                return
            if status == 200:
                answered[id_] = json.loads(answer)
            if enough.is_set():
                return

    threads = [threading.Thread(target=send_until_cut_off, args=(each,)) for each in range(CALLERS)]
    for thread in threads:
        thread.start()
    yield answered
    enough.set()
    for thread in threads:
        thread.join()


def test_a_killed_service_has_lost_no_answer(tmp_path: Path, bundle: Path) -> None:
    moment = random.Random(7)
    answered: dict[str, Any] = {}
    for cycle in range(3):
        with a_process(tmp_path, bundle=bundle, **keeping_histories(20)) as (process, url):
            with load_on(url, f"K{cycle}") as now_answered:
                time.sleep(moment.uniform(0.5, 1.5))
                process.send_signal(signal.SIGKILL)
            answered |= now_answered
    log = LogReader(settings_in(tmp_path).log_file)
    kept = {record.declaration_id: record for _, record in log.records()}

    assert len(answered) > 20
    assert [id_ for id_ in answered if id_ not in kept] == []
    for id_, answer in answered.items():
        assert kept[id_].decision.lane.name == answer["lane"]
    assert log.damage() == []
    settings = settings_in(tmp_path, bundle=bundle)
    assert any(settings.histories_folder.iterdir())  # which the last decisions went by
    assert replay(log, settings).all_equal


def test_a_caller_in_doubt_asks_again_and_gets_the_kept_answer(
    tmp_path: Path, bundle: Path
) -> None:
    with a_process(tmp_path, bundle=bundle) as (process, url), load_on(url, "D"):
        time.sleep(0.7)
        process.kill()
    log = LogReader(settings_in(tmp_path).log_file)
    kept = [record for _, record in log.records()][-CALLERS:]
    with a_service(tmp_path) as client:
        for record in kept:
            again = client.post("/v1/lanes", json=record.declared).json()
            assert again["decided_at"] == record.model_dump(mode="json")["decided_at"]
            assert again["lane"] == record.decision.lane.name


def test_a_stopped_service_finishes_what_it_began(tmp_path: Path, bundle: Path) -> None:
    many = [lodged(declaration_id=f"D-{number}") for number in range(300)]
    with (
        a_process(tmp_path, bundle=bundle) as (process, url),
        httpx.stream(
            "POST", f"{url}/v1/lanes/batch", content=ndjson(*many), headers=bearer(KEY)
        ) as answer,
    ):
        lines = answer.iter_lines()
        first = [next(lines)]
        process.terminate()
        assert len(first + list(lines)) == len(many)


def test_a_service_stopped_under_load_answers_all_that_it_took(
    tmp_path: Path, bundle: Path
) -> None:
    with a_process(tmp_path, bundle=bundle) as (process, url), load_on(url, "S") as answered:
        while len(answered) < 50:
            time.sleep(0.01)
        process.terminate()
        assert process.wait(30) in (0, -signal.SIGTERM)
    settings = settings_in(tmp_path)
    kept = {record.declaration_id for _, record in LogReader(settings.log_file).records()}
    public = read_public(public_file(settings.signing_key_file))
    verdict = verify(LogFile(settings.log_file), settings.anchor_file, [public])

    assert set(answered) == kept
    assert verdict.problems == ()
    assert verdict.vouched is not None
    assert verdict.vouched.records == len(kept)


def test_a_decision_is_kept_though_its_caller_has_gone(tmp_path: Path) -> None:
    body = json.dumps(lodged()).encode()
    head = "POST /v1/lanes HTTP/1.1\r\nHost: x\r\n"
    head += f"Authorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    with a_service(tmp_path) as client:
        address = urlsplit(str(client.base_url))
        with socket.create_connection((address.hostname or "", address.port or 0)) as caller:
            caller.sendall(head.encode() + body)
        end = time.monotonic() + 5
        while client.get("/v1/decisions/D-1").status_code == 404 and time.monotonic() < end:
            time.sleep(0.02)
        view = client.get("/v1/decisions/D-1").json()
        assert client.post("/v1/lanes", json=lodged()).json()["decided_at"] == view["decided_at"]


@pytest.mark.parametrize("part", ["wal", "shm"])
def test_a_part_of_the_log_that_is_deleted_takes_no_answer_with_it(
    tmp_path: Path, part: str
) -> None:
    """What was kept so far lies in the -wal file, which the service alone still sees."""
    settings = settings_in(tmp_path)
    place = settings.log_file.with_name(f"{settings.log_file.name}-{part}")
    with (
        a_process(tmp_path) as (process, url),
        httpx.Client(base_url=url, headers=bearer(KEY)) as client,
    ):
        client.post("/v1/lanes", json=lodged(declaration_id="before"))
        place.unlink()
        until(client, log="spooling")  # though nobody asked for a lane
        assert place.name in client.get("/health/ready").json()["detail"]
        client.post("/v1/lanes", json=lodged(declaration_id="after"))
        process.kill()
    with a_service(tmp_path) as client:
        found = [client.get(f"/v1/decisions/{each}").status_code for each in ("before", "after")]
    assert found == [200, 200]
    assert lanes(tmp_path, "verify").exit_code == 0
