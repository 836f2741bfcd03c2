"""How the points table does beside the model: what it catches, and where they agree."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from selectivity.deciding.policy import Policy

LEAST_AGAINST_MODEL = 0.6
"""Of what the model catches, the points table has to catch at least this share."""


def against_model(without: pd.DataFrame, lanes: pd.DataFrame, policy: Policy) -> dict[str, float]:
    """How much the points table catches of what the model catches, on the same declarations.

    `agreement` is the share of declarations that come into the same lane either way.
    """
    figures = {"agreement": float((without.lane.to_numpy() == lanes.lane.to_numpy()).mean())}
    for what in ("found", "duty_found"):
        by_model = _caught(lanes, what, policy)
        if by_model > 0:
            figures[f"{what}_against_model"] = _caught(without, what, policy) / by_model
    return figures


def _caught(lanes: pd.DataFrame, what: str, policy: Policy) -> float:
    """What controls of these lanes are expected to find again, of all that was found."""
    caught = 0.0
    for lane, control in (("YELLOW", policy.yellow), ("RED", policy.red)):
        given = lanes[lanes.inspected & (lanes.lane == lane)]
        chance = np.where(given.physical, control.detects.physical, control.detects.documentary)
        caught += float((given[what] * chance).sum())
    return caught


def points_catch_too_little(figures: Mapping[str, Any]) -> list[str]:
    """A line when the points table would be a poor stand-in for the model."""
    caught = figures.get("found_against_model", 1.0)
    if caught >= LEAST_AGAINST_MODEL:
        return []
    return [
        f"without its model this bundle is expected to find {caught:.0%} of what it finds "
        f"with it, and {LEAST_AGAINST_MODEL:.0%} is the least. See scorecard.json, and give "
        "section `scorecard` of params.yaml a lower penalty."
    ]
