"""How the world report draws: panels one above the other, so that a phone can show them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter

from pipelines.reporting import charts
from pipelines.reporting.charts import ACCENT, INK, QUIET
from selectivity.columns import Floats
from selectivity.metrics import Interval

HONEST, FALSE, ODD = "#8a97a6", "#b3362f", "#b98200"
"""Colours of what is right, of what is not, and of what lies between."""


class Row(NamedTuple):
    """A named share with its interval, its colour, and a mark to hold it against."""

    label: str
    interval: Interval
    colour: str = ACCENT
    mark: float = float("nan")


@dataclass
class Drawing:
    """Panels, and after drawing their SVG."""

    figure: Figure
    panels: list[Axes]
    svg: str = field(default="")


@contextmanager
def drawing(
    name: str, height: float = 3.0, ratios: Sequence[float] = (1,), width: Sequence[float] = (1,)
) -> Iterator[Drawing]:
    """Panels in rows as high, and columns as wide, as the ratios say; `height` in inches."""
    with charts.drawing(f"world-{name}", height) as canvas:
        canvas.figure.clear()
        grid = canvas.figure.subplots(
            len(ratios), len(width), height_ratios=ratios, width_ratios=width, squeeze=False
        )
        drawn = Drawing(canvas.figure, list(grid.ravel()))
        yield drawn
    drawn.svg = canvas.svg


def shares(axis: Axis, most: float) -> None:
    """An axis of shares, with as many digits as `most` needs."""
    digits = 0 if most > 0.04 else 1 if most > 0.004 else 2
    axis.set_major_formatter(PercentFormatter(1, decimals=digits))


def logarithmic(axes: Axes, which: Literal["x", "y"], *, share: bool = False) -> None:
    """Powers of ten, written out."""
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    times, sign = (100, "%") if share else (1, "")
    axis.set_major_formatter(FuncFormatter(lambda at, _: f"{times * at:,.6g}{sign}"))
    axis.set_minor_locator(NullLocator())


def legend(drawn: Drawing, columns: int = 2) -> None:
    """One legend above all panels, each name once."""
    named: dict[str, Any] = {}
    for axes in drawn.panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    drawn.figure.legend(
        named.values(), named.keys(), loc="outside upper left", ncols=columns, fontsize=9.5
    )


def whiskers(axes: Axes, rows: Sequence[Row], marked: str = "") -> None:
    """One line per row: a share with its 95 % interval, and a diamond where it should lie."""
    seen = [row for row in rows if np.isfinite(row.interval.value)]
    for place, row in enumerate(rows):
        if row in seen:
            value, low, high = row.interval
            axes.plot([low, high], [place, place], color=row.colour, linewidth=5, alpha=0.45)
            axes.plot(value, place, "o", color=row.colour, markersize=6, mec=INK, mew=0.6)
    marks = [row.mark for row in rows]
    if marked and np.isfinite(marks).any():
        axes.plot(marks, range(len(rows)), "D", color="none", mec=INK, markersize=7, label=marked)
    axes.set_yticks(range(len(rows)), [row.label for row in rows], fontsize=9.5)
    axes.tick_params(axis="y", colors=INK)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    most = float(np.nanmax([0.001, *(row.interval.high for row in seen), *marks]))
    axes.set_xlim(0, min(1.02, 1.08 * most))
    axes.grid(visible=False, axis="y")
    shares(axes.xaxis, most)


def outlines(axes: Axes, groups: Mapping[str, tuple[Floats, str]], bins: Floats) -> None:
    """Histograms over each other, each as shares of its own group; what lies outside is in the
    outermost bins."""
    for label, (values, colour) in groups.items():
        kept = np.clip(values[np.isfinite(values)], bins[0], bins[-1])
        counts = np.histogram(kept, bins)[0] / max(1, len(kept))
        axes.stairs(counts, bins, fill=True, color=colour, alpha=0.35)
        axes.stairs(counts, bins, color=colour, linewidth=1.5, label=f"{label} ({len(kept):,})")
    axes.set_xlim(bins[0], bins[-1])
    shares(axes.yaxis, 1)


def span(axes: Axes, first: float, last: float, label: str) -> None:
    """A stretch of time that is out of the ordinary, named above the panel."""
    axes.axvspan(first, last, color=QUIET, alpha=0.16, linewidth=0)
    above = axes.get_xaxis_transform()
    axes.text(
        (first + last) / 2, 1.02, label, ha="center", fontsize=8.5, color=QUIET, transform=above
    )


def moment(axes: Axes, at: float, label: str) -> None:
    """A point in time, named above the panel."""
    axes.axvline(at, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
    above = axes.get_xaxis_transform()
    axes.text(at, 1.02, label, ha="center", fontsize=8.5, color=QUIET, transform=above)
