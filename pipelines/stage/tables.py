"""Where Parquet and pandas frames meet `selectivity.columns.Columns`, in both directions.

Frames come in every dress (pandas strings, pyarrow dates, integers without gaps); columns have one
dress per kind. Both hold one row per goods item, and both are complete: a field that a frame does
not have is missing on every row. Other tables (inspections, findings) pass through the same doors
with `kinds` of their own.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.stage.files import put_in_place, reading
from selectivity.columns import KINDS, Columns, Kind
from selectivity.errors import StageFileError

Kinds = Mapping[str, Kind]

KEY = ["declaration_id", "version_no"]
"""Columns that name a version of a declaration."""

_ARROW: Mapping[Kind, pa.DataType] = {
    "text": pa.string(),
    "texts": pa.list_(pa.string()),
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
}
_TEXTS = ("text", "texts")


def columns_from_frame(frame: pd.DataFrame, kinds: Kinds = KINDS) -> Columns:
    """The fields of `kinds` as numpy columns; other columns of the frame are left out.

    Texts become object arrays with None, numbers float64 with NaN, times datetime64[us] in UTC
    (a time without a zone is taken as UTC) and dates datetime64[D].
    """
    return {
        name: _array(frame[name], kind) if name in frame else all_missing(len(frame), kind)
        for name, kind in kinds.items()
    }


def frame_from_columns(columns: Columns, kinds: Kinds = KINDS) -> pd.DataFrame:
    """One row per goods item; times carry the UTC zone, texts stay objects with None."""
    names = [name for name in kinds if name in columns]
    return pd.DataFrame({name: _series(columns[name], kinds[name]) for name in names})


def read_columns(path: Path, kinds: Kinds = KINDS) -> Columns:
    """Goods items from a Parquet file."""
    with reading(path):
        return columns_from_frame(pq.read_table(path).to_pandas(date_as_object=False), kinds)


def read_frame(path: Path, names: Sequence[str] | None = None) -> pd.DataFrame:
    """The table that `write_frame` or `write_table` wrote, or these columns of it."""
    with reading(path):
        return pd.read_parquet(path, columns=None if names is None else list(names))


def count_rows(path: Path) -> int:
    """How many rows a Parquet file says it has."""
    with reading(path):
        return int(pq.read_metadata(path).num_rows)


def expect_rows(path: Path, found: int, items: int) -> None:
    """See that a table has a row for each goods item.

    Raises:
        StageFileError: it has more or fewer.
    """
    if found != items:
        raise StageFileError(path, f"it has {found} rows, and there are {items} goods items")


def columns_in_parts(path: Path, rows_at_once: int, kinds: Kinds = KINDS) -> Iterator[Columns]:
    """The columns of a table of goods items, this many rows at a time."""
    with reading(path), pq.ParquetFile(path) as file:
        for batch in file.iter_batches(rows_at_once):
            yield columns_from_frame(batch.to_pandas(date_as_object=False), kinds)


def write_columns(columns: Columns, path: Path, kinds: Kinds = KINDS) -> None:
    """Goods items into a Parquet file."""
    write_table(arrow_table(columns, kinds), path)


def arrow_table(columns: Columns, kinds: Kinds = KINDS) -> pa.Table:
    """Columns as an Arrow table with the fields of `kinds`."""
    return pa.table({name: _arrow(columns[name], kind) for name, kind in kinds.items()})


def write_table(table: pa.Table, path: Path) -> None:
    """Any table into a Parquet file, written beside it first: it is there whole or not at all."""
    with put_in_place(path) as beside:
        pq.write_table(table, beside, compression="zstd")


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """A frame into a Parquet file, with its types, in the same way."""
    with put_in_place(path) as beside:
        frame.to_parquet(beside)


def all_missing(rows: int, kind: Kind) -> npt.NDArray[Any]:
    """A column of which nothing is known."""
    if kind in _TEXTS:
        return np.full(rows, None, dtype=object)
    if kind in ("time", "date"):
        return np.full(rows, "NaT", dtype="datetime64[us]" if kind == "time" else "datetime64[D]")
    return np.full(rows, np.nan)


def _array(column: "pd.Series[Any]", kind: Kind) -> npt.NDArray[Any]:
    if kind in _TEXTS:
        return _objects(column, kind)
    if kind in ("time", "date"):
        times = pd.to_datetime(column, utc=True).dt.tz_localize(None)
        return times.to_numpy(dtype="datetime64[us]" if kind == "time" else "datetime64[D]")
    return pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan)


def _objects(column: "pd.Series[Any]", kind: Kind) -> npt.NDArray[Any]:
    missing = column.isna().to_numpy()
    array = column.to_numpy(dtype=object, copy=True)
    array[missing] = None
    if kind == "texts":
        array[~missing] = _each_a_list(array[~missing])
    elif pd.api.types.infer_dtype(array, skipna=True) not in ("string", "empty"):
        array[~missing] = [str(value) for value in array[~missing]]
    return array


def _each_a_list(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    lists = np.empty(len(values), dtype=object)
    lists[:] = [[str(text) for text in value] for value in values]
    return lists


def _series(values: npt.NDArray[Any], kind: Kind) -> "pd.Series[Any]":
    if kind in _TEXTS:
        return pd.Series(values, dtype=object)
    if kind == "time":
        return pd.Series(values.astype("datetime64[us]")).dt.tz_localize("UTC")
    if kind == "date":
        return pd.Series(values.astype("datetime64[s]"))
    return pd.Series(values.astype(np.float64))


def _arrow(values: npt.NDArray[Any], kind: Kind) -> pa.Array:
    if kind in _TEXTS:
        return pa.array(values.tolist(), type=_ARROW[kind])
    if kind in ("time", "date"):
        return pa.array(values).cast(_ARROW[kind])
    return pa.array(values, from_pandas=True).cast(_ARROW[kind])
