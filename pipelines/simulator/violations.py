"""Who breaks the law, how, and what the declaration then says.

An item's risk is the chance that it is declared falsely on purpose: it grows with the trader's
conduct, the hazard of the goods and the duty at stake, and shrinks with how closely the trader
feels watched. Honest errors come on top of violations.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from pipelines.simulator.demand import demand
from pipelines.simulator.draws import Bools, Draws, WeekStreams, by_share, position
from pipelines.simulator.goods import PAPERS, Goods
from pipelines.simulator.shipments import (
    NOWHERE,
    Lines,
    Shipments,
    duty_percent,
    load,
    ship,
)
from pipelines.simulator.world import World
from selectivity.columns import Floats, Ints
from selectivity.inspection import Mechanism

VAT = 0.1
MECHANISMS = tuple(Mechanism)
NONE = -1
CODE = {mechanism: number for number, mechanism in enumerate(MECHANISMS)}
"""Position of each mechanism in `MECHANISMS`, as the arrays here hold it."""

PILOT = 20_000
"""Declarations of a trial run, by which the general level of risk is set."""

_PILOT_WEEK = 99_999
HIGHEST_RISK = 0.98
"""Nobody is certain to cheat."""


@dataclass(frozen=True)
class Truth:
    """One entry per goods item. `way` is the mechanism of a violation and `error` of an honest
    error, `NONE` where there is none; `due` the duty and VAT that would be assessed, NaN where
    goods are seized instead."""

    risk: Floats
    way: Ints
    error: Ints
    due: Floats

    @property
    def violating(self) -> Bools:
        """Items declared falsely on purpose."""
        violating: Bools = self.way != NONE
        return violating


def in_scheme(world: World, shipments: Shipments, lines: Lines) -> Bools:
    """Items that the scheme makes riskier. Shape (items,)."""
    late = shipments.week[lines.declaration] >= world.settings.fraud.scheme.from_week
    imported = shipments.is_import[lines.declaration]
    covered: Bools = late & imported & world.goods.in_scheme[lines.code]
    return covered


def level_of_risk(world: World) -> float:
    """What weights are multiplied with, so that the share of declarations with a violation is the
    one the settings ask for, over the planned weeks and with traders as watched as at the start."""
    weeks = demand(world, world.settings.weeks).astype(np.float64)
    count = min(PILOT, max(2_000, world.settings.declarations))
    streams = world.streams.of(_PILOT_WEEK)
    week = np.sort(by_share(streams("weeks"), weeks, count))
    shipments = ship(world, week, streams)
    lines = load(world, shipments, streams)
    watched = np.full(len(world.traders.kind), world.settings.selection.red)
    weight = _weights(world, shipments, lines, watched)
    per_declaration = np.bincount(lines.declaration, weight, minlength=count)
    low, high = 0.0, 1e6
    for _ in range(100):
        middle = (low + high) / 2
        share = np.mean(-np.expm1(-middle * per_declaration))
        low, high = (
            (low, middle) if share >= world.settings.fraud.violating_share else (middle, high)
        )
    return high


def risks(
    world: World, shipments: Shipments, lines: Lines, *, level: float, watched: Floats
) -> Floats:
    """Chance of a violation per item.

    Args:
        level: from `level_of_risk`.
        watched: how closely each trader feels watched, in [0, 1]; shape (traders,).
    """
    risk: Floats = -np.expm1(-level * _weights(world, shipments, lines, watched))
    return np.minimum(risk, HIGHEST_RISK)


def _weights(world: World, shipments: Shipments, lines: Lines, watched: Floats) -> Floats:
    fraud, traders = world.settings.fraud, world.traders
    trader = shipments.trader[lines.declaration]
    duty = duty_percent(world, shipments, lines) / 100
    weight = traders.violation[trader] * world.goods.hazard[lines.code] * (0.3 + 4 * duty)
    weight = (weight + fraud.temptation) ** fraud.sharpness
    weight *= 1 - traders.aversion[trader] * watched[trader]
    return weight * np.where(in_scheme(world, shipments, lines), fraud.scheme.factor, 1.0)


def falsify(
    world: World, shipments: Shipments, lines: Lines, streams: WeekStreams, *, risk: Floats
) -> tuple[Shipments, Lines, Truth]:
    """What is declared instead of the truth, and the truth beside it."""
    violating = streams("violations").random(len(risk)) < risk
    way = np.where(violating, _ways(world, shipments, lines, streams("ways")), NONE)
    told = _tell_value(world, lines, way, streams("false-values"))
    told = _tell_code(world.goods, told, way, streams("false-codes"))
    told = _tell_quantity(told, way, streams("false-quantities"))
    told = replace(told, papers_held=way != CODE[Mechanism.LICENCE])
    scheme = world.settings.fraud.scheme
    moved = violating & in_scheme(world, shipments, lines)
    moved &= streams("scheme").random(len(risk)) < scheme.moved
    covered = np.where(moved, world.places.country_at(scheme.origin), told.origin)
    told = replace(told, origin=covered)
    routed, told = _tell_origin(world, shipments, told, way, streams("false-origins"))
    truth = Truth(risk, way, np.full(len(risk), NONE), _due(world, shipments, lines, told, way))
    truth = _err(world, shipments, lines, truth, streams("errors"))
    return routed, _mistaken(world.goods, told, truth.error, streams("mistakes")), truth


def _shares(ways: Mapping[Mechanism, float]) -> list[float]:
    return [ways.get(mechanism, 0.0) for mechanism in MECHANISMS]


def _ways(world: World, shipments: Shipments, lines: Lines, random: Draws) -> Ints:
    """How each item would be falsified; what is not possible there becomes a false value."""
    imported, goods = shipments.is_import[lines.declaration], world.goods
    fraud = world.settings.fraud
    shares = [_shares(fraud.export_ways), _shares(fraud.import_ways)]
    way = position(random.random(len(imported)), shares, imported.astype(np.int64))
    coverable = goods.covers.counts > 0
    dutiable = (goods.duty_percent[lines.code] > 0) & ~lines.preference
    possible = {
        Mechanism.MISCLASSIFICATION: coverable[lines.code],
        Mechanism.ORIGIN: dutiable,
        Mechanism.IPR: goods.under("brand")[lines.code],
        Mechanism.LICENCE: goods.papers[lines.code, PAPERS.index("LICENCE")],
    }
    otherwise = np.where(imported, CODE[Mechanism.UNDERVALUATION], CODE[Mechanism.OVERVALUATION])
    for mechanism, can in possible.items():
        way = np.where((way == CODE[mechanism]) & ~can, otherwise, way)
    return way


def _tell_value(world: World, lines: Lines, way: Ints, random: Draws) -> Lines:
    mean, spread = world.settings.fraud.undervalued_to
    lower = np.clip(random.normal(mean, spread, len(way)), 0.2, 0.95)
    higher = random.uniform(1.3, 2.5, len(way))
    factor = np.where(way == CODE[Mechanism.UNDERVALUATION], lower, 1.0)
    factor = np.where(way == CODE[Mechanism.OVERVALUATION], higher, factor)
    return replace(lines, value=lines.value * factor)


def _tell_code(goods: Goods, lines: Lines, way: Ints, random: Draws) -> Lines:
    """A cheaper code, of the same heading in seven of ten; four in ten keep the true name."""
    which, alike, keeps_name = (random.random(len(way)) for _ in range(3))
    covers, true = goods.covers, lines.code
    false = way == CODE[Mechanism.MISCLASSIFICATION]
    near = covers.near[true, np.floor(which * covers.near_counts[true]).astype(np.int64)]
    other = covers.codes[true, np.floor(which * covers.counts[true]).astype(np.int64)]
    cover = np.where((alike < 0.7) & (covers.near_counts[true] > 0), near, other)
    code = np.where(false, cover, true)
    rescaled = lines.quantity * goods.kg_per_unit[true] / goods.kg_per_unit[code]
    return replace(
        lines,
        code=code,
        named_after=np.where(keeps_name < 0.4, true, code),
        quantity=np.where(code != true, np.maximum(np.round(rescaled), 1), lines.quantity),
    )


def _tell_quantity(lines: Lines, way: Ints, random: Draws) -> Lines:
    """Fewer pieces for less money; half leave the weight as it is, half bring it halfway down."""
    told = np.where(way == CODE[Mechanism.QUANTITY], random.uniform(0.5, 0.85, len(way)), 1.0)
    weighed = np.where(random.random(len(way)) < 0.5, 1.0, (1 + told) / 2)
    return replace(
        lines,
        quantity=np.maximum(np.round(lines.quantity * told), 1),
        net_mass_kg=np.maximum(lines.net_mass_kg * weighed, 0.01),
        value=lines.value * told,
    )


def _tell_origin(
    world: World, shipments: Shipments, lines: Lines, way: Ints, random: Draws
) -> tuple[Shipments, Lines]:
    """A preferential origin; half also export from there, passing through the true country."""
    false = (way == CODE[Mechanism.ORIGIN]) & shipments.is_import[lines.declaration]
    codes = world.settings.fraud.cover_origins
    covers = np.array([world.places.country_at(code) for code in (*codes, codes[0])])
    which = random.integers(0, len(codes), len(way))
    cover = np.where(covers[which] == lines.origin, covers[which + 1], covers[which])
    rerouted = false & (random.random(len(way)) < 0.5)
    partner, hub, moved = (
        shipments.partner.copy(),
        shipments.hub.copy(),
        lines.declaration[rerouted],
    )
    hub[moved] = np.where(hub[moved] == NOWHERE, shipments.partner[moved], hub[moved])
    partner[moved] = cover[rerouted]
    told = replace(
        lines,
        origin=np.where(false, cover, lines.origin),
        preference=lines.preference | false,
    )
    return replace(shipments, partner=partner, hub=hub), told


def _taxes(world: World, shipments: Shipments, lines: Lines) -> Floats:
    duty = duty_percent(world, shipments, lines) / 100
    imported = shipments.is_import[lines.declaration]
    return np.where(imported, lines.value * (duty + VAT * (1 + duty)), 0.0)


def _due(world: World, shipments: Shipments, true: Lines, told: Lines, way: Ints) -> Floats:
    """Taxes saved, or VAT refunded for overvalued exports."""
    saved = _taxes(world, shipments, true) - _taxes(world, shipments, told)
    refunded = VAT * (told.value - true.value)
    due = np.where(way == CODE[Mechanism.OVERVALUATION], refunded, saved)
    seized = np.isin(way, (CODE[Mechanism.PROHIBITED_RESTRICTED], CODE[Mechanism.IPR]))
    return np.where(seized, np.nan, np.round(np.maximum(due, 0.0), 2))


def _err(
    world: World,
    shipments: Shipments,
    lines: Lines,
    truth: Truth,
    random: Draws,
) -> Truth:
    """Honest errors on items that are no violations; most change no tax."""
    errors = world.settings.errors
    n, trader = len(truth.risk), shipments.trader[lines.declaration]
    wrong = random.random(n) < errors.share * world.traders.honest_error[trader]
    wrong &= ~truth.violating
    nothing = np.zeros(n, dtype=np.int64)
    kind = position(random.random(n), [_shares(errors.ways)], nothing)
    part = np.where(random.random(n) < errors.taxed, random.uniform(0.03, 0.15, n), 0.0)
    amount = np.round(part * _taxes(world, shipments, lines), 2)
    return replace(truth, error=np.where(wrong, kind, NONE), due=np.where(wrong, amount, truth.due))


def _mistaken(goods: Goods, lines: Lines, error: Ints, random: Draws) -> Lines:
    """Honest errors as they show: a code of the same heading, half of them beside the right name,
    or a quantity that is a little off either way."""
    n = len(error)
    miscoded = error == CODE[Mechanism.MISCLASSIFICATION]
    code = np.where(miscoded, goods.pick(goods.heading[lines.code], random.random(n)), lines.code)
    named = np.where(miscoded & (random.random(n) < 0.5), code, lines.named_after)
    miscounted = np.where(error == CODE[Mechanism.QUANTITY], random.uniform(0.85, 1.15, n), 1.0)
    rescaled = lines.quantity * goods.kg_per_unit[lines.code] / goods.kg_per_unit[code]
    quantity = np.where(code != lines.code, rescaled, lines.quantity) * miscounted
    counted = np.maximum(np.round(quantity), 1)
    changed = (code != lines.code) | (miscounted != 1)
    return replace(
        lines,
        code=code,
        named_after=named,
        quantity=np.where(changed, counted, lines.quantity),
    )
