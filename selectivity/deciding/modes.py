"""How much the service may decide by itself: an order that people give, recorded and time-boxed.

NORMAL      the model decides
RULES_ONLY  the model is not asked; the points table decides
NO_GREEN    the model decides, and nothing is released without a look at its documents
MANUAL      only the law decides; everything else waits for a person, as in the yellow lane
"""

from collections.abc import Iterator
from enum import StrEnum

from selectivity.lanes import Channel, Lane, Vote, shared_vote


class Mode(StrEnum):
    """What the service may decide by itself."""

    NORMAL = "NORMAL"
    RULES_ONLY = "RULES_ONLY"
    NO_GREEN = "NO_GREEN"
    MANUAL = "MANUAL"

    @property
    def asks_model(self) -> bool:
        """Whether a model may speak."""
        return self in (Mode.NORMAL, Mode.NO_GREEN)

    @property
    def may_release(self) -> bool:
        """Whether anything can become GREEN."""
        return self in (Mode.NORMAL, Mode.RULES_ONLY)


STRICTNESS = {Mode.NORMAL: 0, Mode.RULES_ONLY: 0, Mode.NO_GREEN: 1, Mode.MANUAL: 2}

AFTERWARDS = Mode.NO_GREEN
"""What holds when the time of a mode is over, until two people relax it."""


def tightens(before: Mode, after: Mode) -> bool:
    """Whether one person may order the change. To leave out the model is no tightening: it can let
    through what the model would have stopped."""
    return STRICTNESS[after] > STRICTNESS[before]


def mode_votes(mode: Mode) -> Iterator[Vote]:
    """What the mode asks for whatever anything else says."""
    if not mode.may_release:
        facts = (("mode", mode.value),)
        yield shared_vote(Lane.YELLOW, Channel.OFFICER, code="MODE", facts=facts)
