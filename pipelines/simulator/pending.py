"""Results that are on their way: nobody knows them before their time."""

from collections.abc import Mapping

import numpy as np

from pipelines.simulator.draws import Table
from pipelines.simulator.schema import KNOWN_AT, PENDING, empty
from pipelines.stage.tables import all_missing


class Pending:
    """Inspections, findings and appeals until the moment they become known."""

    def __init__(self, tables: Mapping[str, Table] | None = None) -> None:
        self.tables: dict[str, Table] = {name: empty(kinds) for name, kinds in PENDING.items()}
        self.tables |= dict(tables or {})

    def add(self, **tables: Table) -> None:
        """Put these results with those that wait."""
        for name, table in tables.items():
            waiting, rows = self.tables[name], len(table[KNOWN_AT[name]])
            self.tables[name] = {
                column: np.concatenate(
                    [waiting[column], table.get(column, all_missing(rows, kind))]
                )
                for column, kind in PENDING[name].items()
            }

    def until(self, moment: np.datetime64) -> dict[str, Table]:
        """Hand out what is known before `moment`, in the order in which it became known."""
        known = {}
        for name, table in self.tables.items():
            at = table[KNOWN_AT[name]]
            due = np.flatnonzero(at < moment.astype("datetime64[us]"))
            due = due[np.argsort(at[due], kind="stable")]
            later = at >= moment.astype("datetime64[us]")
            known[name] = {column: values[due] for column, values in table.items()}
            self.tables[name] = {column: values[later] for column, values in table.items()}
        return known
