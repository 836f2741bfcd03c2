"""Areas under the curves that say how well scores set findings apart from the rest."""

from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score


def auroc(found: Any, scores: Any) -> float:
    """Area under the ROC curve; NaN where all are of one class.

    Args:
        found: 1 or true where there was something to find, else 0 or false; shape (n,).
        scores: the higher, the likelier; shape (n,).
    """
    found = np.asarray(found, dtype=bool)
    return float("nan") if found.all() or not found.any() else float(roc_auc_score(found, scores))


def average_precision(found: Any, scores: Any) -> float:
    """Area under the curve of precision over recall; NaN without findings."""
    found = np.asarray(found, dtype=bool)
    return float(average_precision_score(found, scores)) if found.any() else float("nan")
