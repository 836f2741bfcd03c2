"""What happened in each week of a world, with the truth beside it."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pipelines.simulator.draws import Table
from selectivity.columns import Mask
from selectivity.lanes import Lane


class Journal:
    """One row per week. Violations are of declarations, first versions only.

    `controlled` is the share of violations whose goods or papers were to be looked at; `in_red`
    those whose goods were. `findings` became known in the week, whatever week their goods are of.
    """

    def __init__(self) -> None:
        self._rows: list[dict[str, float]] = []

    def note(self, week: int, tables: Mapping[str, Table]) -> None:
        """Add a week."""
        truth = tables["truth"]
        first = np.flatnonzero(truth["item_no"] == 1)
        wrong = np.maximum.reduceat(truth["violating"], first) > 0
        use = truth["version_no"][first] == 1
        lane, wrong = truth["lane"][first][use], wrong[use]
        controls = tables["inspections"]
        fraud = tables["findings"]["intent"] == "FRAUD"
        self._rows.append(
            {
                "week": week,
                "declarations": len(lane),
                **{f"{name.name.lower()}_share": _share(lane == name.name) for name in Lane},
                "violating": int(wrong.sum()),
                "controlled": _share(lane[wrong] != Lane.GREEN.name),
                "in_red": _share(lane[wrong] == Lane.RED.name),
                "violating_in_red": _share(wrong[lane == Lane.RED.name]),
                "inspections": len(controls["inspection_id"]),
                "findings_of_fraud": len(set(tables["findings"]["inspection_id"][fraud])),
            }
        )

    def table(self) -> pd.DataFrame:
        """One row per week."""
        return pd.DataFrame(self._rows)

    def summary(self) -> str:
        """All weeks in one line."""
        table = self.table()
        by = table["declarations"] / table["declarations"].sum()
        wrong = table["violating"] / max(1, table["violating"].sum())
        lanes = ", ".join(
            f"{lane.name.lower()} {(table[f'{lane.name.lower()}_share'] * by).sum():.1%}"
            for lane in Lane
        )
        controlled, in_red = ((table[name] * wrong).sum() for name in ("controlled", "in_red"))
        return (
            f"{table['declarations'].sum():,} declarations: {lanes}; "
            f"{table['violating'].sum():,} violations, of which controlled {controlled:.1%}, "
            f"in red {in_red:.1%}"
        )


def _share(values: Mask) -> float:
    return float(values.mean()) if len(values) else 0.0
