"""Spark on this machine gives the very histories that DuckDB gives. Skipped without Spark."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipelines.histories.engine import DuckDB, HistoryEngine, read_values
from pipelines.histories.inputs import Outcomes
from pipelines.histories.spark import Spark
from pipelines.label import LabelParams, label
from pipelines.stage.tables import write_columns
from pipelines.training.outcomes import as_outcomes
from pipelines.trials.memory import Memory
from selectivity.columns import Columns, in_time_order
from selectivity.errors import ParamsError
from tests.worlds import a_simulation

World = tuple[Columns, Outcomes]


@pytest.fixture(scope="module")
def world() -> World:
    memory = Memory()
    for week in a_simulation(weeks=6, declarations=400).weeks(6):
        memory.add(week)
    items = in_time_order(memory.items())
    told = label(items, memory.inspections(), memory.findings(), LabelParams())
    return items, as_outcomes(told)


@pytest.fixture(scope="module")
def spark() -> Iterator[HistoryEngine]:
    pytest.importorskip("pyspark", reason="no Spark here: `make cluster`")
    try:
        engine = Spark("local[2]", settings={"spark.sql.shuffle.partitions": "2"})
    except ParamsError as error:
        pytest.skip(str(error))
    with engine:
        yield engine


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_spark_and_duckdb_give_the_same(spark: HistoryEngine, world: World, tmp_path: Path) -> None:
    items, outcomes = world
    write_columns(items, tmp_path / "items.parquet")
    with DuckDB() as here:
        found = []
        for engine in (here, spark):
            engine.take_file(tmp_path / "items.parquet", outcomes)
            folder = tmp_path / type(engine).__name__
            engine.write_values(folder)
            found.append((np.hstack(list(read_values(folder, 100))), engine.snapshot()))
    (values, snapshot), (of_spark, snapshot_of_spark) = found
    assert np.nansum(values) > 0
    np.testing.assert_array_equal(values, of_spark)
    assert snapshot.keys() == snapshot_of_spark.keys()
    for name, array in snapshot.items():
        np.testing.assert_array_equal(array, snapshot_of_spark[name], err_msg=name)


def test_who_has_no_spark_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(ParamsError, match="make cluster"):
        Spark("local[2]")
