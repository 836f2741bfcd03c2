"""World report: how long results take, and what offices can do."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from pipelines.reporting.charts import ACCENT, COLOURS, HATCHES, INK, THIN
from pipelines.reporting.world_drawing import drawing, legend, shares
from pipelines.reporting.world_facts import WorldFacts
from pipelines.reporting.world_mechanisms import NAMES
from pipelines.reporting.world_page import Part, Picture, percent
from pipelines.reporting.world_trade import months
from pipelines.reporting.world_wrongs import ripe_until
from pipelines.simulator.figures import CLEARANCE
from selectivity.columns import Floats
from selectivity.lanes import LANES

HOURS = {1: "1 h", 6: "6 h", 24: "1 day", 168: "1 week", 720: "30 days", 4320: "180", 17280: "720"}
SLOW = 5
"""Times the median without a queue: beyond that something is wrong with capacity."""

OVERLOADED = 1.15
"""Controls for each unit of capacity: beyond that a line has no end."""


def delays(facts: WorldFacts) -> Part:
    """How long results take, and whether the lines get longer."""
    quantiles = _quantiles(facts)
    wanted = {str(kind): span[0] for kind, span in facts.settings.controls.hours.items()}
    with drawing("delays", 3.4 + 0.3 * len(quantiles), (1, 1)) as drawn:
        _results(drawn.panels[0], quantiles, wanted)
        _waiting(drawn.panels[1], facts)
        legend(drawn, 3)
    said = ", ".join(f"{NAMES[kind]} {q[1]:,.0f} h" for kind, q in quantiles.items())
    absent = [NAMES[kind] for kind in NAMES if kind not in quantiles]
    return Part(
        name="delays",
        title="How long until a result is known?",
        says=f"Medians: {said or 'none'}. No control of this type: {', '.join(absent) or 'none'}.",
        expect="Should be seen: papers in hours, goods in a day or two, the laboratory in weeks, "
        "audits in months (long ones are still to come), near their diamonds; lines that swell "
        "in busy seasons and empty again. Wrong: medians many times the diamond, lines of weeks.",
        picture=Picture(
            drawn.svg, f"Delays by control type, and waiting hours by week; medians: {said}."
        ),
        warning=_slow(quantiles, wanted),
    )


def _quantiles(facts: WorldFacts) -> dict[str, Floats]:
    """First tenth, median and last tenth of the hours to a result, by control type."""
    controls = facts.controls
    accepted = facts.declared["last_accepted_at"].to_numpy()[controls["at"]]
    hours = (controls["observed_at"].to_numpy() - accepted) / np.timedelta64(1, "h")
    of_kind = {kind: hours[(controls["control_type"] == kind).to_numpy()] for kind in NAMES}
    return {kind: np.quantile(some, [0.1, 0.5, 0.9]) for kind, some in of_kind.items() if len(some)}


def _results(axes: Axes, quantiles: Mapping[str, Floats], wanted: Mapping[str, float]) -> None:
    for place, (low, middle, high) in enumerate(quantiles.values()):
        axes.plot([low, high], [place, place], color=ACCENT, linewidth=5, alpha=0.45)
        axes.plot(middle, place, "o", color=ACCENT, mec=INK, mew=0.6)
    marks = [wanted.get(kind, np.nan) for kind in quantiles]
    axes.plot(marks, range(len(marks)), "D", color="none", mec=INK, label="without a queue")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(HOURS)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: HOURS.get(round(at), "")))
    axes.set_yticks(range(len(quantiles)), [NAMES[kind] for kind in quantiles], fontsize=9.5)
    axes.set_ylim(len(quantiles) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("acceptance to result: 8 of 10, and median", loc="right")


def _waiting(axes: Axes, facts: WorldFacts) -> None:
    """Median wait by week of acceptance and lane, as far as results are known."""
    waits, longest = _waits(facts), 1.0
    for lane in ("YELLOW", "RED"):
        last = ripe_until(facts.declared[facts.declared["lane"] == lane])
        some = waits[(waits["lane"] == lane) & (waits["week"] < last)]
        weekly = some.groupby("week")["hours"].median()
        if len(weekly):
            axes.plot(weekly.index, weekly, color=THIN[lane], linewidth=1.8, label=lane.lower())
            longest = max(longest, float(weekly.max()))
    months(axes, facts)
    axes.set_ylim(0, 1.05 * longest)
    axes.set_ylabel("median wait (hours)")


def _slow(quantiles: Mapping[str, Floats], wanted: Mapping[str, float]) -> str | None:
    late = [
        f"{NAMES[kind]} {q[1]:,.0f} h instead of {wanted[kind]:g} h"
        for kind, q in quantiles.items()
        if kind in wanted and q[1] > SLOW * wanted[kind]
    ]
    return f"Lines are far too long: {', '.join(late)}." if late else None


def offices(facts: WorldFacts) -> Part:
    """Lanes of each office, use of its capacity, and how long its line is."""
    table, codes = facts.declared, list(facts.settings.offices)
    lanes = pd.crosstab(table["declaration_office"], table["lane"], normalize="index")
    lanes = lanes.reindex(index=codes, columns=list(LANES), fill_value=0).fillna(0)
    used = _use(facts, codes)
    grouped = _waits(facts).groupby(["declaration_office", "lane"])["hours"]
    waits = grouped.median().unstack("lane").reindex(index=codes, columns=list(LANES))
    least, most = (percent(float(one)) for one in (lanes["RED"].min(), lanes["RED"].max()))
    return Part(
        name="offices",
        title="Do offices differ, and can they do what they are given?",
        says=f"Red is {least} to {most} by office. An office uses up to "
        f"{percent(float(used.max().max()), 0)} of its units of a lane; the longest median wait is "
        f"{waits.max().max():,.0f} hours.",
        expect="Should be seen: land borders far redder (15 to 20 %), airports less, units about "
        "used, waits of hours, over nights and Sundays a day. Wrong: "
        "use well above 100 %, whose lines grow for ever, or all offices alike.",
        picture=Picture(
            _three_panels(codes, lanes, used, waits),
            "By office the shares of red and yellow, controls per unit of capacity, and median "
            f"waits; red {least} to {most}.",
        ),
        warning=_overload(used),
    )


def _three_panels(
    codes: list[str], lanes: pd.DataFrame, used: pd.DataFrame, waits: pd.DataFrame
) -> str:
    places = np.arange(len(codes))
    with drawing("offices", max(5.0, 0.9 + 0.29 * len(codes)), (1,), (1.15, 1, 1)) as drawn:
        first, second, third = drawn.panels
        for axes, values in ((first, lanes), (second, used), (third, waits)):
            for lane, beside in (("RED", 0.2), ("YELLOW", -0.2)):
                bars = axes.barh(places + beside, values[lane], 0.38, color=COLOURS[lane])
                for bar in bars:
                    bar.set(hatch=HATCHES[lane], edgecolor="white")
                bars.set_label(lane.lower())
        second.set_xlim(0, max(1.1, 1.05 * np.nan_to_num(used.max().max())))
        second.axvline(1, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
        third.set_xlim(0, max(1.0, 1.05 * np.nan_to_num(waits.max().max())))
        for axes in (first, second):
            shares(axes.xaxis, 1)
        drawn.figure.set_layout_engine("constrained", w_pad=0.12)  # inches, between ticks
        names = ("share of lanes", "controls / units", "median wait (h)")
        for axes, name in zip(drawn.panels, names, strict=True):
            axes.set_yticks(places, codes if axes is first else [""] * len(codes), fontsize=9)
            axes.set_ylim(len(codes) - 0.4, -0.6)
            axes.grid(visible=False, axis="y")
            axes.tick_params(axis="x", labelsize=8.5)
            axes.locator_params(axis="x", nbins=3)
            axes.set_xlabel(name, fontsize=9.5)
        legend(drawn)
    return drawn.svg


def _use(facts: WorldFacts, codes: list[str]) -> pd.DataFrame:
    """Declarations to control over units in the calendar; NaN where there are no units."""
    lanes = ["YELLOW", "RED"]
    wanted = pd.crosstab(facts.declared["declaration_office"], facts.declared["lane"])
    by_lane = ["office", "lane"]
    units = facts.units.groupby(by_lane, observed=True)["units"].sum().unstack("lane")
    wanted, units = (each.reindex(index=codes, columns=lanes) for each in (wanted, units))
    used: pd.DataFrame = wanted.fillna(0).astype(float) / units.where(units > 0).astype(float)
    return used


def _overload(used: pd.DataFrame) -> str | None:
    over = [
        f"{office} {lane.lower()} {percent(share, 0)}"
        for lane in used.columns.astype(str)
        for office, share in used[lane].to_dict().items()
        if share > OVERLOADED
    ]
    return f"More is controlled than there are units for: {', '.join(over)}." if over else None


def _waits(facts: WorldFacts) -> pd.DataFrame:
    """Hours from acceptance to the start of the first control at clearance."""
    first = facts.controls[facts.controls["stage"].isin(CLEARANCE)].drop_duplicates("at")
    declared = facts.declared.iloc[first["at"]]
    waited = first["started_at"].to_numpy() - declared["last_accepted_at"].to_numpy()
    return pd.DataFrame(
        {
            "declaration_office": declared["declaration_office"].astype(str).to_numpy(),
            "lane": declared["lane"].astype(str).to_numpy(),
            "week": declared["week"].to_numpy(),
            "hours": waited / np.timedelta64(1, "h"),
        }
    )
