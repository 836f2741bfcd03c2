"""What the model says of one declaration."""

from collections.abc import Sequence
from typing import NamedTuple

from selectivity.lanes import Reason

ROUNDING = 1e-5
"""How far the chances of one goods item may be from adding up to 1."""


class Risk(NamedTuple):
    """What the model says of the goods items of one declaration, in their order."""

    probabilities: Sequence[Sequence[float]]
    """Per item those of each finding class, which sum to 1."""
    duty_share: Sequence[float]
    """Duty at stake over the duty cap of training per item, in [0, 1]; 0 where unknown."""
    unknown_codes: Sequence[tuple[int, str]] = ()
    """(item_no, field) of each code that training never saw."""
    signals: Sequence[Reason] = ()
    """What stands out in the features: words for the officer, no votes."""

    def usable(self) -> bool:
        """Whether all chances and shares are such. NaN fails: it must never mean green."""
        return (
            len(self.duty_share) == len(self.probabilities)
            and all(0 <= share <= 1 for share in self.duty_share)
            and all(
                min(row) >= 0 and max(row) <= 1 and abs(sum(row) - 1) <= ROUNDING  # NaN has no sum
                for row in self.probabilities
            )
        )

    def highest(self) -> float:
        """Highest chance of a finding over the goods items."""
        return 1 - min(none for none, _, _ in self.probabilities)
