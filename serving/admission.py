"""Takes on no more than can be answered in time; the rest is told at once to come again.

Without a limit, three times the load that a service can bear leaves it busy with answers that
nobody waits for any more. A place is taken when the whole request is there, so that slow callers
take none; while all are taken, others are turned away at the connection: see `serving.door`.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from selectivity.wording import Language
from serving.problems import RefusedError
from serving.refusals import overloaded


class Admission:
    """So many places."""

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

    @contextmanager
    def take(self, language: Language) -> Iterator[None]:
        """Take a place while the block runs.

        Raises:
            RefusedError: none is left.
        """
        if self.full:
            raise RefusedError(overloaded(language), language=language)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
