"""Amendments within hours, and declarations that are cancelled and lodged anew days later."""

from dataclasses import replace

import numpy as np

from pipelines.simulator.draws import Bools, Draws, WeekStreams, by_share
from pipelines.simulator.history import History, joined
from pipelines.simulator.shipments import NUMBERS_A_WEEK, Lines, Shipments
from pipelines.simulator.violations import NONE
from pipelines.simulator.world import EVADER, OPPORTUNIST, World
from selectivity.columns import Floats, Ints
from selectivity.lanes import Lane

REFILED_FROM = 900_000
"""Place in its week from which refiled declarations are numbered."""

TOLD = (
    *("code", "named_after", "origin", "preference", "papers_held"),
    *("value", "net_mass_kg", "quantity"),
)
CORRECTED = 0.4
"""Share of those inspected that are told honestly when they are lodged anew."""


def with_amendments(world: World, history: History, streams: WeekStreams) -> History:
    """The same declarations and, after them, second versions of some, accepted hours later."""
    random, n = streams("amendments"), len(history)
    chosen = np.flatnonzero(random.random(n) < world.settings.lineages.amended)
    second = history.take(chosen)
    wait = random.lognormal(np.log(3 * 3600), 0.8, n)[chosen].astype("timedelta64[s]")
    route = replace(
        second.route, version=second.route.version + 1, accepted_at=second.route.accepted_at + wait
    )
    factors = random.uniform(0.97, 1.05, n)[chosen]
    true, told = _corrected(second.true, factors), _corrected(second.told, factors)
    healed = random.random(n)[chosen][told.declaration] < 0.2
    mended = healed & (second.truth.error != NONE)
    truth = replace(
        second.truth,
        error=np.where(mended, NONE, second.truth.error),
        due=np.where(mended, 0.0, second.truth.due),
    )
    amended = replace(second, route=route, true=true, told=told, truth=truth, original=chosen)
    return joined([history, amended])


def _corrected(lines: Lines, factors: Floats) -> Lines:
    """Other amounts and weights than first told, since other goods were loaded in the end; the same
    factor for all items of a declaration."""
    factor = factors[lines.declaration]
    return replace(
        lines, value=lines.value * factor, net_mass_kg=lines.net_mass_kg * (1 + (factor - 1) / 2)
    )


def refile(
    world: World, history: History, lane: Ints, streams: WeekStreams
) -> tuple[Ints, History]:
    """Which declarations are cancelled, and what is lodged for them in the week after.

    Ordinary traders refile by mistake, whatever the lane; evaders and opportunists also when their
    violation is about to be inspected.
    """
    random, n = streams("refilings"), len(history)
    by_mistake = random.random(n) < world.settings.lineages.refiled
    sly = np.isin(world.traders.kind[history.route.trader], (EVADER, OPPORTUNIST))
    caught = sly & history.violating & (lane == Lane.RED)
    dodging = caught & (random.random(n) < world.settings.lineages.refiled_when_red)
    alone = (history.original < 0) & history.newest
    cancelled = np.flatnonzero((by_mistake | dodging) & alone)
    anew = history.take(cancelled)
    honest = dodging[cancelled] & (random.random(n)[cancelled] < CORRECTED)
    anew = _told_honestly(anew, honest[anew.told.declaration])
    return cancelled, replace(
        anew,
        route=_moved(world, anew, random),
        earlier_lane=np.maximum(anew.earlier_lane, lane[cancelled]),
    )


def _told_honestly(history: History, honest: Bools) -> History:
    """The truth is told on these items after all."""
    told = {
        name: np.where(honest, getattr(history.true, name), getattr(history.told, name))
        for name in TOLD
    }
    truth = replace(
        history.truth,
        way=np.where(honest, NONE, history.truth.way),
        due=np.where(honest, 0.0, history.truth.due),
    )
    return replace(history, told=replace(history.told, **told), truth=truth)


def _moved(world: World, history: History, random: Draws) -> Shipments:
    """Lodged again in the next week, half of them at another office or through another broker."""
    n, route = len(history), history.route
    week = route.week + 1
    lodged_at = (world.start + 7 * week.astype("timedelta64[D]")).astype("datetime64[us]")
    lodged_at = lodged_at + random.integers(0, 3 * 86_400, n).astype("timedelta64[s]")
    broker = random.integers(0, world.settings.trade.brokers, n)
    return replace(
        route,
        key=NUMBERS_A_WEEK * week + REFILED_FROM + np.arange(n),
        version=np.ones(n, dtype=np.int64),
        week=week,
        lodged_at=lodged_at,
        accepted_at=lodged_at + random.integers(60, 1_800, n).astype("timedelta64[s]"),
        office=np.where(random.random(n) < 0.5, _alike(world, route.office, random), route.office),
        broker=np.where(random.random(n) < 0.5, broker, route.broker),
    )


def _alike(world: World, office: Ints, random: Draws) -> Ints:
    """An office of the same kind for each: goods do not change from ship to aeroplane."""
    kinds, elsewhere = world.places.office_kind, office.copy()
    for kind in sorted(set(kinds)):
        shares = np.where(kinds == kind, world.places.office_share, 0.0)
        here = kinds[office] == kind
        elsewhere[here] = by_share(random, shares, len(office))[here]
    return elsewhere
