"""Builds declarations from their rows, and inspections from theirs, through the models themselves.

What `Declaration` and `Inspection` accept is acceptable; there is no second opinion here. Each
comes whole or not at all: with one goods item missing it would be another declaration.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from pipelines.sources.reading import Watch
from pipelines.sources.sifting import Table, python_values
from pipelines.stage.tables import Kinds
from selectivity.columns import HEADER, ITEM, Columns, Ints, to_columns
from selectivity.declaration import Declaration, Strict, form_asked_for
from selectivity.inspection import Inspection

INSPECTION: Kinds = {
    "inspection_id": "text",
    "declaration_id": "text",
    "control_type": "text",
    "triggered_by": "text",
    "propensity": "number",
    "result": "text",
    "observed_at": "time",
    "corrects": "text",
}
"""Columns of the inspections table, one row per control."""

FINDING: Kinds = {
    "inspection_id": "text",
    "item_no": "integer",
    "mechanism": "text",
    "additional_duty": "number",
    "currency": "text",
}
"""Columns of the findings table, one row per thing to correct."""

Model = TypeVar("Model", bound=Strict)
Record = dict[str, Any]

_AT_ONCE = 5_000
FELL_WITH_ANOTHER = "another row of the same declaration or inspection was refused"


@dataclass(frozen=True)
class Family:
    """A row and the rows that belong to it: a declaration and its items, a control and its finds.

    `owner` has, for each row of `children`, the row of `parents` it belongs to, or -1. Both may be
    the same table: then the first row of a declaration is the parent of all of them.
    """

    parents: Table
    children: Table
    owner: Ints
    name: str


@dataclass(frozen=True)
class Built(Generic[Model]):
    """A value that its model accepted, and the rows it was built from."""

    model: Model
    parent: int
    children: Ints


@dataclass(frozen=True)
class Declared:
    """Goods items of declarations that were accepted, and the rows they were built from."""

    items: Columns
    rows: Ints
    parents: Ints


def build_declarations(family: Family, watch: Watch) -> Declared:
    """Declarations from headers and goods items; what `Declaration` refuses is set aside."""
    fall_together(family)
    usable = family.children.usable & (family.owner >= 0)
    parents = np.unique(family.owner[usable])
    parts, children, accepted = [to_columns([])], [np.empty(0, dtype=np.int64)], list[int]()
    for built in _build(Declaration, family, parents, (HEADER, ITEM), watch):
        parts.append(to_columns([one.model for one in built]))
        children += [one.children for one in built]
        accepted += [one.parent for one in built]
    items = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Declared(items, np.concatenate(children), np.array(accepted, dtype=np.int64))


def build_inspections(family: Family, watch: Watch) -> list[Built[Inspection]]:
    """Inspections from controls and findings; what `Inspection` refuses is set aside."""
    fall_together(family)
    parents = np.flatnonzero(family.parents.usable)
    finding = {name: kind for name, kind in FINDING.items() if name != "inspection_id"}
    built = _build(Inspection, family, parents, (INSPECTION, finding), watch)
    return [one for some in built for one in some]


def fall_together(family: Family) -> None:
    """A refused row takes the rows of its family with it."""
    parents, children, owner = family.parents, family.children, family.owner
    owned = owner >= 0
    fallen = parents.refused.copy()
    fallen[owner[owned & children.refused]] = True
    orphaned = np.zeros(len(children), dtype=bool)
    orphaned[owned] = fallen[owner[owned]]
    children.refuse(np.flatnonzero(orphaned & children.usable), "", FELL_WITH_ANOTHER)
    parents.refuse(np.flatnonzero(fallen & parents.usable), "", FELL_WITH_ANOTHER)


def records_of(table: Table, rows: Ints, kinds: Kinds) -> list[Record]:
    """Rows as the dictionaries that models validate: fields that are missing are left out."""
    names = [name for name in kinds if name in table.values]
    lists = [python_values(table.values[name][rows], kinds[name]) for name in names]
    return [
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in (zip(*lists, strict=True) if lists else [() for _ in rows])
    ]


def validated(
    model: type[Model], records: Sequence[Record], watch: Watch
) -> tuple[list[Model | None], list[tuple[int, ErrorDetails]]]:
    """Each record as a model or None, and what is wrong with the latter, by position."""
    adapter = TypeAdapter(list[model])  # type: ignore[valid-type]
    models: list[Model | None] = []
    errors: list[tuple[int, ErrorDetails]] = []
    for start in range(0, len(records), _AT_ONCE):
        chunk = records[start : start + _AT_ONCE]
        try:
            models += adapter.validate_python(chunk)
        except ValidationError as error:
            found = _by_position(error)
            errors += [(start + position, detail) for position, detail in found]
            models += _without(chunk, {position for position, _ in found}, adapter)
        watch(f"Checking each {model.__name__.lower()}", len(chunk))
    return models, errors


def explained(error: ErrorDetails) -> str:
    """What pydantic found, without the words it puts before every sentence."""
    form = form_asked_for(error["msg"])
    return f"is not {form}" if form else error["msg"].removeprefix("Value error, ")


def _by_position(error: ValidationError) -> list[tuple[int, ErrorDetails]]:
    found = error.errors(include_url=False, include_context=False)
    return [(int(detail["loc"][0]), {**detail, "loc": detail["loc"][1:]}) for detail in found]


def _without(
    records: Sequence[Record], bad: set[int], adapter: TypeAdapter[Any]
) -> list[Model | None]:
    good = [record for position, record in enumerate(records) if position not in bad]
    accepted = iter(adapter.validate_python(good))
    return [None if position in bad else next(accepted) for position in range(len(records))]


def _build(
    model: type[Model], family: Family, parents: Ints, kinds: tuple[Kinds, Kinds], watch: Watch
) -> Iterator[list[Built[Model]]]:
    """Some thousand at a time, so that a year of declarations is never in memory as models."""
    children = _children_of(parents, family)
    for start in range(0, len(parents), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        records = _nested(family, parents[some], children[some], kinds)
        models, errors = validated(model, records, watch)
        _refuse(family, parents[some], children[some], errors)
        made = zip(models, parents[some].tolist(), children[some], strict=True)
        yield [Built(model, parent, rows) for model, parent, rows in made if model is not None]
    fall_together(family)


def _nested(
    family: Family, parents: Ints, children: Sequence[Ints], kinds: tuple[Kinds, Kinds]
) -> list[Record]:
    records = records_of(family.parents, parents, kinds[0])
    lines = iter(records_of(family.children, np.concatenate([*children]), kinds[1]))
    for record, rows in zip(records, children, strict=True):
        record[family.name] = tuple(islice(lines, len(rows)))
        if "document_types" in record:
            types = record.pop("document_types")
            record["documents"] = tuple({"type": type_} for type_ in types)
    return records


def _children_of(parents: Ints, family: Family) -> list[Ints]:
    rows = np.flatnonzero(family.children.usable & (family.owner >= 0))
    rows = rows[np.argsort(family.owner[rows], kind="stable")]
    owners = family.owner[rows]
    begins, ends = np.searchsorted(owners, parents), np.searchsorted(owners, parents, side="right")
    return [rows[begin:end] for begin, end in zip(begins, ends, strict=True)]


def _refuse(
    family: Family,
    parents: Ints,
    children: Sequence[Ints],
    errors: Sequence[tuple[int, ErrorDetails]],
) -> None:
    inside = {position for position, error in errors if len(error["loc"]) > 1}
    for position, error in errors:
        place = error["loc"]
        value = [error["input"]] if isinstance(error["input"], str | int | float) else []
        if len(place) > 1 and place[0] == family.name:
            row = int(children[position][int(place[1])])
            name = str(place[2]) if len(place) > 2 else family.name
            family.children.refuse([row], name, explained(error), value)
        elif place != (family.name,) or position not in inside:
            # Items that are all refused are reported as too few, too, which says nothing.
            name = str(place[0]) if place else ""
            family.parents.refuse([int(parents[position])], name, explained(error), value)
