"""What there is to learn from: goods items that were controlled, and what that came to.

Every number is as small as it may be. There may be millions, and they stay while trees grow.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.training.lines import Lines, line_weights
from pipelines.training.outcomes import UNKNOWN, known_classes, known_duties
from pipelines.training.periods import Periods
from pipelines.training.rows import Numbers, Whole
from selectivity.columns import Floats, Mask
from selectivity.errors import NotEnoughDataError
from selectivity.inspection import FindingClass


class Labels(NamedTuple):
    """What controls found in rows, each shape (n,)."""

    classes: Whole
    """`FindingClass`; never `UNKNOWN`."""
    weights: Numbers
    """Less than 1 where its goods line repeats. Rows do not weigh by the chance that they had of
    being controlled: few had a small one, and trees would learn what chance made of those few."""
    duties: Floats | None = None
    """Additional duty of each, in currency; None where no amounts are known."""
    days: npt.NDArray[np.datetime64] | None = None
    """When each was accepted; needed to choose the number of rounds."""

    def take(self, rows: Mask) -> "Labels":
        """What controls found in only these rows."""
        return Labels(
            self.classes[rows],
            self.weights[rows],
            None if self.duties is None else self.duties[rows],
            None if self.days is None else self.days[rows],
        )


def learnable(
    use: Mask,
    days: npt.NDArray[np.datetime64],
    lines: Lines,
    outcomes: pd.DataFrame,
    periods: Periods,
    line_weight_exponent: float,
) -> tuple[Mask, Labels]:
    """Those rows of the mask `use` whose outcome was known before the evaluation began, and it.

    `days` tells when each of all goods items was accepted, `lines` the number of its goods line.
    """
    classes, _ = known_classes(outcomes, len(use), before=periods.evaluate_from)
    use = use & (classes != UNKNOWN)
    duties = known_duties(outcomes, len(use), before=periods.evaluate_from)
    return use, Labels(
        classes=classes[use].astype(np.int8),
        weights=line_weights(lines[use], line_weight_exponent).astype(np.float32),
        duties=None if duties is None else duties[use],
        days=days[use],
    )


def check_learnable(classes: Whole, smallest: int, purpose: str) -> None:
    """See that enough rows have a finding, and enough have none.

    Args:
        purpose: what is to be learnt from them, in the words of an error.

    Raises:
        ValueError: a row was never inspected.
        NotEnoughDataError: there are fewer than `smallest` of one kind.
    """
    if (classes == UNKNOWN).any():
        raise ValueError("a row that was never inspected cannot be trained on")
    found = classes > FindingClass.NONE
    for what, count in (("with a finding", found.sum()), ("without one", (~found).sum())):
        if count < smallest:
            raise NotEnoughDataError(
                f"Only {count} controlled goods items {what} are known for {purpose}, "
                f"and {smallest} are needed. Bring a longer history, give "
                "training more of it (`prepare.warm_up_days`, `label_delay_days`, "
                "`calibration_share`, `evaluation_share`), or, if there are some at all and you "
                "know why, lower `train.smallest_class`."
            )
