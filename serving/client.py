"""Talks to a running service over HTTP, for the command line."""

import http.client
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import count, islice
from typing import Any
from urllib.parse import urlsplit

from selectivity.errors import ServiceError
from selectivity.wording import Language

LINES_AT_ONCE = 1_000
SECONDS = 120


def send_declarations(
    url: str, lines: Iterable[bytes], language: Language
) -> Iterator[Mapping[str, Any]]:
    """The answer to each declaration, in order; for a bad line the problem with its `line`.

    Raises:
        ServiceError: no service answers there.
    """
    waiting = iter(lines)
    for part in count():
        some = [line.rstrip(b"\r\n") + b"\n" for line in islice(waiting, LINES_AT_ONCE)]
        if not some:
            return
        _, body = call(url, "POST", "/v1/lanes/batch", b"".join(some), language)
        for text in body.splitlines():
            answer = json.loads(text)
            if "line" in answer:
                answer["line"] += part * LINES_AT_ONCE
            yield answer


def send_inspections(url: str, lines: Iterable[bytes]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Status and answer for each inspection, in order.

    Raises:
        ServiceError: no service answers there.
    """
    for line in lines:
        if line.strip():
            status, body = call(url, "POST", "/v1/inspections", line)
            yield status, json.loads(body)


def call(
    url: str, method: str, path: str, body: bytes | None = None, language: Language = "en"
) -> tuple[int, bytes]:
    """Status and body of one request.

    Raises:
        ServiceError: no service answers there.
    """
    address = urlsplit(url)
    if address.scheme != "http" or address.hostname is None:
        raise ServiceError(f"{url!r} is no address of a service. Give it as http://127.0.0.1:8080.")
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=SECONDS)
    try:
        connection.request(method, path, body, {"Accept-Language": language})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise ServiceError(
            f"No service answers at {url} ({error}). Start it with `lanes serve`, or give its "
            "address with --url."
        ) from error
    finally:
        connection.close()
