"""Cells are read as their kind says, or marked as unreadable; never guessed."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.sources.cells import Cells, read_cells
from pipelines.sources.mappings import FieldSource, SourceMapping
from selectivity.columns import KINDS

NAN = float("nan")


@pytest.mark.parametrize(
    ("notation", "cell", "number"),
    [
        ({}, "1234.5", 1234.5),
        ({}, "-3", -3.0),
        ({}, "1e3", 1000.0),
        ({}, ".5", 0.5),
        ({}, "0", 0.0),
        ({"thousands": ","}, "1,234,567.5", 1_234_567.5),
        ({"thousands": ","}, "1234567.5", 1_234_567.5),
        ({"thousands": ".", "decimal": ","}, "1.234,5", 1234.5),
        ({"thousands": " "}, "1\u00a0234\u202f567", 1_234_567.0),
    ],
)
def test_numbers_are_read_in_the_notation_of_the_source(
    notation: dict[str, str], cell: str, number: float
) -> None:
    cells = _read("customs_value", [cell], **notation)
    assert cells.values.tolist() == [number]
    assert not cells.unreadable.any()


@pytest.mark.parametrize(
    ("notation", "cell"),
    [
        ({}, "1,234"),
        ({"thousands": ","}, "1,5"),
        ({"thousands": ","}, "12,34,567"),
        ({"decimal": ","}, "1.5"),
        ({}, "inf"),
        ({}, "12kg"),
        ({}, "1_000"),
        ({}, "0x1F"),
    ],
)
def test_a_number_in_another_notation_is_not_guessed(notation: dict[str, str], cell: str) -> None:
    assert _read("customs_value", [cell], **notation).unreadable.all()


def test_a_sign_says_nothing_new_of_a_percentage_and_something_of_other_numbers() -> None:
    rates = _read("duty_rate_percent", ["5%", "12.5 %", "0", "%", "5%%"])
    assert rates.values.tolist()[:3] == [5, 12.5, 0]
    assert rates.unreadable.tolist() == [False, False, False, True, True]
    assert _read("duty_rate_percent", [5.0]).values.tolist() == [5]
    assert _read("net_mass_kg", ["5%"]).unreadable.all()


@pytest.mark.parametrize("cell", ["", "  ", "NA", "n/a", "NaN", "NULL", "None", "-", None, NAN])
@pytest.mark.parametrize(
    "name", ["customs_value", "importer_id", "accepted_at", "containerised", "document_types"]
)
def test_nothing_and_words_for_nothing_are_missing(name: str, cell: Any) -> None:
    cells = _read(name, [cell])
    assert pd.isna(cells.values).all()
    assert not cells.unreadable.any()


def test_namibia_is_a_country() -> None:
    assert _read("country_of_origin", ["NA", ""]).values.tolist() == ["NA", None]
    assert _read("routing_countries", ["NA;CN"]).values.tolist() == [("NA", "CN")]


@pytest.mark.parametrize(
    ("cells", "codes"),
    [
        (["71080", "071080"], ["071080", "071080"]),
        (["0710.80", "07 10.80"], ["071080", "071080"]),
        ([71080, 870323], ["071080", "870323"]),
        ([71080.0, NAN], ["071080", None]),
        (["71080.0", "0501.00"], ["071080", "050100"]),
        (["8703", "8703232926"], ["8703", "8703232926"]),
    ],
)
def test_hs_codes_get_their_leading_zero_back(cells: list[Any], codes: list[str]) -> None:
    assert _read("hs_code", cells, hs_digits=6).values.tolist() == codes


def test_codes_that_pandas_took_for_numbers_are_codes_again() -> None:
    assert _read("declaration_office", [30.0, NAN]).values.tolist() == ["30", None]


@pytest.mark.parametrize(
    ("cell", "utc"),
    [
        ("02/03/2026", "2026-03-01T17:00"),
        ("02/03/2026 08:30", "2026-03-02T01:30"),
        ("2026-03-02", "2026-03-01T17:00"),
        ("2026-03-02T08:30:00", "2026-03-02T01:30"),
        ("2026-03-02T08:30:00+09:00", "2026-03-01T23:30"),
        ("2026-03-02T08:30:00Z", "2026-03-02T08:30"),
        (pd.Timestamp("2026-03-02 08:30"), "2026-03-02T01:30"),
        (pd.Timestamp("2026-03-02 08:30", tz="UTC"), "2026-03-02T08:30"),
    ],
)
def test_times_are_read_in_any_of_several_forms(cell: Any, utc: str) -> None:
    formats = ("%d/%m/%Y", "%d/%m/%Y %H:%M", "ISO8601")
    cells = _read("accepted_at", [cell], date_formats=formats, timezone="Asia/Ho_Chi_Minh")
    assert cells.values[0] == np.datetime64(utc, "us")


@pytest.mark.parametrize("cell", ["03/31/2026", "2026-02-30", "yesterday", "2026-03-29T02:30:00"])
def test_a_time_that_does_not_exist_is_unreadable(cell: str) -> None:
    formats = ("%d/%m/%Y", "ISO8601")
    cells = _read("accepted_at", [cell], date_formats=formats, timezone="Europe/Brussels")
    assert cells.unreadable.all()


@pytest.mark.parametrize(
    "cell", ["2026-03-01T23:30:00Z", pd.Timestamp("2026-03-01 23:30", tz="UTC")]
)
def test_a_date_is_the_day_where_the_source_is(cell: Any) -> None:
    cells = _read("importer_registered_on", [cell], timezone="Asia/Seoul")
    assert cells.values[0] == np.datetime64("2026-03-02", "D")


@pytest.mark.parametrize(
    ("cell", "value"), [("Y", 1.0), ("1.0", 1.0), ("no", 0.0), (True, 1.0), (0, 0.0)]
)
def test_yes_and_no_are_read_in_many_words(cell: Any, value: float) -> None:
    assert _read("containerised", [cell]).values.tolist() == [value]


def test_a_fraction_is_not_a_count() -> None:
    assert _read("package_count", ["3", "3.0", "3.5"]).unreadable.tolist() == [False, False, True]


def test_numbers_in_another_unit_are_what_they_would_be_in_ours() -> None:
    tonnes = FieldSource(column="T", times=1000)
    for cells in (["0.0049", "", "1e308", "x"], [0.0049, None, 1e308, None]):
        read = _read("net_mass_kg", cells, source=tonnes)
        np.testing.assert_array_equal(read.values, [4.9, np.nan, np.inf, np.nan])
    assert 0.0049 * 1000 != 4.9


def test_lists_come_from_parquet_and_from_text_alike() -> None:
    assert _read("document_types", [["380", "271"], None]).values.tolist() == [("380", "271"), None]
    assert _read("document_types", ["380; 271", ""]).values.tolist() == [("380", "271"), None]


def test_an_empty_list_is_not_a_missing_one() -> None:
    assert _read("document_types", [[], None]).values.tolist() == [(), None]
    assert _read("document_types", [";", ""]).values.tolist() == [(), None]


@pytest.mark.parametrize(
    ("other", "value", "unreadable", "emptied"),
    [("keep", "9", False, 0), ("missing", None, False, 1), ("refuse", None, True, 0)],
)
def test_a_code_map_says_what_becomes_of_other_codes(
    other: Any, value: str | None, unreadable: bool, emptied: int
) -> None:
    source = FieldSource(column="MODE", codes={"SEA": "1"}, other_codes=other)
    one = _read("transport_mode", ["SEA", "9", ""], source=source)
    many = _read("document_types", ["SEA", "SEA;9", ""], source=source)

    assert one.values.tolist() == ["1", value, None]
    assert many.values.tolist() == [("1",), value and ("1", value), None]
    for cells in (one, many):
        assert cells.unreadable.tolist() == [False, unreadable, False]
        assert cells.emptied == emptied


@pytest.mark.parametrize(
    ("cells", "known"),
    [
        (["2026-03-02", "2026-03-02 10:00", ""], ["2026-03-02T16:59:59.999999", "03:00", None]),
        (
            ["2026-03-02", "2026-03-02 00:00", "2026-03-02 10:00"],
            ["2026-03-02T16:59:59.999999", "2026-03-01T17:00", "03:00"],
        ),
        ([pd.Timestamp("2026-03-02")] * 2, ["2026-03-02T16:59:59.999999"] * 2),
        (["2026-03-02 00:00:00"] * 2, ["2026-03-02T16:59:59.999999"] * 2),
        (
            [pd.Timestamp("2026-03-02"), pd.Timestamp("2026-03-02 10:00")],
            ["2026-03-01T17:00", "03:00"],
        ),
    ],
)
def test_a_result_that_is_dated_by_its_day_is_known_at_its_end(
    cells: list[Any], known: list[str | None]
) -> None:
    zone = "Asia/Ho_Chi_Minh"
    read, accepted = (
        _read(name, cells, timezone=zone).values for name in ("observed_at", "accepted_at")
    )
    whole = [each and (each if "T" in each else f"2026-03-02T{each}") for each in known]
    np.testing.assert_array_equal(read, np.array(whole, dtype="datetime64[us]"))
    assert accepted[0] == np.datetime64("2026-03-01T17:00")


@pytest.mark.parametrize("kind", [str, pd.Timestamp])
def test_a_day_before_a_clock_change_at_midnight_has_an_end(kind: Any) -> None:
    """In Cairo the 24th of April 2026 begins at one."""
    read = _read("observed_at", [kind("2026-04-23")] * 2, timezone="Africa/Cairo").values
    assert read[0] == np.datetime64("2026-04-23T21:59:59.999999")


def _read(name: str, cells: list[Any], *, source: FieldSource | None = None, **keys: Any) -> Cells:
    mapping = SourceMapping(name="test", title="A test", layout="tables", **keys)
    column = pd.Series(cells, dtype=None if any(cells) else object)
    kind = KINDS.get(name, "time")
    return read_cells(column, name, kind, mapping, source or FieldSource(column="C"))
