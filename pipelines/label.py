"""Turn inspections into outcomes of goods items. Who was not inspected gets no outcome at all.

Reads   data/interim/prepared/items.parquet       one row per goods item, in time order
        data/interim/ingested/inspections.parquet one row per inspection
        data/interim/ingested/findings.parquet    one row per finding
Writes  data/interim/labelled/outcomes.parquet    one row per inspected goods item and inspection
        data/interim/labelled/label.json          metrics: how many, of which class
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from pipelines.stage.command import command, say
from pipelines.stage.files import write_json
from pipelines.stage.options import (
    FindingsFile,
    InspectionsFile,
    ItemsFile,
    LabelledFolder,
    ParamsFile,
)
from pipelines.stage.params import section
from pipelines.stage.tables import read_columns, read_frame, write_frame
from pipelines.training.outcomes import UNKNOWN, known_classes
from selectivity.columns import Columns, first_rows
from selectivity.errors import NotEnoughDataError
from selectivity.inspection import Finding, FindingClass, Inspection, Result
from selectivity.labelling import NO_VERDICT, comes_too_early, item_outcomes, taken_back_at


class LabelParams(BaseModel):
    """Section `label` of params.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    highest_weight: float = Field(
        default=20.0,
        ge=1,
        le=1e6,
        description="Cap on 1/propensity, by which calibration and points table weigh a row.",
    )


def label(
    items: Columns, inspections: pd.DataFrame, findings: pd.DataFrame, params: LabelParams
) -> pd.DataFrame:
    """Outcomes, one per inspected goods item and inspection, ordered by when they became known.

    An inspection speaks on the newest version accepted before its result. One that was corrected
    speaks until then, and is taken back by rows of its own with `counts` -1. Pure.
    """
    read = list(read_inspections(inspections, findings))
    outcomes = {
        inspection.inspection_id: list(
            _outcomes(items, inspection, versions, params.highest_weight)
        )
        for inspection, versions in _with_versions(items, read)
    }
    rows = [outcome for of_one in outcomes.values() for outcome in of_one]
    table = pd.DataFrame([*rows, *_taken_back(read, outcomes)], columns=list(ItemOutcome._fields))
    table = table.astype(
        {"row": "int64", "finding_class": "int64", "weight": "float64", "counts": "int64"}
    )
    order = ["observed_at", "inspection_id", "row", "counts"]
    return table.sort_values(order, ascending=[True, True, True, False], ignore_index=True)


class ItemOutcome(NamedTuple):
    """What one inspection says of one goods item. `row` is its position in the items."""

    row: int
    inspection_id: str
    observed_at: pd.Timestamp
    finding_class: int
    additional_duty: float
    weight: float
    triggered_by: str | None
    propensity: float
    control_type: str
    counts: int = 1
    """-1 takes back, from `observed_at` on, what the inspection said before."""


def read_inspections(inspections: pd.DataFrame, findings: pd.DataFrame) -> Iterator[Inspection]:
    """Inspections with their findings, from the two tables that `ingest` writes."""
    found: dict[str, list[Finding]] = {}
    for row in findings.to_dict("records"):
        fields = {name: row[name] for name in ("item_no", "mechanism", "additional_duty")}
        found.setdefault(row["inspection_id"], []).append(Finding(**_present(fields)))
    for row in inspections.to_dict("records"):
        fields = {name: row[name] for name in row if name in Inspection.model_fields}
        fields["observed_at"] = row["observed_at"].to_pydatetime()
        yield Inspection(**_present(fields), findings=tuple(found.get(row["inspection_id"], ())))


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    present = {name: value for name, value in fields.items() if not pd.isna(value)}
    if "item_no" in present:
        present["item_no"] = int(present["item_no"])
    return present


def _taken_back(
    inspections: Sequence[Inspection], outcomes: Mapping[str, Sequence[ItemOutcome]]
) -> Iterator[ItemOutcome]:
    """Rows that take back a corrected inspection, once, and not before its own result.

    Only a control of the same declaration corrects, as in the service.
    """
    corrections: dict[tuple[str, str], list[Inspection]] = {}
    for inspection in inspections:
        if inspection.corrects is not None:
            about = (inspection.declaration_id, inspection.corrects)
            corrections.setdefault(about, []).append(inspection)
    for inspection in inspections:
        own = (inspection.declaration_id, inspection.inspection_id)
        moment = taken_back_at(inspection, corrections.get(own, ()))
        if moment is not None:
            for outcome in outcomes.get(inspection.inspection_id, ()):
                yield outcome._replace(observed_at=pd.Timestamp(moment), counts=-1)


def _with_versions(
    items: Columns, inspections: Sequence[Inspection]
) -> Iterator[tuple[Inspection, tuple[int, int]]]:
    """Each inspection with the rows of the version it speaks on; without one it is left out."""
    starts = first_rows(items)
    stops = [*starts[1:].tolist(), len(items["item_no"])]
    versions: dict[str, list[tuple[int, int]]] = {}
    for start, stop in zip(starts.tolist(), stops, strict=True):
        versions.setdefault(items["declaration_id"][start], []).append((start, stop))
    for inspection in inspections:
        observed = np.datetime64(inspection.observed_at.replace(tzinfo=None), "us")
        known = [
            rows
            for rows in versions.get(inspection.declaration_id, ())
            if not comes_too_early(observed, items["accepted_at"][rows[0]])
        ]
        if known:
            yield inspection, known[-1]


def _outcomes(
    items: Columns, inspection: Inspection, rows: tuple[int, int], highest_weight: float
) -> Iterator[ItemOutcome]:
    positions = {int(items["item_no"][row]): row for row in range(*rows)}
    duties = _duties(inspection, list(positions))
    chance = inspection.propensity
    for item_no, finding_class in item_outcomes(inspection, list(positions)).items():
        yield ItemOutcome(
            row=positions[item_no],
            inspection_id=inspection.inspection_id,
            observed_at=pd.Timestamp(inspection.observed_at),
            finding_class=int(finding_class),
            additional_duty=duties.get(item_no, 0.0),
            weight=1.0 if chance is None else min(1 / chance, highest_weight),
            triggered_by=inspection.triggered_by,
            propensity=np.nan if chance is None else chance,
            control_type=inspection.control_type,
        )


def _duties(inspection: Inspection, item_nos: list[int]) -> dict[int, float]:
    duties: dict[int, float] = {}
    for finding in inspection.findings:
        item_no = finding.item_no if finding.item_no is not None else item_nos[0]
        duties[item_no] = duties.get(item_no, 0.0) + (finding.additional_duty or 0.0)
    return duties


def unheard_of(inspections: pd.DataFrame, table: pd.DataFrame) -> int:
    """How many inspections came to a verdict, and there is no goods item that they speak on."""
    verdict = inspections["result"].isin([Result.FINDING, Result.NO_FINDING])
    verdict &= ~inspections["control_type"].isin(NO_VERDICT)
    return int((verdict & ~inspections["inspection_id"].isin(table["inspection_id"])).sum())


def main(
    params: ParamsFile,
    items: ItemsFile,
    inspections: InspectionsFile,
    findings: FindingsFile,
    out: LabelledFolder,
) -> None:
    """Turn inspections into outcomes of goods items."""
    settings = section(params, "label", LabelParams)
    columns, made = read_columns(items), read_frame(inspections)
    table = label(columns, made, read_frame(findings), settings)
    if table.empty:
        raise NotEnoughDataError(
            "No inspection speaks on any goods item, so there is nothing to learn from. "
            "Check the label columns of the source's mapping file, or that inspections name "
            "declarations that were accepted before their result, and goods items that these have."
        )
    unheard = unheard_of(made, table)
    write_frame(table, out / "outcomes.parquet")
    classes, _ = known_classes(table, len(columns["item_no"]))
    counts = {name.name.lower(): int((classes == name).sum()) for name in FindingClass}
    counts["not_inspected"] = int((classes == UNKNOWN).sum())
    taken_back = int((table["counts"] < 0).sum())
    metrics = {
        "items": counts,
        "outcomes": len(table) - taken_back,
        "taken_back": taken_back,
        "unheard": unheard,
    }
    write_json(out / "label.json", metrics)
    say(
        f"label: {len(classes) - counts['not_inspected']} of {len(classes)} goods items were "
        f"inspected, {counts['documentary']} documentary and {counts['physical']} physical findings"
    )
    if unheard:
        say(
            f"label: {unheard} of {len(made)} inspections came to a verdict and teach nothing: "
            "their declaration is not there, was accepted after the result, or has not the goods "
            "items that they name"
        )


if __name__ == "__main__":
    command(main)
