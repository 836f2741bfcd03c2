"""What the model says of one declaration."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from selectivity.columns import Floats
from selectivity.lanes import Reason


class Risk(NamedTuple):
    """What the model says of the goods items of one declaration, in their order."""

    probabilities: Floats
    """Per item and finding class, shape (n, 3); rows sum to 1."""
    duty_share: Floats
    """Duty at stake over the duty cap of training, in [0, 1]; 0 where unknown. Shape (n,)."""
    unknown_codes: Sequence[tuple[int, str]] = ()
    """(item_no, field) of each code that training never saw."""
    signals: Sequence[Reason] = ()
    """What stands out in the features: words for the officer, no votes."""

    def usable(self) -> bool:
        """Whether every probability is a probability. NaN fails: it must never mean green."""
        rows = self.probabilities
        return bool(
            np.isfinite(rows).all()
            and ((rows >= 0) & (rows <= 1)).all()
            and np.allclose(rows.sum(axis=1), 1, atol=1e-6)
        )
