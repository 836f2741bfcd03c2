"""A world in a folder: its tables by month, its truth apart, and where it stands.

    tables/<table>/month=2025-01/weeks-0000.parquet   what the centre has
    truth/<table>/…                                   what nobody knows
    state/                                            what the next week has to know; world.yaml

Files are named by the first week of the run that wrote them, so that a world that goes on adds
files and never rewrites one. Memory holds one week at a time, however long the world.
"""

import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import yaml
from pydantic import ValidationError

from pipelines.simulator.draws import Table
from pipelines.simulator.goods import Headings
from pipelines.simulator.history import History
from pipelines.simulator.pending import Pending
from pipelines.simulator.reaction import Standing
from pipelines.simulator.schema import PENDING, TABLES, TRUTH, months
from pipelines.simulator.settings import WorldSettings
from pipelines.simulator.shipments import Lines, Shipments
from pipelines.simulator.simulation import Simulation, State
from pipelines.simulator.truth_table import officers
from pipelines.simulator.violations import Truth
from pipelines.sources.invented import mark
from pipelines.stage.files import read_arrays, write_arrays, write_text
from pipelines.stage.tables import arrow_table, read_columns, write_columns
from selectivity.errors import ParamsError

SETTINGS, ARRAYS, BEFORE = "world.yaml", "state.npz", ".before"
KINDS = {**TABLES, **TRUTH}
_PARTS = {"route": Shipments, "true": Lines, "told": Lines, "truth": Truth}


@dataclass(frozen=True)
class Folder:
    """Where the parts of a world stand."""

    tables: Path
    truth: Path
    state: Path | None = None

    @classmethod
    def of(cls, path: Path) -> Self:
        """All parts under one folder."""
        return cls(path / "tables", path / "truth", path / "state")

    def place(self, name: str) -> Path:
        """Folder of a table."""
        return (self.truth if name in TRUTH else self.tables) / name

    def clear(self) -> None:
        """Take away what a run before has written, and nothing else."""
        for name in KINDS:
            shutil.rmtree(self.place(name), ignore_errors=True)
        if self.state is not None:
            shutil.rmtree(self.state, ignore_errors=True)


class Writer:
    """Writes weeks into files by month; a file has its name only when it is whole. A run that fails
    takes back what it wrote, and one that is killed is taken back by the next."""

    def __init__(self, folder: Folder, first_week: int) -> None:
        self._folder, self._name = folder, f"weeks-{first_week:04d}.parquet"
        self._open: dict[Path, pq.ParquetWriter] = {}
        self._remove()  # what a run from the same week left when it was broken off

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for path in list(self._open):
            self._close(path, keep=kind is None)
        if kind is not None:
            self._remove()

    def _remove(self) -> None:
        for name in KINDS:
            for file in self._folder.place(name).glob(f"month=*/{self._name}*"):
                file.unlink()

    def write(self, tables: Mapping[str, Table], *, over: np.datetime64) -> None:
        """Append the tables of a week. Months before that of the day `over` are done with."""
        for name, table in tables.items():
            rows = len(next(iter(table.values())))
            if rows and name in KINDS:
                self._append(name, table, months(name, tables))
        for path in [path for path in self._open if _month_of(path) < over.astype("datetime64[M]")]:
            self._close(path, keep=True)

    def _append(self, name: str, table: Table, month: "np.typing.NDArray[Any]") -> None:
        for one in np.unique(month):
            rows = month == one
            part = table if rows.all() else {key: value[rows] for key, value in table.items()}
            path = self._folder.place(name) / f"month={one}" / self._name
            arrow = arrow_table(part, KINDS[name])
            self._writer(path, arrow.schema).write_table(arrow)

    def _writer(self, path: Path, schema: pa.Schema) -> pq.ParquetWriter:
        if path not in self._open:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_name(path.name + ".part")
            self._open[path] = pq.ParquetWriter(beside, schema, compression="zstd")
        return self._open[path]

    def _close(self, path: Path, *, keep: bool) -> None:
        self._open.pop(path).close()
        beside = path.with_name(path.name + ".part")
        if keep:
            beside.replace(path)
        else:
            beside.unlink(missing_ok=True)


def _month_of(path: Path) -> np.datetime64:
    return np.datetime64(path.parent.name.removeprefix("month="), "M")


def write_weeks(
    folder: Folder, simulation: Simulation, weeks: Iterable[dict[str, Table]]
) -> Iterator[dict[str, Table]]:
    """Write each week as it is lived through, and hand it on."""
    with Writer(folder, simulation.state.week) as writer:
        for tables in weeks:
            monday = simulation.world.monday(simulation.state.week - 1)
            writer.write(tables, over=monday - np.timedelta64(2, "D"))
            yield tables
    mark(folder.tables)
    write_columns(
        officers(simulation.world), folder.place("officers") / "officers.parquet", TRUTH["officers"]
    )
    if folder.state is not None:
        save(simulation, folder.state)


def read_table(
    place: Path,
    columns: Sequence[str] | None = None,
    *,
    dictionaries: Sequence[str] = (),
    rows: ds.Expression | None = None,
) -> pa.Table:
    """Some columns of a table of all months, in the order in which it was written.

    Args:
        dictionaries: texts to be read as numbers of distinct ones.
        rows: which rows; all without.
    """
    files = sorted(place.rglob("*.parquet"))
    if not files:
        raise ParamsError(f"There is no table in {place}. Make a world first.")
    layout = ds.ParquetFileFormat(dictionary_columns=list(dictionaries))
    found = ds.dataset(files, format=layout).to_table(
        columns=None if columns is None else list(columns), filter=rows
    )
    return found.unify_dictionaries()


def save(simulation: Simulation, place: Path) -> None:
    """Where the world stands, so that it can go on. What stood there is replaced as a whole."""
    path, before = place.with_name(place.name + ".new"), place.with_name(place.name + BEFORE)
    shutil.rmtree(path, ignore_errors=True)
    state = simulation.state
    arrays: dict[str, Any] = {"week": np.array(state.week), "next_free": state.next_free}
    arrays |= {
        f"standing.{each.name}": getattr(state.standing, each.name) for each in fields(Standing)
    }
    if state.refiled is not None:
        for part in _PARTS:
            record = getattr(state.refiled, part)
            arrays |= {f"{part}.{each.name}": getattr(record, each.name) for each in fields(record)}
        arrays |= {name: getattr(state.refiled, name) for name in ("earlier_lane", "original")}
    write_arrays(path / ARRAYS, arrays)
    for name, kinds in PENDING.items():
        write_columns(state.pending.tables[name], path / f"{name}.parquet", kinds)
    content = simulation.world.settings.model_dump(mode="json")
    write_text(path / SETTINGS, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    shutil.rmtree(before, ignore_errors=True)
    if place.exists():
        place.replace(before)
    path.replace(place)
    shutil.rmtree(before, ignore_errors=True)


def load(path: Path, headings: Headings) -> Simulation:
    """The world of a folder, where it stands.

    Raises:
        ParamsError: there is no world that was written to its end.
    """
    before = path.with_name(path.name + BEFORE)
    if not path.exists() and before.exists():  # broken off while one took the place of the other
        path = before
    file = path / SETTINGS
    if not file.is_file():
        raise ParamsError(
            f"There is no world in {path.parent}: {file} is missing. Make one first "
            "(`python -m pipelines.worlds make --help`)."
        )
    try:
        settings = WorldSettings.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (ValidationError, yaml.YAMLError) as error:
        raise ParamsError(
            f"The world in {path.parent} was made by another version of this software, or {file} "
            "was altered. Make it again."
        ) from error
    try:
        return Simulation(settings, headings, _state(path))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, pa.ArrowException) as error:
        raise ParamsError(
            f"The state of the world in {path.parent} is damaged ({error}). Make it again."
        ) from error


def _state(path: Path) -> State:
    arrays = read_arrays(path / ARRAYS)
    standing = Standing(**{each.name: arrays[f"standing.{each.name}"] for each in fields(Standing)})
    pending = Pending(
        {
            name: dict(read_columns(path / f"{name}.parquet", kinds))
            for name, kinds in PENDING.items()
        }
    )
    return State(
        week=int(arrays["week"]),
        standing=standing,
        next_free=arrays["next_free"],
        refiled=_refiled(arrays),
        pending=pending,
    )


def _refiled(arrays: Mapping[str, Any]) -> History | None:
    if "original" not in arrays:
        return None
    parts = {
        part: kind(**{each.name: arrays[f"{part}.{each.name}"] for each in fields(kind)})
        for part, kind in _PARTS.items()
    }
    return History(**parts, earlier_lane=arrays["earlier_lane"], original=arrays["original"])
