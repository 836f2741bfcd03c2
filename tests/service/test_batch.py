"""Many declarations at once: a line in, a line out."""

import asyncio
import json
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Request

from selectivity.record import DecisionRecord
from selectivity.similar import LONGEST
from serving.deciding.assign import assign
from serving.log.keep import Kept, OvertakenError
from serving.routes.batch import AHEAD, LINES_TOGETHER, NAMES_LOOKED_FOR, TURNS, answer_lines
from serving.start import assemble
from tests.builders import a_declaration, an_item
from tests.services import KEY, a_service, lodged, ndjson, settings_in


def _lines(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200
    return [json.loads(line) for line in answer.text.splitlines()]


def test_lines_are_answered_in_order(client: httpx.Client) -> None:
    ids = [f"B-{number}" for number in range(200)]
    answer = client.post(
        "/v1/lanes/batch", content=ndjson(*[lodged(declaration_id=id_) for id_ in ids])
    )
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert [line["declaration_id"] for line in _lines(answer)] == ids


def test_a_batch_and_single_requests_give_the_same_answers(client: httpx.Client) -> None:
    many = [lodged(declaration_id=f"C-{number}") for number in range(5)]
    in_a_batch = _lines(client.post("/v1/lanes/batch", content=ndjson(*many)))
    one_by_one = [client.post("/v1/lanes", json=declared).json() for declared in many]
    assert in_a_batch == one_by_one


def test_a_bad_line_never_stops_the_others(client: httpx.Client) -> None:
    good = lodged(declaration_id="E-1")
    body = b"\r\n".join(
        [
            json.dumps(good).encode(),
            b"",
            b"   ",
            b"{",
            b"\xff\xfe",
            json.dumps(good | {"importer_id": "IMP2"}).encode(),
            json.dumps(good).encode(),
        ]
    )
    first, broken, not_text, conflict, again = _lines(client.post("/v1/lanes/batch", content=body))

    assert first == again
    assert (broken["status"], broken["line"]) == (422, 4)
    assert (not_text["status"], not_text["line"]) == (422, 5)
    assert (conflict["status"], conflict["line"]) == (409, 6)


@pytest.mark.parametrize("joined", [b"".join, lambda many: b"[" + b",".join(many) + b"]"])
def test_what_is_not_one_declaration_a_line_is_told_how_to_be_sent(
    client: httpx.Client, joined: Callable[[list[bytes]], bytes]
) -> None:
    many = [json.dumps(lodged(declaration_id=f"J-{number}")).encode() for number in range(2)]
    (refused,) = _lines(client.post("/v1/lanes/batch", content=joined(many)))
    assert refused["line"] == 1
    assert "--data-binary" in refused["problems"][0]["remedy"]


def test_a_line_that_is_too_long_is_refused_alone(tmp_path: Path) -> None:
    with a_service(tmp_path, body_limit_bytes=1_000) as client:
        body = b"x" * 200_000 + b"\n" + ndjson(lodged())
        too_long, good = _lines(client.post("/v1/lanes/batch", content=body))
    assert (too_long["status"], too_long["line"]) == (413, 1)
    assert good["declaration_id"] == "D-1"


def test_a_batch_over_the_limit_is_refused(tmp_path: Path) -> None:
    def without_length() -> Iterator[bytes]:
        for number in range(50):
            yield ndjson(lodged(declaration_id=f"D-{number}"))

    with a_service(tmp_path, batch_limit_bytes=5_000) as client:
        known_before = client.post("/v1/lanes/batch", content=b" " * 5_001)
        *answered, refused = _lines(client.post("/v1/lanes/batch", content=without_length()))
    assert known_before.status_code == 413
    assert refused["status"] == 413
    assert all("lane" in line for line in answered)


@pytest.mark.parametrize("limit", [1, 45, 64])
def test_a_batch_of_more_lines_than_the_limit_is_answered_up_to_there(
    tmp_path: Path, limit: int
) -> None:
    """Lines that hold nothing do not count."""
    body = b"\n" + ndjson(*[lodged(declaration_id=f"L-{number}") for number in range(limit)])
    with a_service(tmp_path, batch_lines_limit=limit) as client:
        assert len(_lines(client.post("/v1/lanes/batch", content=body + b"\n"))) == limit
        *answered, refused = _lines(client.post("/v1/lanes/batch", content=body + b"{}\nx" * 40))
    assert [line["declaration_id"] for line in answered] == [f"L-{n}" for n in range(limit)]
    assert (refused["status"], refused["problems"][0]["field"]) == (413, "batch")
    assert f"more than {limit} lines" in refused["problems"][0]["message"]


def test_a_batch_whose_answers_get_too_long_is_answered_up_to_there(tmp_path: Path) -> None:
    """What is told of a line may be longer than the line, and lies in memory until the end."""
    bad = json.dumps({f"x{number}": 1 for number in range(20)}).encode() + b"\n"
    good = ndjson(lodged(declaration_id="after"))
    with a_service(tmp_path, batch_limit_bytes=200_000) as client:
        enough = client.post("/v1/lanes/batch", content=bad * 20)
        most = len(bad * 20) * 400_000 // len(enough.content)
        body = bad * (most // len(bad) + 2 * AHEAD * LINES_TOGETHER) + good
        assert len(body) < 200_000
        *answered, refused = _lines(client.post("/v1/lanes/batch", content=body))
    assert {line["status"] for line in answered} == {422}
    assert (refused["status"], "line" in refused) == (413, False)
    assert "more than 400,000 bytes of answers" in refused["problems"][0]["message"]


def test_an_empty_batch_has_an_empty_answer(client: httpx.Client) -> None:
    assert _lines(client.post("/v1/lanes/batch", content=b"\n\n")) == []
    assert _lines(client.post("/v1/lanes/batch", content=b"")) == []


def test_no_answer_begins_before_the_request_has_ended(tmp_path: Path) -> None:
    """As in front of many proxies, which send no more of a request that is being answered."""
    first, second = ndjson(lodged(declaration_id="P-1")), ndjson(lodged(declaration_id="P-2"))
    head = f"POST /v1/lanes/batch HTTP/1.1\r\nHost: x\r\nContent-Length: {len(first + second)}\r\n"
    head += f"Authorization: Bearer {KEY}\r\nConnection: close\r\n\r\n"
    with a_service(tmp_path) as client, socket.socket() as caller:
        caller.connect(("127.0.0.1", client.base_url.port))
        caller.sendall(head.encode() + first)
        while client.get("/v1/decisions/P-1").status_code != 200:  # long decided on and kept
            time.sleep(0.01)
        caller.settimeout(0.3)
        with pytest.raises(TimeoutError):
            caller.recv(1)
        caller.settimeout(20)
        caller.sendall(second)
        answer = b"".join(iter(lambda: caller.recv(65_536), b""))
    assert answer.count(b'"declaration_id":"P-') == 2


def test_a_caller_who_sends_everything_before_reading_gets_through(tmp_path: Path) -> None:
    body = ndjson(*[lodged(declaration_id=f"F-{number}") for number in range(1_000)])
    head = f"POST /v1/lanes/batch HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    head += f"Authorization: Bearer {KEY}\r\n"
    with a_service(tmp_path) as client, socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)  # holds hardly any answers
        caller.settimeout(20)
        caller.connect(("127.0.0.1", client.base_url.port))
        caller.sendall(f"{head}Connection: close\r\n\r\n".encode() + body)
        answer = b"".join(iter(lambda: caller.recv(65_536), b""))
    assert len(answer) > 500_000
    assert answer.count(b'"declaration_id":"F-') == 1_000


def test_versions_within_one_batch_never_get_milder(client: httpx.Client) -> None:
    ivory = lodged(declaration_id="G-1", items=(an_item(hs_code="050710"),))
    plain = lodged(declaration_id="G-1", version_no=2)
    first, second = _lines(client.post("/v1/lanes/batch", content=ndjson(ivory, plain)))
    assert first["lane"] == second["lane"] == "RED"


def test_a_batch_speaks_the_callers_language(client: httpx.Client) -> None:
    body = ndjson(lodged(declaration_id="H-1"))
    answer = client.post("/v1/lanes/batch", content=body, headers={"Accept-Language": "vi"})
    assert answer.headers["Content-Language"] == "vi"
    assert _lines(answer)[0]["lane_name"].startswith("luồng")


def test_lines_are_decided_on_while_others_are_being_kept_up_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = assemble(settings_in(tmp_path))
    waiting: list[tuple[DecisionRecord, asyncio.Future[Kept]]] = []
    at_once = False

    def append(record: DecisionRecord, *, in_step: bool = False) -> "asyncio.Future[Kept]":
        kept: asyncio.Future[Kept] = asyncio.get_running_loop().create_future()
        if at_once:
            kept.set_result(Kept(record, new=True))
        else:
            waiting.append((record, kept))
        return kept

    monkeypatch.setattr(parts.log, "append", append)
    room = AHEAD * LINES_TOGETHER
    ids = [f"R-{number}" for number in range(room + 40)]
    body = ndjson(*[lodged(declaration_id=id_) for id_ in ids])

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def answered() -> list[bytes]:
        nonlocal at_once
        request = Request({"type": "http", "headers": []}, receive)
        answers = answer_lines(request, parts, "en")
        first = asyncio.ensure_future(anext(answers))
        for _ in range(2 * TURNS * AHEAD):
            await asyncio.sleep(0)
        assert len(waiting) == room
        at_once = True
        for record, kept in waiting:
            kept.set_result(Kept(record, new=True))
        return [await first, *[chunk async for chunk in answers]]

    chunks = asyncio.run(answered())
    parts.log.close()
    lines = [json.loads(line) for chunk in chunks for line in chunk.splitlines()]
    assert [line["declaration_id"] for line in lines] == ids


def test_others_get_their_turn_between_the_lines_that_are_decided_on_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = assemble(settings_in(tmp_path))
    turns, decided_at, names = 0, list[int](), list[str]()

    def append(record: DecisionRecord, *, in_step: bool = False) -> "asyncio.Future[Kept]":
        decided_at.append(turns)
        names.append(record.declaration_id)
        kept: asyncio.Future[Kept] = asyncio.get_running_loop().create_future()
        kept.set_result(Kept(record, new=True))
        return kept

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(parts.log, "append", append)
    body = ndjson(*[lodged(declaration_id=f"T-{n}") for n in range((AHEAD - 1) * LINES_TOGETHER)])

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def alone() -> None:
        while not names:
            await asyncio.sleep(0)
        await assign(a_declaration(declaration_id="alone"), parts)

    async def answered() -> None:
        beside = [asyncio.create_task(others()), asyncio.create_task(alone())]
        request = Request({"type": "http", "headers": []}, receive)
        assert [chunk async for chunk in answer_lines(request, parts, "en")]
        beside[0].cancel()
        await beside[1]

    asyncio.run(answered())
    parts.log.close()
    assert names.index("alone") == LINES_TOGETHER  # no further group came in between
    by_turn = Counter(at for at, name in zip(decided_at, names, strict=True) if name != "alone")
    assert list(by_turn.values()) == [LINES_TOGETHER] * (AHEAD - 1)
    assert all(later - earlier >= TURNS for earlier, later in pairwise(by_turn))


def test_a_line_that_another_service_overtook_is_decided_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = assemble(settings_in(tmp_path))
    append, overtaken = parts.log.append, 0

    def once_too_late(record: DecisionRecord, *, in_step: bool = False) -> "asyncio.Future[Kept]":
        nonlocal overtaken
        if record.declaration_id != "O-1" or overtaken:
            return append(record, in_step=in_step)
        overtaken += 1
        late: asyncio.Future[Kept] = asyncio.get_running_loop().create_future()
        late.set_exception(OvertakenError("another version was decided at the same moment"))
        return late

    monkeypatch.setattr(parts.log, "append", once_too_late)
    body = ndjson(*[lodged(declaration_id=f"O-{number}") for number in range(3)])

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def answered() -> bytes:
        request = Request({"type": "http", "headers": []}, receive)
        return b"".join([chunk async for chunk in answer_lines(request, parts, "en")])

    lines = [json.loads(line) for line in asyncio.run(answered()).splitlines()]
    parts.log.close()
    assert [line.get("declaration_id") for line in lines] == ["O-0", "O-1", "O-2"]
    assert overtaken == 1


def test_a_batch_that_breaks_down_while_it_is_sent_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And gives back its place: with nobody to settle the lines there is no room for more."""

    def broken(*_: object) -> bytes:
        raise LookupError

    monkeypatch.setattr("serving.routes.batch.lane_answer", broken)
    parts = assemble(settings_in(tmp_path))
    many = [lodged(declaration_id=f"X-{n}") for n in range((AHEAD + 2) * LINES_TOGETHER)]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": ndjson(*many), "more_body": False}

    async def answered() -> None:
        request = Request({"type": "http", "headers": []}, receive)
        async with asyncio.timeout(20):
            assert not [chunk async for chunk in answer_lines(request, parts, "en")]

    with pytest.raises(LookupError):
        asyncio.run(answered())
    parts.log.close()


def test_every_line_is_told_which_field_was_meant_unless_too_many_names_differ(
    tmp_path: Path,
) -> None:
    names = ["importer", *(f"x{number}" for number in range(NAMES_LOOKED_FOR)), "exporter"]
    many = [lodged() | {name: "X"} for name in [*names, "importer"]]
    with a_service(tmp_path) as client:
        answer = client.post("/v1/lanes/batch", content=ndjson(*many))
    remedies = [json.loads(line)["problems"][0]["remedy"] for line in answer.text.splitlines()]
    assert remedies[0] == remedies[-1]
    assert "Did you mean importer_id?" in remedies[0]
    assert remedies[-2].startswith("Take the field out")


def test_long_names_take_no_place_among_those_that_a_batch_remembers(tmp_path: Path) -> None:
    long = [f"{number}{'x' * LONGEST}" for number in range(NAMES_LOOKED_FOR)]
    many = [lodged() | {name: "X"} for name in [*long, "importer"]]
    with a_service(tmp_path) as client:
        answer = client.post("/v1/lanes/batch", content=ndjson(*many))
    last = json.loads(answer.text.splitlines()[-1])["problems"][0]
    assert last["remedy"].startswith("Did you mean importer_id?")
