"""World report: who is selected with what chance, what that finds, and what could be found."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from sklearn.metrics import roc_curve

from pipelines.reporting.charts import ACCENT, INK, QUIET, THIN
from pipelines.reporting.world_drawing import (
    FALSE,
    HONEST,
    Row,
    drawing,
    legend,
    logarithmic,
    outlines,
    shares,
    whiskers,
)
from pipelines.reporting.world_facts import WorldFacts
from pipelines.reporting.world_page import Part, Picture, percent
from pipelines.simulator.draws import Bools
from pipelines.stage.areas import auroc
from selectivity.columns import Floats
from selectivity.lanes import LANES, Channel
from selectivity.metrics import Interval, calibration_bins, wilson

SEPARABLE = 0.97
"""No real fraud can be told from honest trade better than this."""


def by_channel(facts: WorldFacts) -> Part:
    """Where violations are, and how often controls find one, by who asked for the control."""
    table = facts.declared
    wrong = table.loc[table["violating"], "lane"].value_counts(normalize=True)
    rows = _channel_rows(table)
    with drawing("channels", 1.1 + 0.5 * len(rows)) as drawn:
        (axes,) = drawn.panels
        whiskers(axes, rows, "truly violating")
        _dots(axes, rows)
        axes.set_xlabel("hit rate: declarations with fraud found, 95 % interval", loc="right")
        legend(drawn, 3)
    where = ", ".join(f"{percent(float(wrong.get(lane, 0)))} in {lane.lower()}" for lane in LANES)
    none = [lane.lower() for lane in LANES if not (table["lane"] == lane).any()]
    return Part(
        name="channels",
        title="Where are the violations, and who finds them?",
        says=f"Of all violating declarations {where}."
        + f" Lanes with no declaration: {', '.join(none) or 'none'}.",
        expect="Should be seen: officers best, then rules, random draws at the base rate; a large "
        "part of all violations in green; every point left of its diamond, yellow far more than "
        "red. Wrong: random draws that find more than rules, points beyond their diamonds.",
        picture=Picture(
            drawn.svg,
            "Hit rates by lane and channel: "
            + "; ".join(f"{row.label} {percent(row.interval.value)}" for row in rows),
        ),
    )


def _channel_rows(table: pd.DataFrame) -> list[Row]:
    rows = []
    controlled = table[table["lane"] != "GREEN"]
    for (lane, channel), part in controlled.groupby(["lane", "channel"], observed=True):
        name = f"{lane}, {channel} ({len(part):,})".lower()
        hits = wilson(float(part["found"].sum()), len(part))
        rows.append(Row(name, hits, THIN[str(lane)], float(part["violating"].mean())))
    green = table["violating"][table["lane"] == "GREEN"]
    if len(green):
        unseen = Interval(float("nan"), 0, 1)
        rows.append(Row(f"green ({len(green):,})", unseen, mark=float(green.mean())))
    return rows


def _dots(axes: Axes, rows: Sequence[Row]) -> None:
    """Names for the legend: what a dot of each colour is."""
    shown = {row.colour for row in rows if np.isfinite(row.interval.value)}
    for lane in LANES:
        if THIN[lane] in shown:
            name = f"found in {lane.lower()}"
            axes.plot([], [], "o", color=THIN[lane], mec=INK, mew=0.6, markersize=6, label=name)


def chances(facts: WorldFacts) -> Part:
    """The chances the policy gave, and whether lanes came out by them."""
    table = facts.declared
    least, random = float(table["propensity_red"].min()), facts.settings.selection.random
    with drawing("chances", 5.2, (2, 3)) as drawn:
        first, second = drawn.panels
        bins = np.geomspace(1e-4, 1, 41)
        red = np.clip(table["propensity_red"].to_numpy(), 1e-4, 1)
        first.stairs(np.histogram(red, bins)[0], bins, fill=True, color=ACCENT)
        logarithmic(first, "x", share=True)
        logarithmic(first, "y")
        first.set_xlim(1e-4, 1)
        first.set_xlabel("chance of red (logarithmic)")
        first.set_ylabel("declarations")
        off = _reliability(second, table)
        legend(drawn, 3)
    return Part(
        name="chances",
        title="Do lanes come out by the chances that were given?",
        says=f"The least chance of red is {percent(least, 2)}, the random share "
        f"{percent(random, 2)}. Groups of declarations lie up to {percent(off)} from their chance.",
        expect="Should be seen: nobody below the random share, most near it, some certain; points "
        "on the diagonal, lanes as they were before officers moved any. Wrong: chances of zero, or "
        "points beside the line: estimates weighted by chance would be biased.",
        picture=Picture(
            drawn.svg,
            "Histogram of the chance of red, and observed share against chance for each lane; "
            f"largest distance {percent(off)}.",
        ),
    )


def _reliability(axes: Axes, table: pd.DataFrame) -> float:
    """Observed share of each lane by bins of its chance; gives the largest distance."""
    lane = table["lane"].astype(str).to_numpy()
    moved = (table["channel"] == str(Channel.OFFICER)).to_numpy()
    before = np.where(moved, np.where(lane == "RED", "YELLOW", "RED"), lane)
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=(0, (4, 3)))
    off = 0.0
    for name, marker in zip(LANES, "o^s", strict=True):
        chance = table[f"propensity_{name.lower()}"].to_numpy()
        bins = calibration_bins((before == name).astype(np.int64), chance, 15)
        x, y = (
            np.array(values) for values in zip(*((b[0], b[1].value) for b in bins), strict=True)
        )
        axes.plot(x, y, marker, color=THIN[name], mec=INK, mew=0.5, label=name.lower())
        off = max(off, float(np.abs(x - y).max()))
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("mean chance of the lane, in 15 equal groups")
    axes.set_ylabel("share that got it")
    for axis in (axes.xaxis, axes.yaxis):
        shares(axis, 1)
    return off


def ceiling(facts: WorldFacts) -> Part:
    """How well the best of all models could do."""
    wrong, risk = facts.declared["violating"].to_numpy(), facts.declared["risk"].to_numpy(float)
    area = auroc(wrong, risk)
    return Part(
        name="ceiling",
        title="How much of it could be known beforehand?",
        says=f"Who knew every risk would reach an area under the ROC curve of {area:.3f} before "
        "looking at what is declared. A false price or weight gives more away: "
        "“worlds measure” finds by how much.",
        expect="Should be seen: violations shifted to the right, deep in the honest; an area of "
        f"about 0.80 to 0.95. Wrong: an area above {SEPARABLE:g}, fraud would be separable, "
        "or near 0.5, nothing could be learnt.",
        picture=Picture(
            _risks(wrong, risk),
            f"Histograms of true risk, honest and violating; ROC curve with an area of {area:.3f}.",
        ),
        warning=f"Fraud is separable: AUROC of the true risk {area:.3f}, above {SEPARABLE:g}."
        if area > SEPARABLE
        else None,
    )


def _risks(wrong: Bools, risk: Floats) -> str:
    with drawing("ceiling", 5.2, (2, 3)) as drawn:
        first, second = drawn.panels
        spread = {"honest": (risk[~wrong], HONEST), "violating": (risk[wrong], FALSE)}
        outlines(first, spread, np.geomspace(1e-4, 1, 41))
        logarithmic(first, "x", share=True)
        first.set_xlabel("true risk of the declaration (logarithmic)")
        first.set_ylabel("share of its group")
        if wrong.any() and not wrong.all():
            _roc(second, wrong, risk)
        second.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=(0, (4, 3)))
        second.set_xlabel("honest declarations inspected")
        second.set_ylabel("violating ones inspected")
        for axis in (second.xaxis, second.yaxis):
            shares(axis, 1)
        legend(drawn)
    return drawn.svg


def _roc(axes: Axes, wrong: Bools, risk: Floats) -> None:
    x, y, _ = roc_curve(wrong, risk)
    rows = np.searchsorted(x, np.unique(np.concatenate([np.linspace(0, 1, 80), [0.01, 0.02]])))
    rows = np.minimum(rows, len(x) - 1)
    axes.plot(x[rows], y[rows], color=ACCENT, linewidth=2)
