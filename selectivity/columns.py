"""Declarations as columns: one row per goods item, header fields repeated on each of its rows.

The same columns are made from one declaration in the service and read from Parquet in training, so
that everything computed on them has one definition. Codes and texts are object arrays with None
for "not declared"; numbers, counts and yes/no are float64 with NaN; times are datetime64[us] in
UTC and dates datetime64[D], both with NaT.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import pairwise
from math import isnan
from operator import attrgetter
from typing import Any, Literal, NamedTuple, cast, get_args

import numpy as np
import numpy.typing as npt

from selectivity.declaration import Declaration, Document, GoodsItem

Columns = Mapping[str, npt.NDArray[Any]]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Kind = Literal["text", "number", "integer", "boolean", "time", "date", "texts"]

_AT_ONCE = 1_000
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
    return list(each_declaration(columns))


def each_declaration(columns: Columns) -> Iterator[Declaration]:
    """What `from_columns` gives, one after the other: millions never stand in memory together."""
    starts = [*first_rows(columns).tolist(), len(columns["item_no"])]
    for at in range(0, len(starts) - 1, _AT_ONCE):
        some = starts[at : at + _AT_ONCE + 1]
        yield from _declarations(
            {name: values[some[0] : some[-1]] for name, values in columns.items()}
        )


def _declarations(columns: Columns) -> Iterator[Declaration]:
    starts = first_rows(columns)
    items = _records(columns, ITEM)
    headers = _records({name: columns[name][starts] for name in columns.keys() & HEADER}, HEADER)
    for header, (start, stop) in zip(
        headers, pairwise([*starts.tolist(), len(items)]), strict=True
    ):
        if "document_types" in header:
            types = header.pop("document_types")
            header["documents"] = tuple({"type": type_} for type_ in types)
        yield Declaration.model_validate({**header, "items": tuple(items[start:stop])})


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


def in_time_order(items: Columns) -> Columns:
    """Rows by acceptance; those of one declaration version stand together."""
    return take(items, time_order(items))


def time_order(items: Columns) -> Ints:
    """Positions of the rows in the order of `in_time_order`."""
    keys = (items["item_no"], items["version_no"], items["declaration_id"].astype(str))
    return np.lexsort((*keys, items["accepted_at"]))


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
    """Many columns, cut out of one array: making an array takes far longer than filling it."""
    values: list[Any] = []
    for header in declarations:
        front = fields.of_header(header)
        for item in header.items:
            values += front
            values += fields.of_item(item)
    rows = np.array(values, dtype=dtype).reshape(-1, len(fields.names))  # as number, None is NaN
    return dict(zip(fields.names, np.ascontiguousarray(rows.T), strict=True))


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


def _records(columns: Columns, fields: Mapping[str, Kind]) -> list[dict[str, Any]]:
    """One record per row with what was declared of these fields."""
    known = [name for name in fields if name in columns]
    rows = zip(*(_plain(columns[name], fields[name]) for name in known), strict=True)
    return [
        {name: value for name, value in zip(known, row, strict=True) if value is not None}
        for row in rows
    ]


def _plain(values: npt.NDArray[Any], kind: Kind) -> list[Any]:
    """Plain values as a declaration has them, with None for what is missing."""
    if kind in ("time", "date"):
        plain = values.astype("datetime64[us]" if kind == "time" else values.dtype).tolist()
        return [time and time.replace(tzinfo=UTC) for time in plain] if kind == "time" else plain
    if kind in ("text", "texts"):
        return [tuple(value) if isinstance(value, list) else value for value in values.tolist()]
    of_kind = {"integer": int, "boolean": bool, "number": float}[kind]
    return [None if isnan(value) else of_kind(value) for value in values.tolist()]
