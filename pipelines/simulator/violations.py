"""Who breaks the law, how, and what the declaration then says.

An item's risk is the chance that it is declared falsely on purpose: it grows with the trader's
conduct, the hazard of the goods and the duty at stake. Honest errors come on top of violations.
"""

from dataclasses import dataclass, replace

import numpy as np

from pipelines.simulator.draws import Bools, Streams, position
from pipelines.simulator.goods import PAPERS, Goods
from pipelines.simulator.shipments import NOWHERE, Lines, Shipments, duty_percent
from pipelines.simulator.world import World, country
from selectivity.columns import Floats, Ints
from selectivity.inspection import Mechanism

VAT = 0.1
TEMPTATION = 0.1
"""What anybody may be tempted to with anything, as a part of the average risk."""

COVER_ORIGINS = ("MY", "TH", "ID", "KH")
SCHEME_ORIGIN = "MM"

MECHANISMS = tuple(Mechanism)
NONE = -1
CODE = {mechanism: number for number, mechanism in enumerate(MECHANISMS)}
"""Position of each mechanism in `MECHANISMS`, as the arrays here hold it."""

IMPORT_WAYS = {
    Mechanism.UNDERVALUATION: 0.45,
    Mechanism.MISCLASSIFICATION: 0.25,
    Mechanism.QUANTITY: 0.12,
    Mechanism.ORIGIN: 0.12,
    Mechanism.PROHIBITED_RESTRICTED: 0.05,
    Mechanism.IPR: 0.006,
    Mechanism.LICENCE: 0.004,
}
EXPORT_WAYS = {
    Mechanism.OVERVALUATION: 0.45,
    Mechanism.QUANTITY: 0.25,
    Mechanism.MISCLASSIFICATION: 0.1,
    Mechanism.ORIGIN: 0.1,
    Mechanism.PROHIBITED_RESTRICTED: 0.08,
    Mechanism.IPR: 0.01,
    Mechanism.LICENCE: 0.01,
}
ERRORS = {
    Mechanism.DOCUMENT_ERROR: 0.6,
    Mechanism.MISCLASSIFICATION: 0.25,
    Mechanism.QUANTITY: 0.15,
}


@dataclass(frozen=True)
class Scheme:
    """A way of fraud that comes up in some headings from one week on."""

    from_week: int
    factor: float

    def covers(self, world: World, shipments: Shipments, lines: Lines) -> Bools:
        """Items it makes riskier."""
        late = shipments.week[lines.declaration] >= self.from_week
        imported = shipments.is_import[lines.declaration]
        covered: Bools = late & imported & world.goods.in_scheme[lines.code]
        return covered


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


def risks(
    world: World, shipments: Shipments, lines: Lines, *, scheme: Scheme, violating_share: float
) -> Floats:
    """Chance of a violation per item, scaled so that this share of declarations has one."""
    trader = shipments.trader[lines.declaration]
    duty = duty_percent(world, shipments, lines) / 100
    weight = world.traders.violation[trader] * world.goods.hazard[lines.code] * (0.3 + 4 * duty)
    weight *= np.where(scheme.covers(world, shipments, lines), scheme.factor, 1.0)
    weight += TEMPTATION * weight.mean()
    per_declaration = np.bincount(lines.declaration, weight, minlength=len(shipments.trader))
    low, high = 0.0, 1e6
    for _ in range(100):
        middle = (low + high) / 2
        enough = np.mean(-np.expm1(-middle * per_declaration)) >= violating_share
        low, high = (low, middle) if enough else (middle, high)
    risk: Floats = -np.expm1(-high * weight)
    return risk


def falsify(
    world: World,
    shipments: Shipments,
    lines: Lines,
    streams: Streams,
    *,
    risk: Floats,
    scheme: Scheme,
    honest_error_share: float,
) -> tuple[Shipments, Lines, Truth]:
    """What is declared instead of the truth, and the truth beside it."""
    violating = streams("violations").random(len(risk)) < risk
    way = np.where(violating, _ways(world, shipments, lines, streams("ways")), NONE)
    told = _tell_value(lines, way, streams("false-values"))
    told = _tell_code(world.goods, told, way, streams("false-codes"))
    told = _tell_quantity(told, way, streams("false-quantities"))
    told = replace(told, papers_held=way != CODE[Mechanism.LICENCE])
    moved = violating & scheme.covers(world, shipments, lines)
    moved &= streams("scheme").random(len(risk)) < 0.5
    told = replace(told, origin=np.where(moved, country(SCHEME_ORIGIN), told.origin))
    routed, told = _tell_origin(shipments, told, way, streams("false-origins"))
    truth = Truth(risk, way, np.full(len(risk), NONE), _due(world, shipments, lines, told, way))
    truth = _err(world, shipments, lines, truth, streams("errors"), share=honest_error_share)
    return routed, told, truth


def _ways(world: World, shipments: Shipments, lines: Lines, random: np.random.Generator) -> Ints:
    """How each item would be falsified; what is not possible there becomes a false value."""
    imported, goods = shipments.is_import[lines.declaration], world.goods
    shares = [[ways.get(m, 0.0) for m in MECHANISMS] for ways in (EXPORT_WAYS, IMPORT_WAYS)]
    way = position(random.random(len(imported)), shares, imported.astype(np.int64))
    coverable = np.array([len(_covers(goods, code)) > 0 for code in range(len(goods.hs6))])
    dutiable = (goods.duty_percent[lines.code] > 0) & ~lines.preference
    possible = {
        Mechanism.MISCLASSIFICATION: coverable[lines.code],
        Mechanism.ORIGIN: dutiable | ~imported,
        Mechanism.IPR: goods.under("brand")[lines.code],
        Mechanism.LICENCE: goods.papers[lines.code, PAPERS.index("LICENCE")],
    }
    otherwise = np.where(imported, CODE[Mechanism.UNDERVALUATION], CODE[Mechanism.OVERVALUATION])
    for mechanism, can in possible.items():
        way = np.where((way == CODE[mechanism]) & ~can, otherwise, way)
    return way


def _covers(goods: Goods, code: int) -> Ints:
    """Codes that these goods could pass for, with less duty or fewer controls."""
    watched = goods.under("arms", "endangered", "explosive", "licence", "quarantine", "waste")
    gains = (goods.duty_percent < goods.duty_percent[code]) | (watched[code] & ~watched)
    near = np.abs(np.log(goods.usd_per_kg / goods.usd_per_kg[code])) < 1
    return np.flatnonzero(gains & (near | (goods.heading == goods.heading[code])))


def _tell_value(lines: Lines, way: Ints, random: np.random.Generator) -> Lines:
    lower = np.clip(random.normal(0.6, 0.12, len(way)), 0.2, 0.95)
    higher = random.uniform(1.3, 2.5, len(way))
    factor = np.where(way == CODE[Mechanism.UNDERVALUATION], lower, 1.0)
    factor = np.where(way == CODE[Mechanism.OVERVALUATION], higher, factor)
    return replace(lines, value=lines.value * factor)


def _tell_code(goods: Goods, lines: Lines, way: Ints, random: np.random.Generator) -> Lines:
    """A cheaper code, of the same heading in seven of ten; four in ten keep the true name."""
    which, alike, keeps_name = (random.random(len(way)) for _ in range(3))
    code, false = lines.code.copy(), way == CODE[Mechanism.MISCLASSIFICATION]
    for true in np.unique(lines.code[false]):
        covers = _covers(goods, int(true))
        near = covers[goods.heading[covers] == goods.heading[true]]
        rows = false & (lines.code == true)
        for chosen, some in ((covers, rows), (near, rows & (alike < 0.7))):
            if len(chosen):
                code[some] = chosen[np.floor(which[some] * len(chosen)).astype(np.int64)]
    other_unit = goods.unit[lines.code] != goods.unit[code]
    rescaled = lines.quantity * goods.kg_per_unit[lines.code] / goods.kg_per_unit[code]
    return replace(
        lines,
        code=code,
        named_after=np.where(keeps_name < 0.4, lines.code, code),
        quantity=np.where(other_unit, np.maximum(np.round(rescaled), 1), lines.quantity),
    )


def _tell_quantity(lines: Lines, way: Ints, random: np.random.Generator) -> Lines:
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
    shipments: Shipments, lines: Lines, way: Ints, random: np.random.Generator
) -> tuple[Shipments, Lines]:
    """A preferential origin; half also export from there, passing through the true country."""
    false = (way == CODE[Mechanism.ORIGIN]) & shipments.is_import[lines.declaration]
    cover = random.choice([country(code) for code in COVER_ORIGINS], len(way))
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
    random: np.random.Generator,
    *,
    share: float,
) -> Truth:
    """Honest errors on items that are no violations; seven in ten change no tax."""
    n, trader = len(truth.risk), shipments.trader[lines.declaration]
    wrong = random.random(n) < share * world.traders.honest_error[trader]
    wrong &= ~truth.violating
    shares = [[ERRORS.get(mechanism, 0.0) for mechanism in MECHANISMS]]
    kind = position(random.random(n), shares, np.zeros(n, dtype=np.int64))
    part = np.where(random.random(n) < 0.3, random.uniform(0.03, 0.15, n), 0.0)
    amount = np.round(part * _taxes(world, shipments, lines), 2)
    return replace(truth, error=np.where(wrong, kind, NONE), due=np.where(wrong, amount, truth.due))
