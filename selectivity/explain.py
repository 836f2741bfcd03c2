"""What stands out in a declaration's features, as reasons an officer understands.

These are observations beside the score, not its derivation: a signal casts no vote.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from selectivity.columns import Columns, Floats
from selectivity.features import FEATURE_NAMES
from selectivity.lanes import Reason

PLACE = {name: at for at, name in enumerate(FEATURE_NAMES)}
MOST = 3


class Signal(NamedTuple):
    """A feature that stands out beyond a limit. NaN never does."""

    code: str
    feature: str
    stands_out: Callable[[float], bool]
    fact: str


SIGNALS = (
    Signal("LINE_FOUND_BEFORE", "goods_line_physical_rate", lambda rate: rate > 0.3, "rate"),
    Signal("LINE_FOUND_BEFORE", "goods_line_documentary_rate", lambda rate: rate > 0.5, "rate"),
    Signal("PRICE_LOW", "origin_hs4_value_deviation", lambda spreads: spreads < -2, "spreads"),
    Signal("NEW_TRADER", "importer_registered_days", lambda days: days < 365, "days"),
)

RELATIVE = {
    "IMPORTER_FOUND_BEFORE": ("importer_documentary_rate", "office_documentary_rate"),
    "HEADING_FOUND_BEFORE": ("hs4_documentary_rate", "office_documentary_rate"),
}
"""A rate that is more than twice that of the office."""


def signals(columns: Columns, matrix: Floats, start: int, stop: int) -> tuple[Reason, ...]:
    """The first few signals over the goods items in rows `start` to `stop`, each code once."""
    found: dict[str, Reason] = {}
    for row in range(start, stop):
        for code, facts in _of_item(matrix[row]).items():
            reason = Reason(code=code, item_no=int(columns["item_no"][row]), facts=facts)
            found.setdefault(code, reason)
    return tuple(found.values())[:MOST]


def _of_item(features: Floats) -> Mapping[str, Mapping[str, float]]:
    found: dict[str, Mapping[str, float]] = {}
    for signal in SIGNALS:
        value = float(features[PLACE[signal.feature]])
        if signal.stands_out(value):
            found.setdefault(signal.code, {signal.fact: round(value, 4)})
    for code, (own, general) in RELATIVE.items():
        rate, usual = float(features[PLACE[own]]), float(features[PLACE[general]])
        if rate > 2 * usual:
            found[code] = {"rate": round(rate, 4), "office_rate": round(usual, 4)}
    return found
