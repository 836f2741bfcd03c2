"""What stands out in a declaration's features, as reasons an officer understands.

These are observations beside the score, cheap enough for every decision: a signal casts no vote.
How much each family of features weighed in the score is told by `selectivity.reasons.attribution`,
in the words of these signals.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from selectivity.columns import Floats, Mask
from selectivity.features.matrix import FEATURE_NAMES, FEATURES
from selectivity.lanes import Reason

_COLUMN = {name: at for at, name in enumerate(FEATURE_NAMES)}
"""Column of the feature matrix, by name of the feature."""
MOST = 3


class Signal(NamedTuple):
    """A feature that stands out beyond a limit. NaN never does."""

    code: str
    feature: str
    stands_out: Callable[[Floats], Mask]
    fact: str


SIGNALS = (
    Signal("LINE_FOUND_BEFORE", "goods_line_physical_rate", lambda rate: rate > 0.3, "rate"),
    Signal("LINE_FOUND_BEFORE", "goods_line_documentary_rate", lambda rate: rate > 0.5, "rate"),
    Signal("PRICE_LOW", "origin_hs4_value_deviation", lambda spreads: spreads < -2, "spreads"),
    Signal("NEW_TRADER", "importer_registered_days", lambda days: days < 365, "days"),
)

RELATIVE = {
    "IMPORTER_FOUND_BEFORE": ("trader_documentary_rate", "office_documentary_rate"),
    "HEADING_FOUND_BEFORE": ("hs4_documentary_rate", "office_documentary_rate"),
}
"""A rate that is more than twice that of the office."""

_WATCHED_BY = {signal.code: signal.feature for signal in SIGNALS} | {
    code: own for code, (own, _) in RELATIVE.items()
}
FAMILY_OF_SIGNAL = {code: FEATURES[_COLUMN[name]].group for code, name in _WATCHED_BY.items()}
"""The family of features that each signal tells of."""


Observed = Mapping[str, Mapping[str, float]]
"""Facts by code, of what stands out in one goods item."""


def observations(matrix: Floats) -> Sequence[Observed]:
    """What stands out in each row of a feature matrix."""
    found: list[dict[str, Mapping[str, float]]] = [{} for _ in matrix]
    for signal in SIGNALS:
        values = matrix[:, _COLUMN[signal.feature]]
        for at in np.flatnonzero(signal.stands_out(values)).tolist():
            found[at].setdefault(signal.code, {signal.fact: round(float(values[at]), 4)})
    for code, (own, general) in RELATIVE.items():
        rates, usual = matrix[:, _COLUMN[own]], matrix[:, _COLUMN[general]]
        for at in np.flatnonzero(rates > 2 * usual).tolist():
            rate, office_rate = round(float(rates[at]), 4), round(float(usual[at]), 4)
            found[at][code] = {"rate": rate, "office_rate": office_rate}
    return found


def signals(item_nos: Sequence[int], observed: Sequence[Observed]) -> tuple[Reason, ...]:
    """The first few signals over the goods items of one declaration, each code once."""
    found: dict[str, Reason] = {}
    for item_no, facts_of in zip(item_nos, observed, strict=True):
        for code, facts in facts_of.items():
            if code not in found:
                found[code] = Reason(code=code, item_no=item_no, facts=facts)
    return tuple(found.values())[:MOST]
