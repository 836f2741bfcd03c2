"""What is caught if only so large a share of the goods items is inspected, riskiest first.

Its detection rate is what others call the curve of cumulative gains.
"""

import numpy as np
import pandas as pd

from selectivity.columns import Floats, Ints
from selectivity.metrics import (
    FEWEST_FINDINGS,
    Interval,
    percentile_interval,
    resampled,
    riskiest,
    widened,
)

CAPACITIES = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0)


def capacity_curve(risk: Floats, found: Ints, groups: Ints, *, resamples: int) -> pd.DataFrame:
    """One row per share inspected: hit rate and detection rate, each with its 95 % interval.

    The declarations drawn anew are those of the other scores, so that a figure that stands in two
    places has one interval. Of fewer than ten findings there is none.

    Args:
        groups: number of the declaration of each row, shape (n,); rows of one stand together.
    """
    shares = np.array([share for share in CAPACITIES if int(len(found) * share) > 0])
    values = _points(found, risk, shares)
    ends = np.full((2, *values.shape), np.nan)
    if found.sum() >= FEWEST_FINDINGS:
        draws = resampled(groups, resamples=resamples)
        drawn = np.array([_points(found[at], risk[at], shares) for at in draws])
        ends = np.apply_along_axis(percentile_interval, 0, drawn)
    rows = []
    for at, share in enumerate(shares):
        hit_rate, caught = (
            Interval(*each) for each in zip(values[:, at], *ends[:, :, at], strict=True)
        )
        hit_rate = widened(hit_rate, int(len(found) * share))
        if share < 1:  # all goods items hold all findings, and that is certain
            caught = widened(caught, int(found.sum()))
        rows.append(
            {"inspected": share} | hit_rate.named("hit_rate") | caught.named("detection_rate")
        )
    return pd.DataFrame(rows)


def _points(found: Ints, risk: Floats, shares: Floats) -> Floats:
    """Hit rates and detection rates at every share, shape (2, shares); sorted once for all."""
    caught = np.append(0, found[riskiest(risk, 1.0)].cumsum())
    inspected = (len(found) * shares).astype(np.int64)
    counts = caught[inspected]
    hit_rate = np.divide(counts, inspected, out=np.full(len(shares), np.nan), where=inspected > 0)
    return np.array([hit_rate, counts / caught[-1] if caught[-1] else np.full(len(shares), np.nan)])
