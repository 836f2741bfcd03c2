"""How far declarations of the evaluation lie from those that taught, by what they declare."""

from typing import Any

import numpy as np
import pandas as pd

from pipelines.training.periods import Periods
from selectivity.columns import Floats, Ints, Mask
from selectivity.metrics import Interval, percentile_interval

UNIT_VALUE = "unit_value"
"""Customs value per kilogram, over what is usual of its code in training."""
GROUPS = 10
CHAPTER_DIGITS = 2
MUCH = 0.25
"""From here on much has changed, by the usage of credit scoring."""
RESAMPLES = 200


def drift(items: pd.DataFrame, periods: Periods, facts: tuple[str, ...]) -> dict[str, Interval]:
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
        return dict.fromkeys(map(str, told), Interval(float("nan"), float("nan"), float("nan")))
    parts = [(rows, pd.factorize(items.declaration_id[rows])[0]) for rows in (before, now)]
    return {str(name): _compared(groups_of(told[name], before), parts) for name in told}


def _compared(groups: Ints, parts: list[tuple[Mask, Ints]]) -> Interval:
    """The index with its 95 % interval, by drawing the declarations of each part anew.

    By chance alone the index lies above zero, in each resample once more. So the interval is the
    one of the resamples mirrored at the index; their own would leave zero out where all is alike.

    Args:
        parts: of training and of evaluation, which rows they are, and the number of the
            declaration of each, from 0; its versions hang together like its goods items.

    Source: A. C. Davison, D. V. Hinkley, Bootstrap Methods and their Application (1997), 5.2.
    """
    draws, least = np.random.default_rng(0), groups.max() + 1
    index = _index(*(np.bincount(groups[rows], minlength=least) for rows, _ in parts))

    def drawn(rows: Mask, declarations: Ints) -> Floats:
        count = declarations.max() + 1
        times = np.bincount(draws.integers(0, count, count), minlength=count)
        counts = np.bincount(groups[rows], weights=times[declarations], minlength=least)
        return counts.astype(np.float64)

    values = np.array([_index(*(drawn(*part) for part in parts)) for _ in range(RESAMPLES)])
    low, high = percentile_interval(values)
    return Interval(index, max(0.0, 2 * index - high), max(index, 2 * index - low))


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


def _index(before: Ints | Floats, now: Ints | Floats) -> float:
    there = before + now > 0  # half a row in an empty group would make a constant fact drift
    before, now = before[there], now[there]
    was, is_ = ((counts + 0.5) / (counts + 0.5).sum() for counts in (before, now))
    return float(((is_ - was) * np.log(is_ / was)).sum())
