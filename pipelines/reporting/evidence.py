"""Everything the report rests on, brought to one row per declaration and one per control."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from pipelines.stage.tables import KEY
from pipelines.training.periods import Periods
from selectivity.deciding.policy import Policy
from selectivity.errors import NotEnoughDataError
from selectivity.inspection import FindingClass
from selectivity.metrics import Interval
from selectivity.rules.rule_set import Rule

DIGITS = 16
"""Digits of a digest that are shown."""


@dataclass(frozen=True)
class Evidence:
    """What the stages before left behind; frames are about the evaluation period alone."""

    digest: str
    policy: Policy
    rules: tuple[Rule, ...]
    periods: Periods
    ingested: Mapping[str, Any]
    prepared: Mapping[str, Any]
    labelled: Mapping[str, Any]
    metrics: Mapping[str, Any]
    backtest: Mapping[str, Any]
    calibration: pd.DataFrame
    capacity: pd.DataFrame
    decisions: pd.DataFrame
    """One row per declaration: as evaluated, with `week` and `ripe`, see `ripened`."""
    controls: pd.DataFrame
    """One row per control that concluded, see `controls_of`."""
    missing: Mapping[str, float]
    """Share of goods items that lack a fact which a release needs."""
    drift: Mapping[str, Interval]
    """How far facts of the evaluation lie from those of training, see `drift`."""
    in_time: float
    """Share of results, over the whole history, known within the label delay."""
    facts_known: frozenset[str] | None = None
    """Facts that the history behind the model had; a release waits for no other. None: all."""
    currency: str | None = None
    """Of all amounts that were declared and evaluated; None where it is not told, or not one."""

    @property
    def label_delay_days(self) -> int:
        """Days that were left for outcomes to become known."""
        return (self.periods.evaluate_from - self.periods.calibrate_until).days

    @property
    def planned(self) -> dict[str, float]:
        """Share of declarations that each lane with controls has capacity for."""
        return {"YELLOW": self.policy.yellow.share, "RED": self.policy.red.share}

    def of_lane(self, lane: str) -> pd.DataFrame:
        """Declarations in this lane."""
        return self.decisions[self.decisions.lane == lane]

    def share(self, lane: str) -> float:
        """Share of declarations in this lane."""
        return len(self.of_lane(lane)) / len(self.decisions)


def ripened(decisions: pd.DataFrame, as_of: pd.Timestamp, label_delay_days: int) -> pd.DataFrame:
    """Decisions with the Monday of their `week`, and whether all its results can be `ripe`.

    A week is ripe when its last declaration was accepted the label delay before `as_of`, the last
    time that the data know anything of. There is no clock: the same data give the same report.

    Raises:
        NotEnoughDataError: no declaration was evaluated.
    """
    if decisions.empty:
        raise NotEnoughDataError(
            "No declaration lies in the evaluation period, so there is nothing to report on. "
            "Check `prepare.evaluation_from` and `prepare.evaluation_until` in params.yaml."
        )
    week = decisions.accepted_at.dt.tz_convert(None).dt.to_period("W").dt.start_time
    last = decisions.accepted_at.groupby(week).transform("max")
    return decisions.assign(week=week, ripe=last + timedelta(days=label_delay_days) <= as_of)


def controls_of(
    decisions: pd.DataFrame, items: pd.DataFrame, outcomes: pd.DataFrame
) -> pd.DataFrame:
    """Controls of the evaluated declarations.

    One row per control: `at` (position of its declaration in `decisions`), `lane` (given now),
    `control_type`, `triggered_by`, `propensity`, `found`, `additional_duty`. `items` are all
    prepared goods items; `row` of an outcome is a position in them.
    """
    known = outcomes.assign(
        **{name: items[name].to_numpy()[outcomes.row] for name in KEY},
        found=outcomes.finding_class > FindingClass.NONE,
        triggered_by=outcomes.triggered_by.fillna(""),
    )
    of_control = [*KEY, "inspection_id", "control_type", "triggered_by"]
    controls = known.groupby(of_control, as_index=False, sort=False).agg(
        propensity=("propensity", "max"),
        found=("found", "any"),
        additional_duty=("additional_duty", "sum"),
    )
    evaluated = decisions[[*KEY, "lane"]].assign(at=np.arange(len(decisions)))
    return evaluated.merge(controls, on=KEY).sort_values(["at", "inspection_id"], ignore_index=True)


def results_in_time(items: pd.DataFrame, outcomes: pd.DataFrame, days: int) -> float:
    """Share of results that were known within so many days; nan without results."""
    if outcomes.empty:
        return float("nan")
    accepted_at = pd.Series(items.accepted_at.array[outcomes.row], index=outcomes.index)
    waited = outcomes.observed_at - accepted_at
    return float((waited <= timedelta(days=days)).mean())


def one_currency(items: pd.DataFrame, decisions: pd.DataFrame) -> str | None:
    """The currency of the evaluated goods items, if it is one and the same."""
    codes = items.merge(decisions[KEY], on=KEY)["currency"].dropna().unique()
    return str(codes[0]) if len(codes) == 1 else None


def shares_lacking(
    items: pd.DataFrame, decisions: pd.DataFrame, facts: tuple[str, ...]
) -> dict[str, float]:
    """Share of the evaluated goods items that lack each of these facts."""
    evaluated = items.merge(decisions[KEY], on=KEY)
    return {fact: float(evaluated[fact].isna().mean()) for fact in facts}
