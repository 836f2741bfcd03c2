"""By what a goods item is known again: importer, heading, origin … each kind of key one profile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np
import numpy.typing as npt

from selectivity.columns import Columns

SEPARATOR = "\x1f"

Keys = Sequence[str | None]
"""The key of each row; None where a part of it was not declared."""


@dataclass(frozen=True)
class Profile:
    """One kind of key. A goods item with any part missing belongs to no key: its history is NaN."""

    name: str
    keys: tuple[str, ...]
    allowed_by: str


EVERYTHING = Profile("everything", (), "TFA 7.4.4: compliance record")
KEYED = (
    Profile("importer", ("importer_id",), "TFA 7.4.4: compliance record"),
    Profile("declarant", ("declarant_id",), "TFA 7.4.4: compliance record"),
    Profile("seller", ("seller_id",), "TFA 7.4.4: compliance record"),
    Profile(
        "office",
        ("declaration_office",),
        "TFA 7.4.4: country from which the goods were shipped, type of means of transport",
    ),
    Profile("hs4", ("hs4",), "TFA 7.4.4: HS code"),
    Profile("hs6", ("hs6",), "TFA 7.4.4: HS code"),
    Profile("origin_hs4", ("country_of_origin", "hs4"), "TFA 7.4.4: country of origin, HS code"),
    Profile("importer_hs4", ("importer_id", "hs4"), "TFA 7.4.4: compliance record, HS code"),
    Profile(
        "goods_line",
        ("goods_line",),
        "TFA 7.4.4: nature and description of the goods, HS code, country of origin",
    ),
)

PROFILES = (EVERYTHING, *KEYED)

_PARTS = tuple(dict.fromkeys(part for profile in PROFILES for part in profile.keys))

LINE_FIELDS = (
    "hs_code",
    "country_of_export",
    "country_of_origin",
    "duty_rate_percent",
    "duty_type",
    "net_mass_kg",
)
"""What goods declared alike have in common."""


def keys_per_profile(columns: Columns) -> Mapping[str, Keys]:
    """The key of each row in every profile, in the order of `PROFILES`."""
    parts = {name: _part(name, columns) for name in _PARTS}
    rows = len(columns["hs_code"])
    return {
        profile.name: _joined([parts[name] for name in profile.keys], rows) for profile in PROFILES
    }


def goods_line(columns: Columns) -> npt.NDArray[Any]:
    """Names goods declared alike: code, countries, duty and net mass. None without code or mass."""
    lines = np.empty(len(columns["hs_code"]), dtype=object)
    lines[:] = _lines(columns)
    return lines


def _part(name: str, columns: Columns) -> Keys:
    if name == "goods_line":
        return _lines(columns)
    if name in ("hs4", "hs6"):
        digits = int(name[2:])
        codes = columns["hs_code"].tolist()
        return [None if code is None or len(code) < digits else code[:digits] for code in codes]
    texts: list[str | None] = columns[name].tolist()
    return texts


def _joined(parts: Sequence[Keys], rows: int) -> Keys:
    if not parts:
        return [""] * rows
    if len(parts) == 1:
        return parts[0]
    return [None if None in row else SEPARATOR.join(row) for row in zip(*parts, strict=True)]


def _lines(columns: Columns) -> Keys:
    rows = zip(*(columns[name].tolist() for name in LINE_FIELDS), strict=True)
    return [
        None
        if row[0] is None or isnan(row[-1])
        else SEPARATOR.join(["" if part is None else str(part) for part in row])
        for row in rows
    ]
