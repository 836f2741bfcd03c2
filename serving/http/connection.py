"""One connection of a caller, who may neither keep us waiting for ever nor send endless headers.

uvicorn alone never closes a connection on which a request was begun and not completed. Here a
caller has so many seconds for the headers, as many for the body and more for each byte that comes,
and as many to go on reading an answer. Time in which the service decides never counts.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

import httptools
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from selectivity.reasons.wording import Language
from serving.http.door import Door
from serving.http.language import preferred
from serving.http.problems import Problem, response_bytes
from serving.http.refusals import (
    headers_too_large,
    not_http,
    not_one_host,
    other_coding,
    too_slow,
)
from serving.http.whole_answer import ANSWER_AT_ONCE, whole

SLOWEST_BYTES_PER_SECOND = 8_192
"""A body that comes faster than this may take as long as it needs."""
MOST_PIPELINED = 32
"""Requests that may come on a connection before the first of them is answered. Hardly any caller
sends a second one; whoever sends thousands would keep us busy with nothing else."""
OF_UPGRADE = (b"upgrade", b"http2-settings")
"""Headers that ask for another protocol. Java's HttpClient sends them unless told otherwise; a
server may ignore them (RFC 9110, section 7.8)."""
LOOKS = 10
"""How many times a connection is looked at within the seconds that its caller has."""


class GuardedConnection(HttpToolsProtocol):
    """uvicorn's connection, which now and then adds up the time it waited for the caller."""

    def __init__(
        self,
        *arguments: Any,
        wait_seconds: float,
        headers_limit_bytes: int,
        door: Door,
        on_refused: Callable[[int], None],
        **named: Any,
    ) -> None:
        super().__init__(*arguments, **named)
        self._wait_seconds, self._headers_limit = wait_seconds, headers_limit_bytes
        self._door, self._on_refused = door, on_refused
        self._next_look: asyncio.TimerHandle | None = None
        self._refused = self._begun = False
        self._turned_away = False  # from the headers of a request to its end
        self._came_together = 0  # requests in what was received last
        self._running: RequestResponseCycle | None = None
        self._in_body = False  # else between requests, or in the headers of one
        self._head_again = b""  # of a request whose content the parser would leave unread
        self._headers_bytes = self._body_bytes = 0
        self._waited = self._unread_for = 0.0
        self._unread = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look at it."""
        super().connection_made(transport)
        self._look_again()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop looking at it."""
        if self._next_look is not None:
            self._next_look.cancel()
        super().connection_lost(exc)
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True  # uvicorn tells the newest request alone
            self._running.message_event.set()

    def data_received(self, data: bytes) -> None:
        """Take in what came, unless the caller was refused."""
        if self._refused:
            return
        self._headers_bytes += 0 if self._in_body else len(data)
        self._came_together = 0
        self._unset_keepalive_if_required()
        self._parse(data)
        if not self._in_body and self._headers_bytes > self._headers_limit:
            self._refuse(headers_too_large)

    def _parse(self, data: bytes) -> None:
        """As uvicorn does, but that what follows a wish for another protocol is read as well."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as wish:
            rest, head, self._head_again = data[wish.args[0] :], self._head_again, b""
            if head:
                self._came_together -= 1  # it begins a second time
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
            if (head or rest) and not self._refused:
                self._parse(head + rest)
        except httptools.HttpParserError:
            self._refuse(not_http)

    def on_message_begin(self) -> None:
        """The first byte of a request came."""
        self._begun, self._waited = True, 0.0
        self._came_together += 1
        if max(self._came_together, len(self.pipeline)) > MOST_PIPELINED and not self._refused:
            self._refused = True
            self._on_refused(HTTPStatus.TOO_MANY_REQUESTS)  # not told: it reads nothing meanwhile
            self.transport.abort()
        self._unset_keepalive_if_required()  # that of a request in front of it which had an answer
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; those behind a body are left out, for nothing bounds them."""
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer, if the headers are not too large and are those of HTTP."""
        size, hosts, codings = len(self.url), 0, []
        for name, value in self.headers:
            size += len(name) + len(value) + 4
            if name == b"host":
                hosts += 1
            elif name == b"transfer-encoding":
                codings.append(value.strip().lower())
        if size > self._headers_limit:
            self._refuse(headers_too_large)
        elif hosts != 1 and (hosts or self.parser.get_http_version() == "1.1"):
            self._refuse(not_one_host)
        elif codings and codings != [b"chunked"]:
            self._refuse(other_coding)  # the parser takes any before the last for read
        elif self.parser.should_upgrade() and self._announces_content():
            self._ignore_upgrade()
        if self._refused or self._head_again:
            return
        if (answer := self._door_says()) is None:
            super().on_headers_complete()  # refuses an address that cannot be read
        else:
            self._turned_away = True
            self.transport.write(answer)
        self._in_body, self._headers_bytes, self._body_bytes = True, 0, 0
        self._waited = 0.0

    def on_body(self, body: bytes) -> None:
        """Hand over a part of the body."""
        self._body_bytes += len(body)
        if not self._refused and not self._turned_away:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The whole request is there."""
        if self._head_again:
            return
        self._in_body, self._begun, self._waited = False, False, 0.0
        if self._turned_away:
            self._turned_away = False
            self._end_of_turned_away()
        elif not self._refused:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """The whole answer is given; the caller gets time for the next request."""
        self._waited = 0.0
        super().on_response_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        # Not bound to the cycle: it would hold itself, with all that was sent, until a search for
        # garbage finds it.
        offered: dict[str, Any] = {ANSWER_AT_ONCE: self._answer_at_once}
        cycle.scope["extensions"] = offered
        super()._start_asgi_task(cycle, app)

    def _answer_at_once(self, answer: Response) -> bool:
        """Send a whole answer in one piece; False if it has to go uvicorn's way, in two pieces.

        That one waits for who reads slowly, sends nothing to who has gone, and hangs up.
        """
        cycle = self._running
        assert cycle is not None  # whose application asks
        stays = cycle.keep_alive and "connection" not in answer.headers
        if self.flow.write_paused or cycle.disconnected or not stays:
            return False
        cycle.response_started = cycle.response_complete = True
        self.transport.write(whole(answer, first=self.server_state.default_headers))
        cycle.message_event.set()
        cycle.on_response()
        return True

    def _door_says(self) -> bytes | None:
        """What to answer at once; None for who may come in, or is out of the ordinary."""
        behind_another = not self._has_answered()
        reads_nothing = self.flow.write_paused  # the application waits for who reads, we do not
        unlike = self.expect_100_continue or self.parser.should_upgrade()
        if behind_another or reads_nothing or unlike:
            return None
        return self._door.refusal(self.parser.get_method(), self.url, self._accept_language())

    def _end_of_turned_away(self) -> None:
        """Their body, of which nothing was kept, has come to its end."""
        if self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive():
            self.on_response_complete()
        else:
            self.transport.close()

    def _look_again(self) -> None:
        every = self._wait_seconds / LOOKS
        self._next_look = self.loop.call_later(every, self._look, every)

    def _look(self, seconds: float) -> None:
        unread = self.transport.get_write_buffer_size()
        # Who is still sending need not read the answers to what was asked before yet.
        stands_still = 0 < self._unread <= unread and not self._in_body
        self._unread_for = self._unread_for + seconds if stands_still else 0.0
        self._unread = unread
        self._waited += seconds if self._waits_for_the_caller() else 0.0
        # At the next look it would be too late: nobody is waited for longer than is said.
        if self._unread_for >= self._wait_seconds - seconds:
            self.transport.abort()  # closing it would wait for the reader again
        elif self._waited >= self._seconds_allowed() - seconds and not self.transport.is_closing():
            self._refuse(too_slow)
        self._look_again()

    def _waits_for_the_caller(self) -> bool:
        if self._in_body:
            return not self.flow.read_paused
        return self._has_answered()

    def _seconds_allowed(self) -> float:
        reads = self._in_body and not self._has_answered()
        return self._wait_seconds + (self._body_bytes / SLOWEST_BYTES_PER_SECOND if reads else 0)

    def _has_answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _refuse(self, why: Callable[[Language], Problem]) -> None:
        """Say why, if a request was begun and no answer was, and hang up."""
        if self._refused:
            return
        self._refused = True
        if self._begun and not self._is_being_answered():
            language = preferred(self._accept_language())
            problem = why(language)
            self._on_refused(problem.status)
            self.transport.write(response_bytes(problem, language, close=True))
        self.transport.close()

    def _is_being_answered(self) -> bool:
        if self._turned_away or self.pipeline:
            return True
        return self.cycle.response_started if self._in_body else not self._has_answered()

    def _announces_content(self) -> bool:
        length = self._header(b"content-length")
        return (length or "0").strip("0") != "" or self._header(b"transfer-encoding") is not None

    def _ignore_upgrade(self) -> None:
        """Have the head parsed again as that of a caller who is content with HTTP/1.1."""
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":  # whatever its headers
            self._refuse(not_http)
            return
        lines = [b"%b %b HTTP/%b" % (method, self.url, version)]
        for name, value in self.headers:
            if name == b"connection":
                wishes = [wish.strip() for wish in value.split(b",")]
                value = b", ".join(wish for wish in wishes if wish.lower() not in OF_UPGRADE)
            if name not in OF_UPGRADE:
                lines.append(b"%b: %b" % (name, value))
        self._head_again = b"\r\n".join((*lines, b"", b""))

    def _accept_language(self) -> str | None:
        return self._header(b"accept-language")

    def _header(self, asked: bytes) -> str | None:
        for name, value in self.headers or ():
            if name == asked:
                return value.decode("latin-1")
        return None


def connections(**named: Any) -> Callable[..., GuardedConnection]:
    """Makes the connections of a server, with what `GuardedConnection` needs by name."""
    return partial(GuardedConnection, **named)
