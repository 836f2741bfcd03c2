"""World report: what traders make of being inspected."""

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from pipelines.reporting.charts import ACCENT, INK
from pipelines.reporting.world_drawing import FALSE, HONEST, ODD, drawing, legend, shares
from pipelines.reporting.world_facts import WorldFacts
from pipelines.reporting.world_page import Part, Picture, percent
from pipelines.reporting.world_trade import months

FOLLOWED = {"regular": HONEST, "opportunist": ODD, "evader": FALSE}


FEW = 4
"""Weeks with fewer than one in so many of the usual declarations have no mean worth showing."""


def learning(facts: WorldFacts) -> Part:
    """How closely traders feel watched, and what they do about it."""
    table, anew = facts.declared, _new_names(facts)
    false = table.loc[table["refiled"], "violating"]
    red = table["lane"].eq("RED").groupby(table["trader_kind"], observed=True).mean()
    refiled, amended = (float(table[name].mean()) for name in ("refiled", "amended"))
    return Part(
        name="learning",
        title="Do traders react to being inspected?",
        says=f"Names that traders took anew: {int(anew.sum())}; {percent(refiled, 2)} of "
        f"declarations are lodged anew, {percent(float(false.mean()) if len(false) else 0.0)} of "
        f"these false; {percent(amended, 2)} are amended.",
        expect="Should be seen: evaders and opportunists feel watched more than others and more "
        "than the red share; their lines rise towards the red share of their own declarations "
        f"(evaders {percent(float(red.get('evader', 0.0)))}), slowly where they declare little, "
        "because a red one is remembered for some declarations; now and then a new name, some "
        "weeks after the start. Wrong: lines far above that share, all the same, or no new names "
        "although many are caught.",
        picture=Picture(
            _two_panels(facts, anew),
            "Mean of how closely traders of three kinds feel watched, by week, and "
            f"{int(anew.sum())} new names by month.",
        ),
    )


def _two_panels(facts: WorldFacts, anew: "pd.Series[float]") -> str:
    table = facts.declared
    with drawing("learning", 4.6, (3, 2)) as drawn:
        first, second = drawn.panels
        for kind, colour in FOLLOWED.items():
            weekly = table[table["trader_kind"] == kind].groupby("week")["watched"]
            few = weekly.size() < weekly.size().median() / FEW  # of the week after the last
            felt = weekly.mean()[~few]
            first.plot(felt.index, felt, color=colour, linewidth=1.8, label=kind)
        red = float((table["lane"] == "RED").mean())
        first.axhline(red, color=INK, linewidth=0.9, linestyle=(0, (4, 3)), label="red, of all")
        months(first, facts)
        first.set_ylabel("feels watched (mean)")
        first.set_ylim(0, None)
        shares(first.yaxis, 1)
        second.bar(range(len(anew)), anew, color=ACCENT)
        named = [f"{month:%b %y}" for month in anew.index]
        step = max(1, round(len(anew) / 6))
        second.set_xticks(range(len(anew))[::step], named[::step])
        second.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        second.set_ylabel("new names")
        second.set_xlabel("month of the first declaration under it")
        legend(drawn, 4)
    return drawn.svg


def _new_names(facts: WorldFacts) -> "pd.Series[float]":
    """Names under which a trader declared for the first time, after another one, by month."""
    first = pd.Period(facts.settings.start, "M")
    last = pd.Period(facts.declared["accepted_at"].max(), "M")
    months_ = pd.period_range(first, last, freq="M")
    later = facts.renamed["accepted_at"].dt.to_period("M")
    counts = later.value_counts().reindex(months_, fill_value=0)
    return pd.Series(counts.to_numpy(np.float64), index=months_)
