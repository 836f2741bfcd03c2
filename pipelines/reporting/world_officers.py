"""World report: what officers do, and whether one can see which of them look away."""

import numpy as np
import pandas as pd

from pipelines.reporting.charts import INK
from pipelines.reporting.world_drawing import FALSE, HONEST, ODD, drawing, legend, shares
from pipelines.reporting.world_facts import WorldFacts
from pipelines.reporting.world_page import Part, Picture, Table, percent
from pipelines.simulator.world import OFFICER_TYPES

TYPE_COLOURS = dict(zip(OFFICER_TYPES, (HONEST, ODD, FALSE), strict=True))
TYPE_MARKERS = dict(zip(OFFICER_TYPES, "osD", strict=True))
WORKED = ("DOCUMENT", "PARTIAL_PHYSICAL", "FULL_PHYSICAL")
ENOUGH = 20
"""Controls that an officer has to have made to be in the picture."""


def officers(facts: WorldFacts) -> Part:
    """What officers find, how long they take, and who is given work by hand."""
    pairs = _pairs(facts)
    bad = int((facts.officers["type"] == "colluding").sum())
    sure = float(pairs["colluding"].sum() / max(1, pairs["count"].sum()))
    by_hand = float((facts.controls["assignment_mode"] == "MANUAL").mean())
    return Part(
        name="officers",
        title="Can one see which officers look away?",
        says=f"{bad or 'None'} of {len(facts.officers)} officers collude. {percent(by_hand, 2)} of "
        f"controls are assigned by hand, {percent(sure, 0)} of these to colluding officers.",
        expect="Should be seen: colluding officers a little faster, lax ones finding less, both "
        "within the crowd; work given by hand sits in few pairs, and not in colluding ones alone. "
        "Wrong: a column that gives them away for certain, or no trace of them at all.",
        picture=Picture(
            _crowd(_each_officer(facts)),
            "Officers by relative minutes of work and share of controls with a finding; "
            f"{bad} colluding ones are marked.",
        ),
        tables=(_pairs_table(facts, pairs),),
        warning="Work given by hand gives colluding officers away: nobody else ever gets any."
        if sure == 1 and bad < len(facts.officers)
        else None,
    )


def _crowd(each: pd.DataFrame) -> str:
    with drawing("officers", 3.4) as drawn:
        (axes,) = drawn.panels
        for kind in OFFICER_TYPES:
            some = each[each["type"] == kind]
            axes.plot(
                some["minutes"],
                some["found"],
                TYPE_MARKERS[kind],
                color=TYPE_COLOURS[kind],
                mec=INK,
                mew=0.4,
                markersize=5 if kind == "diligent" else 7,
                alpha=0.8,
                label=f"{kind} ({len(some)})",
            )
        axes.set_xlabel("minutes of work a control, over the planned ones (mean)", loc="right")
        axes.set_ylabel("controls that found something")
        shares(axes.yaxis, float(each["found"].max()) if len(each) else 1)
        legend(drawn, 3)
    return drawn.svg


def _each_officer(facts: WorldFacts) -> pd.DataFrame:
    """Mean relative work and share of findings of each officer with some controls."""
    plan = facts.settings.capacity.minutes
    worked = facts.controls[facts.controls["control_type"].isin(WORKED) & facts.controls["settled"]]
    spent = worked["finished_at"].to_numpy() - worked["started_at"].to_numpy()
    papers = worked["control_type"] == "DOCUMENT"
    relative = spent / np.timedelta64(1, "m") / np.where(papers, plan.DOCUMENT, plan.GOODS)
    table = pd.DataFrame(
        {
            "officer_key": worked["assigned_officer_key"].astype(str),
            "minutes": relative,
            "found": worked["wrong"].astype(float),
        }
    )
    each = table.groupby("officer_key").agg({"minutes": "mean", "found": ["mean", "size"]})
    each.columns = pd.Index(["minutes", "found", "count"])
    types = facts.officers.astype(str).set_index("officer_key")["type"]
    return each[each["count"] >= ENOUGH].join(types)


def _pairs(facts: WorldFacts) -> pd.DataFrame:
    """Pairs of officer and declarant with work given by hand, most of it first."""
    hand = facts.controls[facts.controls["assignment_mode"] == "MANUAL"]
    declarant = facts.declared["declarant_id"].astype(str).to_numpy()[hand["at"]]
    counted = (
        hand["assigned_officer_key"]
        .astype(str)
        .groupby([hand["assigned_officer_key"].astype(str).to_numpy(), declarant])
    )
    pairs = counted.size().sort_values(ascending=False).rename("count").reset_index()
    pairs.columns = pd.Index(["officer", "declarant", "count"])
    bad = facts.officers.loc[facts.officers["type"] == "colluding", "officer_key"].astype(str)
    pairs["colluding"] = pairs["count"] * pairs["officer"].isin(set(bad))
    return pairs


def _pairs_table(facts: WorldFacts, pairs: pd.DataFrame) -> Table:
    types = facts.officers.astype(str).set_index("officer_key")["type"].to_dict()
    total = max(1, int(pairs["count"].sum()))
    first = zip(*(pairs[name].head(5) for name in ("officer", "declarant", "count")), strict=True)
    rows = tuple(
        (f"{officer}, {declarant}", types[officer], f"{count:,}", percent(count / total))
        for officer, declarant, count in first
    )
    return Table(
        f"Work given by hand: the first of {len(pairs)} pairs" if rows else "Work by hand: none",
        ("officer, declarant", "officer is", "controls", "share"),
        rows,
    )
