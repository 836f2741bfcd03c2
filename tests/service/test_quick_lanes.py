"""The short way to `/v1/lanes` answers as the application itself does, whatever is sent."""

import asyncio
import gc
import json
import re
import socket
import weakref
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client import Histogram
from starlette.responses import Response
from uvicorn.server import ServerState

from serving.app import create_app
from serving.callers.api_keys import Role
from serving.deciding.assign import assign
from serving.deciding.parts import Parts
from serving.http.bodies import declaration_from
from serving.http.connection import GuardedConnection
from serving.routes.quick_lanes import QuickLanes
from serving.start import assemble, server_for
from tests.services import KEY, bearer, let_in, lodged, served, settings_in


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    settings = settings_in(tmp_path_factory.mktemp("parts"), items_limit=2, body_limit_bytes=5_000)
    parts = assemble(settings)
    asyncio.run(_decided(parts))  # so that whatever comes first, it was decided before
    yield parts
    parts.log.close()


async def _decided(parts: Parts) -> None:
    await assign(declaration_from(GOOD, items_limit=2), parts)


def both(parts: Parts, **request: Any) -> tuple[httpx.Response, httpx.Response]:
    """Answers of the application and of the short way before it."""
    app = create_app(parts)

    async def ask(asgi: Any) -> httpx.Response:
        transport = httpx.ASGITransport(asgi, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://lanes") as client:
            return await client.request(**{"method": "POST", "url": "/v1/lanes"} | request)

    async def ask_both() -> tuple[httpx.Response, httpx.Response]:
        return await ask(app), await ask(QuickLanes(app, parts))

    return asyncio.run(ask_both())


GOOD = json.dumps(lodged()).encode()
PASSWORD = b64encode(f":{KEY}".encode()).decode()
STATUSES = {
    "conflict": 409,
    "small letters": 200,
    "as a password": 401,
    "as large as may be": 200,
    "too large": 413,
}
ITEMS = [{"item_no": number} for number in (1, 2, 3)]
REQUESTS = {
    "good": {"content": GOOD},
    "in English": {"content": GOOD, "headers": {"Accept-Language": "en"}},
    "conflict": {"content": GOOD.replace(b"SEL1", b"SEL2")},
    "no JSON": {"content": b"{"},
    "key twice": {"content": GOOD.replace(b'"direction"', b'"direction": "IMPORT", "direction"')},
    "unknown field": {"content": GOOD.replace(b"direction", b"dirction")},
    "too many items": {"content": json.dumps(lodged() | {"items": ITEMS}).encode()},
    "too large": {"content": GOOD + b" " * 5_000},
    "encoded": {"content": GOOD, "headers": {"Content-Encoding": "gzip"}},
    "other media": {"content": GOOD, "headers": {"Content-Type": "text/csv"}},
    "parameter": {"content": GOOD, "params": {"version_no": "0"}},
    "no key": {"content": GOOD, "headers": {"Authorization": ""}},
    "small letters": {"content": GOOD, "headers": {"Authorization": f"bearer {KEY}"}},
    "other scheme": {"content": GOOD, "headers": {"Authorization": f"Basic {KEY}"}},
    "as a password": {"content": GOOD, "headers": {"Authorization": f"Basic {PASSWORD}"}},
    "as large as may be": {"content": GOOD.ljust(5_000)},
    "wrong key": {"content": GOOD, "headers": bearer(KEY[:-1] + "0")},
    "other method": {"method": "GET"},
    "other path": {"method": "GET", "url": "/health/live"},
}


@pytest.mark.parametrize("name", REQUESTS)
def test_the_short_way_answers_as_the_application(parts: Parts, name: str) -> None:
    request: dict[str, Any] = REQUESTS[name]
    headers = bearer(KEY) | request.get("headers", {})
    plain, short = both(parts, **request | {"headers": headers})
    assert plain.status_code == STATUSES.get(name, plain.status_code)
    assert (short.status_code, short.headers, short.content) == (
        plain.status_code,
        plain.headers,
        plain.content,
    )


def test_the_short_way_asks_for_the_role(parts: Parts) -> None:
    headers = bearer(let_in(parts.settings, Role.MANAGER))
    plain, short = both(parts, content=GOOD, headers=headers)
    assert plain.status_code == short.status_code == 403
    assert plain.content == short.content


def test_the_short_way_fails_as_the_application(parts: Parts) -> None:
    headers = bearer(KEY)
    broken = Parts(parts.predictor, parts.log, parts.meters, parts.settings, keys=None)  # type: ignore[arg-type]
    plain, short = both(broken, content=GOOD, headers=headers)
    assert plain.status_code == short.status_code == 500
    assert plain.content == short.content


def test_the_short_way_is_closed_when_all_places_are_taken(parts: Parts) -> None:
    none = parts.settings.model_copy(update={"at_once_limit": 0})
    full = Parts(parts.predictor, parts.log, settings=none, keys=parts.keys)
    plain, short = both(full, content=GOOD, headers=bearer(KEY))
    assert plain.status_code == short.status_code == 503
    assert plain.content == short.content


HEAD = f"POST /v1/lanes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"


def on_the_wire(body: bytes, *headers: str, head: str = HEAD) -> bytes:
    lines = "".join(f"{each}\r\n" for each in (*headers, f"Content-Length: {len(body)}"))
    return f"{head}{lines}\r\n".encode() + body


def in_chunks(body: bytes) -> bytes:
    parts = [body[:50], body[50:]]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in [*parts, b""])


WIRE = {
    "good": on_the_wire(GOOD),
    "in English": on_the_wire(GOOD, "Accept-Language: fr, en"),
    "two names in one": on_the_wire(GOOD, "accept-language: en", "Accept-Language: vi"),
    "in chunks": f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode() + in_chunks(GOOD),
    "no JSON": on_the_wire(b"{"),
    "other scheme": on_the_wire(GOOD, head=HEAD.replace("Bearer", "Basic")),
    "to be continued": on_the_wire(GOOD, "Expect: 100-continue"),
    "closing": on_the_wire(GOOD, "Connection: close"),
    "of old": on_the_wire(GOOD, head=HEAD.replace("1.1", "1.0")),
}


def sent_back(folder: Path, *, short: bool) -> dict[str, bytes]:
    """What a service sends to each, to the byte but for the date."""
    with served(settings_in(folder, port=0), short=short) as (_, url):
        where = "127.0.0.1", urlsplit(url).port or 0
        return {name: _sent_back(where, asked) for name, asked in WIRE.items()}


def _sent_back(where: tuple[str, int], asked: bytes) -> bytes:
    with socket.create_connection(where) as caller:
        caller.settimeout(10)
        caller.sendall(asked)
        came = b""
        while not came.endswith(b"}"):
            part = caller.recv(65_536)
            assert part, came
            came += part
    return re.sub(rb"\r\ndate: [^\r]+", b"\r\ndate:", came)


def test_the_short_way_sends_what_the_application_does_to_the_byte(tmp_path: Path) -> None:
    short, plain = sent_back(tmp_path, short=True), sent_back(tmp_path, short=False)
    assert short == plain
    assert short["good"].startswith(b"HTTP/1.1 200 OK\r\ndate:\r\ncontent-language: vi\r\n")
    assert short["other scheme"].startswith(b"HTTP/1.1 401 Unauthorized\r\n")


class _Wire:
    """Takes what a connection writes."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, *_: object) -> None:
        return None

    def pause_reading(self) -> None: ...

    resume_reading = pause_reading


async def connected(parts: Parts) -> tuple[GuardedConnection, _Wire]:
    config = server_for(parts).config
    config.load()
    make: Any = config.http_protocol_class
    connection = make(config=config, server_state=ServerState(), app_state={})
    connection.connection_made(wire := _Wire())
    return connection, wire


async def soon(happens: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not happens():
            await asyncio.sleep(0.001)


def test_an_answer_goes_out_in_one_piece_and_the_next_one_behind_it(parts: Parts) -> None:
    async def come() -> list[bytes]:
        connection, wire = await connected(parts)
        connection.data_received(WIRE["good"] + WIRE["in English"])
        await soon(lambda: len(wire.written) >= 2 and connection.cycle.response_complete)
        connection.connection_lost(None)
        return wire.written

    first, second = asyncio.run(come())
    assert b"content-language: vi" in first
    assert b"content-language: en" in second
    assert first.endswith(b"}")
    assert second.endswith(b"}")


def test_a_connection_that_is_not_kept_ends_with_its_answer(parts: Parts) -> None:
    async def come() -> list[bytes]:
        connection, wire = await connected(parts)
        connection.data_received(WIRE["closing"])
        await soon(lambda: wire.closed)
        connection.connection_lost(None)
        return wire.written

    assert b"connection: close\r\n" in b"".join(asyncio.run(come()))


def test_who_reads_slowly_is_waited_for_with_the_answer(parts: Parts) -> None:
    async def come() -> tuple[list[bytes], list[bytes]]:
        connection, wire = await connected(parts)
        connection.pause_writing()
        kept = parts.meters.answer_seconds
        before = answered(kept)
        connection.data_received(WIRE["good"])
        await soon(lambda: answered(kept) > before)
        for _ in range(5):
            await asyncio.sleep(0)
        meanwhile = list(wire.written)
        connection.resume_writing()
        await soon(lambda: connection.cycle.response_complete)
        connection.connection_lost(None)
        return meanwhile, wire.written

    meanwhile, at_last = asyncio.run(come())
    assert meanwhile == []
    assert b"".join(at_last).endswith(b"}")


def answered(seconds: Histogram) -> float:
    return next(each.value for each in seconds.collect()[0].samples if each.name.endswith("count"))


def test_who_has_gone_is_sent_nothing(parts: Parts) -> None:
    async def come() -> list[bytes]:
        connection, wire = await connected(parts)
        before = answered(parts.meters.answer_seconds)
        connection.data_received(WIRE["good"])
        await asyncio.sleep(0)  # it is read, and being decided on
        connection.connection_lost(None)
        await soon(lambda: answered(parts.meters.answer_seconds) > before)
        await asyncio.sleep(0)
        return wire.written

    assert asyncio.run(come()) == []


def test_nothing_is_left_of_a_request_that_was_answered(parts: Parts) -> None:
    async def come() -> list[bool]:
        connection, wire = await connected(parts)
        left = []
        for _ in range(3):
            wire.written.clear()
            connection.data_received(WIRE["other scheme"])
            await soon(lambda: wire.written and connection.cycle.response_complete)
            left.append(weakref.ref(connection.cycle))
        await asyncio.sleep(0)
        alive = [each() is not None for each in left]
        connection.connection_lost(None)
        return alive

    gc.collect()
    gc.disable()
    try:
        alive = asyncio.run(come())
    finally:
        gc.enable()
    assert alive == [False, False, True]  # the last one is still that of the connection


def test_an_answer_that_says_to_hang_up_is_left_to_who_does(parts: Parts) -> None:
    async def come() -> tuple[bool, bool]:
        connection, _ = await connected(parts)
        connection.data_received(WIRE["good"])
        closing = connection._answer_at_once(Response(headers={"Connection": "close"}))
        staying = connection._answer_at_once(Response())
        connection.connection_lost(None)
        return closing, staying

    assert asyncio.run(come()) == (False, True)
