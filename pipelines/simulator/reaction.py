"""What traders make of being inspected: they feel watched, get sanctioned, and take new names."""

from dataclasses import dataclass, replace

import numpy as np

from pipelines.simulator.draws import Table, Texts, Times, WeekStreams, numbered, texts
from pipelines.simulator.world import EVADER, NEW_TRADER_DAYS, PRIORITY, World
from selectivity.columns import Floats, Ints, day_of

REGISTRATIONS = 20
"""Numbers that registrations are taken from, times the traders there are."""


@dataclass(frozen=True)
class Standing:
    """One entry per trader, as it is in some week.

    `watched` is how closely a trader feels watched: the share of his recent declarations that went
    red, later ones weighing more. `name` numbers the registration he goes by, `caught` counts the
    violations found since, `sanctions` is what the centre holds against him (0 to 2).
    """

    watched: Floats
    name: Ints
    names_given: Ints
    registered_on: Times
    caught: Ints
    sanctions: Ints

    @property
    def ids(self) -> Texts:
        """The registrations as ids."""
        return numbered("SYNT", self.name, 6)


def at_first(world: World) -> Standing:
    """Where everybody stands before the first week. Names tell nothing of kind or age."""
    n = len(world.traders.kind)
    return Standing(
        watched=np.full(n, world.settings.selection.red),
        name=_names(world)[:n],
        names_given=np.array([n]),
        registered_on=world.traders.registered_on,
        caught=np.zeros(n, dtype=np.int64),
        sanctions=world.traders.sanctions,
    )


def _names(world: World) -> Ints:
    """Numbers of registrations in the order in which they are given: none tells when that was."""
    spare = REGISTRATIONS * len(world.traders.kind)
    return 1 + world.streams("trader-names").permutation(spare)


def after_lanes(world: World, standing: Standing, trader: Ints, red: Floats) -> Standing:
    """What traders remember after these declarations, which are given in the order of time."""
    decay = 0.5 ** (1 / world.settings.reaction.half_life)
    n = len(standing.watched)
    order = np.argsort(trader, kind="stable")
    counts = np.bincount(trader, minlength=n)
    later = np.cumsum(counts)[trader[order]] - 1 - np.arange(len(order))
    news = np.bincount(trader[order], (1 - decay) * red[order] * decay**later, minlength=n)
    return replace(standing, watched=standing.watched * decay**counts + news)


def after_findings(
    world: World, standing: Standing, trader: Ints, week: int, streams: WeekStreams
) -> Standing:
    """Violations of these traders were found, and they know it now (one entry per declaration)."""
    reaction, n = world.settings.reaction, len(standing.watched)
    found = np.bincount(trader, minlength=n)
    caught = standing.caught + found
    held = (caught > 0).astype(np.int64) + (caught >= reaction.serious_after)
    spared = (world.traders.kind == PRIORITY) | (not reaction.sanctioned)
    sanctions = np.where(spared, standing.sanctions, np.maximum(standing.sanctions, held))
    fed_up = (world.traders.kind == EVADER) & (found > 0) & (caught >= reaction.caught_for_new_id)
    anew = np.flatnonzero(fed_up & (streams("new-names").random(n) < reaction.new_id))
    name, registered_on = standing.name.copy(), standing.registered_on.copy()
    name[anew] = _names(world)[standing.names_given[0] + np.arange(len(anew))]
    since = streams("new-dates").integers(1, 7, n)[anew]
    registered_on[anew] = world.monday(week) + since.astype("timedelta64[D]")
    caught[anew] = sanctions[anew] = 0
    return Standing(
        watched=standing.watched,
        name=name,
        names_given=standing.names_given + len(anew),
        registered_on=registered_on,
        caught=caught,
        sanctions=sanctions,
    )


def risk_levels(world: World, standing: Standing, trader: Ints, at: Times) -> Ints:
    """Risk level 1 to 9 that the centre knows of each trader at these times."""
    new = day_of(at) - day_of(standing.registered_on[trader]) < NEW_TRADER_DAYS
    raised = standing.sanctions[trader] - world.traders.sanctions[trader]
    settled = np.clip(world.traders.settled_risk_level[trader] + np.maximum(raised, 0), 1, 6)
    settled = np.where(world.traders.kind[trader] == PRIORITY, 1, settled)
    return np.where(new, 7 + standing.sanctions[trader], settled)


def register(world: World, standing: Standing, before: Standing | None, at: np.datetime64) -> Table:
    """Rows of the register of traders from a Monday on: those who registered, took another name or
    were sanctioned since the Monday before, and those who stop being new in the week to come;
    without `before` everybody there is. A row holds until the next one of the same trader."""
    week, opened = np.timedelta64(7, "D"), standing.registered_on
    there = opened <= at
    if before is not None:
        changed = (standing.name != before.name) | (standing.sanctions != before.sanctions)
        there &= changed | (opened > at - week)
    settled = opened + np.timedelta64(NEW_TRADER_DAYS, "D")
    settling = np.flatnonzero((settled >= at) & (settled < at + week))
    rows = np.concatenate([np.flatnonzero(there), settling])
    from_ = np.concatenate([np.full(there.sum(), at), settled[settling]]).astype("datetime64[us]")
    priority = world.traders.kind[rows] == PRIORITY
    return {
        "trader_id": standing.ids[rows],
        "valid_from": from_,
        "registered_on": opened[rows],
        "compliance_level": world.traders.compliance_level[rows].astype(np.float64),
        "risk_level": risk_levels(world, standing, rows, from_).astype(np.float64),
        "tax_debt": world.traders.tax_debt[rows].astype(np.float64),
        "sanctions": standing.sanctions[rows].astype(np.float64),
        "aeo_status": texts([None, "PRIORITY"])[priority.astype(np.int64)],
        "address_region": numbered("R", world.traders.region[rows], 2),
    }
