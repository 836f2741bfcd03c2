"""What each feature adds to the risk of a goods item: exact TreeSHAP values, in log-odds.

They are of the trees' own log-odds of a finding; calibration keeps their order and is left out.
About a hundred predictions' worth of work, so never on the way to a lane.

Source: S. Lundberg et al., Nature Machine Intelligence 2 (2020).
"""

from typing import NamedTuple

import numpy as np

from models.lane_model import LaneModel
from selectivity.columns import Floats


class Contributions(NamedTuple):
    """`usual` and the row of `added` sum to the log-odds of a finding in each goods item."""

    added: Floats
    """Shape (n, features): above 0 raises the risk."""
    usual: Floats
    """Log-odds before anything is looked at, shape (n,)."""

    @property
    def log_odds(self) -> Floats:
        """Of a finding, before calibration. Shape (n,)."""
        total: Floats = self.usual + self.added.sum(axis=1)
        return total


def contributions(model: LaneModel, matrix: Floats) -> Contributions:
    """Contributions of all features to the log-odds of a finding, for each row of a matrix."""
    values = np.asarray(model.trees.finding.predict(matrix, pred_contrib=True, num_threads=1))
    return Contributions(values[:, :-1], values[:, -1])
