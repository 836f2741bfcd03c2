"""Compute every feature of every goods item, from what was known before its day.

Reads   data/interim/prepared/items.parquet       one row per goods item, in time order
        data/interim/prepared/periods.json        which days train, calibrate and evaluate
        data/interim/labelled/outcomes.parquet    one row per inspected goods item and inspection
Writes  data/features/features.parquet            one float64 column per feature, rows as in items
        data/features/knowledge.json              code numbers, known codes, duty cap
        data/features/profiles.npz                every key's history, for the service to go on from

Works on part of the goods items at a time: memory is bounded whatever their number.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from pydantic import Field

from models.bundle import PROFILES_FILE
from models.feature_list import feature_list
from models.lane_model import COUNTRIES, KNOWLEDGE, Knowledge, knowledge_json
from pipelines.histories.engine import DuckDB, EngineParams, history_in_bulk, read_values
from pipelines.histories.inputs import Outcomes
from pipelines.histories.spark import Spark
from pipelines.stage.command import command, say
from pipelines.stage.files import put_in_place, read_as, scratch, write_arrays, write_text
from pipelines.stage.options import FeaturesFolder, ItemsFile, OutcomesFile, ParamsFile, PeriodsFile
from pipelines.stage.params import section
from pipelines.stage.tables import columns_in_parts, count_rows
from pipelines.training.outcomes import as_outcomes, read_outcomes
from pipelines.training.periods import Periods
from selectivity.columns import ITEM, Columns, Floats, take
from selectivity.features.declared import CODED
from selectivity.features.matrix import FEATURE_NAMES, FEATURES, feature_matrix, numbered
from selectivity.histories.aggregates import duty_at_stake

DECLARED_MOSTLY = 0.5
"""A field declared on at least this share of the items counts as a fact the history has."""


class FeaturizeParams(EngineParams):
    """Section `featurize` of params.yaml."""

    profiles_until: date | None = Field(
        default=None,
        description="First day the bundle's histories leave out; null: they hold everything known.",
    )
    rows_at_once: int = Field(default=100_000, ge=1_000, description="Rows made features together.")

    def before_day(self) -> int | None:
        """The first day that is left out, in days since 1970."""
        return (
            None if self.profiles_until is None else (self.profiles_until - date(1970, 1, 1)).days
        )


class Lessons:
    """Gathers what goods items teach about codes, facts and the size of duties."""

    def __init__(self) -> None:
        self._codes: dict[str, Counter[str]] = {name: Counter() for name in CODED}
        self._headings: set[str] = set()
        self._countries: set[str] = set()
        self._declared: Counter[str] = Counter()
        self._duties: list[Floats] = []
        self._rows = 0

    def add(self, items: Columns) -> None:
        """Some more goods items."""
        self._rows += len(items["item_no"])
        for name, counts in self._codes.items():
            counts.update(_there(items[name]))
        self._headings.update(code[:4] for code in _there(items["hs_code"]))
        for name in COUNTRIES:
            self._countries.update(_there(items[name]))
        for name in ITEM:
            self._declared[name] += int(pd.notna(items[name]).sum())
        duties = duty_at_stake(items)
        self._duties.append(duties[~np.isnan(duties)])

    def knowledge(self) -> Knowledge:
        """What all of them taught."""
        duties = np.concatenate([*self._duties, np.empty(0)])
        cap = float(np.quantile(duties, 0.99)) if len(duties) else 0.0
        mostly = DECLARED_MOSTLY * max(self._rows, 1)
        return Knowledge(
            feature_names=FEATURE_NAMES,
            codes={name: numbered(counts) for name, counts in self._codes.items()},
            headings=frozenset(self._headings),
            countries=frozenset(self._countries),
            facts=frozenset(name for name in ITEM if self._declared[name] >= mostly),
            duty_cap=cap if cap > 0 else 1.0,
        )


def _there(values: npt.NDArray[Any]) -> Iterator[str]:
    return (value for value in values.tolist() if value is not None)


def knowledge_of(items: Columns) -> Knowledge:
    """What these goods items teach about codes, facts and the size of duties."""
    lessons = Lessons()
    lessons.add(items)
    return lessons.knowledge()


def featurize(
    items: Columns,
    outcomes: Outcomes,
    knowledge: Knowledge,
    engine: EngineParams | None = None,
) -> Floats:
    """Feature matrix of goods items in memory, each from what was known before its day. Pure."""
    return feature_matrix(items, history_in_bulk(items, outcomes, engine), knowledge.codes)


def knowledge_before(items: Path, day: date, rows_at_once: int) -> Knowledge:
    """What the goods items of a file that were accepted before this day teach."""
    lessons = Lessons()
    for columns in columns_in_parts(items, rows_at_once):
        lessons.add(take(columns, columns["accepted_at"] < np.datetime64(day)))
    return lessons.knowledge()


def write_features(
    items: Path, histories: Path, knowledge: Knowledge, out: Path, rows_at_once: int
) -> int:
    """Features of all goods items of a file, one row group after the other; gives their number."""
    schema = pa.schema([(name, pa.float64()) for name in FEATURE_NAMES])
    rows = 0
    with (
        put_in_place(out) as beside,
        pq.ParquetWriter(beside, schema, compression="zstd") as writer,
    ):
        parts = columns_in_parts(items, rows_at_once)
        for columns, known in zip(parts, read_values(histories, rows_at_once), strict=True):
            matrix = feature_matrix(columns, known, knowledge.codes)
            writer.write_table(pa.table(list(matrix.T.copy()), schema=schema))
            rows += len(matrix)
    return rows


def main(
    params: ParamsFile,
    items: ItemsFile,
    periods: PeriodsFile,
    outcomes: OutcomesFile,
    out: FeaturesFolder,
    spark: Annotated[
        str | None, typer.Option(help="Master of a Spark cluster, or `local[2]`; else DuckDB here.")
    ] = None,
) -> None:
    """Compute every feature of every goods item."""
    settings = section(params, "featurize", FeaturizeParams)
    feature_list(FEATURES)  # refused here, before hours of work, if no law allows one of them
    events = as_outcomes(read_outcomes(outcomes, count_rows(items)))
    parts = read_as(periods, Periods)
    out.mkdir(parents=True, exist_ok=True)
    knowledge = knowledge_before(items, parts.evaluate_from, settings.rows_at_once)
    with scratch(out, ".histories-") as folder:
        with (
            DuckDB(settings, spill=folder) if spark is None else Spark(spark, spill=folder)
        ) as engine:
            engine.take_file(items, events)
            engine.write_values(folder, tell=lambda line: say(f"featurize: {line}"))
            snapshot = engine.snapshot(before_day=settings.before_day())
        rows = write_features(
            items, folder, knowledge, out / "features.parquet", settings.rows_at_once
        )
    write_text(out / KNOWLEDGE, knowledge_json(knowledge))
    write_arrays(out / PROFILES_FILE, snapshot)
    say(f"featurize: {len(FEATURE_NAMES)} features of {rows} goods items")


if __name__ == "__main__":
    command(main)
