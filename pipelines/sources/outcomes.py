"""What controls found, where a source tells it on the row of the goods item itself."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipelines.sources.assembly import (
    Family,
    Record,
    explained,
    fall_together,
    records_of,
    validated,
)
from pipelines.sources.cells import (
    Cells,
    missing_words,
    plain_text,
    read_cells,
    without_point_zero,
)
from pipelines.sources.mappings import FieldSource, Labels, SourceMapping
from pipelines.sources.reading import Watch
from pipelines.sources.sifting import Table, add_cells
from pipelines.stage.tables import Kinds
from selectivity.columns import Ints, Mask
from selectivity.declaration import LATEST
from selectivity.inspection import Inspection, Result

UNLABELLED, CLEAN = "UNLABELLED", "NONE"

_OUTCOME: Kinds = {
    "declaration_id": "text",
    "version_no": "integer",
    "accepted_at": "time",
    "item_no": "integer",
    "currency": "text",
    "label": "text",
    "additional_duty": "number",
    "observed_at": "time",
}


def read_labels(table: Table, mapping: SourceMapping, labels: Labels) -> Mask:
    """Adds label, additional_duty and observed_at to the rows; unknown labels refuse theirs.

    Returns:
        Rows with something to correct, or with a label that is not known.
    """
    cells = table.raw.cells
    told = _labels(cells[labels.column], mapping, labels)
    add_cells(table, "label", told, [labels.column])
    if labels.additional_duty is not None:
        amounts = FieldSource(**labels.additional_duty.model_dump())
        column = cells[labels.additional_duty.column]
        duties = read_cells(column, "additional_duty", "number", mapping, amounts)
        add_cells(table, "additional_duty", duties, amounts.columns)
    if labels.observed_at is not None:
        source = FieldSource(column=labels.observed_at)
        times = read_cells(cells[labels.observed_at], "observed_at", "time", mapping, source)
        add_cells(table, "observed_at", times, source.columns)
    return told.unreadable | ~np.isin(told.values.astype("str"), [UNLABELLED, CLEAN])


def label_inspections(family: Family, labels: Labels, watch: Watch) -> list[tuple[int, Inspection]]:
    """One inspection per declaration with a label, each with the row of its declaration.

    A declaration without a label gets none: nobody looked, so nothing is known.
    """
    fall_together(family)
    table = family.children
    rows = np.flatnonzero(table.usable)
    owners = family.owner[rows]
    records, parents = [], []
    lines = records_of(table, rows, _OUTCOME)
    for parent, of_one in _grouped(lines, owners):
        record = _record(of_one, labels)
        if record is not None:
            records.append(record)
            parents.append(parent)
    inspections, errors = validated(Inspection, records, watch)
    for position, error in errors:
        name = str(error["loc"][-1]) if error["loc"] else ""
        table.refuse([parents[position]], name, explained(error))
    made = zip(parents, inspections, strict=True)
    return [(parent, inspection) for parent, inspection in made if inspection is not None]


def _labels(column: "pd.Series[Any]", mapping: SourceMapping, labels: Labels) -> Cells:
    text = plain_text(column, missing_words("label", mapping))
    text = without_point_zero(text)
    meaning = {raw: str(label) for raw, label in labels.values.items()}
    values = text.map(meaning).to_numpy(dtype=object, copy=True)
    missing = text.isna().to_numpy()
    values[missing] = meaning.get("", UNLABELLED)
    unknown = pd.isna(values)
    values[unknown] = UNLABELLED
    return Cells(values, unknown, "not in labels.values of the mapping")


def _grouped(lines: Sequence[Record], owners: Ints) -> list[tuple[int, list[Record]]]:
    groups: dict[int, list[Record]] = {}
    for owner, line in zip(owners.tolist(), lines, strict=True):
        groups.setdefault(owner, []).append(line)
    return list(groups.items())


def _record(lines: list[Record], labels: Labels) -> Record | None:
    """The inspection of one declaration, or None when no item of it has a label."""
    looked_at = [line for line in lines if line["label"] != UNLABELLED]
    if not looked_at:
        return None
    first = lines[0]
    findings = tuple(_finding(line) for line in looked_at if line["label"] != CLEAN)
    record: Record = {
        "inspection_id": _inspection_id(first),
        "declaration_id": first["declaration_id"],
        "control_type": labels.control_type,
        "triggered_by": labels.triggered_by,
        "result": _result(whole=len(looked_at) == len(lines), found=bool(findings)),
        "findings": findings,
    }
    observed = [line["observed_at"] for line in looked_at if "observed_at" in line]
    if labels.label_delay_days is not None:
        delay = np.timedelta64(round(labels.label_delay_days * 86_400), "s").item()
        # A day behind LATEST is refused with its declaration; it must not stop us here.
        record["observed_at"] = min(first["accepted_at"], LATEST) + delay
    elif observed:
        record["observed_at"] = max(observed)
    return record


def _result(*, whole: bool, found: bool) -> Result:
    if found:
        return Result.FINDING
    return Result.NO_FINDING if whole else Result.INCONCLUSIVE  # part of it was never looked at


def _finding(line: Record) -> Record:
    finding = {"item_no": line.get("item_no"), "mechanism": line["label"]}
    if line.get("additional_duty") is not None:
        finding |= {"additional_duty": line["additional_duty"], "currency": line.get("currency")}
    return finding


def _inspection_id(line: Record) -> str:
    """The declaration's own id, since each version of it has one control at most."""
    version = line.get("version_no", 1)
    return line["declaration_id"] if version == 1 else f"{line['declaration_id']}/{version}"
