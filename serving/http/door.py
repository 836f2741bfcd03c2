"""Turns callers away while all places are taken, before anything of theirs is looked at.

Under several times the load that can be borne nearly every request ends here, so that it must cost
next to nothing: the connection itself sends an answer that was written once.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus

from selectivity.reasons.wording import LANGUAGES
from serving.http.admission import Admission
from serving.http.language import preferred
from serving.http.problems import response_bytes
from serving.http.refusals import overloaded


class Door:
    """Knows which paths need a place, and what to say where there is none."""

    def __init__(
        self, places: Mapping[str, Admission], *, on_refused: Callable[[int], None]
    ) -> None:
        """`places` tells by path which places its requests need."""
        self._places = {path.encode(): each for path, each in places.items()}
        self._on_refused = on_refused
        self._answers = {each: response_bytes(overloaded(each), each) for each in LANGUAGES}

    def refusal(self, method: bytes, url: bytes, accept_language: str | None) -> bytes | None:
        """The answer to who finds no place; None for who may come in.

        Those who come in the same turn of the event loop as this one are counted: none of them has
        taken a place yet.
        """
        if method != b"POST":
            return None
        places = self._places.get(url.partition(b"?")[0])
        if places is None:
            return None
        if not places.full:
            places.come()
            return None
        self._on_refused(HTTPStatus.SERVICE_UNAVAILABLE)
        return self._answers[preferred(accept_language)]
