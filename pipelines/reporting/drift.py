"""How far declarations of the evaluation lie from those that taught, by what they declare."""

from typing import Any

import numpy as np
import pandas as pd

from pipelines.training.periods import Periods
from selectivity.columns import Ints, Mask

UNIT_VALUE = "unit_value"
"""Customs value per kilogram, over what is usual of its code in training."""
GROUPS = 10
CHAPTER_DIGITS = 2
MUCH = 0.25
"""From here on much has changed, by the usage of credit scoring."""


def drift(items: pd.DataFrame, periods: Periods, facts: tuple[str, ...]) -> dict[str, float]:
    """Population stability index of each fact, evaluation against training; 0 where all is alike.

    Numbers go by tenths of those in training, HS codes by their chapter. What is missing is a group
    of its own. The index is NaN where one of the periods is empty.

    Source: N. Siddiqi, Credit Risk Scorecards (2006), with half a row more in each group.
    """
    days = {"accepted_at": items.accepted_at.dt.tz_convert(None).to_numpy()}
    before, now = (periods.rows(days, part) for part in ("train", "evaluate"))
    told = items[list(facts)]
    if {"hs_code", "customs_value", "net_mass_kg"} <= set(facts):
        told = told.assign(**{UNIT_VALUE: unit_value(items, before)})
    if not (before.any() and now.any()):
        return {str(name): float("nan") for name in told}
    grouped = {str(name): groups_of(told[name], before) for name in told}
    return {
        name: _index(*(_counted(groups, rows) for rows in (before, now)))
        for name, groups in grouped.items()
    }


def unit_value(items: pd.DataFrame, before: Mask) -> "pd.Series[float]":
    """Value per kilogram of each goods item, as a multiple of what was usual for its HS code.

    Args:
        before: marks the rows of the training period, whose median is the usual.
    """
    value = items.customs_value / items.net_mass_kg.where(items.net_mass_kg > 0)
    usual = value[before].groupby(items.hs_code[before]).median()
    return value / items.hs_code.map(usual)


def groups_of(fact: "pd.Series[Any]", before: Mask) -> Ints:
    """Number of the group each row is in, from 0; the first is that of what is missing."""
    if pd.api.types.is_float_dtype(fact):
        ends = np.unique(fact[before].quantile(np.arange(1, GROUPS) / GROUPS).dropna())
        number = np.searchsorted(ends, fact.to_numpy(np.float64), side="right") + 1
        return np.where(fact.isna(), 0, number)
    digits = CHAPTER_DIGITS if fact.name == "hs_code" else None
    texts = fact.map(lambda told: str(told)[:digits], na_action="ignore")
    return pd.factorize(texts)[0].astype(np.int64) + 1


def _counted(groups: Ints, rows: Mask) -> Ints:
    return np.bincount(groups[rows], minlength=groups.max() + 1)


def _index(before: Ints, now: Ints) -> float:
    was, is_ = ((counts + 0.5) / (counts + 0.5).sum() for counts in (before, now))
    return float(((is_ - was) * np.log(is_ / was)).sum())
