"""What a control is worth, and the price of the capacity it takes.

The benefit of controlling a goods item is, over the finding classes, the chance of the class times
the chance that this control finds it times the value found, less the cost of the control. One
price per lane is added to the cost so that the expected number of controls meets the capacity:
the prices are the dual variables of "find the most with the inspectors there are".

"Hold up nobody else": an owner with nothing to correct waits for nothing. A control is charged the
price of further places in the lane for that, times the chance that nothing is to be found.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from selectivity.columns import Floats, Ints
from selectivity.inspection import FindingClass
from selectivity.lanes import Lane

Numbers = TypeVar("Numbers", float, Floats)

HIGHEST = 1e9
"""No worth or cost may exceed this, so that every benefit is a finite number."""
MOST_PLACES = 1e3
"""The most places that a hold-up for nothing may cost; far fewer already outweigh all else."""

OVER_CAPACITY = 1.1
"""A lane fuller than this times its capacity is warned of."""


class PerClass(BaseModel):
    """A number per class of finding."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    documentary: float = Field(ge=0, le=HIGHEST, allow_inf_nan=False)
    physical: float = Field(ge=0, le=HIGHEST, allow_inf_nan=False)


class ControlPolicy(BaseModel):
    """What each lane's control finds and costs, in units of one ordinary documentary finding."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float = Field(gt=0, lt=1, description="Capacity: share of declarations it can take.")
    cost: float = Field(ge=0, le=HIGHEST, allow_inf_nan=False, description="Cost of one control.")
    hold_up: float = Field(
        default=0.0,
        ge=0,
        le=MOST_PLACES,
        allow_inf_nan=False,
        description="Further places of the lane that a control is charged for where nothing is "
        "to be found, because it holds up its owner for nothing. 0 where it is left out, as in "
        "bundles from before there was such a charge.",
    )
    detects: PerClass = Field(description="Chance that the control finds what is there, in [0, 1].")

    @field_validator("detects")
    @classmethod
    def _is_a_chance(cls, detects: PerClass) -> PerClass:
        if max(detects.documentary, detects.physical) > 1:
            raise ValueError("a chance is between 0 and 1")
        return detects


class ValuePolicy(BaseModel):
    """What a finding is worth, in units of one ordinary documentary finding."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    finding: PerClass
    duty: float = Field(
        ge=0,
        le=HIGHEST,
        allow_inf_nan=False,
        description="Worth of duty at stake at or above the duty cap.",
    )


class Prices(BaseModel):
    """Price of one control per lane, in the units of its benefit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    yellow: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    red: float = Field(default=0.0, ge=0, allow_inf_nan=False)


def benefits(
    probabilities: Floats,
    duty_share: Floats,
    *,
    value: ValuePolicy,
    yellow: ControlPolicy,
    red: ControlPolicy,
) -> Floats:
    """Benefit of a documents check and of a goods inspection, before prices.

    Args:
        probabilities: per goods item and finding class, shape (n, 3); rows sum to 1.
        duty_share: duty at stake over the duty cap, in [0, 1], 0 where unknown; shape (n,).

    Returns:
        Shape (n, 2): YELLOW, RED. NaN where a probability is NaN.
    """
    documentary = probabilities[:, FindingClass.DOCUMENTARY]
    physical = probabilities[:, FindingClass.PHYSICAL]
    return np.column_stack(
        [
            benefit_of(control, documentary, physical, duty_share, value=value)
            for control in (yellow, red)
        ]
    )


def benefit_of(
    control: ControlPolicy,
    documentary: Numbers,
    physical: Numbers,
    duty_share: Numbers,
    *,
    value: ValuePolicy,
) -> Numbers:
    """Benefit of one kind of control: of one goods item as floats, or of many as arrays."""
    duty = value.duty * duty_share
    return (
        documentary * control.detects.documentary * (value.finding.documentary + duty)
        + physical * control.detects.physical * (value.finding.physical + duty)
        - control.cost
    )


def places_of(control: ControlPolicy, nothing: Numbers) -> Numbers:
    """Places of its lane that a control is charged for: its own, and more where it finds nothing.

    `nothing` is the chance that there is nothing to be found in the declaration, in [0, 1].

    >>> red = ControlPolicy(
    ...     share=0.05, cost=0, hold_up=2, detects=PerClass(documentary=0.6, physical=0.8)
    ... )
    >>> places_of(red, 0.25)
    1.5
    """
    return 1 + control.hold_up * nothing


def best_lane(
    benefit: Floats, places: Floats, prices: Prices, least: Ints | int = Lane.GREEN
) -> Ints:
    """Lane of the highest net benefit per row of (YELLOW, RED) benefits; releasing is worth 0.

    Args:
        places: that each control is charged for, see `places_of`; shape (n, 2).
        least: lane that rules ask for in any case, shape (n,) or one for all.
    """
    net = benefit - places * np.array([prices.yellow, prices.red])
    lanes: Ints = np.maximum(np.column_stack([np.zeros(len(net)), net]).argmax(axis=1), least)
    return lanes


def fit_prices(
    benefit: Floats,
    places: Floats,
    *,
    yellow_share: float,
    red_share: float,
    least: Ints | int = Lane.GREEN,
) -> Prices:
    """Prices at which the lanes of these declarations meet the capacity.

    Args:
        benefit: per declaration, the highest benefit over its items; shape (n, 2). Minus infinity
            where the model is not asked, because the declaration is facilitated.
        places: that each control is charged for, see `places_of`; shape (n, 2).
        least: lane that rules ask for in any case; it takes capacity before the model does.

    Two nested bisections: dearer red sends fewer to red, dearer yellow fewer to any control.
    """
    top = float(max(benefit.max(initial=0.0), 0.0)) + 1.0

    def share(yellow: float, red: float, lane: Lane) -> float:
        lanes = best_lane(benefit, places, Prices(yellow=yellow, red=red), least)
        return float((lanes >= lane).mean())

    def red_price(yellow: float) -> float:
        return _bisect(top, lambda red: share(yellow, red, Lane.RED) > red_share)

    controlled = yellow_share + red_share
    yellow = _bisect(top, lambda price: share(price, red_price(price), Lane.YELLOW) > controlled)
    return Prices(yellow=yellow, red=red_price(yellow))


def _bisect(top: float, too_many: Callable[[float], bool], steps: int = 30) -> float:
    low, high = 0.0, top
    if not too_many(low):
        return low
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if too_many(middle) else (low, middle)
    return high


def highest_per_declaration(values: Floats, starts: Ints) -> Floats:
    """Highest of each column over the items of each declaration; `starts` are first rows."""
    highest: Floats = np.maximum.reduceat(values, starts, axis=0)
    return highest
