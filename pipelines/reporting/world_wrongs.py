"""World report: who breaks the law, when, how, and what it does to the declared figures."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd

from pipelines.reporting.charts import ACCENT, INK
from pipelines.reporting.world_drawing import (
    FALSE,
    HONEST,
    Row,
    drawing,
    legend,
    moment,
    outlines,
    shares,
    span,
    whiskers,
)
from pipelines.reporting.world_facts import WorldFacts
from pipelines.reporting.world_page import Part, Picture, percent
from pipelines.reporting.world_trade import months
from pipelines.simulator.world import KINDS, NEW_TRADER_DAYS
from selectivity.metrics import wilson

RIPE = 0.95
"""Share of results that have to be known for a week to be judged."""

VOLUMES = (0, 10, 50, 250, np.inf)


def per_week(facts: WorldFacts) -> Part:
    """What is true and what is found, week by week."""
    table, scheme = facts.declared, facts.settings.fraud.scheme
    running = scheme.from_week < facts.weeks and scheme.headings > 0 and scheme.factor != 1
    late = table["week"] >= scheme.from_week
    before, after = (float(table["violating"][rows].mean()) for rows in (~late, late))
    change = (
        f"Before the scheme {percent(before, 2)} of declarations are false, after it "
        f"{percent(after, 2)}."
        if running
        else f"Scheme: none in these weeks. {percent(float(table['violating'].mean()), 2)} of "
        "declarations are false."
    )
    caught = table["found"].sum() / max(1, table["violating"].sum())
    return Part(
        name="violations",
        title="How much is false each week, and how little of it is found?",
        says=f"{change} Controls before clearance find {percent(float(caught))} of the false ones.",
        expect="Should be seen: a level share within its noise, a step up where the scheme begins, "
        "and far less found than there is unless everything is inspected (marked open: results are "
        "still to come). Wrong: a trend nobody asked for, a step elsewhere, a peak of findings.",
        picture=Picture(
            _true_and_found(facts, scheme.from_week - 0.5 if running else None),
            f"True and found violating share per week. {change}",
        ),
    )


def _true_and_found(facts: WorldFacts, scheme_at: float | None) -> str:
    weekly = facts.declared.groupby("week")[["violating", "found"]]
    sums, of = weekly.sum().astype(float), facts.declared.groupby("week").size()
    low, high = np.array(
        [wilson(wrong, n)[1:] for wrong, n in zip(sums["violating"], of, strict=True)]
    ).T
    truly, found = sums["violating"] / of, sums["found"] / of
    with drawing("wrong-weeks", 3.1) as drawn:
        (axes,) = drawn.panels
        axes.fill_between(of.index, low, high, color=FALSE, alpha=0.18, linewidth=0)
        axes.plot(of.index, truly, color=FALSE, linewidth=1.8, label="truly violating, 95 %")
        axes.plot(of.index, found, color=ACCENT, linewidth=1.8, label="found at clearance")
        if scheme_at is not None:
            moment(axes, scheme_at, "scheme begins")
        if (ripe := ripe_until(facts.declared)) < facts.weeks:
            span(axes, ripe - 0.5, facts.weeks - 0.5, "open")
        months(axes, facts)
        axes.set_ylim(0, 1.08 * float(high[of.to_numpy() >= of.median() / 10].max()))
        axes.set_ylabel("share of declarations")
        shares(axes.yaxis, float(truly.max()))
        legend(drawn)
    return drawn.svg


def ripe_until(table: pd.DataFrame) -> int:
    """First of the last weeks for which many results are still to come."""
    known = table[table["lane"] != "GREEN"].groupby("week")["known"].mean()
    ripe = known.index[known > RIPE]
    return int(ripe.max()) + 1 if len(ripe) else 0


def groups(facts: WorldFacts) -> Part:
    """The violating share of different traders."""
    rows = list(_group_rows(facts))
    with drawing("groups", 0.7 + 0.29 * len(rows)) as drawn:
        (axes,) = drawn.panels
        whiskers(axes, rows)
        axes.set_xlabel("violating share of declarations, 95 % interval", loc="right")
    young, old = (row.interval.value for row in rows if row.label.startswith("registered"))
    return Part(
        name="traders",
        title="Who breaks the law?",
        says=f"Importers registered for less than a year: {percent(young, 2)} of declarations "
        f"false, others {percent(old, 2)}.",
        expect="Should be seen: evaders far above opportunists and new firms, priority enterprises "
        "near nothing, young above old, busy below rare (Nigeria: 1.6 % above 250 declarations, "
        "2.5 % for new ones), and overlap everywhere. Wrong: a visible fact that separates.",
        picture=Picture(
            drawn.svg,
            "Violating share with intervals: "
            + "; ".join(f"{row.label} {percent(row.interval.value, 2)}" for row in rows),
        ),
    )


def _group_rows(facts: WorldFacts) -> Iterator[Row]:
    table = facts.declared
    for kind in KINDS:
        yield _share_of(kind, table["violating"][table["trader_kind"] == kind], FALSE)
    known = table["age_days"].notna()
    young = table["age_days"] < NEW_TRADER_DAYS
    yield _share_of("registered < 1 year", table["violating"][known & young], ACCENT)
    yield _share_of("registered longer", table["violating"][known & ~young], ACCENT)
    volume = table["trader"].map(table["trader"].value_counts())
    for low, high in pairwise(VOLUMES):
        name = f"over {low:.0f}" if high == np.inf else f"{low + 1:.0f} to {high:.0f}"
        rows = (volume > low) & (volume <= high)
        yield _share_of(f"{name} declarations", table["violating"][rows], INK)


def _share_of(label: str, wrong: "pd.Series[bool]", colour: str) -> Row:
    return Row(label, wilson(float(wrong.sum()), len(wrong)), colour)


def prices(facts: WorldFacts) -> Part:
    """What falsified values and quantities look like from outside."""
    items = facts.items
    right = ~items["violating"] & items["honest_error"].isna()
    low = items["mechanism"] == "UNDERVALUATION"
    few = items["mechanism"] == "QUANTITY"
    with drawing("prices", 4.8, (1, 1)) as drawn:
        price, mass = drawn.panels
        honest = items["over_price"][right].to_numpy()
        outlines(
            price,
            {
                "as true": (honest, HONEST),
                "undervalued": (items["over_price"][low].to_numpy(), FALSE),
            },
            np.linspace(0, 2.5, 51),
        )
        price.set_xlabel("declared price a kilogram over the usual one of code and origin")
        pieces = {
            "as true": (items["over_mass"][right].to_numpy(), HONEST),
            "quantity too low": (items["over_mass"][few].to_numpy(), FALSE),
        }
        outlines(mass, pieces, np.linspace(0.5, 2.5, 51))
        mass.set_xlabel("declared weight a piece over the usual one of the code")
        for axes in drawn.panels:
            axes.set_ylabel("share of its group")
            axes.legend(fontsize=9, loc="upper right")
    usual = float(items["over_price"][low].median()), float(items["over_mass"][few].median())
    return Part(
        name="prices",
        title="Can a falsified value be told from an honest one?",
        says=f"Undervalued goods stand at {usual[0]:.2f} times the usual price, goods of which too "
        f"few are declared at {usual[1]:.2f} times the usual weight a piece (medians).",
        expect="Should be seen: false values around "
        f"{facts.settings.fraud.undervalued_to[0]:g} within a wide honest spread, heavier pieces "
        "where quantities are cut, with overlap. Wrong: two separate hills, or the same one.",
        picture=Picture(
            drawn.svg,
            f"Histograms of price and weight a piece over the usual, honest against false; medians "
            f"of the false ones {usual[0]:.2f} and {usual[1]:.2f}.",
        ),
    )
