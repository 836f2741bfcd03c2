"""Rows of one table as typed values, and which of them had to be set aside, why and where.

Nothing is skipped in silence: a row is usable, or it is in the quarantine with a reason, or it is
the exact repetition of an earlier one and counted.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from pipelines.sources.cells import Cells, read_cells, read_numbers
from pipelines.sources.mappings import FieldSource, PercentOf, SourceMapping
from pipelines.sources.reading import Raw
from pipelines.stage.tables import Kinds
from selectivity.columns import Ints, Kind, Mask
from selectivity.declaration import Declaration, GoodsItem
from selectivity.errors import SourceError

Rows = Sequence[int] | Ints
Values = Sequence[Any] | npt.NDArray[Any]

QUARANTINE = ("file", "line", "declaration_id", "field", "reason", "value")
_LONGEST_VALUE = 80


class Table:
    """Typed columns of equal length, with the fate of each row."""

    def __init__(self, raw: Raw) -> None:
        rows = len(raw.places)
        self.raw = raw
        self.values: dict[str, npt.NDArray[Any]] = {}
        self.refused = np.zeros(rows, dtype=bool)
        self.repeated = np.zeros(rows, dtype=bool)
        self.duplicates = 0
        self.emptied: Counter[str] = Counter()
        self.misnamed: list[str] = []
        self._reasons: list[tuple[int, str, str, str]] = []
        for row, problem in raw.broken.items():
            self.refuse([row], "", problem)

    def __len__(self) -> int:
        return len(self.refused)

    @property
    def usable(self) -> Mask:
        """Rows that may still become part of a declaration or inspection."""
        return ~(self.refused | self.repeated)

    def refuse(self, rows: Rows, name: str, reason: str, values: Values = ()) -> None:
        """Put rows in quarantine. What would be built with them falls with them."""
        self.note(rows, name, reason, values)
        self.refused[np.asarray(rows, dtype=np.int64)] = True

    def note(self, rows: Rows, name: str, reason: str, values: Values = ()) -> None:
        """Write rows into the quarantine, and leave what is built with their neighbours alone."""
        shown = [str(value)[:_LONGEST_VALUE] for value in values] or [""] * len(rows)
        entries = zip(rows, shown, strict=True)
        self._reasons += [(int(row), name, reason, value) for row, value in entries]

    def quarantine(self) -> pd.DataFrame:
        """One line per problem, in the order of the rows."""
        entries = sorted(self._reasons, key=lambda entry: entry[0])
        rows = [row for row, *_ in entries]
        ids = self.values.get("declaration_id", np.full(len(self), None, dtype=object))
        columns = {
            "file": self.raw.places["file"].to_numpy(dtype=object)[rows],
            "line": self.raw.places["line"].to_numpy(dtype=np.int64)[rows],
            "declaration_id": [ids[row] or "" for row in rows],
            "field": [name for _, name, _, _ in entries],
            "reason": [reason for _, _, reason, _ in entries],
            "value": [value for _, _, _, value in entries],
        }
        return pd.DataFrame(columns, columns=list(QUARANTINE))


def read_table(
    raw: Raw, fields: Mapping[str, FieldSource], kinds: Kinds, mapping: SourceMapping
) -> Table:
    """The named fields of the raw rows; cells that cannot be read refuse their row."""
    table = Table(raw)
    for name, source in fields.items():
        if source.percent_of is not None:
            add_cells(table, name, _percent(raw.cells, source.percent_of, mapping), source.columns)
        elif source.column is not None:
            cells = read_cells(raw.cells[source.column], name, kinds[name], mapping, source)
            add_cells(table, name, cells, source.columns)
        if source.unfit == "missing":
            _empty_the_unfit(table, name, kinds[name])
    return table


def add_cells(table: Table, name: str, cells: Cells, columns: Sequence[str]) -> None:
    """A column of the table; rows whose cell could not be read are refused."""
    table.values[name] = cells.values
    table.emptied[name] += cells.emptied
    rows = np.flatnonzero(cells.unreadable)
    if len(rows):
        raw = table.raw.cells[list(columns)].iloc[rows].itertuples(index=False)
        table.refuse(rows, name, cells.reason, [" / ".join(map(str, row)) for row in raw])


def add_constant(table: Table, name: str, text: str, kind: Kind, mapping: SourceMapping) -> None:
    """The same value on every row."""
    cells = read_cells(pd.Series([text], dtype="str"), name, kind, mapping, FieldSource(column=""))
    if cells.unreadable.any() or not fits(name, python_values(cells.values, kind))[0]:
        raise SourceError(
            f"Source {mapping.name}: the constant {text!r} cannot stand in {name}. "
            f"Correct the key constants.{name} in the mapping file."
        )
    table.values[name] = np.repeat(cells.values, len(table))


def need(table: Table, *names: str) -> None:
    """Refuses rows in which one of these fields is missing."""
    for name in names:
        values = table.values.setdefault(name, np.full(len(table), None, dtype=object))
        missing = pd.isna(values) & ~table.refused
        table.refuse(np.flatnonzero(missing), name, "missing")


def set_repeats_aside(table: Table, *key: str, but: str = "") -> None:
    """Of rows with one key the first stays: equal ones are counted, others go to quarantine.

    `but` says what else such a row may be than a repetition.
    """
    rows = np.flatnonzero(table.usable)
    frame = pd.DataFrame({name: values[rows] for name, values in table.values.items()})
    same = frame.duplicated().to_numpy(dtype=bool)
    same_key = frame.duplicated(list(key)).to_numpy(dtype=bool)
    table.repeated[rows[same_key]] = True
    table.duplicates += int(same.sum())
    other = rows[same_key & ~same]
    keys = zip(*(table.values[name][other].tolist() for name in key), strict=True)
    shown = [" / ".join(str(part).removesuffix(".0") for part in one) for one in keys]
    table.note(other, key[-1], f"repeats an earlier row with other content{but}", shown)


def fits(name: str, values: Sequence[Any]) -> Mask:
    """Which values a declaration accepts in this field."""
    model = GoodsItem if name in GoodsItem.model_fields else Declaration
    adapter = TypeAdapter[Any](model.model_fields[name].rebuild_annotation())
    good = np.ones(len(values), dtype=bool)
    for position, value in enumerate(values):
        try:
            adapter.validate_python(value)
        except ValidationError:
            good[position] = False
    return good


def python_values(values: npt.NDArray[Any], kind: Kind) -> list[Any]:
    """Numpy values as the plain ones that pydantic takes; None where missing."""
    if kind in ("text", "texts"):
        return list(values)
    if kind == "time":
        times = values.astype("datetime64[us]").tolist()
        return [None if time is None else time.replace(tzinfo=UTC) for time in times]
    if kind == "date":
        return list(values.astype("datetime64[D]").tolist())
    make = {"integer": int, "boolean": bool, "number": float}[kind]
    return [None if np.isnan(number) else make(number) for number in values.tolist()]


def _percent(cells: pd.DataFrame, columns: PercentOf, mapping: SourceMapping) -> Cells:
    part = read_numbers(cells[columns.part], mapping)
    whole = read_numbers(cells[columns.whole], mapping)
    percent = np.full(len(cells), np.nan)
    with np.errstate(over="ignore", invalid="ignore"):  # no declaration takes what comes of it
        np.divide(100 * part.values, whole.values, out=percent, where=whole.values > 0)
    return Cells(percent, part.unreadable | whole.unreadable, part.reason)


def _empty_the_unfit(table: Table, name: str, kind: Kind) -> None:
    values = table.values[name]
    present = np.flatnonzero(~pd.isna(values))
    codes, uniques = pd.factorize(values[present])
    unfit = present[~fits(name, python_values(np.asarray(uniques), kind))[codes]]
    values[unfit] = None
    table.emptied[name] += len(unfit)
