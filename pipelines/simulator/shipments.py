"""Weekly demand, and what is truly in the shipments that meet it."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipelines.simulator.demand import day_weights, express_factors, express_share
from pipelines.simulator.draws import Bools, Draws, Table, Times, WeekStreams, by_share
from pipelines.simulator.world import AT_OWN_OFFICE, NOBODY, PRIORITY, World
from selectivity.columns import Floats, Ints

NOWHERE = -1
"""Position of a country that is not abroad: home for origins, none for hubs."""

NUMBERS_A_WEEK = 1_000_000
"""Declarations are numbered by week and place in it."""

IN_TRANSIT = 0.15
"""Share of goods from afar, among those of traders who use the land border, that come that way."""

HOME_OFFSET_HOURS = 7
"""Clocks at the offices are this far ahead of UTC."""


@dataclass(frozen=True)
class Shipments:
    """One entry per declaration. Offices, partner countries and hubs are positions in their tables;
    the hub is `NOWHERE` when goods come directly, the broker `NOBODY` when a trader declares for
    himself. `key` names the declaration, `lineage` the first one that it goes back to."""

    key: Ints
    lineage: Ints
    version: Ints
    trader: Ints
    broker: Ints
    week: Ints
    lodged_at: Times
    accepted_at: Times
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


def ship(world: World, week: Ints, streams: WeekStreams) -> Shipments:
    """Who brings what through where, and when, for declarations lodged in these weeks (sorted)."""
    n, places = len(week), world.places
    lodged_at, sales = _times(world, week, streams("times"))
    waited = streams("acceptance").lognormal(np.log(360), 1.0, n).astype("timedelta64[s]")
    order = np.argsort(lodged_at + waited, kind="stable")
    lodged_at, waited, sales = lodged_at[order], waited[order], sales[order]
    trader = _traders(world, week, streams("shippers"))
    random = streams("routes")
    at_home = random.random(n) < AT_OWN_OFFICE
    office = np.where(
        at_home, world.traders.office[trader], by_share(random, places.office_share, n)
    )
    office = _to_express(world, office, sales, random)
    partner = _partners(world, trader, office, random)
    hub = _hubs(world, office, partner, random)
    key = NUMBERS_A_WEEK * week + np.arange(n)
    return Shipments(
        key=key,
        lineage=key,
        version=np.ones(n, dtype=np.int64),
        trader=trader,
        broker=_brokers(world, trader, streams("declarants")),
        week=week,
        lodged_at=lodged_at,
        accepted_at=lodged_at + waited,
        is_import=streams("directions").random(n) >= world.traders.export_share[trader],
        office=office,
        partner=partner,
        hub=hub,
    )


def load(world: World, shipments: Shipments, streams: WeekStreams) -> Lines:
    """The goods as they truly are: 1 to 12 items for each declaration, one in a parcel."""
    express = world.places.is_kind("express")[shipments.office]
    mean = world.settings.trade.items_mean
    counts = np.minimum(streams("counts").geometric(1 / mean, len(shipments.trader)), 12)
    counts = np.where(express, 1, counts)
    declaration = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    code = _codes(world, shipments.trader[declaration], streams("goods-items"))
    origin = _origins(world, shipments, declaration, streams("origins"))
    value, price = _amounts(world, shipments, declaration, code, origin, streams("values"))
    random, one_piece = streams("quantities"), world.goods.kg_per_unit[code]
    mass = np.maximum(value / price, one_piece * random.uniform(0.8, 1.2, len(code)))
    pieces = mass / one_piece * np.exp(random.normal(0, 0.08, len(code)))
    agreed = np.array([each is not None for each in world.places.agreement])
    may_prefer = agreed[origin] & (origin != NOWHERE) & (world.goods.duty_percent[code] > 0)
    wants = streams("preferences").random(len(code)) < 0.55
    naming = streams("names-of-goods")
    alike = world.goods.pick(world.goods.heading[code], naming.random(len(code)))
    vague = naming.random(len(code)) < world.settings.trade.named_alike
    return Lines(
        declaration=declaration,
        item_no=np.arange(len(declaration)) - first[declaration] + 1,
        code=code,
        named_after=np.where(vague, alike, code),
        origin=origin,
        preference=may_prefer & wants & shipments.is_import[declaration],
        papers_held=np.ones(len(code), dtype=np.bool_),
        value=mass * price,
        net_mass_kg=np.maximum(mass, 0.01),
        quantity=np.maximum(np.round(pieces), 1.0),
    )


def duty_percent(world: World, shipments: Shipments, lines: Lines) -> Floats:
    """The rate that applies: none on exports, the preferential one where it is claimed."""
    ordinary = world.goods.duty_percent[lines.code]
    preferential = np.where(ordinary > 20, 5.0, 0.0)
    rate = np.where(lines.preference, preferential, ordinary)
    return np.where(shipments.is_import[lines.declaration], rate, 0.0)


def _times(world: World, week: Ints, random: Draws) -> tuple[Times, Floats]:
    """When each is lodged, in the order of the weeks, and how many times the usual express offices
    get on that day."""
    n, uniforms = len(week), random.random(len(week))
    day = np.empty(n, dtype=np.int64)
    rush = np.ones(n)
    bounds = np.searchsorted(week, np.arange(week[0], week[-1] + 2)) if n else np.zeros(1, int)
    for number, (first, last) in enumerate(pairwise(bounds), start=int(week[0]) if n else 0):
        running = np.cumsum(day_weights(world, number))
        picked = np.searchsorted(running, uniforms[first:last] * running[-1], side="right")
        day[first:last] = 7 * number + picked
        rush[first:last] = express_factors(world, world.monday(number) + np.arange(7))[picked]
    seconds = np.clip(random.normal(5.5 * 3600, 2.6 * 3600, n), 0, 86_399)
    midnight = world.start.astype("datetime64[us]") + day.astype("timedelta64[D]")
    return midnight + np.floor(seconds).astype("timedelta64[s]"), rush


def _to_express(world: World, office: Ints, sales: Floats, random: Draws) -> Ints:
    """Parcels of a sales day come on top: so many of that day's declarations are of the express
    offices that they get their multiple."""
    express = np.flatnonzero(world.places.is_kind("express"))
    if not len(express):
        return office
    usual = express_share(world)
    extra = usual * (sales - 1) / (1 + usual * (sales - 1))
    moved = random.random(len(office)) < extra
    return np.where(moved, random.choice(express, len(office)), office)


def _traders(world: World, week: Ints, random: Draws) -> Ints:
    trader = np.empty(len(week), dtype=np.int64)
    numbers, starts = np.unique(week, return_index=True)
    everyone, uniforms = world.traders, random.random(len(week))
    for number, first, last in zip(numbers, starts, [*starts[1:], len(week)], strict=True):
        monday = world.monday(int(number))
        active = (everyone.active_from <= monday) & (monday < everyone.active_to)
        running = np.cumsum(everyone.activity * active)
        trader[first:last] = np.searchsorted(
            running, uniforms[first:last] * running[-1], side="right"
        )
    return trader


def _brokers(world: World, trader: Ints, random: Draws) -> Ints:
    """One of the trader's brokers; priority enterprises declare for themselves."""
    which = by_share(random, np.array([0.75, 0.2, 0.05]), len(trader))
    alone = world.traders.kind[trader] == PRIORITY
    return np.where(alone, NOBODY, world.traders.brokers[trader, which])


def _partners(world: World, trader: Ints, office: Ints, random: Draws) -> Ints:
    n, places = len(trader), world.places
    anywhere = by_share(random, places.trade, n)
    usual = np.where(random.random(n) < 0.85, world.traders.country[trader], anywhere)
    crossing = places.neighbours[by_share(random, places.neighbour_share, n)]
    by_land = places.is_kind("land")[office] & ~np.isin(usual, places.neighbours)
    in_transit = random.random(n) < IN_TRANSIT
    return np.where(by_land & ~in_transit, crossing, usual)


def _hubs(world: World, office: Ints, partner: Ints, random: Draws) -> Ints:
    """What a fifth of the goods come through: mostly a hub, now and then any country. What crosses
    the land border from further away comes through a neighbour."""
    n, places = len(partner), world.places
    anywhere = by_share(random, places.trade, n)
    usual = np.where(random.random(n) < 0.75, random.choice(places.hubs, n), anywhere)
    through = (random.random(n) < 0.2) & (usual != partner)
    neighbour = places.neighbours[by_share(random, places.neighbour_share, n)]
    land = places.is_kind("land")[office]
    transit = land & ~np.isin(partner, places.neighbours)
    return np.select([transit, through & ~land], [neighbour, usual], NOWHERE)


def _codes(world: World, trader: Ints, random: Draws) -> Ints:
    n, own = len(trader), world.traders.headings[trader]
    usual = own[np.arange(n), by_share(random, np.array([0.5, 0.25, 0.15, 0.1]), n)]
    trade = np.add.reduceat(world.goods.trade, world.goods.bounds[:-1])
    other = by_share(random, trade, n)
    heading = np.where(random.random(n) < 0.92, usual, other)
    return world.goods.pick(heading, random.random(n))


def _origins(world: World, shipments: Shipments, declaration: Ints, random: Draws) -> Ints:
    elsewhere = by_share(random, world.places.trade, len(declaration))
    direct = random.random(len(declaration)) < 0.9
    origin = np.where(direct, shipments.partner[declaration], elsewhere)
    return np.where(shipments.is_import[declaration], origin, NOWHERE)


def _amounts(
    world: World,
    shipments: Shipments,
    declaration: Ints,
    code: Ints,
    origin: Ints,
    random: Draws,
) -> tuple[Floats, Floats]:
    """Value of each line, and its price per kilogram. The same firm pays much the same price."""
    office = shipments.office[declaration]
    by_air, parcel = (world.places.is_kind(kind)[office] for kind in ("air", "express"))
    size = random.normal(8.3, 0.6, len(shipments.trader))[declaration]
    value = np.exp(size + random.normal(0, 0.9, len(code)) - 0.7 * by_air - 4.5 * parcel)
    price = usual_price(world, shipments.trader[declaration], code, origin)
    price = price * np.exp(random.normal(0, 1, len(code)) * world.goods.spread[code])
    return value, price


def usual_price(world: World, trader: Ints, code: Ints, origin: Ints) -> Floats:
    """What this trader pays for such goods from there on average, per kilogram."""
    price = world.goods.usd_per_kg[code] * world.traders.price_level[trader]
    return price * np.where(origin == NOWHERE, 0.9, world.places.price_level[origin])


def deviations(world: World, shipments: Shipments, told: Lines) -> Table:
    """How far what is declared stands from what is usual, for those who know all of it exactly:
    the best that anyone could make of prices, weights and names."""
    usual = usual_price(world, shipments.trader[told.declaration], told.code, told.origin)
    price = np.log(told.value / told.net_mass_kg / usual) / world.goods.spread[told.code]
    weight = told.quantity * world.goods.kg_per_unit[told.code] / told.net_mass_kg
    return {
        "price_deviation": price,
        "quantity_deviation": np.log(weight),
        "named_otherwise": (told.named_after != told.code).astype(np.float64),
    }
