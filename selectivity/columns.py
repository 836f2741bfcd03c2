"""Declarations as columns: one row per goods item, header fields repeated on each of its rows.

The same columns are made from one declaration in the service and read from Parquet in training, so
that everything computed on them has one definition. Codes and texts are object arrays with None
for "not declared"; numbers, counts and yes/no are float64 with NaN; times are datetime64[us] in
UTC and dates datetime64[D], both with NaT.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Literal, cast, get_args

import numpy as np
import numpy.typing as npt

from selectivity.declaration import Declaration, GoodsItem

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
    return dict(ColumnsOnDemand(declarations))


class ColumnsOnDemand(Mapping[str, npt.NDArray[Any]]):
    """What `to_columns` gives, each column made when it is first looked at.

    For one declaration on its way to a lane: features look at half of the columns, and making one
    takes longer than computing with it. It holds on to the declarations.
    """

    def __init__(self, declarations: Sequence[Declaration]) -> None:
        self._headers = [(header, len(header.items)) for header in declarations]
        self._items = [item for header in declarations for item in header.items]
        self._made: dict[str, npt.NDArray[Any]] = {}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = self._make(name)
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(KINDS)

    def __len__(self) -> int:
        return len(KINDS)

    def _make(self, name: str) -> npt.NDArray[Any]:
        if name in ITEM:
            return _array([getattr(item, name) for item in self._items], ITEM[name])
        values = []
        for header, rows in self._headers:
            values += [_header_value(header, name)] * rows
        return _array(values, HEADER[name])


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


def _header_value(header: Declaration, name: str) -> Any:
    if name == "document_types":
        return (
            None if header.documents is None else [document.type for document in header.documents]
        )
    if name == "lineage_id":
        return header.lineage
    return getattr(header, name)


def _array(values: list[Any], kind: Kind) -> npt.NDArray[Any]:
    if kind in ("number", "integer", "boolean"):
        return np.array(values, dtype=np.float64)  # None becomes NaN
    if kind == "time":
        return np.array([_utc(value) for value in values], dtype="datetime64[us]")
    if kind == "date":
        return np.array(values, dtype="datetime64[D]")
    array = np.empty(len(values), dtype=object)
    if kind == "texts":
        values = [None if value is None else list(value) for value in values]
    array[:] = values
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
