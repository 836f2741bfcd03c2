"""Lets a predictor take over from another between two records, knowing all that this one knows.

The successor learns the log as it stands at a moment when nothing is on its way to the disk. What
comes after that moment is remembered, and taught to it when it takes over: nothing is missed and
nothing counts twice.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from serving.predictor import Predictor

Fold = Callable[[Predictor], None]
"""Teaches a predictor one record."""


class Handover:
    """To be used in the event loop alone."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        """Held by whoever makes a successor: there is never more than one."""
        self._on_their_way = 0
        self._begin: Callable[[], None] | None = None
        self._since: list[Fold] | None = None

    def sent(self) -> None:
        """A record was queued to be written."""
        self._on_their_way += 1

    @contextmanager
    def arriving(self) -> Iterator[None]:
        """It was written and is folded inside, or it failed."""
        try:
            yield
        finally:
            self._on_their_way -= 1
            self._begin_if_quiet()

    def fold(self, predictor: Predictor, work: Fold) -> None:
        """Teach the predictor in office and the one behind it, and remember it for a successor if
        there is to be one."""
        for each in predictor.that_learn():
            work(each)
        if self._since is not None:
            self._since.append(work)

    def when_quiet(self, begin: Callable[[], None]) -> None:
        """Call this as soon as nothing is on its way, and remember everything from then on."""
        self._begin = begin
        self._begin_if_quiet()

    def teach(self, successor: Predictor) -> None:
        """Teach it what came since then."""
        for work in self._since or ():
            work(successor)

    def end(self) -> None:
        """Remember nothing any more."""
        self._begin = self._since = None

    def _begin_if_quiet(self) -> None:
        if self._begin is not None and self._on_their_way == 0:
            begin, self._begin, self._since = self._begin, None, []
            begin()
