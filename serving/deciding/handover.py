"""Lets a predictor take over from another between two records, knowing all that this one knows.

The successor learns from the log as it stands at some moment. What this service keeps meanwhile is
remembered, from before that moment on, and taught to the successor when it takes over. A predictor
skips a record that it knows and one that is not next (`lessons.fold`), so nothing is missed and
nothing counts twice.
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
        self._remembered: list[Fold] | None = None

    def fold(self, predictor: Predictor, fold: Fold) -> None:
        """Teach the predictor in office and the one behind it one record.

        While a successor is made, the record is remembered for it.
        """
        for each in predictor.learners():
            fold(each)
        if self._remembered is not None:
            self._remembered.append(fold)

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """Remember, for a successor, all that is taught while the block runs."""
        self._remembered = []
        try:
            yield
        finally:
            self._remembered = None

    def teach(self, successor: Predictor) -> None:
        """Teach the successor what was remembered since it began to be made."""
        for fold in self._remembered or ():
            fold(successor)
