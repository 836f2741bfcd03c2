"""Lets a predictor take over from another between two records, knowing all that this one knows.

The successor learns from the log as it stands at some moment. What this service keeps meanwhile is
remembered from before that moment on, and taught to it when it takes over. A predictor takes no
record twice and none too early, so nothing is missed and nothing counts twice.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from serving.deciding.predictor import Predictor

Fold = Callable[[Predictor], None]
"""Teaches a predictor one record."""


class Handover:
    """Has a successor learn what came while it was made. To be used in the event loop alone."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        """Held by whoever makes a successor: there is never more than one."""
        self._since: list[Fold] | None = None

    def fold(self, predictor: Predictor, work: Fold) -> None:
        """Teach the predictor in office and the one behind it, and remember it for a successor if
        there is to be one."""
        for each in predictor.that_learn():
            work(each)
        if self._since is not None:
            self._since.append(work)

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """Remember, for a successor, all that is taught while the block runs."""
        self._since = []
        try:
            yield
        finally:
            self._since = None

    def teach(self, successor: Predictor) -> None:
        """Teach the successor what was remembered since it began to be made."""
        for work in self._since or ():
            work(successor)
