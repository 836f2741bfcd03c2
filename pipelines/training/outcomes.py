"""What controls have found, from the table that `label` writes: of each goods item, by a day."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipelines.histories.inputs import Outcomes
from pipelines.stage.files import reading
from pipelines.stage.tables import read_frame
from selectivity.columns import Floats, Ints, day_of
from selectivity.errors import StageFileError
from selectivity.inspection import FindingClass

UNKNOWN = -1
"""Class of a goods item that no control has spoken on. Never 0: unknown is not clean."""


def read_outcomes(file: Path, items: int, names: Sequence[str] | None = None) -> pd.DataFrame:
    """The outcomes of so many goods items as `label` wrote them, or these columns of them.

    Raises:
        StageFileError: they are of other goods items, or no outcomes.
    """
    table = read_frame(file, names)
    with reading(file):
        fits = {
            "row": table["row"].isin(range(items)),  # -1 would be the last one, to numpy
            "finding_class": table["finding_class"].isin(list(FindingClass)),
            "counts": table["counts"].isin([1, -1]),
            "weight": np.isfinite(table["weight"]) & (table["weight"] > 0),
            "observed_at": table["observed_at"].dt.tz_convert("UTC").notna(),
        }
    for name, good in fits.items():
        if not good.all():
            value = table[name][~good].iloc[0]
            raise StageFileError(file, f"{name} is {value} in an outcome of {items} goods items")
    return table


def as_outcomes(table: pd.DataFrame) -> Outcomes:
    """The outcome table as histories take it."""
    return Outcomes(
        rows=table["row"].to_numpy(np.int64),
        days=day_of(table["observed_at"].dt.tz_convert(None).to_numpy("datetime64[us]")),
        classes=table["finding_class"].to_numpy(np.int64),
        counts=table["counts"].to_numpy(np.int64),
    )


def standing(table: pd.DataFrame, before: Any = None) -> pd.DataFrame:
    """The outcomes known before a day that nothing known before it takes back."""
    if before is not None:
        table = table[table["observed_at"] < pd.Timestamp(before, tz="UTC")]
    left = table.groupby(["inspection_id", "row"])["counts"].transform("sum")
    return table[(table["counts"] > 0) & (left > 0)]


def known_classes(table: pd.DataFrame, rows: int, before: Any = None) -> tuple[Ints, Floats]:
    """Class and weight per goods item from the outcomes known before a day; `UNKNOWN` elsewhere.

    Where several inspections spoke, the gravest finding counts.
    """
    table = standing(table, before)
    classes, weights = np.full(rows, UNKNOWN, dtype=np.int64), np.zeros(rows)
    np.maximum.at(classes, table["row"].to_numpy(), table["finding_class"].to_numpy())
    np.maximum.at(weights, table["row"].to_numpy(), table["weight"].to_numpy())
    return classes, weights


def known_duties(table: pd.DataFrame, rows: int, before: Any = None) -> Floats | None:
    """Additional duty per goods item from the outcomes known before a day, in currency.

    Where several inspections spoke, the highest counts. Capped at the 99th percentile of what
    findings brought: a few amounts would outweigh all others. None where the source has none.
    """
    table = standing(table, before)
    duties = np.zeros(rows)
    if "additional_duty" in table:
        np.maximum.at(duties, table["row"].to_numpy(), table["additional_duty"].to_numpy())
    if not duties.any():
        return None
    return np.minimum(duties, np.quantile(duties[duties > 0], 0.99))
