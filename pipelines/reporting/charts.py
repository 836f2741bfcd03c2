"""Pictures of the report: SVG that stands in the page and needs nothing from outside.

Lanes keep their colours and are told apart without them as well: by hatching, and by words. Text
stays text, in whatever sans-serif the reader has. The same numbers give the same bytes.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, MultipleLocator

from pipelines.reporting.sentences import Number, Share, Speaker
from selectivity.columns import Floats, Ints
from selectivity.lanes import LANES, Lane
from selectivity.metrics import Interval

COLOURS = {"GREEN": "#2f8f6b", "YELLOW": "#f0c04a", "RED": "#b3362f"}
HATCHES = {"GREEN": "", "YELLOW": "\\\\", "RED": "///"}
INK, QUIET, GRID, ACCENT = "#1f2a37", "#5b6673", "#dde2e8", "#2457a6"
THIN = {**COLOURS, "YELLOW": "#b98200"}
"""Colours of thin lines, for which the yellow of an area is too pale."""
WIDTH = 5.4
"""Inches. Narrow, so that the text can still be read when a phone shrinks the picture."""
STEPS = [1, 2, 5, 10]

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10.5,
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": QUIET,
    "axes.edgecolor": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
}
_UNTOLD = {"Creator": None, "Date": None, "Format": None, "Type": None}


Series: TypeAlias = "pd.Series[Any]"


class Line(NamedTuple):
    """A named interval, and the lane whose colour it takes."""

    label: str
    interval: Interval
    lane: str | None = None


class _Canvas:
    """A figure with one pair of axes, and after drawing its SVG."""

    def __init__(self, height: float) -> None:
        self.figure = Figure(figsize=(WIDTH, height), layout="constrained")
        self.axes: Axes = self.figure.subplots()
        self.svg = ""


@contextmanager
def drawing(name: str, height: float = 3.0) -> Iterator[_Canvas]:
    """A canvas in the style of all pages; the same content gives the same SVG."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        canvas = _Canvas(height)
        yield canvas
        stream = io.StringIO()
        canvas.figure.savefig(stream, format="svg", transparent=True, metadata=_UNTOLD)
        canvas.svg = _inline(stream.getvalue(), name)


def _inline(svg: str, name: str) -> str:
    """The picture alone, with ids that no other picture of the page has."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<style.*?</style>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r" font-family: [^;\"]+;", "", svg)  # the page names the font
    svg = re.sub(r"(\.\d\d)\d+", r"\1", svg)
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda at: at[0] if at[1] in used else "", svg)
    for one in sorted(used, key=len, reverse=True):
        svg = re.sub(rf'(id="|url\(#|href="#){re.escape(one)}(?=["\)])', rf"\g<1>{name}-{one}", svg)
    svg = re.sub(r">\s+<", "><", svg)
    return re.sub(r"\s+", " ", svg).strip()


def _percent(axis: Axis, speak: Speaker, digits: int = 0) -> None:
    show = FuncFormatter(lambda value, _: speak(Share(round(value, 6), digits)))
    axis.set_major_formatter(show)


def lanes_per_week(weeks: pd.DataFrame, speak: Speaker) -> str:
    """Stacked shares. `weeks`: week, GREEN, YELLOW, RED (shares), ripe; unripe ones are paler."""
    with drawing(f"weeks-{speak.language}", 3.1) as canvas:
        axes, places = canvas.axes, places_of(weeks.week)
        below = np.zeros(len(weeks))
        for lane in LANES:
            bars = axes.bar(
                places,
                weeks[lane],
                0.82,
                bottom=below,
                color=COLOURS[lane],
                hatch=HATCHES[lane],
                edgecolor="white",
                linewidth=0.5,
                label=speak.capital(Lane[lane]),
            )
            for bar, ripe in zip(bars, weeks.ripe, strict=True):
                bar.set_alpha(1.0 if ripe else 0.5)
            below = below + weeks[lane].to_numpy()
        stars = ["" if ripe else "*" for ripe in weeks.ripe]
        named = [
            f"{speak(week.date())}{star}" for week, star in zip(weeks.week, stars, strict=True)
        ]
        shown = _far_apart(places)
        axes.set_xticks(places[shown], [named[at] for at in shown])
        axes.tick_params(axis="x", pad=8)  # the first day is wide, and 0 % stands beside it
        axes.grid(visible=False)
        axes.set_ylim(0, 1)
        axes.set_xlim(-0.6, places[-1] + 0.6)
        axes.set_xlabel(speak.word("chart.week"))
        axes.set_ylabel(speak.word("chart.share"))
        _percent(axes.yaxis, speak)
        handles, labels = axes.get_legend_handles_labels()
        canvas.figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return canvas.svg


def places_of(weeks: "pd.Series[pd.Timestamp]") -> Ints:
    """How many weeks each lies behind the first: one without declarations leaves a gap."""
    return np.asarray((weeks - weeks.iloc[0]).dt.days // 7, dtype=np.int64)


def _far_apart(places: Ints) -> list[int]:
    """Positions of about five places whose labels have room beside each other."""
    step = max(1, -(-(int(places[-1]) + 1) // 5))
    shown = [0]
    for at, place in enumerate(places.tolist()):
        if place - places[shown[-1]] >= step:
            shown.append(at)
    return shown


def whiskers(name: str, lines: Sequence[Line], axis: str, speak: Speaker) -> str:
    """One row per line: a share with its 95 % interval. Undefined ones say so."""
    with drawing(f"{name}-{speak.language}", _height(lines)) as canvas:
        _points(canvas.axes, lines, speak)
        most = max((line.interval.high for line in lines if _defined(line)), default=1.0)
        canvas.axes.set_xlim(0, min(1.02, most * 1.08))
        canvas.axes.set_xlabel(speak.word(axis))
        canvas.axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
        _percent(canvas.axes.xaxis, speak, 0 if most > 0.04 else 1)
    return canvas.svg


def areas(name: str, lines: Sequence[Line], speak: Speaker) -> str:
    """One row per line: an area under the ROC curve with its interval; 0.5 is chance."""
    with drawing(f"{name}-{speak.language}", _height(lines)) as canvas:
        _points(canvas.axes, lines, speak)
        least = min((line.interval.low for line in lines if _defined(line)), default=0.5)
        canvas.axes.axvline(0.5, color=INK, linewidth=0.8, linestyle=(0, (5, 3)))
        canvas.axes.set_xlim(min(0.45, least - 0.03), 1.01)
        canvas.axes.set_xlabel(speak.word("chart.auroc"))
        canvas.axes.xaxis.set_major_locator(MultipleLocator(0.1))
        show = FuncFormatter(lambda value, _: speak(Number(round(value, 6), 1)))
        canvas.axes.xaxis.set_major_formatter(show)
    return canvas.svg


def _height(lines: Sequence[Line]) -> float:
    return 0.75 + 0.34 * len(lines)


def _defined(line: Line) -> bool:
    return bool(np.isfinite(line.interval).all())


def _points(axes: Axes, lines: Sequence[Line], speak: Speaker) -> None:
    for place, line in enumerate(lines):
        if not _defined(line):
            middle = axes.get_yaxis_transform()
            axes.text(
                0.02, place, speak.word("unknown"), va="center", color=QUIET, transform=middle
            )
            continue
        value, low, high = line.interval
        colour = THIN.get(line.lane or "", ACCENT)
        axes.plot([low, high], [place, place], color=colour, linewidth=5, alpha=0.5)
        axes.plot(value, place, "o", color=colour, markersize=7, mec=INK, mew=0.7)
    axes.set_yticks(range(len(lines)), [line.label for line in lines])
    axes.tick_params(axis="y", colors=INK)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")


def calibration(bins: pd.DataFrame, speak: Speaker) -> str:
    """Observed against predicted shares, with the line on which both are the same."""
    with drawing(f"calibration-{speak.language}", 3.4) as canvas:
        axes = canvas.axes
        most = 1.05 * float(max(bins.predicted.max(), bins.high.max()))
        axes.plot([0, most], [0, most], color=QUIET, linewidth=1, linestyle=(0, (4, 3)))
        errors = np.abs(bins[["low", "high"]].to_numpy().T - bins.observed.to_numpy())
        axes.errorbar(
            bins.predicted,
            bins.observed,
            yerr=errors,
            fmt="o",
            color=ACCENT,
            capsize=3,
            markersize=6,
        )
        # Where findings are rare all groups but the last lie near zero, on top of each other.
        axes.set_xscale("function", functions=(_root, np.square))
        axes.set_yscale("function", functions=(_root, np.square))
        axes.set_xlim(0, most)
        axes.set_ylim(0, most)
        axes.set_xlabel(speak.word("chart.predicted"))
        axes.set_ylabel(speak.word("chart.observed"))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(FixedLocator(_ticks(most)))
            _percent(axis, speak, 0 if most > 0.2 else 1)
        canvas.figure.legend(axes.lines[:1], [speak.word("chart.same")], loc="outside upper left")
    return canvas.svg


def _root(values: Floats) -> Floats:
    root: Floats = np.sqrt(np.maximum(values, 0.0))
    return root


def _ticks(most: float) -> list[float]:
    """Round shares up to `most` that have room beside each other where roots are drawn."""
    shown = [0.0]
    for share in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0):
        if share <= most and np.sqrt(share) - np.sqrt(shown[-1]) > 0.12 * np.sqrt(most):
            shown.append(share)
    return shown


def capacity(curve: pd.DataFrame, speak: Speaker) -> str:
    """Findings caught and findings per inspection, by the share inspected, in their 95 % intervals.

    The capacity of the policy is no place on this axis: it counts declarations, all of them.
    """
    with drawing(f"capacity-{speak.language}", 3.4) as canvas:
        axes = canvas.axes
        start = pd.DataFrame({"inspected": [0.0], "detection_rate": [0.0]})
        caught = pd.concat([start, curve[["inspected", "detection_rate"]]])
        for name, colour in (("detection_rate", ACCENT), ("hit_rate", COLOURS["RED"])):
            low, high = curve[f"{name}_low"], curve[f"{name}_high"]
            axes.fill_between(curve.inspected, low, high, color=colour, alpha=0.18, linewidth=0)
        _line(axes, caught.inspected, caught.detection_rate, ACCENT, "o", "-")
        _line(axes, curve.inspected, curve.hit_rate, COLOURS["RED"], "s", "--")
        axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=(0, (1, 2)))
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.03)
        axes.set_xlabel(speak.word("chart.inspected"))
        for axis in (axes.xaxis, axes.yaxis):
            _percent(axis, speak)
        names = ("chart.detection_rate", "chart.hit_rate", "chart.by_chance")
        labels = [speak.word(name) for name in names]
        canvas.figure.legend(axes.lines, labels, loc="outside upper center", ncols=2, fontsize=9.5)
    return canvas.svg


def _line(axes: Axes, x: Series, y: Series, colour: str, marker: str, style: str) -> None:
    axes.plot(x, y, color=colour, marker=marker, markersize=4, linewidth=1.8, linestyle=style)
