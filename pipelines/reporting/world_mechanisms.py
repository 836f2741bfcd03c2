"""World report: how goods are falsified, and which control finds what."""

import numpy as np
import pandas as pd

from pipelines.reporting.charts import ACCENT, INK
from pipelines.reporting.world_drawing import FALSE, drawing, legend, shares
from pipelines.reporting.world_facts import WorldFacts
from pipelines.reporting.world_page import Part, Picture, Table, percent

NAMES = {
    "DOCUMENT": "papers",
    "SCAN": "scan",
    "PARTIAL_PHYSICAL": "part of goods",
    "FULL_PHYSICAL": "all goods",
    "SAMPLE": "laboratory",
    "AUDIT": "audit",
}
"""Control types in the order of their depth."""

NO_BREAK = "\N{NO-BREAK SPACE}"


def mechanisms(facts: WorldFacts) -> Part:
    """How goods are falsified, what was written down, and which control finds what."""
    true = facts.items.loc[facts.items["violating"], "mechanism"].value_counts(normalize=True)
    fraud = facts.findings["intent"] == "FRAUD"
    written = facts.findings.loc[fraud, "mechanism"].value_counts(normalize=True)
    names = [str(name) for name, share in true.to_dict().items() if share > 0]
    both = pd.DataFrame({"true": true.reindex(names), "written": written.reindex(names)}).fillna(0)
    return Part(
        name="mechanisms",
        title="Does each control find what it is good at?",
        says=f"{int(fraud.sum()):,} findings of fraud are known, "
        f"{int((~fraud).sum()):,} findings of errors.",
        expect="Should be seen: undervaluation first, then classification; papers tell value and "
        "origin, the box tells quantity and what is hidden; each share a little below the chance "
        "of a diligent officer (in brackets). Wrong: shares above it, or one control for all.",
        picture=Picture(
            _bars(both),
            "Shares of true violations and of findings: "
            + "; ".join(
                f"{_words(name)} {percent(one, 0)}, {percent(other, 0)}"
                for name, one, other in zip(names, both["true"], both["written"], strict=True)
            ),
        ),
        tables=(_detection(facts, names),),
        wide=True,
    )


def _bars(both: pd.DataFrame) -> str:
    places = np.arange(len(both))
    with drawing("mechanisms", 0.9 + 0.4 * len(both)) as drawn:
        (axes,) = drawn.panels
        axes.barh(places - 0.19, both["true"], 0.36, color=FALSE, label="true violations")
        axes.barh(places + 0.19, both["written"], 0.36, color=ACCENT, label="findings")
        axes.set_yticks(places, [_words(name) for name in both.index.astype(str)])
        axes.tick_params(axis="y", colors=INK)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("share of false goods items; of findings of fraud", loc="right")
        shares(axes.xaxis, 1)
        legend(drawn)
    return drawn.svg


def _words(mechanism: str) -> str:
    return mechanism.lower().replace("_", " ").replace("ipr", "IPR")


def _detection(facts: WorldFacts, names: list[str]) -> Table:
    """Found of those that were looked at, by mechanism and control."""
    counted = facts.looked.groupby(["mechanism", "control_type"], observed=True)["found"]
    wanted = {
        str(mechanism): {str(kind): chance for kind, chance in by_kind.items()}
        for mechanism, by_kind in facts.settings.controls.detection.items()
    }
    cells = {}
    for pair, found in counted:
        mechanism, kind = map(str, pair)
        chance = wanted.get(mechanism, {}).get(kind, 0.0)
        of = f"of{NO_BREAK}{len(found):,}"
        cells[mechanism, kind] = f"{percent(float(found.mean()), 0)}{NO_BREAK}({chance:.0%}) {of}"
    return Table(
        "False goods items found, of those before the control (chance of a diligent officer). Of a "
        "scan: opened after it, by false alarms too",
        ("", *NAMES.values()),
        tuple((_words(name), *(cells.get((name, kind), "–") for kind in NAMES)) for name in names),
    )
