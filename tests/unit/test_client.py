"""What commands make of answers that are none: of a service that cannot, or of something else."""

import socket
from typing import Any

import pytest

from selectivity.errors import ServiceError
from serving.commands import client
from serving.commands.client import NoAnswerError, Target, call, send_declarations, send_inspections

URL = "http://127.0.0.1:1"
AWAY = b'{"title": "It is full", "detail": "Come again.", "status": 503, "problems": []}'


@pytest.mark.parametrize("send", [send_declarations, send_inspections])
@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (503, AWAY, NoAnswerError, "503: It is full. Come again."),
        (502, b"<html>Bad gateway</html>", NoAnswerError, "502. Try it again in a moment"),
        (404, b"<html>Nothing here</html>", ServiceError, r"\(404\) is not this service"),
        (404, b"[]", ServiceError, "--url"),
        (403, b'{"message": "Blocked by the proxy"}', ServiceError, r"\(403\) is not this service"),
        (413, b'{"message": "Too much"}', ServiceError, r"\(413\) is not this service"),
        (200, b"<html>Welcome</html>", ServiceError, r"\(200\) is not this service"),
        (200, b"[1]", ServiceError, r"\(200\) is not this service"),
    ],
)
def test_what_is_no_answer_to_a_line_ends_the_sending(
    monkeypatch: pytest.MonkeyPatch,
    send: Any,
    status: int,
    body: bytes,
    kind: type[ServiceError],
    said: str,
) -> None:
    monkeypatch.setattr(client, "call", lambda *_, **__: (status, body))
    with pytest.raises(kind, match=said):
        list(send([b"{}\n"], Target(URL)))


def test_a_batch_that_is_refused_as_a_whole_is_no_refused_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = b'{"title": "Too large", "detail": "", "status": 413, "problems": []}'
    monkeypatch.setattr(client, "call", lambda *_, **__: (413, body))
    with pytest.raises(ServiceError, match="Too large"):
        list(send_declarations([b"{}\n"] * 3, Target(URL)))


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1",
        "http://127.0.0.1:99999",
        "http://exa mple",
        "http://a..b",
        "http://\x7f",
        "ftp://127.0.0.1",
        "x",
    ],
)
def test_what_is_no_address_is_told_so(url: str) -> None:
    with pytest.raises(ServiceError, match=r"no address of a service.*http://127\.0\.0\.1:8080"):
        list(send_declarations([b"{}\n"], Target(url)))


def test_a_service_that_hangs_is_not_called_one_that_was_not_started() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hangs:
        url = f"http://127.0.0.1:{hangs.getsockname()[1]}"
        with pytest.raises(NoAnswerError, match=r"did not answer within 0\.1 s.*/health/live.*log"):
            call(url, "GET", "/v1/mode", seconds=0.1)
