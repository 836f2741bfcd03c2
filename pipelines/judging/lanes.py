"""What lanes came to: how many declarations are in each, and what controls had found in them."""

from typing import Any

import numpy as np
import pandas as pd

from models.bundle import Bundle
from pipelines.training.outcomes import UNKNOWN, known_duties
from selectivity.columns import Columns, Floats, Ints, Mask, first_rows
from selectivity.deciding.capacity import OVER_CAPACITY
from selectivity.deciding.policy import Policy
from selectivity.histories.aggregates import duty_at_stake
from selectivity.inspection import FindingClass
from selectivity.lanes import LANES, Channel
from selectivity.metrics import FEWEST_FINDINGS, Interval, bootstrapped, widened, wilson

FEWER, MORE = "red_capacity_less_20", "red_capacity_more_20"
RED_CAPACITIES = {FEWER: 0.8, MORE: 1.2}
"""Variants of a policy, by what they multiply the capacity of red with."""


def lane_figures(lanes: pd.DataFrame) -> dict[str, Any]:
    """Shares and yields per lane from `outcome_of_declarations`, with 95 % intervals.

    Yields count declarations that were inspected in the past, whatever lane they had then. Those
    `by_model` leave out what law, rules and random draws put into the lane.
    """
    figures: dict[str, Any] = {"declarations": len(lanes), "inspected": int(lanes.inspected.sum())}
    known = lanes[lanes.inspected]
    for lane in LANES:
        given = known[known.lane == lane]
        name = lane.lower()
        figures[f"{name}_share"] = float((lanes.lane == lane).mean())
        figures |= _hit_rate(name, given)
        if lane != "GREEN":
            figures |= _hit_rate(f"{name}_by_model", given[given.channel == Channel.MODEL])
        for what in ("found", "physical", "duty_found"):
            if (share := _held(known[what], known.lane == lane)) is not None:
                figures |= share.named(f"{name}_holds_{what}")
    return figures


def _held(amounts: pd.Series, here: pd.Series) -> Interval | None:
    """What share of all amounts lies in the lane; None where there is none anywhere.

    Counts have the interval of a share; duties, of which a few may be most, are drawn anew: of
    fewer than ten findings that says nothing, and any share may be the true one.
    """
    given, inside = amounts.to_numpy(float), here.to_numpy()
    if not given.sum() > 0:
        return None
    if amounts.dtype == bool:
        return wilson(float(given[inside].sum()), int(given.sum()))

    def share(at: Ints) -> float:
        total = given[at].sum()
        return float(given[at][inside[at]].sum() / total) if total > 0 else float("nan")

    everyone = np.arange(len(given))
    if np.count_nonzero(given) < FEWEST_FINDINGS:
        return Interval(share(everyone), 0.0, 1.0)
    worth = given.sum() ** 2 / (given**2).sum()  # a few large ones tell no more than a few
    return widened(bootstrapped(share, everyone), worth)


def _hit_rate(name: str, given: pd.DataFrame) -> dict[str, Any]:
    figures: dict[str, Any] = {f"{name}_inspected": len(given)}
    if len(given):
        figures |= wilson(float(given.found.sum()), len(given)).named(f"{name}_hit_rate")
    return figures


def outcome_of_declarations(
    decisions: pd.DataFrame, items: Columns, classes: Ints, duty: Floats
) -> pd.DataFrame:
    """Decisions with what inspections found: inspected, found, physical, duty_found.

    `duty` is what a finding in each goods item brings, capped, shape (n,).
    """
    starts = first_rows(items)
    worst = np.maximum.reduceat(classes, starts)
    return decisions.assign(
        inspected=worst != UNKNOWN,
        found=worst > FindingClass.NONE,
        physical=worst == FindingClass.PHYSICAL,
        duty_found=np.add.reduceat(np.where(classes > FindingClass.NONE, duty, 0.0), starts),
    )


def duty_of_findings(items: Columns, outcomes: pd.DataFrame, rows: Mask, bundle: Bundle) -> Floats:
    """What a finding in each goods item brings, capped: assessed, or declared at stake. (n,)

    `rows` is a mask over all goods items, by whose positions `outcomes` go; `items` are the chosen.
    """
    assessed = known_duties(outcomes, len(rows))
    if assessed is not None:
        return assessed[rows]
    at_stake: Floats = np.nan_to_num(duty_at_stake(items))
    return np.minimum(at_stake, bundle.model.knowledge.duty_cap)


def known_violations(lanes: pd.DataFrame) -> "pd.Series[bool]":
    """Which declarations hold a violation that is known: inspected, and something was found.

    What nobody inspected may hold one as well, and is never counted as one without.
    """
    return lanes.inspected & lanes.found


def over_capacity(lanes: pd.DataFrame, policy: Policy) -> list[str]:
    """A line per lane that took more than a tenth over the capacity of the policy, and by what.

    Args:
        lanes: `lane` and `reason` of each declaration.
    """
    warnings = []
    for name, control in (("yellow", policy.yellow), ("red", policy.red)):
        reasons = lanes.reason[lanes.lane == name.upper()]
        if len(reasons) > OVER_CAPACITY * control.share * len(lanes):
            counts = reasons.value_counts()
            warnings.append(
                f"{name} took {len(reasons) / len(lanes):.1%} of the declarations and "
                f"policy.{name} has capacity for {control.share:.1%}; {counts.iloc[0]} of "
                f"{len(reasons)} have the reason {counts.index[0]}. See in the report who asked "
                "for it before this bundle is published."
            )
    return warnings
