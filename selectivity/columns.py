"""Declarations as columns: one row per goods item, header fields repeated on each of its rows.

The same columns are made from one declaration in the service and read from Parquet in training, so
that everything computed on them has one definition. Codes and texts are object arrays with None
for "not declared"; numbers, counts and yes/no are float64 with NaN; times are datetime64[us] in
UTC and dates datetime64[D], both with NaT.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from operator import attrgetter
from typing import Any, Literal, NamedTuple, cast, get_args

import numpy as np
import numpy.typing as npt

from selectivity.declaration import Declaration, Document, GoodsItem

Columns = Mapping[str, npt.NDArray[Any]]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Kind = Literal["text", "number", "integer", "boolean", "time", "date", "texts"]

_NESTED = {"items", "documents", "routing_countries"}


def _kind(annotation: Any) -> Kind:
    types = {annotation, *_leaves(annotation)}
    for type_, kind in (
        (bool, "boolean"),
        (int, "integer"),
        (float, "number"),
        (datetime, "time"),
        (date, "date"),
    ):
        if type_ in types:
            return cast(Kind, kind)
    return "time" if any("AwareDatetime" in str(leaf) for leaf in types) else "text"


def _leaves(annotation: Any) -> Iterator[Any]:
    for part in get_args(annotation):
        yield part
        yield from _leaves(part)


HEADER: Mapping[str, Kind] = {
    name: _kind(field.annotation)
    for name, field in Declaration.model_fields.items()
    if name not in _NESTED
} | {"routing_countries": "texts", "document_types": "texts"}
"""Fields of the declaration, by name."""

ITEM: Mapping[str, Kind] = {
    name: _kind(field.annotation) for name, field in GoodsItem.model_fields.items()
}
"""Fields of a goods item, by name."""

KINDS: Mapping[str, Kind] = {**HEADER, **ITEM}


def to_columns(declarations: Sequence[Declaration]) -> Columns:
    """One row per goods item, in the order given."""
    columns = _block(declarations, _NUMBERS, np.float64) | _block(declarations, _TEXTS, object)
    rows = [len(header.items) for header in declarations]
    for name, value_of in _HEADER_ONLY.items():
        values = [value_of(header) for header in declarations]
        columns[name] = _array(values, HEADER[name]).repeat(rows)
    return columns


def from_columns(columns: Columns) -> list[Declaration]:
    """The declarations behind the rows; rows of one declaration must stand together.

    The inverse of `to_columns`, but for the ids of documents, of which only the types are kept.
    """
    starts = first_rows(columns)
    return [
        _declaration(columns, int(start), int(stop))
        for start, stop in zip(starts, [*starts, len(columns["item_no"])][1:], strict=True)
    ]


def first_rows(columns: Columns) -> Ints:
    """Position of the first goods item of each declaration version."""
    ids, versions = columns["declaration_id"], columns["version_no"]
    if len(ids) == 0:
        return np.empty(0, dtype=np.int64)
    changes = (ids[1:] != ids[:-1]) | (versions[1:] != versions[:-1])
    return np.flatnonzero(np.concatenate([[True], changes]))


def take(columns: Columns, rows: npt.NDArray[Any]) -> Columns:
    """The same columns with only these rows (a mask or positions)."""
    return {name: values[rows] for name, values in columns.items()}


def day_of(times: npt.NDArray[Any]) -> Ints:
    """Days since 1970-01-01 in UTC; the grain at which history is known."""
    return times.astype("datetime64[D]").astype(np.int64)


class _Fields(NamedTuple):
    """Fields of header and goods items, and what gets the values of all of them at once."""

    names: tuple[str, ...]
    of_header: Callable[[Any], tuple[Any, ...]]
    of_item: Callable[[Any], tuple[Any, ...]]

    @classmethod
    def of(cls, *kinds: Kind) -> "_Fields":
        header = [name for name, kind in HEADER.items() if kind in kinds]
        item = [name for name, kind in ITEM.items() if kind in kinds]
        stored = ["lineage" if name == "lineage_id" else name for name in header]
        return cls((*header, *item), attrgetter(*stored), attrgetter(*item))


_NUMBERS = _Fields.of("number", "integer", "boolean")
_TEXTS = _Fields.of("text")
_HEADER_ONLY: Mapping[str, Callable[[Declaration], Any]] = {
    "accepted_at": lambda header: _utc(header.accepted_at),
    "lodged_at": lambda header: _utc(header.lodged_at),
    "importer_registered_on": lambda header: header.importer_registered_on,
    "routing_countries": lambda header: header.routing_countries,
    "document_types": lambda header: _types(header.documents),
}


def _block(
    declarations: Sequence[Declaration], fields: _Fields, dtype: Any
) -> dict[str, npt.NDArray[Any]]:
    """Many columns by way of one array: making one takes far longer than filling it."""
    rows = [
        (*front, *fields.of_item(item))
        for header in declarations
        for front in [fields.of_header(header)]
        for item in header.items
    ]
    array = np.empty((len(rows), len(fields.names)), dtype=dtype)
    if rows:
        array[:] = rows  # as a number, None becomes NaN
    return dict(zip(fields.names, np.ascontiguousarray(array.T), strict=True))


def _types(documents: Sequence[Document] | None) -> list[str] | None:
    return None if documents is None else [document.type for document in documents]


def _array(values: list[Any], kind: Kind) -> npt.NDArray[Any]:
    if kind in ("time", "date"):
        return np.array(values, dtype="datetime64[us]" if kind == "time" else "datetime64[D]")
    array = np.empty(len(values), dtype=object)
    array[:] = [None if value is None else list(value) for value in values]
    return array


def _utc(value: datetime | None) -> datetime | None:
    return None if value is None else value.astimezone(UTC).replace(tzinfo=None)


def _declaration(columns: Columns, start: int, stop: int) -> Declaration:
    header = {
        name: _value(columns[name][start], kind) for name, kind in HEADER.items() if name in columns
    }
    types = header.pop("document_types", None)
    if types is not None:
        header["documents"] = tuple({"type": type_} for type_ in types)
    if header.get("routing_countries") is not None:
        header["routing_countries"] = tuple(header["routing_countries"])
    items = tuple(
        _present(
            {
                name: _value(columns[name][row], kind)
                for name, kind in ITEM.items()
                if name in columns
            }
        )
        for row in range(start, stop)
    )
    return Declaration.model_validate({**_present(header), "items": items})


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _value(value: Any, kind: Kind) -> Any:
    if kind in ("text", "texts"):
        return value
    if kind in ("time", "date"):
        if np.isnat(value):
            return None
        plain = value.astype("datetime64[us]").item() if kind == "time" else value.item()
        return plain.replace(tzinfo=UTC) if kind == "time" else plain
    if np.isnan(value):
        return None
    return {"integer": int, "boolean": bool, "number": float}[kind](value)
