"""How many declarations come when: seasons, month ends and sales days."""

import numpy as np

from pipelines.simulator.draws import Times
from pipelines.simulator.world import World
from selectivity.columns import Floats, Ints

LUNAR_NEW_YEARS = np.array(
    [
        *("2020-01-25", "2021-02-12", "2022-02-01", "2023-01-22", "2024-02-10", "2025-01-29"),
        *("2026-02-17", "2027-02-06", "2028-01-26", "2029-02-13", "2030-02-03", "2031-01-23"),
    ],
    dtype="datetime64[D]",
)
EXPRESS_DAYS = 5
"""A sales day fills the express office for this many days."""


def demand(world: World, weeks: int) -> Ints:
    """Declarations of each week from the first on. Over the planned weeks they come to the number
    that the settings ask for. Shape (weeks,)."""
    planned = world.settings.weeks
    weights = np.array([day_weights(world, week).sum() for week in range(max(weeks, planned))])
    weights *= seasons(world, len(weights))
    shares = np.cumsum(weights) / weights[:planned].sum()
    until = np.rint(world.settings.declarations * shares).astype(np.int64)
    counts: Ints = np.diff(until, prepend=0)[:weeks]
    return counts


def seasons(world: World, weeks: int) -> Floats:
    """Trade of each week, 1 for an ordinary one: a rise before the lunar new year, a dip at it, and
    a busy December. Shape (weeks,)."""
    year = world.settings.trade.lunar_new_year
    days = world.start + 7 * np.arange(weeks)
    december = days.astype("datetime64[M]").astype(int) % 12 == 11
    factors = np.where(december, world.settings.trade.december, 1.0)
    for new_year in LUNAR_NEW_YEARS:
        weeks_to = (new_year - days).astype(int) // 7
        rising = (weeks_to >= 1) & (weeks_to <= year.rise_weeks)
        factors = np.where(rising, 1 + year.rise * (year.rise_weeks + 1 - weeks_to), factors)
        factors = np.where((weeks_to <= 0) & (weeks_to > -year.weeks), year.dip, factors)
    return factors


def day_weights(world: World, week: int) -> Floats:
    """How much each day of a week brings, Monday first."""
    trade = world.settings.trade
    days = world.monday(week) + np.arange(7)
    months = days.astype("datetime64[M]")
    to_the_end = ((months + 1).astype("datetime64[D]") - days).astype(int)
    weights = np.array(trade.weekdays) * np.where(to_the_end <= 3, trade.month_end, 1.0)
    weights *= 1 + express_share(world) * (express_factors(world, days) - 1)
    return weights / sum(trade.weekdays)


def express_share(world: World) -> float:
    """Share of declarations that express offices get on an ordinary day."""
    return float(world.office_demand[world.places.is_kind("express")].sum())


def express_factors(world: World, days: Times) -> Floats:
    """How many times the usual the express office gets on each day."""
    factors = np.ones(len(days))
    years = days.astype("datetime64[Y]")
    for day, factor in world.settings.trade.express_days.items():
        begins = np.array([np.datetime64(f"{year}-{day}") for year in years])
        since = (days - begins).astype(int)
        factors = np.where((since >= 0) & (since < EXPRESS_DAYS), factor, factors)
    return factors
