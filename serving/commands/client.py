"""Talks to a running service over HTTP, for the command line."""

import http.client
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from selectivity.errors import SelectivityError, ServiceError
from selectivity.reasons.wording import Language
from serving.commands.table import what_is_wrong

LINES_AT_ONCE = 1_000
SECONDS = 15.0
BATCH_SECONDS = 120.0
"""How long to wait for an answer: a service under load takes its time for many lines."""
_LATER = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
"""What the service, or a proxy before it, answers while it cannot."""
_TAKEN = (HTTPStatus.OK, HTTPStatus.ACCEPTED)
_OF_PROBLEMS = {"title", "detail", "problems"}
"""What every refusal of the service has."""


class NoAnswerError(ServiceError):
    """Nobody answers now; perhaps later."""


class NoValidKeyError(ServiceError):
    """The service does not know who calls; the command says where its key comes from."""


class Target(NamedTuple):
    """A running service, the language that it is to answer in, and the key that is sent to it."""

    url: str
    language: Language = "en"
    key: str | None = None

    def call(
        self, method: str, path: str, body: bytes | None = None, *, seconds: float = SECONDS
    ) -> tuple[int, bytes]:
        """As `call`, in this language and with this key."""
        url, language, key = self
        return call(url, method, path, body, language=language, key=key, seconds=seconds)


def lines_to_send(file: Path) -> Iterator[bytes]:
    """The lines of a file that is to be sent.

    Raises:
        SelectivityError: it cannot be read.
    """
    try:
        with file.open("rb") as stream:
            yield from stream
    except OSError as error:
        raise SelectivityError(
            f"{file} cannot be read ({error.strerror}). Give a file with one record per line."
        ) from error


def send_declarations(lines: Iterable[bytes], to: Target) -> Iterator[Mapping[str, Any]]:
    """The answer to each declaration, in order; for a bad line the problem with its `line`.

    Raises:
        ServiceError: no service answers there, or it refuses.
    """
    waiting = iter(lines)
    for part in count():
        batch = [line.rstrip(b"\r\n") + b"\n" for line in islice(waiting, LINES_AT_ONCE)]
        if not batch:
            return
        status, body = to.call("POST", "/v1/lanes/batch", b"".join(batch), seconds=BATCH_SECONDS)
        if status != HTTPStatus.OK:  # of the whole: nothing was decided
            _usable((status, body))
        for text in body.splitlines():
            answer = dict(_content(status, text))
            if "line" in answer:
                answer["line"] += part * LINES_AT_ONCE
            yield answer


def send_inspections(lines: Iterable[bytes], to: Target) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Line, counted from 1, and answer for each inspection, in order.

    Raises:
        ServiceError: no service answers there, or it does not let this key in.
    """
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, _content(*to.call("POST", "/v1/inspections", line))


def follow_notices(
    office: str,
    to: Target,
    *,
    follow: bool,
    pause_seconds: float = 2,
    waits: Callable[[], None] = lambda: None,
) -> Iterator[Mapping[str, Any]]:
    """What an office has not acknowledged yet, in order; acknowledged once all of a part was taken.

    With `follow` it goes on for ever, over a link or service that comes and goes. Whoever begins
    again after a crash may be told the last part once more, and never misses one. `waits` is called
    once, when everything that was there is told.

    Raises:
        ServiceError: the service refuses; or none answers, unless it follows.
    """
    path, after = f"/v1/offices/{quote(office, safe='')}/notices", ""
    due = waited = False
    while True:
        try:
            if not due:
                answer = _usable(to.call("GET", path + after))
                yield from answer["notices"]
                after, due = f"?after={answer['cursor']}", bool(answer["notices"])
            if due:
                kept = json.dumps({"cursor": answer["cursor"]}).encode()
                _usable(to.call("POST", f"{path}/ack", kept))
                due = False
            if answer["more"]:
                continue
            if follow and not waited:
                waits()
                waited = True
        except NoAnswerError:
            if not follow:
                raise
        if not follow:
            return
        time.sleep(pause_seconds)


def mode_answer(
    to: Target, *, path: str = "", order: Mapping[str, Any] | None = None
) -> Mapping[str, Any]:
    """The mode in force, after the order if one is given.

    Args:
        path: behind `/v1/mode`, of what is done without content.
        order: a mode, with hours and reason.

    Raises:
        ServiceError: no service answers there, or it refuses.
    """
    method = "POST" if path or order else "GET"
    body = json.dumps(order).encode() if order else None
    return _usable(to.call(method, f"/v1/mode{path}", body))


def _usable(answer: tuple[int, bytes]) -> Mapping[str, Any]:
    status, body = answer
    content = _content(status, body)
    if status not in _TAKEN:
        raise ServiceError(f"{content['title']}. {what_is_wrong(content)}")
    return content


def _content(status: int, body: bytes) -> Mapping[str, Any]:
    """What the service says, be it a refusal of what was sent.

    Raises:
        ServiceError: it cannot answer now, or does not let this key in, or is another service.
    """
    if status in _LATER:
        raise NoAnswerError(f"The service answers {status}{_why(body)}")
    content: Mapping[str, Any] = {}
    with suppress(ValueError):
        answer = json.loads(body)
        content = answer if isinstance(answer, dict) else {}
    if not (content and status in _TAKEN) and not content.keys() >= _OF_PROBLEMS:
        raise ServiceError(
            f"What answers there ({status}) is not this service. Give its address with --url."
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        if status == HTTPStatus.UNAUTHORIZED:  # its remedy is a header, which commands do not write
            raise NoValidKeyError(f"{content['title']}. {content['problems'][0]['message']}.")
        raise ServiceError(f"{content['title']}. {what_is_wrong(content)}")
    return content


def _why(body: bytes) -> str:
    """What the service says about it; a proxy before it may say anything."""
    with suppress(ValueError, TypeError, KeyError):
        problem = json.loads(body)
        return f": {problem['title']}. {problem['detail']}"
    return ". Try it again in a moment."


def _address(url: str) -> tuple[str, int | None]:
    with suppress(ValueError):  # of a port or a host that is none
        address = urlsplit(url)
        host, port = address.hostname, address.port
        if address.scheme == "http" and host is not None and host.isprintable() and " " not in host:
            host.encode("idna")
            return host, port
    raise ServiceError(f"{url!r} is no address of a service. Give it as http://127.0.0.1:8080.")


def call(
    url: str,
    method: str,
    path: str,
    body: bytes | None = None,
    *,
    language: Language = "en",
    key: str | None = None,
    seconds: float = SECONDS,
) -> tuple[int, bytes]:
    """Status and body of one request, made with this API key.

    Args:
        seconds: how long to wait for a connection, and for every part of the answer.

    Raises:
        ServiceError: no service answers there.
    """
    host, port = _address(url)
    headers = {"Accept-Language": language} | ({"Authorization": f"Bearer {key}"} if key else {})
    connection = http.client.HTTPConnection(host, port, timeout=seconds)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except TimeoutError as error:
        raise NoAnswerError(
            f"The service at {url} did not answer within {seconds:g} s. See whether "
            f"{url}/health/live answers and what its log says. If it hangs, end it and start it "
            "again: what was answered is on disk."
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswerError(
            f"No service answers at {url} ({error}). Start it with `lanes serve`, or give its "
            "address with --url."
        ) from error
    finally:
        connection.close()
