"""Takes on no more than can be answered in time; the rest is told at once to come again.

Without a limit, three times the load that a service can bear leaves it busy with answers that
nobody waits for any more. A place is taken when the whole request is there, so that slow callers
take none; while all are taken, others are turned away at the connection: see `serving.http.door`.
"""

import asyncio

from selectivity.reasons.wording import Language
from serving.http.problems import RefusedError
from serving.http.refusals import overloaded


class Admission:
    """A number of places, one for each request that is worked on."""

    def __init__(self, places: int) -> None:
        self._places, self._taken, self._coming = places, 0, 0

    @property
    def full(self) -> bool:
        """Whether no place is left, also for those who come in this turn."""
        return self._taken + self._coming >= self._places

    def come(self) -> None:
        """Somebody will ask for a place once this turn of the event loop is over."""
        if not self._coming:
            asyncio.get_running_loop().call_soon(self._all_came)
        self._coming += 1

    def _all_came(self) -> None:
        self._coming = 0

    def take(self, language: Language) -> "Place":
        """A place while a block runs."""
        return Place(self, language)

    def begin(self, language: Language) -> None:
        """Take a place.

        Raises:
            RefusedError: none is left.
        """
        if self.full:
            raise RefusedError(overloaded(language), language=language)
        self._taken += 1

    def end(self) -> None:
        """Give it back."""
        self._taken -= 1


class Place:
    """One of the places, held from the begin of a block to its end."""

    __slots__ = ("_language", "_places")

    def __init__(self, places: Admission, language: Language) -> None:
        self._places, self._language = places, language

    def __enter__(self) -> None:
        self._places.begin(self._language)

    def __exit__(self, *_: object) -> None:
        self._places.end()
