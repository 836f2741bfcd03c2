"""Histories that do not fit into memory at once are computed part by part, and are the same."""

from pathlib import Path

import duckdb
import numpy as np
import pytest

from pipelines.histories import engine
from pipelines.histories.engine import DuckDB, EngineParams, read_values
from selectivity.errors import ParamsError
from selectivity.histories.aggregates import VALUES
from tests.benchmarks.history_rows import outcomes, write_items

ROWS = 2_000


def _values(file: Path, out: Path) -> "np.typing.NDArray[np.float64]":
    with DuckDB(spill=out.parent) as bulk:
        bulk.take_file(file, outcomes(ROWS))
        bulk.write_values(out)
    return np.hstack(list(read_values(out, 300)))


def test_parts_come_to_the_same_as_all_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "o'brien"
    folder.mkdir()
    write_items(tmp_path / "items.parquet", ROWS)
    whole = _values(tmp_path / "items.parquet", folder / "whole")
    monkeypatch.setattr(engine, "ROWS_A_GIGABYTE", 100)  # five parts
    in_parts = _values(tmp_path / "items.parquet", folder / "parts")
    assert whole.shape == (len(VALUES), ROWS)
    assert np.nansum(whole) > 0
    np.testing.assert_array_equal(whole, in_parts)


def test_too_little_memory_is_told_with_the_setting_to_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with DuckDB(EngineParams(memory_gigabytes=0.5)) as bulk:

        def run_out(*_: object) -> None:
            raise duckdb.OutOfMemoryException("failed to allocate")

        monkeypatch.setattr(bulk, "_connection", type("C", (), {"sql": run_out, "close": run_out}))
        with pytest.raises(ParamsError, match=r"0\.5 GB.*featurize\.memory_gigabytes"):
            bulk._ask("SELECT 1")
        monkeypatch.undo()
