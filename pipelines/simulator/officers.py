"""What officers add: they move a few declarations to another lane, and they control."""

from dataclasses import dataclass, replace

import numpy as np

from pipelines.simulator.draws import Bools, Draws, Table, Texts, WeekStreams, blanked, texts
from pipelines.simulator.history import History
from pipelines.simulator.selection import Selection
from pipelines.simulator.world import COLLUDING, LAX, World
from selectivity.columns import Floats, Ints
from selectivity.lanes import Channel, Lane

UP, DOWN = "SUSPICION", "GOODS_KNOWN"


@dataclass(frozen=True)
class Overrides:
    """One entry per declaration that an officer moved: its position and lanes."""

    declaration: Ints
    before: Ints
    after: Ints


def override(
    world: World, history: History, selection: Selection, streams: WeekStreams
) -> tuple[Selection, Overrides]:
    """Officers send some yellow to red, on what only an officer sees, and lower very few red."""
    policy, n = world.settings.selection, len(history)
    random, first = streams("officers"), history.original < 0
    up = first & _raised(
        selection.lane, history.violating, policy.officer_up, policy.officer_nose, random
    )
    red = selection.lane == Lane.RED
    down_share = policy.officer_down * n / max(1, red.sum())
    down = first & red & (history.earlier_lane < Lane.RED) & (random.random(n) < down_share)
    follows = np.where(first, np.arange(n), history.original)
    by_officer = (up | down)[follows]
    lane = np.where(by_officer, np.where(up[follows], Lane.RED, Lane.YELLOW), selection.lane)
    channel: Texts = np.where(by_officer, str(Channel.OFFICER), selection.channel)
    moved = np.flatnonzero(up | down)
    return (
        replace(selection, lane=lane, channel=channel),
        Overrides(moved, selection.lane[moved], lane[moved]),
    )


def _raised(lane: Ints, wrong: Bools, share: float, nose: float, random: Draws) -> Bools:
    weight = np.where(lane == Lane.YELLOW, 1 + nose * wrong, 0.0)
    chance = share * len(lane) * weight / max(weight.sum(), 1e-9)
    raised: Bools = random.random(len(lane)) < chance
    return raised


def override_table(world: World, history: History, ids: Texts, moves: Overrides) -> Table:
    """One row per override; whoever lowers a lane needs a second officer."""
    names = texts(lane.name for lane in Lane)
    rows, down = moves.declaration, moves.after < moves.before
    per_office = world.settings.officers.per_office
    office, key = history.route.office[rows], world.officers.key
    at = history.route.accepted_at[rows] + np.timedelta64(40, "m")
    one = office * per_office + rows % per_office
    other = office * per_office + (rows + 1) % per_office
    return {
        "override_id": texts(f"SYNV{name[3:]}" for name in ids[rows]),
        "declaration_id": ids[rows],
        "from_lane": names[moves.before],
        "to_lane": names[moves.after],
        "reason_code": np.where(down, DOWN, UP).astype(object),
        "requested_by_key": key[one],
        "approved_by_key": blanked(key[other], ~down),
        "at": at,
    }


@dataclass(frozen=True)
class Assignment:
    """One entry per declaration: the position of the officer who would control it, how much of
    what a diligent one finds he finds, how long he takes, and whether he was picked by hand."""

    officer: Ints
    detects: Floats
    minutes: Floats
    manual: Bools


def assign(world: World, history: History, streams: WeekStreams) -> Assignment:
    """By lot among the officers of the office, but colluding ones get hold of their broker's."""
    settings, officers = world.settings.officers, world.officers
    random, n, route = streams("assignments"), len(history), history.route
    which = np.floor(random.random(n) * settings.per_office).astype(np.int64)
    by_lot = route.office * settings.per_office + which
    taken = _accomplice(world, route.office, route.broker)
    arranged = (taken >= 0) & (random.random(n) < settings.colluding.manual)
    manual = arranged | (random.random(n) < settings.manual)
    officer = np.where(arranged, taken, by_lot)
    with_theirs = (officers.broker[officer] == route.broker) & (officers.type[officer] == COLLUDING)
    detects = np.select(
        [with_theirs, officers.type[officer] == COLLUDING, officers.type[officer] == LAX],
        [settings.colluding.with_their_broker, settings.colluding.detects, settings.lax.detects],
        1.0,
    )
    minutes = np.where(with_theirs, settings.colluding.minutes, 1.0)
    return Assignment(officer, detects, minutes, manual)


def _accomplice(world: World, office: Ints, broker: Ints) -> Ints:
    """The colluding officer at this office who looks away for this broker, -1 if there is none."""
    officers = np.flatnonzero(world.officers.type == COLLUDING)
    at = officers // world.settings.officers.per_office
    found = np.full(len(office), -1, dtype=np.int64)
    for officer, place in zip(officers, at, strict=True):
        found[(office == place) & (broker == world.officers.broker[officer])] = officer
    return found
