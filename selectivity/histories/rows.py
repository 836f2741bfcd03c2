"""One goods item as a row: the fields of its header and its own by name, as features look at them.

Texts are None and numbers NaN where nothing was declared. Besides the fields a row has `day` and
`moment` (days and microseconds since 1970, UTC) of its `accepted_at`, `importer_registered_day`,
the code by its first digits, `hs2`, `hs4` and `hs6`, the `DERIVED_TEXTS`, what is `derived` from
all of these, and the `keys` of its histories.
`arrays_of` and `as_arrays` give the same names for many rows at once.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from math import nan
from operator import attrgetter, itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from selectivity.columns import HEADER, ITEM, Columns, day_of
from selectivity.days import EPOCH
from selectivity.histories.aggregates import DERIVED, derived
from selectivity.histories.derived_texts import DERIVED_TEXTS
from selectivity.histories.keys import keys_of
from selectivity.read_back import Lodged

Row = Mapping[str, Any]

DIGITS = {"hs2": 2, "hs4": 4, "hs6": 6}
"""Beginnings of the code that are keys of their own."""

NUMBERS = ("number", "integer", "boolean")

_EPOCH_DAY = EPOCH.date()
_A_MICROSECOND = timedelta(microseconds=1)
A_DAY = 86_400_000_000
"""Microseconds."""


def _named(fields: Mapping[str, str], *kinds: str) -> tuple[str, ...]:
    return tuple(name for name, kind in fields.items() if kind in kinds)


_HEADER_TEXTS, _HEADER_NUMBERS = _named(HEADER, "text"), _named(HEADER, *NUMBERS)
_ITEM_TEXTS, _ITEM_NUMBERS = _named(ITEM, "text"), _named(ITEM, *NUMBERS)
_TEXTS = (*_HEADER_TEXTS, *_ITEM_TEXTS)
_NUMBERS = (*_HEADER_NUMBERS, *_ITEM_NUMBERS, "day", "importer_registered_day", *DERIVED)
_texts_of, _numbers_of = itemgetter(*_TEXTS), itemgetter(*_NUMBERS)
_header_texts, _header_numbers = attrgetter(*_HEADER_TEXTS), attrgetter(*_HEADER_NUMBERS)
_item_texts, _item_numbers = attrgetter(*_ITEM_TEXTS), attrgetter(*_ITEM_NUMBERS)


def rows_of(declaration: Lodged) -> list[Row]:
    """The goods items of a declaration, in their order."""
    header: dict[str, Any] = dict(zip(_HEADER_TEXTS, _header_texts(declaration), strict=True))
    header.update(zip(_HEADER_NUMBERS, _floats(_header_numbers(declaration)), strict=True))
    moment = (declaration.accepted_at - EPOCH) // _A_MICROSECOND
    header["moment"], header["day"] = moment, moment // A_DAY
    header["routing_countries"] = declaration.routing_countries
    registered = declaration.importer_registered_on
    header["importer_registered_day"] = (
        nan if registered is None else float((registered - _EPOCH_DAY).days)
    )
    rows: list[Row] = []
    for item in declaration.items:
        row = header.copy()
        row.update(zip(_ITEM_TEXTS, _item_texts(item), strict=True))
        row.update(zip(_ITEM_NUMBERS, _floats(_item_numbers(item)), strict=True))
        row.update(_beginnings(item.hs_code))
        row.update(_derived_texts(row))
        row.update(derived(row))
        row["keys"] = keys_of(row)
        rows.append(row)
    return rows


def _floats(values: Sequence[Any]) -> list[float]:
    return [nan if value is None else float(value) for value in values]


def _beginnings(code: str | None) -> dict[str, str | None]:
    length = 0 if code is None else len(code)
    return {name: code[:n] if code and length >= n else None for name, n in DIGITS.items()}


def _derived_texts(row: Row) -> dict[str, str | None]:
    return {
        name: text.of(*[row[field] for field in text.fields])
        for name, text in DERIVED_TEXTS.items()
    }


def arrays_of(rows: Sequence[Row]) -> Columns:
    """The rows as arrays by the same names, but for `moment`, `keys` and what is in keys alone."""
    numbers = np.array(list(map(_numbers_of, rows)), dtype=np.float64).reshape(-1, len(_NUMBERS))
    texts = np.array(list(map(_texts_of, rows)), dtype=object).reshape(-1, len(_TEXTS))
    routes = np.empty(len(rows), dtype=object)
    routes[:] = [row["routing_countries"] for row in rows]
    return {
        **dict(zip(_NUMBERS, np.ascontiguousarray(numbers.T), strict=True)),
        **dict(zip(_TEXTS, texts.T, strict=True)),
        "routing_countries": routes,
    }


def as_arrays(columns: Columns) -> Mapping[str, npt.NDArray[Any]]:
    """The columns with what rows have besides them, but for `keys` and what is in keys alone."""
    registered = columns["importer_registered_on"].astype("datetime64[D]")
    days = np.where(np.isnat(registered), nan, registered.astype(np.int64).astype(np.float64))
    return {
        **columns,
        "moment": columns["accepted_at"].astype("datetime64[us]").astype(np.int64),
        "day": day_of(columns["accepted_at"]),
        "importer_registered_day": days,
        **derived(columns),
    }


def rows_in(columns: Columns) -> Sequence[Row]:
    """One row per row of the columns."""
    arrays = as_arrays(columns)
    names = (*_HEADER_TEXTS, *_HEADER_NUMBERS, *_ITEM_TEXTS, *_ITEM_NUMBERS)
    names = (*names, "moment", "day", "importer_registered_day", "routing_countries")
    rows: list[dict[str, Any]] = [
        dict(zip(names, values, strict=True))
        for values in zip(*(arrays[name].tolist() for name in names), strict=True)
    ]
    for row in rows:
        row.update(_beginnings(row["hs_code"]))
        row.update(_derived_texts(row))
        row.update(derived(row))
        row["keys"] = keys_of(row)
    return rows
