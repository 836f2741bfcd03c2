"""Goods lines as numbers: how often goods declared alike stand in the rows that teach."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq

from pipelines.stage.files import reading
from pipelines.stage.tables import columns_from_frame
from selectivity.columns import KINDS, Columns, Floats
from selectivity.histories.keys import LINE_FIELDS, goods_line

Lines = npt.NDArray[np.uint64]

ALONE = 0
"""Number of goods that cannot be known again, because their code or mass is missing."""

_KINDS = {name: KINDS[name] for name in ("accepted_at", *LINE_FIELDS)}


def line_numbers(items: Columns) -> Lines:
    """A number per row, the same for the same goods line. Shape (n,).

    64 bits of a hash that never changes: two of ten million lines share one with a chance of
    three in a million, and then only a weight differs.
    """
    lines = goods_line(items)
    known = np.array([line is not None for line in lines], dtype=bool)
    numbers = np.full(len(lines), ALONE, dtype=np.uint64)
    numbers[known] = np.maximum(pd.util.hash_array(lines[known], categorize=False), ALONE + 1)
    return numbers


def line_weights(lines: Lines, exponent: float) -> Floats:
    """Weight of each row by how often its goods line stands in these rows: k ** -exponent."""
    _, inverse, counts = np.unique(lines, return_inverse=True, return_counts=True)
    weights: Floats = np.where(lines == ALONE, 1.0, counts[inverse]) ** -exponent
    return weights


def days_and_lines(items: Path) -> tuple[npt.NDArray[np.datetime64], Lines]:
    """When each goods item of a Parquet file was accepted, and its line; block by block."""
    with reading(items), pq.ParquetFile(items) as opened:
        names = [name for name in opened.schema_arrow.names if name in _KINDS]
        blocks = [
            _day_and_line(columns_from_frame(batch.to_pandas(date_as_object=False), _KINDS))
            for batch in opened.iter_batches(columns=names)
        ]
    days, lines = zip(*blocks, strict=True)
    return np.concatenate(days), np.concatenate(lines)


def _day_and_line(block: Columns) -> tuple[npt.NDArray[np.datetime64], Lines]:
    return block["accepted_at"].astype("datetime64[D]"), line_numbers(block)
