"""Leaves a model alone for a while when it failed or took too long several times in a row.

What stands behind it answers meanwhile. After the rest it is asked once; if that fails it rests
again.
"""

import logging
from collections.abc import Callable

from serving.trouble import Trouble

logger = logging.getLogger(__name__)

IN_A_ROW = 5
REST_SECONDS = 10.0
ITEMS = 100
"""A declaration may take its time once for every so many goods items."""


class Breaker:
    """Counts failures of a model in a row, and says from when and until when it is left alone."""

    def __init__(
        self, seconds_allowed: float, clock: Callable[[], float], bundle: str | None = None
    ) -> None:
        """`clock` gives seconds and never goes back; `bundle` names whose model it is."""
        self._allowed, self._clock, self._bundle = seconds_allowed, clock, bundle
        self._bad, self._trouble = 0, Trouble()
        self._rests_until = float("-inf")
        self._cause = ""

    @property
    def rests_because(self) -> str | None:
        """Code of why the model is not to be asked now; None if it is."""
        return self._cause if self._clock() < self._rests_until else None

    @property
    def known_bad(self) -> bool:
        """Whether it was left alone and gave nothing usable since."""
        return self._trouble.there

    def timed(self, began: float, items: int) -> None:
        """Count an answer of the model, which took the time since `began`."""
        if self._clock() - began > self._allowed * max(1.0, items / ITEMS):
            self.failed("MODEL_SLOW")
        else:
            self._bad = 0
            if self._trouble.is_over():
                logger.warning("model answers again", extra={"bundle": self._bundle})

    def failed(self, cause: str) -> None:
        """Count that the model gave nothing usable, or gave it too late."""
        self._bad, self._cause = self._bad + 1, cause
        if self._bad >= IN_A_ROW:
            self._rests_until = self._clock() + REST_SECONDS
            if self._trouble.is_news(cause):
                what = {"cause": cause, "bundle": self._bundle, "seconds": REST_SECONDS}
                logger.error("model rests", extra=what)
