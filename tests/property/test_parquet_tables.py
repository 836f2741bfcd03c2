"""Goods items keep every value on their way through frames and Parquet files."""

import tempfile
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.stage.tables import (
    columns_from_frame,
    frame_from_columns,
    read_columns,
    write_columns,
)
from selectivity.columns import KINDS, Columns, Kind

_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf"]), max_size=20)
_TIMES = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1))
_CELLS: Mapping[Kind, st.SearchStrategy[Any]] = {
    "text": st.none() | _TEXT,
    "texts": st.none() | st.lists(_TEXT, max_size=3),
    "number": st.floats(allow_nan=True, allow_infinity=False),
    "integer": st.just(np.nan) | st.integers(0, 99_999_999).map(float),
    "boolean": st.sampled_from([np.nan, 0.0, 1.0]),
    "time": st.just(np.datetime64("NaT", "us"))
    | _TIMES.map(lambda time: np.datetime64(time, "us")),
    "date": st.just(np.datetime64("NaT", "D"))
    | st.dates(date(1900, 1, 1), date(2200, 1, 1)).map(lambda day: np.datetime64(day, "D")),
}
_DTYPES: Mapping[Kind, str] = {
    "text": "object",
    "texts": "object",
    "number": "float64",
    "integer": "float64",
    "boolean": "float64",
    "time": "datetime64[us]",
    "date": "datetime64[D]",
}


@st.composite
def item_columns(draw: st.DrawFn) -> Columns:
    """Columns of any content, some of them missing throughout."""
    rows = draw(st.integers(0, 4))
    columns = {}
    for name, kind in KINDS.items():
        array = np.empty(rows, dtype=_DTYPES[kind])
        cells = draw(st.lists(_CELLS[kind], min_size=rows, max_size=rows))
        for row, cell in enumerate(cells):
            array[row] = cell
        columns[name] = array
    return columns


@settings(max_examples=20, deadline=None)
@given(item_columns())
def test_columns_to_frame_and_back_keep_everything(columns: Columns) -> None:
    _assert_same(columns_from_frame(frame_from_columns(columns)), columns)


@settings(max_examples=12, deadline=None)
@given(item_columns())
def test_columns_to_parquet_and_back_keep_everything(columns: Columns) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "items.parquet"
        write_columns(columns, path)
        _assert_same(read_columns(path), columns)
        assert [file.name for file in Path(folder).iterdir()] == ["items.parquet"]


def test_fields_a_frame_does_not_have_are_missing_on_every_row() -> None:
    columns = columns_from_frame(pd.DataFrame({"hs_code": ["010121"], "not_a_field": [1]}))

    assert set(columns) == set(KINDS)
    assert columns["hs_code"].tolist() == ["010121"]
    assert columns["importer_id"].tolist() == [None]
    assert np.isnan(columns["net_mass_kg"]).all()
    assert np.isnat(columns["accepted_at"]).all()


def test_frames_in_the_dress_of_pandas_become_plain_columns() -> None:
    frame = pd.DataFrame(
        {
            "importer_id": pd.Series(["A", None], dtype="str"),
            "declarant_id": pd.Series(["A", pd.NA], dtype="string"),
            "item_no": pd.Series([1, pd.NA], dtype="Int64"),
            "containerised": pd.Series([True, pd.NA], dtype="boolean"),
            "net_mass_kg": pd.Series([1, 2]),
            "accepted_at": pd.to_datetime(["2026-03-02T07:00:00+07:00", None], utc=True),
            "importer_registered_on": [date(2020, 1, 2), None],
        }
    )
    columns = columns_from_frame(frame)

    assert columns["importer_id"].tolist() == ["A", None]
    assert columns["declarant_id"].tolist() == ["A", None]
    np.testing.assert_array_equal(columns["item_no"], [1.0, np.nan])
    np.testing.assert_array_equal(columns["containerised"], [1.0, np.nan])
    assert columns["net_mass_kg"].dtype == np.float64
    assert columns["accepted_at"].dtype == np.dtype("datetime64[us]")
    assert columns["accepted_at"][0] == np.datetime64("2026-03-02T00:00:00")
    assert columns["importer_registered_on"][0] == np.datetime64("2020-01-02", "D")


def test_times_in_a_frame_carry_their_zone() -> None:
    columns = columns_from_frame(pd.DataFrame({"accepted_at": [datetime(2026, 3, 2, tzinfo=UTC)]}))
    assert frame_from_columns(columns)["accepted_at"].dt.tz is not None


def _assert_same(found: Columns, expected: Columns) -> None:
    for name, kind in KINDS.items():
        assert found[name].dtype == expected[name].dtype, name
        if kind in ("text", "texts"):
            assert found[name].tolist() == expected[name].tolist(), name
        else:
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
