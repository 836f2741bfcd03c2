"""Callers that begin a request and never end it: they are cut off, and nobody else waits."""

import contextlib
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from serving.http import connection
from tests.services import KEY, a_service, lodged, ndjson

SECONDS = 0.6
HEAD = (
    f"POST /v1/lanes HTTP/1.1\r\nHost: x\r\nAccept-Language: en\r\nAuthorization: Bearer {KEY}\r\n"
)
STRANGER = "POST /v1/lanes HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("slow")
    with a_service(folder, wait_seconds=SECONDS, headers_limit_bytes=4_096) as client:
        yield client


@contextmanager
def calling(client: httpx.Client, sent: str | bytes = b"") -> Iterator[socket.socket]:
    """A connection on which this was sent."""
    address = urlsplit(str(client.base_url))
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)  # holds hardly any answers
        caller.settimeout(20)
        caller.connect((address.hostname, address.port))
        caller.sendall(sent if isinstance(sent, bytes) else sent.encode())
        yield caller


def rest(caller: socket.socket) -> str:
    """All that comes until the service hangs up."""
    try:
        return b"".join(iter(lambda: caller.recv(65_536), b"")).decode()
    except ConnectionResetError:
        return ""


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("", ""),
        ("\r\n\r\n", ""),
        ("P", "408 Request Timeout"),
        ("POST /v1/lanes HTTP/1.1\r\nHost: x\r\nX: ", "408 Request Timeout"),
        (f"{HEAD}Content-Length: 100\r\n\r\n", "408 Request Timeout"),
        (f"{HEAD}Content-Length: 100\r\n\r\n{{", "408 Request Timeout"),
        (f"{HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\n{{", "408 Request Timeout"),
        (f"{STRANGER}Content-Length: 100\r\n\r\n{{", "401 Unauthorized"),
    ],
)
def test_a_request_that_is_not_completed_is_closed(
    client: httpx.Client, sent: str, told: str
) -> None:
    begun = time.monotonic()
    with calling(client, sent) as caller:
        answer = rest(caller)

    assert answer.partition("\r\n")[0].removeprefix("HTTP/1.1 ") == told
    assert SECONDS * 0.8 < time.monotonic() - begun < SECONDS + 5
    assert answer.count("HTTP/1.1") == bool(told)


def test_who_falls_silent_in_a_batch_is_not_told_that_nothing_was_decided(
    client: httpx.Client,
) -> None:
    line = ndjson(lodged(declaration_id="silent"))
    head = HEAD.replace("/lanes", "/lanes/batch") + f"Content-Length: {len(line) + 9}\r\n\r\n"
    with calling(client, head.encode() + line) as caller:
        told = rest(caller)
    assert told.startswith("HTTP/1.1 408")
    assert "Nothing was" not in told
    assert "Lines of a batch that were decided on stay so" in told
    assert client.get("/v1/decisions/silent").status_code == 200


def test_nobody_is_waited_for_until_the_look_that_comes_too_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LOOKS", 2)
    begun = time.monotonic()
    with a_service(tmp_path, wait_seconds=4) as client, calling(client, "P") as caller:
        rest(caller)
        assert time.monotonic() - begun < 3.7


@pytest.mark.parametrize(
    ("begun", "drop"),
    [
        ("", b"\n"),
        ("POST /v1/lanes HTTP/1.1\r\nX: ", b"x"),
        (f"{HEAD}Content-Length: 99999\r\n\r\n", b"x"),
        (f"{STRANGER}Content-Length: 99999\r\n\r\n", b"x"),
        (f"{STRANGER}Content-Length: 999999999\r\n\r\n", b"x" * 8_192),
    ],
)
def test_a_request_that_comes_drop_by_drop_is_closed(
    client: httpx.Client, begun: str, drop: bytes
) -> None:
    start = time.monotonic()
    with calling(client, begun) as caller, contextlib.suppress(OSError):
        while time.monotonic() - start < SECONDS + 6:
            caller.sendall(drop)
            time.sleep(0.05)
    assert time.monotonic() - start < SECONDS + 5


def test_a_large_body_may_take_its_time(tmp_path: Path) -> None:
    many = ndjson(*[lodged(declaration_id=f"L-{number}") for number in range(150)])
    parts = [many[at : at + len(many) // 10 + 1] for at in range(0, len(many), len(many) // 10 + 1)]

    def slowly() -> Iterator[bytes]:
        for part in parts:
            time.sleep(0.1)
            yield part

    with a_service(tmp_path, wait_seconds=0.4) as client:
        answer = client.post("/v1/lanes/batch", content=slowly())
    assert answer.text.count('"lane":') == 150


def test_who_does_not_read_the_answer_is_closed(client: httpx.Client) -> None:
    lines = b"{}\n" * 20_000
    head = HEAD.replace("/v1/lanes", "/v1/lanes/batch") + f"Content-Length: {len(lines)}\r\n\r\n"
    with calling(client, head.encode() + lines) as caller:
        caller.recv(1, socket.MSG_PEEK)  # it begins once all lines are read
        time.sleep(4 * SECONDS)
        answer = rest(caller)
    assert answer.count('"line":') < 20_000
    assert not answer.endswith("0\r\n\r\n")


@pytest.mark.parametrize(
    "headers",
    [
        "X: " + "x" * 5_000,
        "".join(f"X-{number}: {number}\r\n" for number in range(400)),
        "x" * 5_000 + ": x",
        "X: " + "x" * 1_000_000,
    ],
)
def test_large_headers_are_refused(client: httpx.Client, headers: str) -> None:
    with calling(client) as caller:
        try:
            caller.sendall(f"GET /health/live HTTP/1.1\r\nHost: x\r\n{headers}".encode())
        except ConnectionError:
            return  # hung up before all of it was sent
        answer = rest(caller)
    assert answer.startswith("HTTP/1.1 431 ") or not answer


def test_a_refusal_of_headers_says_what_to_do(client: httpx.Client) -> None:
    for language, said in (("en", "too large"), ("vi", "quá lớn")):
        answer = client.get("/health/live", headers={"X": "x" * 5_000, "Accept-Language": language})
        assert answer.status_code == 431
        assert said in answer.json()["title"]
        assert answer.headers["Content-Language"] == language
    assert client.get(f"/health/live?{'x' * 5_000}").status_code == 431
    assert client.get("/health/live", headers={"X": "x" * 3_000}).status_code == 200


def test_what_is_no_http_gets_a_problem_document(client: httpx.Client) -> None:
    with calling(client, "\x16\x03\x01 no http\r\n\r\n") as caller:
        answer = rest(caller)
    assert answer.startswith("HTTP/1.1 400 ")
    assert "application/problem+json" in answer


@pytest.mark.parametrize(
    ("first", "hosts", "told"),
    [
        ("POST /v1/lanes HTTP/1.1", "", "400 Bad Request"),
        ("GET /health/live HTTP/1.1", "", "400 Bad Request"),
        ("GET /health/live HTTP/1.1", "Host: x\r\nHost: x\r\n", "400 Bad Request"),
        ("GET /health/live HTTP/1.0", "Host: x\r\nhost: y\r\n", "400 Bad Request"),
        ("GET /health/live HTTP/1.0", "", "200 OK"),
        ("GET /health/live HTTP/1.1", "Host:\r\n", "200 OK"),
        ("GET /health/live HTTP/1.1", "HOST: x\r\n", "200 OK"),
    ],
)
def test_a_request_names_one_host(client: httpx.Client, first: str, hosts: str, told: str) -> None:
    """As RFC 9112 has it: two servers that each take another one for it see two requests."""
    with calling(client, f"{first}\r\n{hosts}Connection: close\r\n\r\n") as caller:
        answer = rest(caller)
    assert answer.partition("\r\n")[0].removeprefix("HTTP/1.1 ") == told
    assert answer.count("HTTP/1.1") == 1
    assert told == "200 OK" or "not-one-host" in answer


CHUNKS = "4\r\n{{}}\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("codings", "told"),
    [
        (("chunked",), "422"),
        ((" Chunked ",), "422"),
        (("gzip, chunked",), "501"),
        (("gzip", "chunked"), "501"),
        (("identity, chunked",), "501"),
    ],
)
def test_content_in_a_coding_that_nobody_takes_off_is_refused(
    client: httpx.Client, codings: tuple[str, ...], told: str
) -> None:
    named = "".join(f"Transfer-Encoding: {coding}\r\n" for coding in codings)
    with calling(client, f"{HEAD}{named}Connection: close\r\n\r\n{CHUNKS}") as caller:
        answer = rest(caller)
    assert answer.split()[1] == told
    assert answer.count("HTTP/1.1") == 1
    assert ("other-coding" in answer) == (told == "501")


def test_requests_one_behind_the_other_are_answered_in_order(client: httpx.Client) -> None:
    one = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    last = "GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with calling(client, one * 3 + last) as caller:
        answer = rest(caller)
    assert re.findall(r"HTTP/1.1 (\d+)", answer) == ["200", "200", "200", "404"]


def test_many_slow_callers_stop_no_fast_one(tmp_path: Path) -> None:
    kinds = ["", "POST /v1", HEAD, f"{HEAD}Content-Length: 500\r\n\r\n{{"]
    with a_service(tmp_path, wait_seconds=100) as client, ExitStack() as stack:
        for number in range(60):
            stack.enter_context(calling(client, kinds[number % 4]))
        began = time.monotonic()
        for number in range(10):
            answer = client.post("/v1/lanes", json=lodged(declaration_id=f"Q-{number}"))
            assert answer.status_code == 200
    assert time.monotonic() - began < 50  # while all the slow ones still wait
