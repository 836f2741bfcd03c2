"""What the world report rests on: few columns of a world's folder, by declaration and by control.

Texts come as categories and goods items that nobody falsified are thinned out, so that ten million
goods items need little memory.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from pipelines.simulator.figures import CLEARANCE, read
from pipelines.simulator.schema import TABLES
from pipelines.simulator.settings import WorldSettings
from pipelines.simulator.store import KINDS, Folder
from selectivity.columns import Floats, Ints
from selectivity.labelling import GOODS_CONTROLS

FIRST = ds.field("version_no") == 1

HONEST_ITEMS = 300_000
"""So many goods items that are what they are said to be are enough for a picture of prices."""

ALIKE = 20
"""What is usual is known from so many goods items."""


@dataclass(frozen=True)
class WorldFacts:
    """A world as frames.

    `declared` has one row per declaration, its first version: whether it was `violating`, whether
    clearance `found` that, and whether any result is `known` if one is due; `items` the goods items
    that are false or wrong, and some of the others; `controls` one row per control, and `looked`
    one per control and false item it had before it. `at` is a row of `declared`.
    `renamed` has one row per further name of a trader, `accepted_at` when he declared under it
    for the first time.
    """

    settings: WorldSettings
    figures: Mapping[str, float]
    declared: pd.DataFrame
    items: pd.DataFrame
    controls: pd.DataFrame
    looked: pd.DataFrame
    findings: pd.DataFrame
    officers: pd.DataFrame
    renamed: pd.DataFrame
    units: pd.DataFrame
    missing: Mapping[str, float]

    @property
    def weeks(self) -> int:
        """Weeks in which anything was declared."""
        return int(self.declared["week"].max()) + 1


def read_world_facts(
    folder: Folder, settings: WorldSettings, figures: Mapping[str, float]
) -> WorldFacts:
    """Read a world, its truth too."""
    declared, items = _declared(folder), _items(folder)
    whole = items.groupby("at").agg(violating=("violating", "max"), risk=("certain", "sum"))
    declared["violating"] = whole["violating"].to_numpy(dtype=bool)
    declared["risk"] = -np.expm1(whole["risk"].to_numpy())
    controls, findings = _controls(folder, declared)
    cleared = controls["fraud"] & controls["stage"].isin(CLEARANCE)
    declared["found"] = declared.index.isin(controls.loc[cleared, "at"])
    declared["known"] = (declared["lane"] == "GREEN") | declared.index.isin(controls["at"])
    false = items.loc[items["violating"], ["at", "item_no", "mechanism"]]
    return WorldFacts(
        settings=settings,
        figures=figures,
        declared=declared,
        items=_priced(folder, items),
        controls=controls,
        looked=_looked(false, controls, findings),
        findings=findings,
        officers=columns(folder, "officers", ["officer_key", "office", "type", "broker"]),
        renamed=_renamed(folder, declared),
        units=columns(folder, "capacity_calendar", ["office", "lane", "units"]),
        missing={**missing_shares(folder, "declarations"), **missing_shares(folder, "goods_items")},
    )


def columns(folder: Folder, name: str, names: Sequence[str], rows: Any = None) -> pd.DataFrame:
    """Columns of a table over all months, times without zone; no rows where there is no table."""
    if not folder.place(name).is_dir():
        return pd.DataFrame({one: pd.Series(dtype="object") for one in names})
    frame = read(folder, name, names, rows)
    for one in names:
        if KINDS[name][one] == "time":
            frame[one] = frame[one].dt.tz_localize(None)
    return frame


def missing_shares(folder: Folder, name: str) -> dict[str, float]:
    """Share of rows on which each field is missing, as the files themselves count it."""
    counts: dict[str, int] = {}
    rows = 0
    for file in sorted(folder.place(name).rglob("*.parquet")):
        metadata = pq.ParquetFile(file).metadata
        rows += metadata.num_rows
        for group in range(metadata.num_row_groups):
            for place in range(metadata.num_columns):
                column = metadata.row_group(group).column(place)
                field = column.path_in_schema
                if column.statistics is not None:
                    counts[field] = counts.get(field, 0) + column.statistics.null_count
    return {field: count / rows for field, count in counts.items() if field in TABLES[name]}


def _declared(folder: Folder) -> pd.DataFrame:
    told = ["declaration_id", "lineage_id", "declaration_office", "direction", "declarant_id"]
    header = columns(folder, "declarations", [*told, "importer_registered_on"], FIRST)
    known = ["accepted_at", "trader", "trader_kind", "watched", "lane", "channel"]
    chances = [f"propensity_{lane}" for lane in ("green", "yellow", "red")]
    first = FIRST & (ds.field("item_no") == 1)
    table = pd.concat([header, columns(folder, "truth", [*known, *chances], first)], axis=1)
    day = table["accepted_at"].to_numpy("datetime64[D]")
    since = day - table["importer_registered_on"].to_numpy("datetime64[D]")
    table["age_days"] = since.astype("timedelta64[D]").astype(np.float64)
    table.loc[table["importer_registered_on"].isna(), "age_days"] = np.nan
    table["week"] = (day - day.min()).astype(np.int64) // 7
    table["refiled"] = table["lineage_id"] != table["declaration_id"]
    later = columns(folder, "declarations", ["declaration_id", "accepted_at"], ~FIRST)
    at = pd.Index(table["declaration_id"]).get_indexer(pd.Index(later["declaration_id"]))
    last = table["accepted_at"].to_numpy(copy=True)
    last[at] = later["accepted_at"].to_numpy()
    table["amended"], table["last_accepted_at"] = table.index.isin(at), last
    return table.drop(columns=["lineage_id", "importer_registered_on"])


def _renamed(folder: Folder, declared: pd.DataFrame) -> pd.DataFrame:
    """Registrations of traders after the first one they declared under: by truth, as their ids
    tell nothing."""
    who = columns(folder, "declarations", ["importer_id", "exporter_id"], FIRST).astype(object)
    name = who["importer_id"].where(declared["direction"] == "IMPORT", who["exporter_id"])
    told = pd.DataFrame(
        {"trader": declared["trader"], "name": name, "accepted_at": declared["accepted_at"]}
    )
    told = told.sort_values("accepted_at", kind="stable").drop_duplicates(["trader", "name"])
    return told[told.duplicated("trader")]


def _items(folder: Folder) -> pd.DataFrame:
    """Truth of the goods items of first versions, in the order of the tables."""
    names = ["item_no", "violating", "mechanism", "honest_error", "true_risk"]
    items = columns(folder, "truth", names, FIRST)
    items["item_no"] = items["item_no"].astype(np.int8)
    items["violating"] = items["violating"].astype(bool)
    items["at"] = (np.cumsum(items["item_no"].to_numpy() == 1) - 1).astype(np.int32)
    items["certain"] = np.log1p(-items.pop("true_risk").to_numpy(np.float64))
    return items


def _priced(folder: Folder, items: pd.DataFrame) -> pd.DataFrame:
    """Wrong items and some others: their price and their weight a unit, over what is usual."""
    wrong = (items["violating"] | items["honest_error"].notna()).to_numpy()
    honest = np.flatnonzero(~wrong)
    step = max(1, len(honest) // HONEST_ITEMS)
    rows = np.sort(np.concatenate([np.flatnonzero(wrong), honest[::step]]))
    chosen = items.iloc[rows].drop(columns="certain").reset_index(drop=True)
    said = ["hs_code", "country_of_origin", "customs_value", "net_mass_kg", "tariff_quantity"]
    for name in said:
        chosen[name] = columns(folder, "goods_items", [name], FIRST).iloc[rows].to_numpy().ravel()
    chosen["price"] = chosen["customs_value"] / chosen["net_mass_kg"]
    chosen["unit_mass"] = chosen["net_mass_kg"] / chosen["tariff_quantity"]
    usual = chosen[~wrong[rows]]
    by_price, by_mass = ["hs_code", "country_of_origin"], ["hs_code"]
    chosen["over_price"] = chosen["price"] / _usual(chosen, usual, by_price, "price")
    chosen["over_mass"] = chosen["unit_mass"] / _usual(chosen, usual, by_mass, "unit_mass")
    return chosen


def _usual(rows: pd.DataFrame, honest: pd.DataFrame, by: list[str], name: str) -> Floats:
    """Median of honest items that are alike in `by`; NaN where there are too few of them."""
    alike = honest.groupby(by, observed=True)[name].agg(["median", "size"])
    median = alike["median"].where(alike["size"] >= ALIKE).rename("usual").reset_index()
    usual: Floats = rows[by].merge(median, on=by, how="left")["usual"].to_numpy(np.float64)
    return usual


def _controls(folder: Folder, declared: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Controls, with the row of their declaration; findings, with the row of their control."""
    names = ["inspection_id", "declaration_id", "stage", "control_type", "triggered_by", "result"]
    names += ["assigned_officer_key", "assignment_mode", "started_at", "finished_at", "observed_at"]
    controls = columns(folder, "inspections", names)
    ids = pd.Index(declared["declaration_id"])
    controls["at"] = ids.get_indexer(pd.Index(controls.pop("declaration_id")))
    found = columns(folder, "findings", ["inspection_id", "item_no", "mechanism", "intent"])
    found["control"] = _rows(controls["inspection_id"], found["inspection_id"])
    fraud = found.loc[found["intent"] == "FRAUD", "control"]
    controls["fraud"] = controls.index.isin(fraud)
    controls["wrong"] = controls["result"] == "FINDING"
    controls["settled"] = controls["result"].isin(["FINDING", "NO_FINDING"])
    return controls, found


def _rows(ids: "pd.Series[Any]", wanted: "pd.Series[Any]") -> Ints:
    rows: Ints = pd.Index(ids).get_indexer(pd.Index(wanted)).astype(np.int64)
    return rows


def _looked(false: pd.DataFrame, controls: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """False items that lay before a control that came to an end, and whether it found them; of a
    scan whether the goods were opened after it."""
    ended = controls.loc[controls["settled"], ["at", "control_type", "stage"]]
    pairs = ended.rename_axis("control").reset_index().merge(false, on="at")
    fraud = findings.loc[findings["intent"] == "FRAUD", ["control", "item_no"]].drop_duplicates()
    found = pairs.merge(fraud, on=["control", "item_no"], how="left", indicator="both")
    opened = controls.loc[controls["control_type"].isin(GOODS_CONTROLS), "at"]
    scan = (pairs["control_type"] == "SCAN").to_numpy()
    pairs["found"] = np.where(scan, pairs["at"].isin(opened), found["both"] == "both")
    return pairs
