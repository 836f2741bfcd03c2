"""Runs the history queries: on DuckDB here, and the same ones on Spark in the module beside."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from errno import EIO, ENOSPC
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from pipelines.histories.inputs import Outcomes, items_in_parts, items_table, outcomes_table
from pipelines.histories.snapshot import key_arrays_of
from pipelines.histories.sql import (
    NEWEST_QUERY,
    OUTCOMES_QUERY,
    cells_query,
    key_parts,
    moments_query,
    values_query,
)
from selectivity.columns import Columns, Floats
from selectivity.errors import ParamsError
from selectivity.histories.aggregates import PROFILES, VALUES, Profile
from selectivity.histories.key_history import DAYS_OF_MOMENTS

ROWS_A_GIGABYTE = 1_500_000
"""Goods items whose histories are computed together, per gigabyte that the engine may take."""

Tell = Callable[[str], None]


class EngineParams(BaseModel):
    """What the engine may take of this machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory_gigabytes: float = Field(
        default=4.0, ge=0.3, le=4_096, description="What does not fit is spilled to disk."
    )
    threads: int = Field(default=2, ge=1, le=256)


class HistoryEngine(ABC):
    """Goods items and their outcomes, ready to be asked. To be used in a `with`.

    Give it goods items once, by `take` or by `take_file`. Whatever engine it is, the queries are
    the same, and so are the answers.
    """

    def __init__(self, spill: Path | None = None) -> None:
        """What does not fit into memory lies in a folder in `spill`, removed at the end."""
        self._folder = TemporaryDirectory(dir=spill, prefix="histories-")
        self._spill = Path(self._folder.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        self._folder.cleanup()

    def take(self, columns: Columns, outcomes: Outcomes) -> None:
        """Goods items in memory."""
        self._name("items", items_table(columns))
        self._take_outcomes(outcomes)

    def take_file(self, items: Path, outcomes: Outcomes) -> None:
        """Goods items of a Parquet file, of which some are in memory at a time."""
        prepared = self._spill / "items.parquet"
        write_parts(items_in_parts(items), prepared)
        self._name_file("items", prepared)
        self._take_outcomes(outcomes)

    def _take_outcomes(self, outcomes: Outcomes) -> None:
        self._name("told_outcomes", outcomes_table(outcomes))
        self._keep("outcomes", OUTCOMES_QUERY)

    def values(self) -> Floats:
        """Everything known before each goods item, shape (values, n), in the order of `VALUES`."""
        parts: list[Floats] = []
        for profile in PROFILES:
            found = self._ask(values_query(profile))
            parts += [_floats(found[value.name]) for value in profile.values()]
        return np.vstack(parts)

    def write_values(self, folder: Path, tell: Tell = lambda _: None) -> None:
        """Write what `values` gives into one Parquet file per profile; `read_values` reads them."""
        folder.mkdir(parents=True, exist_ok=True)
        for at, profile in enumerate(PROFILES, start=1):
            tell(f"histories of {profile.name}, {at} of {len(PROFILES)}")
            self._write_profile(profile, folder / f"{profile.name}.parquet")

    def _write_profile(self, profile: Profile, file: Path) -> None:
        self._write(values_query(profile), file)

    def snapshot(self, *, before_day: int | None = None) -> dict[str, npt.NDArray[Any]]:
        """What `Profiles.snapshot` gives after all goods items and outcomes.

        With `before_day` (days since 1970), after what was known before that day.
        """
        limit = np.iinfo(np.int32).max if before_day is None else before_day
        (found,) = self._ask(NEWEST_QUERY.format(before_day=limit)).column(0).to_pylist()
        newest = found or 0
        arrays: dict[str, npt.NDArray[Any]] = {}
        for profile in PROFILES:
            lately = moments_query(profile, newest - DAYS_OF_MOMENTS, limit)
            all_keys = key_arrays_of(
                profile,
                self._ask(cells_query(profile, limit)),
                self._ask(lately) if profile.today else None,
            )
            arrays |= all_keys.pruned(profile, newest).arrays(profile)
        return arrays

    @abstractmethod
    def _name(self, name: str, table: pa.Table) -> None:
        """Let queries read a table in memory."""

    @abstractmethod
    def _name_file(self, name: str, file: Path) -> None:
        """Let queries read a Parquet file."""

    @abstractmethod
    def _keep(self, name: str, query: str) -> None:
        """Let queries read the answer to a query."""

    @abstractmethod
    def _ask(self, query: str) -> pa.Table:
        """The answer to a query."""

    @abstractmethod
    def _write(self, query: str, file: Path) -> None:
        """The answer to a query as a Parquet file, in the query's order."""

    @abstractmethod
    def _close(self) -> None:
        """Let go of everything."""


class DuckDB(HistoryEngine):
    """In this process, out of core, within a limit of memory."""

    def __init__(self, params: EngineParams | None = None, *, spill: Path | None = None) -> None:
        super().__init__(spill)
        self._params = params = params or EngineParams()
        config: dict[str, Any] = {
            "memory_limit": f"{round(params.memory_gigabytes * 1_000)}MB",
            "threads": params.threads,
            "temp_directory": self._folder.name,
            "preserve_insertion_order": False,
        }
        self._connection = duckdb.connect(config=config)
        self._rows = 0
        """Goods items in a file; those in memory are no reason to work in parts."""

    def _name(self, name: str, table: pa.Table) -> None:
        self._connection.register(name, table)

    def _name_file(self, name: str, file: Path) -> None:
        self._connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {_quoted(file)}")
        self._rows = pq.read_metadata(file).num_rows

    def _keep(self, name: str, query: str) -> None:
        with self._enough_room():
            self._connection.execute(f"CREATE TABLE {name} AS {query}")

    def _ask(self, query: str) -> pa.Table:
        with self._enough_room():
            return self._connection.sql(query).to_arrow_table()

    def _write(self, query: str, file: Path) -> None:
        with self._enough_room():
            to = f"{_quoted(file)} (FORMAT parquet, CODEC zstd)"
            self._connection.execute(f"COPY ({query}) TO {to}")

    def _write_profile(self, profile: Profile, file: Path) -> None:
        """Part of the keys after the other where all of them would not fit into memory."""
        parts = ceil(self._rows / (ROWS_A_GIGABYTE * self._params.memory_gigabytes))
        if parts <= 1 or not profile.keys:
            super()._write_profile(profile, file)
            return
        written = [self._spill / f"part-{at}.parquet" for at in range(parts)]
        with self._narrowed():
            for at, part in enumerate(written):
                self._narrow(f"hash({', '.join(key_parts(profile))}) % {parts} = {at}")
                self._write(values_query(profile), part)
        parts_of_it = _quoted(self._spill / "part-*.parquet")
        self._write(f"SELECT * FROM {parts_of_it} ORDER BY row", file)
        for part in written:
            part.unlink()

    @contextmanager
    def _narrowed(self) -> Iterator[None]:
        """Inside, queries read the tables of the schema `part`."""
        self._connection.execute("CREATE SCHEMA IF NOT EXISTS part; SET schema = 'part'")
        try:
            yield
        finally:
            self._connection.execute("SET schema = 'main'")

    def _narrow(self, where: str) -> None:
        for name in ("items", "outcomes"):
            rows = f"SELECT * FROM main.{name} WHERE {where}"
            self._connection.execute(f"CREATE OR REPLACE VIEW part.{name} AS {rows}")

    def _close(self) -> None:
        self._connection.close()

    @contextmanager
    def _enough_room(self) -> Iterator[None]:
        try:
            yield
        except duckdb.IOException as error:
            raise OSError(EIO, _first_line(error), self._folder.name) from error
        except duckdb.OutOfMemoryException as error:
            if "max_temp_directory_size" in str(error):  # by default what is free on the disk
                raise OSError(ENOSPC, _first_line(error), self._folder.name) from error
            raise ParamsError(
                f"Histories need more than the {self._params.memory_gigabytes} GB they may take, "
                "though they spill what they can. Raise featurize.memory_gigabytes in params.yaml, "
                "or lower featurize.threads: each thread takes its share."
            ) from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def history_in_bulk(
    columns: Columns, outcomes: Outcomes, params: EngineParams | None = None
) -> Floats:
    """Everything known before each of these goods items, shape (values, n)."""
    with DuckDB(params) as engine:
        engine.take(columns, outcomes)
        return engine.values()


def snapshot_in_bulk(
    columns: Columns, outcomes: Outcomes, *, before_day: int | None = None
) -> dict[str, npt.NDArray[Any]]:
    """What profiles know after all of these goods items and outcomes: see `HistoryEngine`."""
    with DuckDB() as engine:
        engine.take(columns, outcomes)
        return engine.snapshot(before_day=before_day)


def _quoted(file: Path) -> str:
    """A path as a text of SQL."""
    return "'" + str(file).replace("'", "''") + "'"


def read_values(folder: Path, rows_at_once: int) -> Iterator[Floats]:
    """What `write_values` wrote, shape (values, n), so many rows at a time."""
    files = [pq.ParquetFile(folder / f"{profile.name}.parquet") for profile in PROFILES]
    try:
        for parts in zip(*(file.iter_batches(rows_at_once) for file in files), strict=True):
            yield _side_by_side(parts)
    finally:
        for file in files:
            file.close()


def _side_by_side(parts: Sequence[pa.RecordBatch]) -> Floats:
    named = {name: part[name] for part in parts for name in part.schema.names}
    return np.vstack([_floats(named[value.name]) for value in VALUES])


def _floats(numbers: pa.Array | pa.ChunkedArray) -> Floats:
    """NaN for what is missing."""
    return np.asarray(numbers.cast(pa.float64()).to_numpy(zero_copy_only=False))


def write_parts(parts: Iterator[pa.Table], file: Path) -> None:
    """Tables of one form, at least one, as one Parquet file."""
    first = next(parts)
    with pq.ParquetWriter(file, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for part in parts:
            writer.write_table(part)
