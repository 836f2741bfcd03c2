"""What controls found: goods that nobody looked at have no inspection, those that were looked at
were looked at imperfectly, and some answers came weeks later."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import numpy.typing as npt

from pipelines.simulator.draws import Bools, Draws, Times, WeekStreams
from pipelines.simulator.history import History
from pipelines.simulator.officers import Assignment
from pipelines.simulator.selection import Selection
from pipelines.simulator.violations import CODE, MECHANISMS, NONE
from pipelines.simulator.world import World
from selectivity.columns import Floats, Ints
from selectivity.inspection import ControlType, Mechanism
from selectivity.lanes import Channel, Lane

CONTROL_TYPES: tuple[str, ...] = get_args(ControlType)
DOCUMENT, SCAN, PARTIAL, FULL, SAMPLE, AUDIT = (
    CONTROL_TYPES.index(name)
    for name in ("DOCUMENT", "SCAN", "PARTIAL_PHYSICAL", "FULL_PHYSICAL", "SAMPLE", "AUDIT")
)


LONGEST = 4.0
"""So many times the ordinary minutes, and any control is over."""


@dataclass(frozen=True)
class Controls:
    """One entry per control: the positions of its declaration and type, its propensity, and when
    it was begun, ended and known."""

    declaration: Ints
    type: Ints
    propensity: Floats
    started_at: Times
    finished_at: Times
    observed_at: Times


def clearance_controls(
    world: World,
    history: History,
    selection: Selection,
    starts: Times,
    luck: Floats,
    streams: WeekStreams,
) -> Controls:
    """Papers of yellow; goods of red, some of them scanned first and opened only when suspicious;
    and now and then a sample for the laboratory. Versions that were amended are not controlled.

    The propensity is that of this control for such goods, as the centre can know it: none where an
    officer chose, after an image, and of samples, which follow suspicions. What was drawn at random
    is opened without an image, so at a scanner all else has that chance less.

    Args:
        starts: when the turn of each declaration comes, shape (declarations,).
        luck: of `detection_luck`.
    """
    settings, n = world.settings.controls, len(history)
    lane, random = selection.lane, streams("extents")
    newest = history.newest
    red = newest & (lane == Lane.RED)
    scanned = red & _scannable(world, history, streams) & (selection.channel != Channel.RANDOM)
    suspicious = _suspicious(world, history, luck, random)
    full = (random.random(n) < settings.full) | (selection.channel == Channel.RANDOM) | scanned
    opened = red & (~scanned | suspicious)
    sample_chance = _sample_chance(world, history)
    sampled = opened & (random.random(n) < sample_chance)
    kinds = (
        (DOCUMENT, newest & (lane == Lane.YELLOW)),
        (SCAN, scanned),
        (PARTIAL, opened & ~full),
        (FULL, opened & full),
        (SAMPLE, sampled),
    )
    declaration = np.concatenate([np.flatnonzero(rows) for _, rows in kinds])
    type_ = np.concatenate([np.full(rows.sum(), kind) for kind, rows in kinds])
    order = np.lexsort((type_, declaration))
    declaration, type_ = declaration[order], type_[order]
    chance = selection.propensity[declaration, lane[declaration]]
    scans = settings.scanned * world.places.scanner[history.route.office[declaration]]
    imaged = scans * (chance - selection.drawn_alone[declaration])
    opened_at_once = np.isin(type_, (PARTIAL, FULL))
    chance = np.where(opened_at_once, chance - imaged, np.where(type_ == SCAN, imaged, chance))
    unknown = (selection.channel[declaration] == Channel.OFFICER) | (type_ == SAMPLE)
    unknown |= (type_ == FULL) & scanned[declaration]
    return Controls(
        declaration=declaration,
        type=type_,
        propensity=np.where(unknown, np.nan, chance),
        started_at=starts[declaration],
        finished_at=starts[declaration],
        observed_at=starts[declaration],
    )


def timed(
    world: World, history: History, controls: Controls, assigned: Assignment, streams: WeekStreams
) -> Controls:
    """The same controls with the end of their work, and the time when their result is known."""
    hours, minutes = world.settings.controls.hours, world.settings.capacity.minutes
    random = streams("delays")
    size = (len(history), len(CONTROL_TYPES))
    luck, effort = random.normal(0, 1, size), np.exp(np.clip(random.normal(0, 0.3, size), -1, 1))
    row = (controls.declaration, controls.type)
    work = np.select(
        [controls.type == DOCUMENT, controls.type == SCAN],
        [minutes.DOCUMENT, minutes.SCAN],
        minutes.GOODS,
    )
    seconds = np.floor(60 * work * effort[row] * assigned.minutes[controls.declaration])
    started = controls.started_at + _after_others(world, controls)
    finished = started + seconds.astype("timedelta64[s]")
    spans = np.array([hours.get(kind, (0.0, 0.0)) for kind in CONTROL_TYPES])  # type: ignore[call-overload]
    delay = np.floor(3_600 * spans[controls.type, 0] * np.exp(spans[controls.type, 1] * luck[row]))
    answered = history.route.accepted_at[controls.declaration] + delay.astype("timedelta64[s]")
    return replace(
        controls,
        started_at=started,
        finished_at=finished,
        observed_at=np.maximum(finished, answered),
    )


def _after_others(world: World, controls: Controls) -> npt.NDArray[np.timedelta64]:
    """Goods are opened after their image was looked at, and samples taken from what was opened."""
    minutes = world.settings.capacity.minutes
    scanned = np.isin(controls.declaration, controls.declaration[controls.type == SCAN])
    waited = LONGEST * minutes.SCAN * (scanned & (controls.type != SCAN))
    waited += LONGEST * minutes.GOODS * (controls.type == SAMPLE)
    seconds: npt.NDArray[np.timedelta64] = np.floor(60 * waited).astype("timedelta64[s]")
    return seconds


def detection_luck(history: History, streams: WeekStreams) -> Floats:
    """A number in [0, 1) per goods item and control type: what is noticed if it is looked at."""
    return streams("detection").random((len(history.truth.risk), len(CONTROL_TYPES)))


def _scannable(world: World, history: History, streams: WeekStreams) -> Bools:
    at_scanner = world.places.scanner[history.route.office]
    scannable: Bools = at_scanner & (
        streams("scanner").random(len(history)) < world.settings.controls.scanned
    )
    return scannable


def _suspicious(world: World, history: History, luck: Floats, random: Draws) -> Bools:
    """Scanner images that are not clear: of what they show, and false alarms."""
    shown = (wrong(history) != NONE) & (luck[:, SCAN] < chances(world)[wrong(history), SCAN])
    shows = np.bincount(history.told.declaration, shown, minlength=len(history)) > 0
    alarm: Bools = shows | (random.random(len(history)) < world.settings.controls.scan_false_alarm)
    return alarm


def _sample_chance(world: World, history: History) -> Floats:
    """Chance of a sample if the goods are opened: officers suspect some of the false codes."""
    settings = world.settings.controls
    false = history.truth.way == CODE[Mechanism.MISCLASSIFICATION]
    miscoded = np.bincount(history.told.declaration, false, minlength=len(history)) > 0
    return np.where(miscoded, settings.sampled_when_miscoded, settings.sampled)


def wrong(history: History) -> Ints:
    """Mechanism of a violation or an honest error per goods item."""
    return np.where(history.truth.violating, history.truth.way, history.truth.error)


def chances(world: World) -> Floats:
    """Chance of each control type to find each mechanism; nothing is found of `NONE`, the last."""
    detection: Mapping[Mechanism, Mapping[str, float]] = world.settings.controls.detection  # type: ignore[assignment]
    rows = [
        [detection.get(mechanism, {}).get(kind, 0.0) for kind in CONTROL_TYPES]
        for mechanism in MECHANISMS
    ]
    return np.array([*rows, [0.0] * len(CONTROL_TYPES)])
