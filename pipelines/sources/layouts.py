"""The three ways a source may be laid out, each turned into the same tables.

- flat       one row per goods item, header fields repeated, a label perhaps on the same row;
- tables     declarations, goods_items, inspections and findings, with columns named as our fields;
- documents  nested declarations and inspections, one JSON text per line, as the service takes them.
"""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipelines.sources.assembly import (
    FINDING,
    INSPECTION,
    Family,
    build_declarations,
    build_inspections,
)
from pipelines.sources.documents import read_documents
from pipelines.sources.mappings import FieldSource, SourceMapping
from pipelines.sources.outcomes import label_inspections, read_labels
from pipelines.sources.reading import Raw, Watch
from pipelines.sources.sifting import Table, add_constant, need, read_table, set_repeats_aside
from pipelines.stage.tables import Kinds, columns_from_frame, frame_from_columns
from selectivity.columns import HEADER, ITEM, KINDS, Columns, Floats, Ints, to_columns
from selectivity.declaration import read_declaration
from selectivity.inspection import Inspection, Result, read_inspection
from selectivity.similar import closest

ANOTHER_ITEM = "; for another goods item write `item_no: {count_rows: true}` under fields"
_KEY = ("declaration_id", "version_no")


@dataclass(frozen=True)
class Canonical:
    """What a source holds, in our words."""

    items: Columns
    rows: Ints
    """For each goods item, the row of its table that it came from, over all files."""
    places: pd.DataFrame
    """For each goods item, `file` and `line`."""
    inspections: pd.DataFrame
    """Columns of INSPECTION, and `file` and `line`."""
    findings: pd.DataFrame
    quarantine: pd.DataFrame
    files: Mapping[str, "FileRows"]
    """What was read, by file."""
    found: int
    """Inspections that found something, or whose result cannot be read; also those set aside."""
    duplicates: int
    emptied: Mapping[str, int]
    """Cells per field that the mapping sets to missing rather than refuse."""
    misnamed: Sequence[str]
    """Columns that are not read, and are called nearly as a field that has none."""

    @property
    def rows_read(self) -> int:
        """Rows of all files."""
        return sum(rows for _, rows in self.files.values())


class FileRows(NamedTuple):
    """How many rows of which table a file holds."""

    table: str
    rows: int


def from_flat(raw: Raw, mapping: SourceMapping, *, labels: bool, watch: Watch) -> Canonical:
    """One table: the first row of a declaration speaks for its header."""
    table = read_table(raw, mapping.fields, KINDS, mapping)
    wrong = np.zeros(len(table), dtype=bool)
    if labels and mapping.labels is not None:
        wrong = read_labels(table, mapping, mapping.labels)
    _complete(table, mapping, KINDS)
    need(table, "declaration_id", "accepted_at")
    owner = _first_of_its_declaration(table)
    if _counts_rows(mapping):
        table.values["item_no"] = _counted(owner)
    counted = "item_no" in mapping.fields
    set_repeats_aside(table, *_KEY, "item_no", but="" if counted else ANOTHER_ITEM)
    _refuse_other_headers(table, owner)
    family = Family(table, table, owner, "items")
    found: list[tuple[int, Inspection]] = []
    if labels and mapping.labels is not None:
        found = label_inspections(family, mapping.labels, watch)
    declared = build_declarations(family, watch)
    parents = set(declared.parents.tolist())
    return _canonical(
        declared.items,
        declared.rows,
        [(parent, inspection) for parent, inspection in found if parent in parents],
        items=table,
        controls=table,
        tables={"rows": table},
        told=len(np.unique(owner[wrong & ~table.repeated])),
    )


def from_tables(raws: Mapping[str, Raw], mapping: SourceMapping, watch: Watch) -> Canonical:
    """Four tables, joined by the ids of declarations and inspections."""
    headers = _named_table(raws["declarations"], mapping, HEADER)
    items = _named_table(
        raws["goods_items"], mapping, {name: KINDS[name] for name in (*_KEY, *ITEM)}
    )
    for table in (headers, items):
        need(table, *_KEY)
    if _counts_rows(mapping):
        items.values["item_no"] = _counted(_first_of_its_declaration(items))
    set_repeats_aside(headers, *_KEY)
    set_repeats_aside(items, *_KEY, "item_no")
    owner = _parents_of(items, headers, *_KEY, reason="no declaration with this id and version")
    childless = headers.usable
    childless[owner[owner >= 0]] = False
    headers.refuse(np.flatnonzero(childless), "items", "a declaration without goods items")
    declared = build_declarations(Family(headers, items, owner, "items"), watch)
    controls = _named_table(raws["inspections"], mapping, INSPECTION)
    findings = _named_table(raws["findings"], mapping, FINDING)
    for table in (controls, findings):
        need(table, "inspection_id")
    set_repeats_aside(controls, "inspection_id")
    set_repeats_aside(findings, *findings.values)
    owner = _parents_of(findings, controls, "inspection_id", reason="no inspection with this id")
    found = build_inspections(Family(controls, findings, owner, "findings"), watch)
    return _canonical(
        declared.items,
        declared.rows,
        [(one.parent, one.model) for one in found],
        items=items,
        controls=controls,
        tables={
            "declarations": headers,
            "goods_items": items,
            "inspections": controls,
            "findings": findings,
        },
        told=_told(controls),
    )


def from_documents(files: Mapping[str, Sequence[Path]], watch: Watch) -> Canonical:
    """Nested texts: each line is a declaration or an inspection on its own."""
    declarations, declared = read_documents(
        files["declarations"],
        read_declaration,
        lambda declaration: (declaration.declaration_id, declaration.version_no),
        watch,
    )
    inspections, controlled = read_documents(
        files["inspections"], read_inspection, lambda inspection: inspection.inspection_id, watch
    )
    models = [declaration for _, declaration in declarations]
    rows = np.repeat(
        np.array([row for row, _ in declarations], dtype=np.int64),
        [len(declaration.items) for declaration in models],
    )
    return _canonical(
        to_columns(models),
        rows,
        inspections,
        items=declared,
        controls=controlled,
        tables={"declaration documents": declared, "inspection documents": controlled},
        told=_told(controlled),
    )


def _named_table(raw: Raw, mapping: SourceMapping, kinds: Kinds) -> Table:
    """Columns named as the mapping says or, as those of findings may be, as our fields."""
    there = set(raw.cells.columns)
    sources = {
        name: source
        if (source := mapping.fields.get(name)) and source.columns and {*source.columns} <= there
        else FieldSource(column=name)
        for name in kinds
    }
    present = {name: source for name, source in sources.items() if {*source.columns} <= there}
    table = read_table(raw, present, kinds, mapping)
    _complete(table, mapping, kinds)
    read = {column for source in present.values() for column in source.columns}
    absent = [name for name in sources if name not in present and name not in mapping.constants]
    nearly = {column: closest(column, absent) for column in sorted(there - read)}
    files = raw.places["file"].unique()[:1]
    table.misnamed = [
        f"column {column!r} of {file} is not read: is it {field!r}?"
        for file in files
        for column, field in nearly.items()
        if field is not None
    ]
    return table


def _complete(table: Table, mapping: SourceMapping, kinds: Kinds) -> None:
    """Adds constants, and the number 1 where a version or a goods item has none."""
    for name, text in mapping.constants.items():
        if name in kinds:
            add_constant(table, name, text, kinds[name], mapping)
    if "version_no" in kinds:
        versions = table.values.get("version_no", np.full(len(table), np.nan))
        table.values["version_no"] = np.where(np.isnan(versions), 1.0, versions)
    if "item_no" in kinds and "item_no" not in mapping.fields:
        table.values.setdefault("item_no", np.ones(len(table)))


def _counts_rows(mapping: SourceMapping) -> bool:
    return any(source.count_rows for source in mapping.fields.values())


def _keys(table: Table, *key: str) -> Iterator[tuple[Hashable, ...]]:
    return zip(*(table.values[name].tolist() for name in key), strict=True)


def _first_of_its_declaration(table: Table) -> Ints:
    """For each row the first row with the same declaration and version."""
    first: dict[Hashable, int] = {}
    rows = [first.setdefault(key, row) for row, key in enumerate(_keys(table, *_KEY))]
    return np.array(rows, dtype=np.int64)


def _counted(owner: Ints) -> Floats:
    """1, 2, 3 … within each declaration, in the order of the rows."""
    return np.asarray(pd.Series(owner).groupby(owner).cumcount() + 1, dtype=np.float64)


def _refuse_other_headers(table: Table, owner: Ints) -> None:
    """A declaration has one importer, one office, one date: rows that say otherwise are refused."""
    rows = np.flatnonzero(table.usable & (owner != np.arange(len(table))))
    for name in [name for name in HEADER if name in table.values and name not in _KEY]:
        here, first = table.values[name][rows], table.values[name][owner[rows]]
        differs = (here != first) & ~(pd.isna(here) & pd.isna(first))
        values = here[differs]
        table.refuse(rows[differs], name, "differs from the first row of the declaration", values)


def _parents_of(children: Table, parents: Table, *key: str, reason: str) -> Ints:
    """For each row of `children` its row of `parents`; those without one are refused."""
    position: dict[Hashable, int] = {}
    for row, named in enumerate(_keys(parents, *key)):
        position.setdefault(named, row)
    owner = np.array([position.get(named, -1) for named in _keys(children, *key)], dtype=np.int64)
    orphans = np.flatnonzero((owner < 0) & children.usable)
    children.refuse(orphans, key[0], reason, children.values[key[0]][orphans])
    return owner


def _told(controls: Table) -> int:
    """How many controls are not said to have found nothing, or nothing for certain."""
    results = controls.values.get("result", np.full(len(controls), None, dtype=object))
    other = np.isin(results.astype("str"), list(set(Result) - {Result.FINDING}))
    return int((~pd.isna(results) & ~other & ~controls.repeated).sum())


def _canonical(
    columns: Columns,
    rows: Ints,
    inspections: Sequence[tuple[int, Inspection]],
    *,
    items: Table,
    controls: Table,
    tables: Mapping[str, Table],
    told: int,
) -> Canonical:
    places = controls.raw.places.iloc[[row for row, _ in inspections]]
    found = [inspection for _, inspection in inspections]
    controlled = _frame([[getattr(one, name) for name in INSPECTION] for one in found], INSPECTION)
    findings = [
        [one.inspection_id, *(getattr(finding, name) for name in list(FINDING)[1:])]
        for one in found
        for finding in one.findings
    ]
    return Canonical(
        items=columns,
        rows=rows,
        places=items.raw.places.iloc[rows].reset_index(drop=True),
        inspections=controlled.join(places.reset_index(drop=True)),
        findings=_frame(findings, FINDING),
        quarantine=pd.concat([table.quarantine() for table in tables.values()], ignore_index=True),
        files={
            str(file): FileRows(name, int(rows))
            for name, table in tables.items()
            for file, rows in table.raw.places["file"].value_counts(sort=False).items()
        },
        found=told,
        duplicates=sum(table.duplicates for table in tables.values()),
        emptied=sum((table.emptied for table in tables.values()), Counter()),
        misnamed=[line for table in tables.values() for line in table.misnamed],
    )


def _frame(rows: list[list[object]], kinds: Kinds) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(kinds), dtype=object)
    return frame_from_columns(columns_from_frame(frame, kinds), kinds)
