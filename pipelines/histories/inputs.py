"""The tables that history queries read: goods items and outcomes with their keys and measures.

Measures are computed here by the very functions of `selectivity.histories.aggregates`, as whole
numbers; from there on an engine only adds them up.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.histories.sql import NUMBER_KEYS, TEXT_KEYS
from pipelines.stage.files import reading
from pipelines.stage.tables import arrow_table
from selectivity.columns import KINDS, Columns, Ints
from selectivity.histories.aggregates import MEASURED, MEASURES, derived
from selectivity.histories.derived_texts import DERIVED_TEXTS
from selectivity.histories.rows import A_DAY
from selectivity.inspection import FindingClass

AT_ONCE = 250_000
"""Rows that are held in memory together."""

_DERIVED_FROM = tuple(field for text in DERIVED_TEXTS.values() for field in text.fields)

READ = {
    name: KINDS[name]
    for name in dict.fromkeys(
        (
            "accepted_at",
            "item_no",
            "preference_code",
            *TEXT_KEYS,
            *_DERIVED_FROM,
            *NUMBER_KEYS,
            *MEASURED,
        )
    )
    if name not in DERIVED_TEXTS
}
"""Fields of a goods item that histories look at."""


@dataclass(frozen=True)
class Outcomes:
    """What controls concluded, one entry per inspected goods item and inspection.

    `rows` are positions in the items, `days` when it became known (days since 1970), `classes` the
    `FindingClass` found, `counts` 1, or -1 where an earlier conclusion is taken back. Shape (k,).
    """

    rows: Ints
    days: Ints
    classes: Ints
    counts: Ints


def items_table(columns: Columns) -> pa.Table:
    """Goods items in memory as histories read them."""
    return _with_measures(arrow_table(columns, READ), first_row=0)


def items_in_parts(file: Path) -> Iterator[pa.Table]:
    """Goods items of a Parquet file as histories read them, some at a time."""
    first_row = 0
    with reading(file), pq.ParquetFile(file) as parquet:
        there = [name for name in READ if name in parquet.schema_arrow.names]
        for batch in parquet.iter_batches(AT_ONCE, columns=there):
            yield _with_measures(pa.table(batch), first_row)
            first_row += batch.num_rows


def outcomes_table(outcomes: Outcomes) -> pa.Table:
    """Outcomes as histories read them; their keys are those of their goods items."""
    found = {
        "controlled": outcomes.counts,
        "documentary": outcomes.counts * (outcomes.classes == FindingClass.DOCUMENTARY),
        "physical": outcomes.counts * (outcomes.classes == FindingClass.PHYSICAL),
    }
    return pa.table({"row": outcomes.rows, "day": outcomes.days.astype(np.int32), **found})


def _with_measures(items: pa.Table, first_row: int) -> pa.Table:
    moments = items["accepted_at"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    days = np.floor_divide(moments, A_DAY)
    declared = {name: _floats(items, name) for name in (*MEASURED, "item_no")}
    declared["preference_code"] = _there(items, "preference_code")
    declared |= derived(declared)
    columns = {
        "row": np.arange(first_row, first_row + len(items)),
        "day": days.astype(np.int32),
        "moment": moments,
        **{name: _text(items, name) for name in TEXT_KEYS},
        **{name: _column(items, name, pa.float64()) for name in NUMBER_KEYS},
        **{name: compute(declared).astype(np.int64) for name, compute in MEASURES.items()},
    }
    return pa.table(columns)


def _text(items: pa.Table, name: str) -> pa.ChunkedArray | pa.Array:
    """A part of keys, as declared or as it follows from what is."""
    text = DERIVED_TEXTS.get(name)
    if text is None:
        return _column(items, name, pa.string())
    declared = [_column(items, field, pa.string()).to_pylist() for field in text.fields]
    return pa.array(map(text.of, *declared), pa.string(), size=len(items))


def _column(items: pa.Table, name: str, kind: pa.DataType) -> pa.ChunkedArray | pa.Array:
    return items[name].cast(kind) if name in items.column_names else pa.nulls(len(items), kind)


def _floats(items: pa.Table, name: str) -> "np.typing.NDArray[np.float64]":
    """Numbers with NaN for what is missing."""
    return np.asarray(_column(items, name, pa.float64()).to_numpy(), dtype=np.float64)


def _there(items: pa.Table, name: str) -> "np.typing.NDArray[np.float64]":
    """1 where there is a text, NaN elsewhere."""
    there = _column(items, name, pa.string()).is_valid().to_numpy(zero_copy_only=False)
    return np.where(there, 1.0, np.nan)
