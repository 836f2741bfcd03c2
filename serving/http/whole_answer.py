"""A whole answer as it goes over the wire, for who sends it in one piece."""

from collections.abc import Sequence

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

ANSWER_AT_ONCE = "lanes.answer_at_once"
"""Under this name a connection offers the application to send a whole answer in one piece."""


def whole(answer: Response, *, first: Sequence[tuple[bytes, bytes]] = ()) -> bytes:
    """Status, headers (`first` before those of the answer) and body."""
    headers = [b"%b: %b\r\n" % each for each in (*first, *answer.raw_headers)]
    return b"".join([STATUS_LINE[answer.status_code], *headers, b"\r\n", answer.body])
