"""Who counts as a new trader, whom lanes should not hold up more than they have to."""

from selectivity.columns import Floats, Mask

NEW_DAYS = 90


def is_new(known_days: Floats) -> Mask:
    """Whether the first declaration of a trader is younger than `NEW_DAYS`, or not known.

    Args:
        known_days: days since it, NaN where there is none; shape (n,).
    """
    mask: Mask = ~(known_days >= NEW_DAYS)
    return mask
