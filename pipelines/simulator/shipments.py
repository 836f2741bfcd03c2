"""Weekly demand, and what is truly in the shipments that meet it."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.simulator.draws import Bools, Streams
from pipelines.simulator.world import (
    COUNTRIES,
    COUNTRY_CODES,
    COUNTRY_TRADE,
    HUBS,
    NEIGHBOURS,
    OFFICE_SHARE,
    OFFICES,
    World,
    country,
)
from selectivity.columns import Floats, Ints

NOWHERE = -1
"""Position of a country that is not abroad: home for origins, none for hubs."""

LUNAR_NEW_YEARS = tuple(
    np.datetime64(day) for day in ("2025-01-29", "2026-02-17", "2027-02-06", "2028-01-26")
)
WEEKDAYS = (0.22, 0.18, 0.18, 0.17, 0.16, 0.07, 0.02)
HAS_AGREEMENT = np.array([each.agreement is not None for each in COUNTRIES])
PRICE_LEVEL = np.array([each.price_level for each in COUNTRIES])


@dataclass(frozen=True)
class Shipments:
    """One entry per declaration, in the order of acceptance. Offices, partner countries and hubs
    are positions in their tables; the hub is `NOWHERE` when goods come directly."""

    trader: Ints
    week: Ints
    lodged_at: npt.NDArray[Any]
    accepted_at: npt.NDArray[Any]
    is_import: Bools
    office: Ints
    partner: Ints
    hub: Ints


@dataclass(frozen=True)
class Lines:
    """One entry per goods item. `declaration` and `code` are positions; `named_after` is the code
    whose description is written; an origin of `NOWHERE` is home."""

    declaration: Ints
    item_no: Ints
    code: Ints
    named_after: Ints
    origin: Ints
    preference: Bools
    papers_held: Bools
    value: Floats
    net_mass_kg: Floats
    quantity: Floats


def ship(world: World, streams: Streams, *, declarations: int) -> Shipments:
    """Who brings what through where, and when."""
    n = declarations
    factors = calendar(world.start, world.weeks)
    week = np.sort(streams("demand").choice(world.weeks, n, p=factors / factors.sum()))
    lodged_at = _times(world, week, streams("times"))
    waited = streams("acceptance").lognormal(np.log(360), 1.0, n).astype("timedelta64[s]")
    order = np.argsort(lodged_at + waited, kind="stable")
    lodged_at, waited, week = lodged_at[order], waited[order], week[order]
    trader = _traders(world, week, streams("shippers"))
    random = streams("routes")
    office = np.where(
        random.random(n) < 0.85,
        world.traders.office[trader],
        random.choice(len(OFFICES), n, p=OFFICE_SHARE / OFFICE_SHARE.sum()),
    )
    partner = _partners(world, trader, office, random)
    through_hub = (random.random(n) < 0.2) & ~np.isin(COUNTRY_CODES[partner], HUBS)
    hub = np.where(through_hub, random.choice([country(code) for code in HUBS], n), NOWHERE)
    return Shipments(
        trader=trader,
        week=week,
        lodged_at=lodged_at,
        accepted_at=lodged_at + waited,
        is_import=streams("directions").random(n) >= world.traders.export_share[trader],
        office=office,
        partner=partner,
        hub=np.where(_of_kind("land")[office], NOWHERE, hub),
    )


def load(world: World, shipments: Shipments, streams: Streams, *, items_mean: float) -> Lines:
    """The goods as they truly are: 1 to 12 items for each declaration."""
    counts = np.minimum(streams("counts").geometric(1 / items_mean, len(shipments.trader)), 12)
    declaration = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    code = _codes(world, shipments.trader[declaration], streams("goods-items"))
    origin = _origins(shipments, declaration, streams("origins"))
    value, price = _amounts(world, shipments, declaration, code, origin, streams("values"))
    random, one_piece = streams("quantities"), world.goods.kg_per_unit[code]
    mass = np.maximum(value / price, one_piece * random.uniform(0.8, 1.2, len(code)))
    pieces = mass / one_piece * np.exp(random.normal(0, 0.08, len(code)))
    may_prefer = HAS_AGREEMENT[origin] & (origin != NOWHERE) & (world.goods.duty_percent[code] > 0)
    wants = streams("preferences").random(len(code)) < 0.55
    return Lines(
        declaration=declaration,
        item_no=np.arange(len(declaration)) - first[declaration] + 1,
        code=code,
        named_after=code,
        origin=origin,
        preference=may_prefer & wants & shipments.is_import[declaration],
        papers_held=np.ones(len(code), dtype=np.bool_),
        value=mass * price,
        net_mass_kg=np.maximum(mass, 0.01),
        quantity=np.maximum(np.round(pieces), 1.0),
    )


def calendar(start: np.datetime64, weeks: int) -> Floats:
    """Trade of each week, 1 for an ordinary one: a rise before the lunar new year, a dip of two
    weeks at it, and a busy December."""
    days = start + 7 * np.arange(weeks)
    factors = np.where(days.astype("datetime64[M]").astype(int) % 12 == 11, 1.2, 1.0)
    for new_year in LUNAR_NEW_YEARS:
        weeks_to = (new_year - days).astype("timedelta64[D]").astype(int) // 7
        factors = np.where((weeks_to >= 1) & (weeks_to <= 6), 1 + 0.05 * (7 - weeks_to), factors)
        factors = np.where((weeks_to == 0) | (weeks_to == -1), 0.45, factors)
    return factors


def duty_percent(world: World, shipments: Shipments, lines: Lines) -> Floats:
    """The rate that applies: none on exports, the preferential one where it is claimed."""
    ordinary = world.goods.duty_percent[lines.code]
    preferential = np.where(ordinary > 20, 5.0, 0.0)
    rate = np.where(lines.preference, preferential, ordinary)
    return np.where(shipments.is_import[lines.declaration], rate, 0.0)


def _times(world: World, week: Ints, random: np.random.Generator) -> npt.NDArray[Any]:
    days = 7 * week + random.choice(7, len(week), p=WEEKDAYS)
    seconds = np.clip(random.normal(5.5 * 3600, 2.6 * 3600, len(week)), 0, 86_399)
    midnight = world.start.astype("datetime64[us]") + days.astype("timedelta64[D]")
    times: npt.NDArray[Any] = midnight + np.floor(seconds).astype("timedelta64[s]")
    return times


def _traders(world: World, week: Ints, random: np.random.Generator) -> Ints:
    trader = np.empty(len(week), dtype=np.int64)
    bounds = np.searchsorted(week, np.arange(world.weeks + 1))
    everyone = world.traders
    for number, (first, last) in enumerate(pairwise(bounds)):
        monday = world.start + 7 * number
        active = (everyone.active_from <= monday) & (monday < everyone.active_to)
        running = np.cumsum(everyone.activity * active)
        uniforms = random.random(last - first) * running[-1]
        trader[first:last] = np.searchsorted(running, uniforms, side="right")
    return trader


def _partners(world: World, trader: Ints, office: Ints, random: np.random.Generator) -> Ints:
    n = len(trader)
    anywhere = random.choice(len(COUNTRIES), n, p=COUNTRY_TRADE / COUNTRY_TRADE.sum())
    usual = np.where(random.random(n) < 0.85, world.traders.country[trader], anywhere)
    next_door = [country(code) for code in NEIGHBOURS]
    crossing = random.choice(next_door, n, p=(0.7, 0.15, 0.15))
    return np.where(_of_kind("land")[office] & ~np.isin(usual, next_door), crossing, usual)


def _codes(world: World, trader: Ints, random: np.random.Generator) -> Ints:
    n, own = len(trader), world.traders.headings[trader]
    usual = own[np.arange(n), random.choice(4, n, p=(0.5, 0.25, 0.15, 0.1))]
    trade = np.add.reduceat(world.goods.trade, world.goods.bounds[:-1])
    other = random.choice(len(trade), n, p=trade / trade.sum())
    heading = np.where(random.random(n) < 0.92, usual, other)
    return world.goods.pick(heading, random.random(n))


def _origins(shipments: Shipments, declaration: Ints, random: np.random.Generator) -> Ints:
    n = len(declaration)
    elsewhere = random.choice(len(COUNTRIES), n, p=COUNTRY_TRADE / COUNTRY_TRADE.sum())
    origin = np.where(random.random(n) < 0.9, shipments.partner[declaration], elsewhere)
    return np.where(shipments.is_import[declaration], origin, NOWHERE)


def _amounts(
    world: World,
    shipments: Shipments,
    declaration: Ints,
    code: Ints,
    origin: Ints,
    random: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Value of each line, and its price per kilogram. The same firm pays much the same price."""
    by_air = (_of_kind("air") | _of_kind("express"))[shipments.office[declaration]]
    size = random.normal(8.3, 0.6, len(shipments.trader))[declaration]
    value = np.exp(size + random.normal(0, 0.9, len(code)) - 0.7 * by_air)
    price = world.goods.usd_per_kg[code] * world.traders.price_level[shipments.trader[declaration]]
    price = price * np.where(origin == NOWHERE, 0.9, PRICE_LEVEL[origin])
    price = price * np.exp(random.normal(0, 1, len(code)) * world.goods.spread[code])
    return value, price


def _of_kind(kind: str) -> Bools:
    return np.array([office.kind == kind for office in OFFICES])
