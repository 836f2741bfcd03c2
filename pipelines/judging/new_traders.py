"""Who counts as a new trader, whom lanes should not hold up more than they have to."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from selectivity.columns import Floats, Mask
from selectivity.histories.derived_texts import trader

NEW_DAYS = 90
PARTIES = ("direction", "importer_id", "exporter_id")
"""Who answers for the goods follows from these."""


def is_named(declared: Mapping[str, Iterable[Any]]) -> Mask:
    """Whether a trader is named: of one who is not, nobody can say whether he is new.

    Args:
        declared: has PARTIES, each of shape (n,).
    """
    parties = zip(*(declared[name] for name in PARTIES), strict=True)
    mask: Mask = pd.Series([trader(*each) for each in parties], dtype=object).notna().to_numpy()
    return mask


def is_new(known_days: Floats, named: Mask) -> Mask:
    """Whether a named trader's first declaration is younger than `NEW_DAYS`, or not known.

    Args:
        known_days: days since it, NaN where there is none; shape (n,).
        named: as `is_named` says, shape (n,).
    """
    mask: Mask = named & ~(known_days >= NEW_DAYS)
    return mask
