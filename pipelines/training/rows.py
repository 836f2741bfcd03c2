"""Rows of the feature table as LightGBM takes them: block by block, whatever the table's size.

A matrix in memory and a Parquet file are read in the same way, so that ten rows and ten million go
through one code. LightGBM keeps a byte a number; the numbers themselves are never all in memory.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from pipelines.stage.files import reading
from pipelines.stage.tables import count_rows, expect_rows, read_frame
from selectivity.columns import Floats, Mask
from selectivity.features.matrix import FEATURE_NAMES, forget_lines

BLOCK = 65_536
"""Rows read at once."""

Numbers = npt.NDArray[np.floating[Any]]
"""LightGBM rounds answers and weights to float32; whoever has millions of them does so before."""

Whole = npt.NDArray[np.integer[Any]]
"""Whole numbers in as few bytes as they need."""

Read = Callable[[Whole], Floats]
"""Gives the rows at rising positions."""


def read_features(file: Path, rows: int) -> Floats:
    """All rows of the feature table that `featurize` wrote, of so many goods items, in memory."""
    with reading(file):
        matrix: Floats = read_frame(file, FEATURE_NAMES)[list(FEATURE_NAMES)].to_numpy(np.float64)
    expect_rows(file, len(matrix), rows)
    return matrix


class Rows(lgb.Sequence):
    """Some rows of a table, in rising order of position."""

    batch_size = BLOCK

    def __init__(self, read: Read, positions: Whole) -> None:
        self._read, self._positions = read, positions.astype(np.int32, copy=False)
        self._block, self._held = -1, np.empty((0, 0))

    @classmethod
    def of(cls, matrix: Floats) -> "Rows":
        """All rows of a matrix."""
        return cls(matrix.__getitem__, np.arange(len(matrix)))

    @classmethod
    def stored(cls, file: Path, items: int | None = None) -> "Rows":
        """All rows of the feature table that `featurize` wrote, of so many goods items."""
        rows = count_rows(file)
        expect_rows(file, rows, rows if items is None else items)
        return cls(_Stored(file), np.arange(rows))

    def chosen(self, rows: Mask) -> "Rows":
        """Those of these rows where the mask holds, shape (len(self),)."""
        return Rows(self._read, self._positions[rows])

    def forgotten(self) -> "Rows":
        """These rows as they would be if their goods lines were new."""
        return Rows(_Forgetting(self._read), self._positions)

    def shares(self, count: int) -> list["Rows"]:
        """The rows in so many shares of about the same size; none of them empty."""
        parts = np.array_split(self._positions, count)
        return [Rows(self._read, part) for part in parts if len(part)]

    def blocks(self) -> Iterator[Floats]:
        """The rows, at most `BLOCK` at a time."""
        for start in range(0, len(self), BLOCK):
            yield self[start : start + BLOCK]

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, at: int | slice | list[int]) -> Floats:
        if isinstance(at, slice):
            self._block, self._held = -1, np.empty((0, 0))  # who reads many at once places no bins
            return self._read(self._positions[at])
        if isinstance(at, list):
            return np.stack([self[each] for each in at])
        return self._one(int(at))

    def _one(self, at: int) -> Floats:
        """LightGBM asks for single rows in rising order to place its bins: the block is held."""
        block, within = divmod(at, BLOCK)
        if block != self._block:
            self._held = self[block * BLOCK : (block + 1) * BLOCK]
            self._block = block
        row: Floats = self._held[within].astype(np.float64)  # a copy; it takes no other floats
        return row


@dataclass(frozen=True)
class _Forgetting:
    read: Read

    def __call__(self, positions: Whole) -> Floats:
        return forget_lines(self.read(positions))


class _Stored:
    """Reads rows of a Parquet file by their positions, a row group at a time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        about = pq.ParquetFile(file).metadata
        sizes = [about.row_group(at).num_rows for at in range(about.num_row_groups)]
        self._starts = np.cumsum([0, *sizes])
        self._group, self._held = -1, np.empty((0, 0))

    def __reduce__(self) -> tuple[type["_Stored"], tuple[Path]]:
        """What a worker of a cluster gets: the path, and none of the numbers."""
        return _Stored, (self._file,)

    def __call__(self, positions: Whole) -> Floats:
        cuts = np.searchsorted(positions, self._starts)
        parts = [
            self._chosen(group, positions[start:stop] - self._starts[group])
            for group, (start, stop) in enumerate(pairwise(cuts))
            if stop > start
        ]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.empty((0, len(FEATURE_NAMES)))

    def _chosen(self, group: int, within: Whole) -> Floats:
        rows = self._rows(group)
        if within[-1] == len(rows) - 1:  # at its end: who reads on, reads the next
            self._group, self._held = -1, np.empty((0, 0))
        return rows[within] if len(within) < len(rows) else rows

    def _rows(self, group: int) -> Floats:
        if group != self._group:
            names = list(FEATURE_NAMES)
            with reading(self._file), pq.ParquetFile(self._file) as opened:
                table = opened.read_row_group(group, columns=names).select(names)
            self._held = np.column_stack([column.to_numpy() for column in table.columns])
            self._group = group
        return self._held
