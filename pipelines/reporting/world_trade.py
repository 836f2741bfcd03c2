"""World report: how much is traded, when, by whom, and which fields are left empty."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from pipelines.reporting.charts import ACCENT, COLOURS, HATCHES, INK, QUIET
from pipelines.reporting.world_drawing import drawing, legend, logarithmic, moment, shares, span
from pipelines.reporting.world_facts import WorldFacts
from pipelines.reporting.world_page import Part, Picture, percent
from pipelines.simulator.demand import LUNAR_NEW_YEARS
from selectivity.lanes import LANES


def weeks(facts: WorldFacts) -> Part:
    """Declarations per week by lane, with the seasons."""
    table = facts.declared
    counts = pd.crosstab(table["week"], table["lane"]).reindex(range(facts.weeks), fill_value=0)
    total = counts.sum(axis=1)
    by_lane = ", ".join(
        f"{percent(float((table['lane'] == lane).mean()))} {lane.lower()}" for lane in LANES
    )
    return Part(
        name="weeks",
        title="Does trade follow the seasons, and do controls follow trade?",
        says=f"An ordinary week has {total.median():,.0f} declarations; of all declarations "
        f"{by_lane}.",
        expect="Should be seen: a slow rise, then a dip at the lunar new year, a busy December, "
        "sales days (triangles), and lanes that swell and shrink with trade. Wrong: flat weeks, "
        "jumps outside the marked seasons, weeks without green.",
        picture=Picture(
            _stacked(counts, facts),
            f"Stacked bars of declarations per week by lane over {facts.weeks} weeks, from "
            f"{total.min():,.0f} to {total.max():,.0f} a week, with the seasons marked.",
        ),
        warning=_narrowed(counts, facts),
    )


def _stacked(counts: pd.DataFrame, facts: WorldFacts) -> str:
    below = np.zeros(len(counts))
    with drawing("weeks", 3.3) as drawn:
        (axes,) = drawn.panels
        for lane in [one for one in LANES if one in counts]:
            bars = axes.bar(counts.index, counts[lane], 0.9, below, color=COLOURS[lane])
            for bar in bars:
                bar.set(hatch=HATCHES[lane], edgecolor="white", linewidth=0.3)
            bars.set_label(lane.lower())
            below = below + counts[lane].to_numpy()
        _seasons(axes, facts)
        months(axes, facts)
        axes.set_ylim(0, 1.12 * below.max())
        axes.grid(visible=False, axis="x")
        axes.set_ylabel("declarations a week")
        legend(drawn, 3)
    return drawn.svg


def _narrowed(counts: pd.DataFrame, facts: WorldFacts) -> str | None:
    """Whole weeks in which hardly anything was released at once."""
    total = counts.sum(axis=1)
    green = (counts["GREEN"] if "GREEN" in counts else 0 * total) / total
    usual = float((facts.declared["lane"] == "GREEN").mean())
    few = green[(green < 0.7 * usual) & (total > 0.2 * total.median())]
    if few.empty:
        return None
    return (
        f"In {len(few)} weeks far fewer declarations are green than usual, down to "
        f"{percent(few.min(), 0)} (usually {percent(usual, 0)}): controls do not follow trade."
    )


def _seasons(axes: Axes, facts: WorldFacts) -> None:
    settings, last = facts.settings, facts.weeks
    since = LUNAR_NEW_YEARS - np.datetime64(settings.start, "D")
    for first in (since.astype(int) // 7).tolist():
        if -settings.trade.lunar_new_year.weeks < first < last:
            ends = min(last, first + settings.trade.lunar_new_year.weeks) - 0.5
            span(axes, max(first, 0) - 0.5, ends, "new year")
    days = np.datetime64(settings.start, "D") + 7 * np.arange(last)
    december = np.flatnonzero(days.astype("datetime64[M]").astype(int) % 12 == 11)
    for year in np.split(december, np.flatnonzero(np.diff(december) > 1) + 1):
        if len(year):
            span(axes, year[0] - 0.5, year[-1] + 0.5, "December")
    for first in _express_weeks(facts):
        axes.plot(first, 0.985, "v", color=INK, markersize=6, transform=axes.get_xaxis_transform())


def _express_weeks(facts: WorldFacts) -> Iterator[float]:
    """Sales days of express parcels, as weeks after the start."""
    start = np.datetime64(facts.settings.start, "D")
    years = range(facts.settings.start.year, facts.settings.start.year + facts.weeks // 52 + 2)
    for day in facts.settings.trade.express_days:
        for year in years:
            week = float((np.datetime64(f"{year}-{day}") - start).astype(int)) / 7 - 0.5
            if -0.5 <= week < facts.weeks:
                yield week


def months(axes: Axes, facts: WorldFacts) -> None:
    """An axis of weeks that is read as months."""
    mondays = pd.date_range(facts.settings.start, periods=facts.weeks, freq="7D")
    firsts = [n for n in range(facts.weeks) if n == 0 or mondays[n].month != mondays[n - 1].month]
    step = max(1, round(len(firsts) / 6))
    axes.set_xticks(firsts[::step], [f"{mondays[n]:%b %y}" for n in firsts[::step]])
    axes.set_xlim(-0.6, facts.weeks - 0.4)
    axes.set_xlabel("week of acceptance")


def tail(facts: WorldFacts) -> Part:
    """Who declares how much."""
    counts = facts.declared["trader"].value_counts().to_numpy()
    running = np.cumsum(counts) / counts.sum()
    half = int(np.searchsorted(running, 0.5)) + 1
    top = float(running[max(0, round(0.01 * len(counts)) - 1)])
    places = np.unique(np.geomspace(1, len(counts), 120).round().astype(int))
    with drawing("tail", 4.2) as drawn:
        (axes,) = drawn.panels
        axes.plot(places, running[places - 1], color=ACCENT, linewidth=2)
        axes.plot([1, half, half], [0.5, 0.5, 0], color=QUIET, linewidth=1, linestyle=(0, (4, 3)))
        logarithmic(axes, "x")
        axes.set_xlim(1, len(counts))
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("traders, busiest first (number, logarithmic)")
        axes.set_ylabel("share of declarations")
        shares(axes.yaxis, 1)
    priority = float((facts.declared["trader_kind"] == "priority").mean())
    return Part(
        name="tail",
        title="Do a few traders bring most of the trade?",
        says=f"{half:,} of {len(counts):,} traders bring half of the declarations, the busiest one "
        f"in a hundred {percent(top)}, priority enterprises {percent(priority)}.",
        expect="Should be seen: a curve that is high from the left; a few hundred traders of 6,000 "
        f"bring half, priority enterprises about {percent(facts.settings.trade.priority_volume, 0)}"
        ". Wrong: a curve that waits for the right edge, or one firm that is the country.",
        picture=Picture(
            drawn.svg,
            f"Cumulative share of declarations by trader; half is reached at {half} traders.",
        ),
    )


def missing(facts: WorldFacts) -> Part:
    """Which fields are left empty, and how often."""
    never = sorted(field for field, share in facts.missing.items() if share == 1)
    some = {field: share for field, share in facts.missing.items() if 0 < share < 1}
    some = dict(sorted(some.items(), key=lambda pair: pair[1]))
    wanted = facts.settings.trade.missing_share
    with drawing("missing", 0.9 + 0.25 * max(3, len(some))) as drawn:
        (axes,) = drawn.panels
        axes.barh(range(len(some)), list(some.values()), 0.7, color=ACCENT)
        axes.set_yticks(range(len(some)), list(some), fontsize=9)
        axes.tick_params(axis="y", colors=INK)
        logarithmic(axes, "x", share=True)
        axes.set_xlim(min([0.002, *(share / 2 for share in some.values())]), 1)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("rows without a value (logarithmic)", loc="right")
        if wanted > 0:
            moment(axes, wanted, f"left out at random: {percent(wanted, 0)}")
    return Part(
        name="missing",
        title="Which fields are empty?",
        says=f"{len(facts.missing) - len(some) - len(never)} fields are always filled, {len(some)} "
        f"sometimes; never: {', '.join(never) or 'none'}.",
        expect="Should be seen: a few fields left out at about the marked share, and fields that "
        "only some goods or only imports have. Wrong: a field that matters always or never "
        "filled without a reason, or gaps much above the mark.",
        picture=Picture(
            drawn.svg,
            "Share of rows without a value by field: "
            + ", ".join(f"{field} {percent(share)}" for field, share in some.items()),
        ),
    )
