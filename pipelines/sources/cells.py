"""Turns the cells of one raw column into values of one kind, in the dress of `selectivity.columns`.

A cell that cannot be read is marked, never guessed: `1,5` is not 15, and a day that no format knows
is not today. Whether a value is acceptable is for `Declaration` to say, not for this module.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types

from pipelines.sources.mappings import FieldSource, SourceMapping
from selectivity.columns import Kind, Mask

_HAS_OFFSET = r"\d:\d\d.*(?:Z|[+-]\d\d:?\d\d)$"
_SPACES = " \u00a0\u202f"
_NUMBERS = {"integer", "floating", "mixed-integer-float", "decimal"}
_TIMES = {"datetime64", "datetime", "date"}
_LEAST = pd.Timedelta(1, unit="us")
RESULT_KNOWN = "observed_at"
"""A result that is dated by its day may have come at the end of it: any earlier, and what was
accepted on that day would have been inspected in advance."""


@dataclass(frozen=True)
class Cells:
    """Values of one kind, and which cells could not be read."""

    values: npt.NDArray[Any]
    unreadable: Mask
    reason: str = ""
    emptied: int = 0
    """Cells with a code that the mapping sets to missing."""


def read_cells(
    column: "pd.Series[Any]", name: str, kind: Kind, mapping: SourceMapping, source: FieldSource
) -> Cells:
    """The cells of `column` as values of field `name`."""
    if kind in ("time", "date"):
        return _times(column, kind, mapping, source, to_the_end=name == RESULT_KNOWN)
    if name.endswith("_percent"):
        column = _without_sign(column)
    if kind in ("number", "integer"):
        return _scaled(read_numbers(column, mapping, whole=kind == "integer"), source.times)
    text = plain_text(column, missing_words(name, mapping))
    if kind == "boolean":
        return _booleans(text, mapping)
    if kind == "texts":
        return _lists(text, source)
    if name == "hs_code":
        text = _hs_codes(text, mapping.hs_digits)
    return _codes(text, source)


def missing_words(name: str, mapping: SourceMapping) -> Sequence[str]:
    """Words that mean "not declared" in this field. In a country field NA is Namibia."""
    about_countries = name.startswith("country_") or name == "routing_countries"
    words = [word.lower() for word in mapping.missing_words]
    return [word for word in words if not (about_countries and word == "na")]


def plain_text(column: "pd.Series[Any]", missing: Sequence[str]) -> "pd.Series[str]":
    """Cells as trimmed text, NaN where nothing was declared."""
    text = column if column.dtype == "str" else column.map(_plain, na_action="ignore").astype("str")
    text = text.str.strip().str.replace("\r\n", "\n", regex=False)
    return text.mask(text.str.lower().isin(list(missing)))


def without_point_zero(text: "pd.Series[str]") -> "pd.Series[str]":
    """1 for 1.0, which is how pandas writes a column of ones and gaps."""
    return text.str.replace(r"^(-?\d+)\.0+$", r"\1", regex=True)


def read_numbers(column: "pd.Series[Any]", mapping: SourceMapping, *, whole: bool = False) -> Cells:
    """Numbers in the source's notation. A misplaced thousands separator makes a cell unreadable."""
    if types.infer_dtype(column, skipna=True) in _NUMBERS:
        text, values = column, pd.to_numeric(column).astype("float64")
    else:
        text = plain_text(column, missing_words("", mapping))
        values = _parsed_numbers(text, mapping)
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    unreadable = np.isnan(numbers) & text.notna().to_numpy()
    if not whole:
        thousands = f"thousands {mapping.thousands!r}" if mapping.thousands else "no thousands"
        return Cells(
            numbers, unreadable, f"not a number (decimal {mapping.decimal!r}, {thousands})"
        )
    broken = np.isfinite(numbers) & (numbers != np.floor(numbers))
    return Cells(np.where(broken, np.nan, numbers), unreadable | broken, "not a whole number")


def _scaled(cells: Cells, times: float | None) -> Cells:
    """In our unit, as it would have been written there: 0.0049 tonnes are 4.9 kg, and no 4.8999."""
    if times is None:
        return cells
    with np.errstate(over="ignore"):  # no declaration takes what comes of it
        numbers = cells.values * times
    return replace(cells, values=np.array([float(f"{number:.15g}") for number in numbers]))


def _without_sign(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """5 for 5%, in a field that is in per cent."""
    if types.infer_dtype(column, skipna=True) in _NUMBERS:
        return column
    return plain_text(column, ()).str.replace(r"(\d)\s*%$", r"\1", regex=True)


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple, np.ndarray)):
        return ";".join(str(part) for part in value) or ";"  # an empty list is not a missing one
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a code that pandas once took for a number: 30.0 is office 30
    return str(value)


def _parsed_numbers(text: "pd.Series[str]", mapping: SourceMapping) -> "pd.Series[float]":
    separator = f"[{_SPACES}]" if mapping.thousands.isspace() else re.escape(mapping.thousands)
    point = re.escape(mapping.decimal)
    grouped = rf"|\d{{1,3}}(?:{separator}\d{{3}})+" if mapping.thousands else ""
    shape = rf"[+-]?(?:(?:\d+{grouped})(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?"
    good = text.where(text.str.fullmatch(shape).fillna(False).astype(bool))
    if mapping.thousands:
        good = good.str.replace(separator, "", regex=True)
    return pd.to_numeric(good.str.replace(mapping.decimal, ".", regex=False), errors="coerce")


def _booleans(text: "pd.Series[str]", mapping: SourceMapping) -> Cells:
    words = {word.lower(): 1.0 for word in mapping.true_words}
    words |= {word.lower(): 0.0 for word in mapping.false_words}
    values = (
        without_point_zero(text.str.lower()).map(words).to_numpy(dtype=np.float64, na_value=np.nan)
    )
    return Cells(values, np.isnan(values) & text.notna().to_numpy(), "not a yes or no")


def _codes(text: "pd.Series[str]", source: FieldSource) -> Cells:
    unknown = np.zeros(len(text), dtype=bool)
    if source.codes:
        known = text.isin(list(source.codes))
        unknown = (text.notna() & ~known).to_numpy()
        text = text.map(lambda code: source.codes.get(code, code), na_action="ignore")
    return _mapped(_objects(text), unknown, source)


def _lists(text: "pd.Series[str]", source: FieldSource) -> Cells:
    values = np.full(len(text), None, dtype=object)
    unknown = np.zeros(len(text), dtype=bool)
    for row, cell in enumerate(text.to_list()):
        if not isinstance(cell, str):
            continue
        parts = [part.strip() for part in cell.split(";") if part.strip()]
        unknown[row] = bool(source.codes) and not set(parts) <= set(source.codes)
        values[row] = tuple(source.codes.get(part, part) for part in parts)
    return _mapped(values, unknown, source)


def _mapped(values: npt.NDArray[Any], unknown: Mask, source: FieldSource) -> Cells:
    """What becomes of codes that the code map does not know, as the mapping says."""
    if source.other_codes == "keep":
        return Cells(values, np.zeros(len(values), dtype=bool))
    values[unknown] = None
    if source.other_codes == "missing":
        return Cells(values, np.zeros(len(values), dtype=bool), emptied=int(unknown.sum()))
    return Cells(values, unknown, "not in the code map")


def _hs_codes(text: "pd.Series[str]", digits: int | None) -> "pd.Series[str]":
    whole = text.str.replace(r"\.0$", "", regex=True)  # 10121.0 was a number once; 0501.00 was not
    digits_only = whole.str.replace(r"[.\s]", "", regex=True)
    if digits is None:
        return digits_only
    # Only chapters 01 to 09 begin with a zero, and with one: a shorter code is a shorter code.
    shortened = digits_only.str.fullmatch(rf"\d{{{digits - 1}}}").fillna(False).astype(bool)
    return digits_only.mask(shortened, "0" + digits_only)


def _times(
    column: "pd.Series[Any]",
    kind: Kind,
    mapping: SourceMapping,
    source: FieldSource,
    *,
    to_the_end: bool = False,
) -> Cells:
    """Times and days; with `to_the_end` a day without a time is over."""
    zone = mapping.timezone
    formats = source.date_formats or mapping.date_formats
    if types.infer_dtype(column, skipna=True) in _TIMES:
        present, times = column.notna(), _in_zone(pd.to_datetime(column), zone)
        told = pd.Series(data=True, index=column.index)
    else:
        text = plain_text(column, missing_words("", mapping))
        present, times = text.notna(), _parsed_times(text, formats, zone)
        told = text.str.contains(":", regex=False).fillna(False).astype(bool)
    if to_the_end:
        times = _to_the_end(times, told, zone)
    if kind == "time":
        times = times.dt.tz_convert("UTC")
    values = times.dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
    reason = f"not a date or time in {' or '.join(formats)} ({zone})"
    unreadable = (present & times.isna()).to_numpy()
    return Cells(values if kind == "time" else values.astype("datetime64[D]"), unreadable, reason)


def _to_the_end(
    times: "pd.Series[pd.Timestamp]", told: "pd.Series[bool]", zone: str
) -> "pd.Series[pd.Timestamp]":
    """The times, except that a day without a time becomes its last moment.

    Midnight that is written out is a time, unless all are midnights: databases write days so.
    """
    wall = times.dt.tz_localize(None)
    midnight = wall == wall.dt.normalize()
    days = midnight & (~told | bool(midnight[times.notna()].all()))
    ends = (wall + pd.Timedelta(days=1) - _LEAST).dt.tz_localize(
        zone, ambiguous=np.zeros(len(wall), dtype=bool), nonexistent="shift_backward"
    )
    return times.mask(days, ends)


def _parsed_times(
    text: "pd.Series[str]", formats: Sequence[str], zone: str
) -> "pd.Series[pd.Timestamp]":
    """Each cell by the first format that fits it; a time without an offset is one in `zone`."""
    times = pd.Series(pd.NaT, index=text.index, dtype=pd.DatetimeTZDtype("us", zone))
    has_offset = text.str.contains(_HAS_OFFSET, regex=True).fillna(False).astype(bool)
    for form in formats:
        for offset, rows in ((True, has_offset), (False, ~has_offset)):
            rows = rows & text.notna() & times.isna()
            if rows.any():
                read = pd.to_datetime(text[rows], format=form, errors="coerce", utc=offset)
                times[rows] = _in_zone(read, zone)
    return times


def _in_zone(times: "pd.Series[pd.Timestamp]", zone: str) -> "pd.Series[pd.Timestamp]":
    """The times in this zone; an hour that a clock change skips or repeats becomes missing."""
    times = times.dt.as_unit("us")
    if times.dt.tz is not None:
        return times.dt.tz_convert(zone)
    return times.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")


def _objects(text: "pd.Series[str]") -> npt.NDArray[Any]:
    values = text.to_numpy(dtype=object, copy=True)
    values[text.isna().to_numpy()] = None
    return values
