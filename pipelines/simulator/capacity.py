"""What each office can inspect in each shift, and when it gets round to it.

Units are counted from the first shift of the world on, so that a control's place in the line tells
its shift, however long the line is.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipelines.simulator.draws import Table, Times, texts
from pipelines.simulator.shipments import HOME_OFFSET_HOURS
from pipelines.simulator.world import World
from selectivity.columns import Floats, Ints
from selectivity.lanes import Lane

CONTROLLED = (Lane.YELLOW, Lane.RED)
"""Lanes whose declarations take units of an office's capacity."""

SOURCE = "staff plan"


class Hours(NamedTuple):
    """Beginning and end of each shift of a week in seconds after Monday's midnight, UTC."""

    start: Ints
    end: Ints


@dataclass(frozen=True)
class Calendar:
    """Units of each office (rows of `weekly`), lane and shift.

    `wanted` are the shares of an office's declarations that are to be controlled, `weekly` the
    units it has in a week; both of shape (offices, 2), for `CONTROLLED`. `shares` is how units
    spread over the shifts of a week.
    """

    wanted: Floats
    weekly: Floats
    shares: Floats
    hours: Hours

    def before(self, office: Ints, lane: Ints, shift: Ints) -> Ints:
        """Units of an office and lane (0 yellow, 1 red) in all shifts before this one."""
        week, within = np.divmod(shift, len(self.shares))
        running = np.concatenate([[0.0], np.cumsum(self.shares)])
        units: Ints = np.floor(self.weekly[office, lane] * (week + running[within]) + 1e-9).astype(
            np.int64
        )
        return units

    def of_week(self, week: int) -> Ints:
        """Units in one week, shape (offices, 2)."""
        first = np.full(self.weekly.size, week * len(self.shares))
        office, lane = np.divmod(np.arange(self.weekly.size), len(CONTROLLED))
        until = self.before(office, lane, first + len(self.shares))
        units: Ints = (until - self.before(office, lane, first)).reshape(self.weekly.shape)
        return units


def build_calendar(world: World) -> Calendar:
    """Staff that suffices for the policy of old in a week somewhat busier than usual."""
    settings, usual = world.settings, world.office_demand
    a_week = settings.declarations / settings.weeks * settings.capacity.slack
    wanted = []
    for lane in ("yellow", "red"):
        factors = np.array([getattr(office, lane) for office in settings.offices.values()])
        wanted.append(_shares(usual, factors, getattr(settings.selection, lane)))
    asked = np.column_stack(wanted)
    days, weights = np.array(settings.trade.weekdays), np.array(settings.capacity.weight)
    shares = np.outer(days / days.sum(), weights / weights.sum()).ravel()
    weekly = a_week * usual[:, None] * asked + settings.capacity.spare * (asked > 0)
    return Calendar(asked, weekly, shares, _hours(settings.capacity.shifts))


def _shares(usual: Floats, factors: Floats, share: float) -> Floats:
    """Share of each office's declarations, by its factor and never above all of them, so that
    together they come to `share`."""
    low, high = 0.0, 1e9
    for _ in range(100):
        middle = (low + high) / 2
        enough = (usual * np.minimum(middle * factors, 1.0)).sum() >= share * (1 - 1e-9)
        low, high = (low, middle) if enough else (middle, high)
    shares: Floats = np.minimum(high * factors, 1.0)
    return shares


def _hours(shifts: tuple[str, ...]) -> Hours:
    bounds = np.array([[_seconds(time) for time in shift.split("-")] for shift in shifts])
    starts, ends = bounds.T
    ends = np.where(ends <= starts, ends + 86_400, ends)
    midnights = 86_400 * np.arange(7)[:, None] - 3_600 * HOME_OFFSET_HOURS
    return Hours((midnights + starts).ravel(), (midnights + ends).ravel())


def _seconds(time: str) -> int:
    hours, minutes = time.split(":")
    return 3_600 * int(hours) + 60 * int(minutes)


def queue(
    world: World,
    calendar: Calendar,
    next_free: Ints,
    *,
    office: Ints,
    lane: Ints,
    asked_at: Times,
) -> tuple[Times, Ints]:
    """When each control can begin, first come first served, and the line that is left.

    An office without any units of a lane sees to it at once.

    Args:
        next_free: next unit that nobody takes, shape (offices, 2).
        office, lane, asked_at: of each control, shape (n,); lane 0 for yellow, 1 for red.
    """
    shift = _shift_at(world, calendar, asked_at)
    first = calendar.before(office, lane, shift)
    starts = asked_at.copy()
    free = next_free.copy()
    staffed = calendar.weekly[office, lane] > 0
    for one in np.unique((office * 2 + lane)[staffed]):
        rows = np.flatnonzero(office * 2 + lane == one)
        rows = rows[np.argsort(asked_at[rows], kind="stable")]
        at = divmod(int(one), 2)
        turn = np.arange(len(rows))
        earliest = np.maximum(first[rows] - turn, free[at])
        unit = turn + np.maximum.accumulate(earliest)
        free[at] = unit[-1] + 1
        begins = _start_of(world, calendar, at, unit, shift[rows])
        starts[rows] = np.maximum(asked_at[rows], begins)
    return starts, free


def _shift_at(world: World, calendar: Calendar, at: Times) -> Ints:
    """Number of the shift that runs, or comes next, at these times."""
    seconds = (at - world.start.astype("datetime64[us]")).astype("timedelta64[s]").astype(np.int64)
    week, within = np.divmod(seconds, 7 * 86_400)
    in_week = np.searchsorted(calendar.hours.end, within, side="right")
    shifts: Ints = week * len(calendar.shares) + in_week
    return shifts


def _start_of(
    world: World, calendar: Calendar, at: tuple[int, int], unit: Ints, earliest: Ints
) -> Times:
    """When the turn of each unit comes: the units of a shift are spread over it evenly."""
    per_week = calendar.weekly[at]
    last = int(max(earliest.max(), (unit.max() + 1) / per_week * len(calendar.shares))) + 2 * len(
        calendar.shares
    )
    first = int(earliest.min())
    shifts = np.arange(first, last + 1)
    offices = np.full(len(shifts), at[0])
    until = calendar.before(offices, np.full(len(shifts), at[1]), shifts + 1)
    number = first + np.minimum(np.searchsorted(until, unit, side="right"), len(shifts) - 1)
    number = np.maximum(number, earliest)
    week, within = np.divmod(number, len(calendar.shares))
    place = np.full(len(number), at[0]), np.full(len(number), at[1])
    before = calendar.before(*place, number)
    units = np.maximum(calendar.before(*place, number + 1) - before, 1)
    part = np.clip((unit - before) / units, 0, 1)
    length = calendar.hours.end[within] - calendar.hours.start[within]
    seconds = 7 * 86_400 * week + calendar.hours.start[within] + np.floor(part * length)
    begins: Times = world.start.astype("datetime64[us]") + seconds.astype("timedelta64[s]")
    return begins


def table(world: World, calendar: Calendar, week: int) -> Table:
    """The capacity calendar of one week, one row per office, lane and shift."""
    shifts = len(calendar.shares)
    office, lane, shift = (each.ravel() for each in np.indices((*calendar.weekly.shape, shifts)))
    number = week * shifts + shift
    units = calendar.before(office, lane, number + 1) - calendar.before(office, lane, number)
    monday = world.monday(week).astype("datetime64[us]")
    minutes = world.settings.capacity.minutes
    return {
        "office": world.places.office[office],
        "lane": texts(each.name for each in CONTROLLED)[lane],
        "shift_start": monday + calendar.hours.start[shift].astype("timedelta64[s]"),
        "shift_end": monday + calendar.hours.end[shift].astype("timedelta64[s]"),
        "units": units.astype(np.float64),
        "minutes_per_unit": np.array([minutes.DOCUMENT, minutes.GOODS])[lane],
        "source": texts([SOURCE] * len(office)),
    }
