"""More is asked than can be answered in time: the rest is told so at once, and nothing is lost."""

import asyncio
import contextlib
import json
import re
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from serving import start
from serving.deciding.parts import Parts
from serving.http import connection
from serving.http.admission import Admission
from serving.http.door import Door
from serving.http.problems import RefusedError
from serving.start import assemble, door_of
from tests.builders import an_inspection
from tests.services import ENGLISH, KEY, a_service, bearer, lodged, ndjson, served, settings_in

MOST_TAKEN_BYTES = 64 << 20
"""More than the buffers of both sides hold."""
HEAD = f"Host: x\r\nAuthorization: Bearer {KEY}\r\n"

UPGRADE = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB"


@pytest.fixture
def unserved(tmp_path: Path) -> Iterator[Parts]:
    parts = assemble(settings_in(tmp_path, at_once_limit=1))
    yield parts
    parts.log.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple[Parts, str]]:
    with served(settings_in(tmp_path, port=0, at_once_limit=1)) as it:
        yield it


def calling(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, headers=ENGLISH | bearer(KEY))


@contextmanager
def speaking(url: str) -> Iterator[socket.socket]:
    """A connection, for requests that no library sends."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "", address.port or 0)) as caller:
        caller.settimeout(10)
        yield caller


def answers_on(caller: socket.socket, number: int) -> list[bytes]:
    """The statuses of so many answers; fewer if the service hangs up."""
    came = b""
    while came.count(b"HTTP/1.1 ") < number or not came.endswith(b"}"):
        if not (part := caller.recv(65_536)):
            break
        came += part
    return [each[:3] for each in came.split(b"HTTP/1.1 ")[1:]]


def test_who_finds_no_place_is_told_to_come_again(service: tuple[Parts, str]) -> None:
    parts, url = service
    inspection = an_inspection().model_dump(mode="json", exclude_unset=True)

    async def come() -> list[httpx.Response]:
        with parts.places.take("en"):
            async with calling(url) as client:
                spoken = {"Accept-Language": "vi"}
                return [
                    await client.post("/v1/lanes?", json=lodged(), headers=spoken),
                    await client.post("/v1/inspections", json=inspection),
                    await client.post("/v1/lanes", headers={"Authorization": ""}),
                ]

    vietnamese, english, stranger = asyncio.run(come())
    assert [each.status_code for each in (vietnamese, english, stranger)] == [503, 503, 503]
    assert vietnamese.headers["Retry-After"] == "1"
    assert vietnamese.headers["Content-Language"] == "vi"
    assert vietnamese.json()["type"].endswith(":overloaded")
    assert "quá tải" in vietnamese.json()["title"]
    assert "too much to do" in english.json()["title"]
    assert parts.log.counts() == (0, 0, 0)


def test_a_full_service_still_answers_about_itself_and_recovers(
    service: tuple[Parts, str],
) -> None:
    parts, url = service

    async def come() -> None:
        async with calling(url) as client:
            with parts.places.take("en"):
                assert (await client.post("/v1/lanes", json=lodged())).status_code == 503
                for path in ("/health/ready", "/v1/mode"):
                    assert (await client.get(path)).status_code == 200
                metrics = (await client.get("/metrics")).text
            assert (await client.post("/v1/lanes", json=lodged())).status_code == 200
        assert 'lanes_refusals_total{status="503"} 1.0' in metrics

    asyncio.run(come())


def test_what_was_turned_away_leaves_its_connection_as_it_was(service: tuple[Parts, str]) -> None:
    parts, url = service
    body = json.dumps(lodged()).encode()
    head = f"POST /v1/lanes HTTP/1.1\r\n{HEAD}Content-Length: {len(body)}\r\n\r\n".encode()
    last = head.replace(b"Host: x", b"Host: x\r\nConnection: close")

    async def come(caller: socket.socket) -> None:
        with parts.places.take("en"):
            caller.sendall(head + body + head + body[:100])  # the second comes in two parts
            assert answers_on(caller, 2) == [b"503", b"503"]
            caller.sendall(body[100:])
        caller.sendall(head + body)
        assert answers_on(caller, 1) == [b"200"]
        with parts.places.take("en"):
            caller.sendall(last + body)
            assert answers_on(caller, 2) == [b"503"]  # and hangs up

    with speaking(url) as caller:
        asyncio.run(come(caller))


def test_who_is_turned_away_and_goes_on_slowly_is_cut_off(tmp_path: Path) -> None:
    head = f"POST /v1/lanes HTTP/1.1\r\n{HEAD}Content-Length: 500\r\n\r\n{{".encode()
    settings = settings_in(tmp_path, port=0, at_once_limit=1, wait_seconds=0.5)

    async def come(caller: socket.socket) -> None:
        with parts.places.take("en"):
            caller.sendall(head)
            assert answers_on(caller, 2) == [b"503"]  # one answer, and it hangs up

    with served(settings) as (parts, url), speaking(url) as caller:
        begun = time.monotonic()
        asyncio.run(come(caller))
    assert time.monotonic() - begun < 5


def test_who_never_reads_what_is_answered_is_not_answered_without_end(
    service: tuple[Parts, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MOST_PIPELINED", 1_000_000)
    parts, url = service
    body = json.dumps(lodged()).encode()
    many = 200 * (
        f"POST /v1/lanes HTTP/1.1\r\n{HEAD}Content-Length: {len(body)}\r\n\r\n".encode() + body
    )

    async def come(caller: socket.socket) -> int:
        taken = 0
        with parts.places.take("en"), contextlib.suppress(TimeoutError):
            while taken < MOST_TAKEN_BYTES:
                taken += caller.send(many)
        return taken

    with speaking(url) as caller:
        caller.settimeout(1)
        assert asyncio.run(come(caller)) < MOST_TAKEN_BYTES


def test_who_sends_thousands_of_requests_at_once_is_cut_off_and_holds_up_nobody(
    service: tuple[Parts, str], caplog: pytest.LogCaptureFixture
) -> None:
    parts, url = service
    with_content = "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"
    for one in (
        with_content.format("/v1/lanes"),
        with_content.format("/v1/lanes/batch"),
        with_content.format("/health/live"),
        "GET / HTTP/1.1\r\nHost:x\r\nConnection:upgrade\r\nUpgrade:x\r\n\r\n",
    ):
        flood = 5_000 * one.encode()
        with parts.places.take("en"), speaking(url) as caller, pytest.raises(ConnectionError):
            send_for_ever(caller, flood)
        assert httpx.get(f"{url}/health/live", timeout=2).status_code == 200
    assert 'lanes_refusals_total{status="429"} 4.0' in parts.meters.exposition().decode()
    assert not caplog.records


def send_for_ever(caller: socket.socket, what: bytes) -> None:
    for _ in range(1_000):
        caller.sendall(what)


@pytest.mark.parametrize("headers", [[], [UPGRADE]])
def test_as_many_as_may_come_together_are_all_answered_in_their_order(
    service: tuple[Parts, str], headers: list[str]
) -> None:
    parts, url = service
    number = connection.MOST_PIPELINED
    some = b"".join(_posted(*headers, declaration_id=f"D-{each}") for each in range(number))
    with speaking(url) as caller:
        caller.sendall(some)
        assert answers_on(caller, number) == [b"200"] * number
    assert parts.log.counts()[0] == number


def test_who_comes_behind_one_that_is_let_in_is_answered_behind_it(
    service: tuple[Parts, str],
) -> None:
    _, url = service
    with speaking(url) as caller:  # one place: the second comes while the first has it
        caller.sendall(_posted(declaration_id="D-1") + _posted(declaration_id="D-2"))
        assert answers_on(caller, 2) == [b"200", b"200"]


def test_what_is_out_of_the_ordinary_is_turned_away_by_the_application(
    service: tuple[Parts, str],
) -> None:
    parts, url = service

    async def come(caller: socket.socket) -> None:
        with parts.places.take("en"):
            caller.sendall(_posted("Expect: 100-continue"))
            assert answers_on(caller, 2) == [b"100", b"503"]

    with speaking(url) as caller:
        asyncio.run(come(caller))


def test_a_wish_for_another_protocol_is_ignored_and_the_content_is_read(
    service: tuple[Parts, str],
) -> None:
    """As it comes from Java's HttpClient, unless told otherwise."""
    parts, url = service
    alive = f"GET /health/live HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n\r\n".encode()
    whole = _posted(UPGRADE)
    head, _, content = whole.partition(b"\r\n\r\n")
    chunked = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked", head)
    in_chunks = b"%b\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (chunked, len(content), content)
    for sent in ([whole], [head, b"\r\n\r\n" + content[:9], content[9:]], [in_chunks]):
        with speaking(url) as caller:
            for part in (*sent, alive + whole + alive):
                caller.sendall(part)
                time.sleep(0.05)
            assert answers_on(caller, 4) == [b"200"] * 4
    assert parts.log.counts()[0] == 1


def test_a_wish_for_another_protocol_does_not_keep_a_connection_that_is_to_be_closed(
    service: tuple[Parts, str],
) -> None:
    _, url = service
    with speaking(url) as caller:
        caller.settimeout(5)  # less than an idle connection is kept
        caller.sendall(_posted(UPGRADE.replace("HTTP2-Settings\r", "HTTP2-Settings, close\r")))
        assert b"".join(iter(lambda: caller.recv(65_536), b"")).startswith(b"HTTP/1.1 200")


def test_a_tunnel_is_refused_whatever_it_brings(service: tuple[Parts, str]) -> None:
    parts, url = service
    with speaking(url) as caller:
        caller.sendall(_posted(UPGRADE).replace(b"POST /v1/lanes", b"CONNECT x:80", 1))
        assert b"".join(iter(lambda: caller.recv(65_536), b"")).startswith(b"HTTP/1.1 400")
    assert parts.log.counts()[0] == 0


@pytest.mark.parametrize("closing", ["HTTP/1.0", "HTTP/1.1\r\nConnection: close"])
def test_a_connection_that_is_not_kept_ends_with_the_refusal(
    service: tuple[Parts, str], closing: str
) -> None:
    parts, url = service

    async def come(caller: socket.socket) -> bytes:
        with parts.places.take("en"):
            caller.sendall(_posted().replace(b"HTTP/1.1", closing.encode(), 1))
            return b"".join(iter(lambda: caller.recv(65_536), b""))

    with speaking(url) as caller:
        caller.settimeout(5)  # less than an idle connection is kept
        assert asyncio.run(come(caller)).startswith(b"HTTP/1.1 503")


@pytest.mark.parametrize("first", ["CONNECT x:80", "GET http://x:99999/"])
def test_an_address_that_cannot_be_read_is_refused(
    tmp_path: Path, first: str, caplog: pytest.LogCaptureFixture
) -> None:
    with served(settings_in(tmp_path, port=0)) as (_, url):
        _send_odd_requests(url, first)
    assert "Fatal error" not in caplog.text


def _send_odd_requests(url: str, first: str) -> None:
    odd = f"{first} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with speaking(url) as caller:
        caller.sendall(odd)
        assert answers_on(caller, 1) == [b"400"]
    with speaking(url) as caller:
        caller.sendall(_posted())
        assert answers_on(caller, 1) == [b"200"]
        caller.sendall(odd)
        assert answers_on(caller, 1) == [b"400"]
    with speaking(url) as caller:  # what is refused is not what was asked first
        caller.sendall(_posted(declaration_id="D-2") + odd)
        assert answers_on(caller, 1) == []
    with speaking(url) as caller:
        chunked = _posted("Transfer-Encoding: chunked").partition(b"Content-Length")[0]
        caller.sendall(_posted(declaration_id="D-3") + chunked + b"\r\nzz\r\n")
        assert answers_on(caller, 1) == []


def test_who_pipelines_and_hangs_up_leaves_no_error_behind(
    service: tuple[Parts, str], caplog: pytest.LogCaptureFixture
) -> None:
    _, url = service
    for each in range(20):
        with speaking(url) as caller:
            caller.sendall(_posted(declaration_id=f"D-{each}") * 3)
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert httpx.get(f"{url}/health/live").status_code == 200
    assert "Exception in ASGI application" not in caplog.text


def test_a_batch_behind_a_refusal_may_take_longer_than_an_idle_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "IDLE_SECONDS", 1)
    batch = ndjson(lodged())
    head = f"POST /v1/lanes/batch HTTP/1.1\r\n{HEAD}Content-Length: {len(batch) + 1}\r\n\r\n"

    async def come(caller: socket.socket) -> None:
        with parts.places.take("en"):
            caller.sendall(_posted() + head.encode() + batch)
            came = caller.recv(65_536)
        await asyncio.sleep(1.5)
        caller.sendall(b"\n")
        while not came.endswith(b"0\r\n\r\n"):
            part = caller.recv(65_536)
            assert part
            came += part
        assert [each[:3] for each in came.split(b"HTTP/1.1 ")[1:]] == [b"503", b"200"]

    with (
        served(settings_in(tmp_path, port=0, at_once_limit=1)) as (parts, url),
        speaking(url) as caller,
    ):
        asyncio.run(come(caller))


def _posted(*headers: str, **fields: Any) -> bytes:
    """A declaration as it goes over the wire."""
    body = json.dumps(lodged(**fields)).encode()
    lines = "".join(f"{each}\r\n" for each in headers)
    head = f"POST /v1/lanes HTTP/1.1\r\n{HEAD}{lines}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def test_no_place_is_lost_by_those_who_come_and_take_none() -> None:
    admission = Admission(3)

    async def come() -> None:
        with admission.take("en"):
            fulls = []
            for _ in range(3):
                admission.come()
                fulls.append(admission.full)
            assert fulls == [False, True, True]
            await asyncio.sleep(0)
            assert not admission.full

    asyncio.run(come())


def test_the_door_knows_which_places_a_path_needs(unserved: Parts) -> None:
    door = door_of(unserved)

    def full(path: str) -> bool:
        return door.refusal(b"POST", path.encode(), None) is not None

    async def come() -> None:
        with unserved.places.take("en"):
            for path in ("lanes", "lanes?", "inspections", "overrides", "mode"):
                assert full(f"/v1/{path}")
            assert not full("/v1/lanes/batch")

    asyncio.run(come())


def test_who_comes_in_the_same_turn_is_counted_before_a_place_is_taken() -> None:
    refused: list[int] = []
    admission = Admission(2)
    door = Door({"/v1/lanes": admission}, on_refused=refused.append)

    def come(url: bytes = b"/v1/lanes", method: bytes = b"POST") -> bool:
        return door.refusal(method, url, None) is None

    async def all_come() -> None:
        assert [come() for _ in range(4)] == [True, True, False, False]
        assert come(method=b"GET")
        assert come(b"/health/live")
        await asyncio.sleep(0)
        assert come()

    asyncio.run(all_come())
    assert refused == [503, 503]


def test_a_caller_who_has_not_sent_everything_takes_no_place(tmp_path: Path) -> None:
    half = f"POST /v1/lanes HTTP/1.1\r\n{HEAD}Content-Length: 500\r\n\r\n{{"
    with a_service(tmp_path, at_once_limit=1) as client, ExitStack() as stack:
        for _ in range(5):
            where = ("127.0.0.1", client.base_url.port or 0)
            stack.enter_context(socket.create_connection(where)).sendall(half.encode())
        assert client.post("/v1/lanes", json=lodged()).status_code == 200


def test_only_so_many_batches_are_taken_and_one_that_broke_off_gives_its_place_back(
    tmp_path: Path,
) -> None:
    head = f"POST /v1/lanes/batch HTTP/1.1\r\n{HEAD}Content-Length: 5000\r\n\r\n"
    with a_service(tmp_path, batches_limit=1) as client:
        with socket.create_connection(("127.0.0.1", client.base_url.port or 0)) as caller:
            caller.sendall(head.encode() + ndjson(lodged()))
            decided = f"/v1/decisions/{lodged()['declaration_id']}"
            while client.get(decided).status_code != 200:  # then it has the place
                time.sleep(0.01)
            refused = client.post("/v1/lanes/batch", content=ndjson(lodged()))
            single = client.post("/v1/lanes", json=lodged())
        end = time.monotonic() + 5
        while (again := client.post("/v1/lanes/batch", content=b"")).status_code != 200:
            assert time.monotonic() < end
    assert (refused.status_code, single.status_code, again.status_code) == (503, 200, 200)
    assert refused.headers["Retry-After"] == "1"


def test_callers_of_the_same_moment_get_no_more_places_than_there_are() -> None:
    admission = Admission(3)
    inside: list[int] = []

    async def come(number: int) -> None:
        with admission.take("en"):
            inside.append(number)
            await asyncio.sleep(0)  # as whoever is decided on waits for that

    async def all_come() -> list[BaseException | None]:
        return await asyncio.gather(*map(come, range(10)), return_exceptions=True)

    outcomes = asyncio.run(all_come())
    assert inside == [0, 1, 2]
    assert [type(each) for each in outcomes[3:]] == [RefusedError] * 7
    assert not admission.full


def test_a_place_is_given_back_whatever_happens() -> None:
    admission = Admission(1)

    async def fail() -> None:
        with admission.take("en"):
            raise KeyError

    for _ in range(2):
        with pytest.raises(KeyError):
            asyncio.run(fail())


@pytest.mark.parametrize("path", ["lanes", "lanes/batch", "inspections", "overrides", "mode"])
def test_a_full_service_does_not_ask_who_comes(tmp_path: Path, path: str) -> None:
    with served(settings_in(tmp_path, port=0, at_once_limit=1, batches_limit=1)) as (parts, url):

        async def come() -> int:
            stranger = httpx.AsyncClient(base_url=url)
            with parts.places.take("en"), parts.batch_places.take("en"):
                async with stranger:
                    return (await stranger.post(f"/v1/{path}")).status_code

        assert asyncio.run(come()) == 503
