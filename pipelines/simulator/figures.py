"""What a world came to: the figures by which a person, and a preset's `must_hit`, judge it.

Reads a world's folder, truth and all, in few columns and as numbers: ten million goods items fit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.dataset as ds

from pipelines.simulator.store import KINDS, Folder, read_table
from pipelines.stage.areas import auroc
from selectivity.errors import ParamsError
from selectivity.lanes import LANES, Channel

DISTINCT = ("declaration_id", "lineage_id", "inspection_id")
"""Texts that hardly repeat: as categories they would only grow."""

CLEARANCE = ("PRE_CLEARANCE", "SCAN", "LAB")


@dataclass(frozen=True)
class Declarations:
    """One row per first version of a declaration, in order of acceptance.

    `table` has week, lane, channel, violating, risk (of the declaration), office, direction, and
    the chances `green`, `yellow`, `red`.
    """

    table: pd.DataFrame
    items: int


def read(
    folder: Folder, name: str, columns: Sequence[str], rows: ds.Expression | None = None
) -> pd.DataFrame:
    """Some columns of a table of all months, some rows of it; texts that repeat as categories."""
    kinds = KINDS[name]
    texts = [one for one in columns if kinds[one] == "text" and one not in DISTINCT]
    found = read_table(folder.place(name), columns, dictionaries=texts, rows=rows)
    frame: pd.DataFrame = found.to_pandas(date_as_object=False, split_blocks=True)
    return frame


def read_declarations(folder: Folder) -> Declarations:
    """The truth of a world, by declaration."""
    items = read(folder, "truth", ("item_no", "violating", "true_risk"))
    starts = np.flatnonzero(items["item_no"].to_numpy() == 1)
    wrong = np.maximum.reduceat(items["violating"].to_numpy(np.float64), starts) > 0
    certain = np.add.reduceat(np.log1p(-items["true_risk"].to_numpy(np.float64)), starts)
    count = len(items)
    del items
    table = read(
        folder,
        "truth",
        (
            *("declaration_id", "version_no", "accepted_at", "lane", "channel"),
            *("propensity_green", "propensity_yellow", "propensity_red"),
        ),
        ds.field("item_no") == 1,
    )
    header = read(folder, "declarations", ("declaration_office", "direction"))
    if len(header) != len(table):
        raise ParamsError(
            f"The world in {folder.tables.parent} has {len(header)} declarations and the truth of "
            f"{len(table)}: some of its files are missing. Make it again."
        )
    table = table.assign(
        violating=wrong,
        risk=-np.expm1(certain),
        office=header["declaration_office"],
        direction=header["direction"],
    )
    day = table["accepted_at"].to_numpy("datetime64[D]").astype(np.int64)
    table["week"] = (day - day.min()) // 7
    table = table.rename(columns={f"propensity_{lane.lower()}": lane.lower() for lane in LANES})
    return Declarations(table[table["version_no"] == 1].reset_index(drop=True), count)


def read_controls(folder: Folder) -> pd.DataFrame:
    """One row per control: stage, control_type, triggered_by, result, and what it found.

    `fraud` is whether a violation was found, `wrong` whether anything was, honest errors too.
    """
    controls = read(
        folder,
        "inspections",
        (
            *("inspection_id", "declaration_id", "stage", "control_type", "triggered_by"),
            *("result", "assigned_officer_key", "assignment_mode", "started_at", "finished_at"),
            "propensity",
        ),
    )
    findings = read(folder, "findings", ["inspection_id", "intent"])
    fraud = set(findings["inspection_id"][findings["intent"] == "FRAUD"])
    controls["fraud"] = controls["inspection_id"].isin(fraud)
    controls["wrong"] = controls["result"] == "FINDING"
    return controls


def figures(folder: Folder, *, scheme_from_week: int) -> dict[str, float]:
    """Every figure that needs no model. Shares are of first versions of declarations.

    A hit rate counts violations found in any control before clearance, laboratory included, over
    the declarations of the lane; honest errors do not count, and controls that came to nothing or
    have not answered yet count as controls without a finding.
    """
    declared, controls = read_declarations(folder), read_controls(folder)
    table = declared.table
    shares = {f"{lane.lower()}_share": float((table["lane"] == lane).mean()) for lane in LANES}
    late = table["week"] >= scheme_from_week
    found = {
        "declarations": float(len(table)),
        "goods_items": float(declared.items),
        "violating_share": float(table["violating"].mean()),
        "violating_share_before_scheme": _mean(table["violating"][~late]),
        "violating_share_after_scheme": _mean(table["violating"][late]),
        **shares,
        "violations_in_green": _mean(table["lane"][table["violating"]] == "GREEN"),
        "auroc_of_true_risk": auroc(table["violating"], table["risk"]),
        "export_share": float((table["direction"] == "EXPORT").mean()),
        "mandatory_in_yellow": _mean(
            table["channel"][table["lane"] == "YELLOW"] == str(Channel.MANDATORY)
        ),
        "mandatory_in_red": _mean(
            table["channel"][table["lane"] == "RED"] == str(Channel.MANDATORY)
        ),
        "officer_share": float((table["channel"] == str(Channel.OFFICER)).mean()),
    }
    return found | _of_controls(table, controls)


def _of_controls(table: pd.DataFrame, controls: pd.DataFrame) -> dict[str, float]:
    cleared = controls[controls["stage"].isin(CLEARANCE)]
    hit = table["declaration_id"].isin(set(cleared["declaration_id"][cleared["fraud"]]))
    red, officer = table["lane"] == "RED", table["channel"] == str(Channel.OFFICER)
    audits = controls[controls["stage"] == "POST_CLEARANCE"]
    had_control = audits["declaration_id"].isin(set(cleared["declaration_id"]))
    settled = cleared[
        (cleared["control_type"] != "SCAN") & cleared["result"].isin(["FINDING", "NO_FINDING"])
    ]
    return {
        "hit_rate_red": _mean(hit[red]),
        "hit_rate_yellow": _mean(hit[table["lane"] == "YELLOW"]),
        "hit_rate_controlled": _mean(hit[table["lane"] != "GREEN"]),
        "hit_rate_officer": _mean(hit[red & officer]),
        "found_share": float(settled.groupby("declaration_id", observed=True)["wrong"].max().mean())
        if len(settled)
        else float("nan"),
        "controls": float(len(controls)),
        "audits": float(len(audits)),
        "audit_found_share_controlled": _mean(audits["wrong"][had_control]),
    }


class Judged(NamedTuple):
    """A figure that a preset wants between two others; NaN where it was not computed."""

    name: str
    got: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """`ok`, `MISSED` or `not computed`."""
        if np.isnan(self.got):
            return "not computed"
        return "ok" if self.low <= self.got <= self.high else "MISSED"


def judged(found: Mapping[str, float], wanted: Mapping[str, tuple[float, float]]) -> list[Judged]:
    """Every figure that is wanted, with what it came to."""
    return [Judged(name, found.get(name, np.nan), *span) for name, span in wanted.items()]


def missed(found: Mapping[str, float], wanted: Mapping[str, tuple[float, float]]) -> list[str]:
    """A line per figure that was computed and is not where the preset wants it."""
    return [
        f"{each.name} is {each.got:.4f} and should be {each.low:g} to {each.high:g}"
        for each in judged(found, wanted)
        if each.verdict == "MISSED"
    ]


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
