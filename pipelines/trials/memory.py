"""What an administration remembers of a world: what was declared, and what inspections found.

Nothing of the truth. It is what the pipeline would have ingested by that day.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from pipelines.label import read_inspections
from pipelines.simulator.draws import Table
from pipelines.simulator.schema import TABLES
from pipelines.simulator.store import Folder, read_table
from pipelines.stage.tables import columns_from_frame, frame_from_columns
from selectivity.columns import HEADER, ITEM, Columns, first_rows
from selectivity.inspection import Inspection

REMEMBERED = ("declarations", "goods_items", "inspections", "findings")


class Memory:
    """Tables of the weeks so far."""

    def __init__(self) -> None:
        self._weeks: list[Mapping[str, Table]] = []
        self._items: list[Columns] = []
        self._where: dict[str, tuple[int, int, int]] = {}

    @classmethod
    def of(cls, folder: Folder) -> Self:
        """Everything that was written so far."""
        memory = cls()
        memory.add(
            {
                name: dict(
                    columns_from_frame(
                        read_table(folder.place(name), list(TABLES[name])).to_pandas(
                            date_as_object=False
                        ),
                        TABLES[name],
                    )
                )
                for name in REMEMBERED
            }
        )
        return memory

    def add(self, tables: Mapping[str, Table]) -> None:
        """One more week, or many at once."""
        self._weeks.append({name: tables[name] for name in REMEMBERED})
        items = goods_items(tables["declarations"], tables["goods_items"])
        starts = first_rows(items).tolist()
        stops = [*starts[1:], len(items["item_no"])]
        for start, stop in zip(starts, stops, strict=True):
            place = (len(self._items), start, stop)
            self._where[items["declaration_id"][start]] = place
        self._items.append(items)

    def items(self) -> Columns:
        """All goods items, as declared."""
        return {
            name: np.concatenate([part[name] for part in self._items]) for name in self._items[0]
        }

    def inspections(self) -> pd.DataFrame:
        """All inspections known, as `pipelines.label` takes them."""
        return self._frame("inspections")

    def findings(self) -> pd.DataFrame:
        """All findings known."""
        return self._frame("findings")

    def known_last(self) -> list[tuple[Inspection, Columns]]:
        """Inspections that became known last, each with the goods items it speaks on."""
        week = self._weeks[-1]
        frames = [frame_from_columns(week[name], TABLES[name]) for name in REMEMBERED[2:]]
        return [
            (inspection, self._of(inspection.declaration_id))
            for inspection in read_inspections(*frames)
        ]

    def _of(self, declaration_id: str) -> Columns:
        part, start, stop = self._where[declaration_id]
        return {name: values[start:stop] for name, values in self._items[part].items()}

    def _frame(self, name: str) -> pd.DataFrame:
        columns: dict[str, Any] = {
            column: np.concatenate([week[name][column] for week in self._weeks])
            for column in TABLES[name]
        }
        return frame_from_columns(columns, TABLES[name])


def goods_items(header: Table, item: Table, order: Sequence[int] | None = None) -> Columns:
    """Header and item tables of the same declarations as columns, one row per goods item.

    Args:
        order: positions of the declarations, in the order the rows are wanted; as given without.
    """
    first = np.flatnonzero(item["item_no"] == 1)
    counts = np.diff(np.append(first, len(item["item_no"])))
    wanted = np.arange(len(first)) if order is None else np.asarray(order)
    owner = np.repeat(wanted, counts[wanted])
    within = np.arange(len(owner)) - np.repeat(
        np.cumsum(counts[wanted]) - counts[wanted], counts[wanted]
    )
    rows = first[owner] + within
    columns = {name: header[name][owner] for name in HEADER}
    return columns | {name: item[name][rows] for name in ITEM}
