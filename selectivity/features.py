"""Features of a goods item: one definition, for a million rows and for one.

Every feature names what allows customs to use it, from the list in `selectivity.lawful`. NaN means
"not known", never zero. A feature never depends on the rows beside it, nor on anything later than
`accepted_at`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from selectivity.columns import Columns, Floats
from selectivity.known import LINE, OF_OTHER_LINES, CodeMaps, Known
from selectivity.profile_keys import KEYED
from selectivity.profiles import Histories

CODED = {
    "declaration_office": "TFA 7.4.4: country from which the goods were shipped, "
    "type of means of transport",
    "transport_mode": "TFA 7.4.4: type of means of transport",
    "type_code": "TFA 7.4.4: nature and description of the goods",
    "procedure_code": "TFA 7.4.4: nature and description of the goods",
    "transaction_nature": "TFA 7.4.4: nature and description of the goods",
    "payment_method": "RKC 6.4: persons, goods",
    "specific_circumstance": "TFA 7.4.4: type of means of transport",
    "country_of_export": "TFA 7.4.4: country from which the goods were shipped",
    "country_of_origin": "TFA 7.4.4: country of origin",
    "origin_type": "TFA 7.4.4: country of origin",
    "preference_code": "TFA 7.4.4: country of origin",
    "duty_type": "TFA 7.4.4: HS code, value",
    "valuation_method": "TFA 7.4.4: value",
}
"""Fields whose codes enter the model as numbers, by the code map made in training."""


@dataclass(frozen=True)
class Feature:
    """A number per goods item, its unit, and what allows customs to use it."""

    name: str
    unit: str
    group: str
    """Family of features that tell of the same thing."""
    allowed_by: str
    direction: int = 0
    """1 where the risk never falls when it rises, by constraint; 0 where training is free."""


@dataclass(frozen=True)
class Block:
    """Features computed by one function: one feature, or many that are made alike.

    Many go together because for one declaration a call costs more than the sums in it.
    """

    features: tuple[Feature, ...]
    compute: Callable[[Known], Floats]
    """Gives shape (n,) for one feature, (number of features, n) for many."""


def _alone(
    name: str, unit: str, group: str, allowed_by: str, compute: Callable[[Known], Floats]
) -> Block:
    return Block((Feature(name, unit, group, allowed_by),), compute)


def _number(name: str, known: Known) -> Floats:
    return np.asarray(known.columns[name], dtype=np.float64)


def _log_number(name: str, known: Known) -> Floats:
    values = _number(name, known)
    logs: Floats = np.log(np.where(values > 0, values, np.nan))
    return logs


def _log_unit_value(known: Known) -> Floats:
    return known.unit_value_log


def duty_at_stake(columns: Columns) -> Floats:
    """Customs value times duty rate, in the declaration's currency; NaN where either is missing."""
    value = np.asarray(columns["customs_value"], dtype=np.float64)
    rate = np.asarray(columns["duty_rate_percent"], dtype=np.float64)
    return value * rate / 100


def _log_duty(known: Known) -> Floats:
    return np.log1p(duty_at_stake(known.columns))


def _hs_number(digits: int, known: Known) -> Floats:
    return np.array(
        [
            np.nan if code is None or len(code) < digits else float(code[:digits])
            for code in known.columns["hs_code"]
        ],
        dtype=np.float64,
    )


def _same_country(known: Known) -> Floats:
    ends = (known.columns["country_of_origin"], known.columns["country_of_export"])
    return np.array(
        [
            np.nan if origin is None or export is None else float(origin == export)
            for origin, export in zip(*ends, strict=True)
        ],
        dtype=np.float64,
    )


def _registered_days(known: Known) -> Floats:
    registered = known.columns["importer_registered_on"].astype("datetime64[D]")
    days = known.days - registered.astype(np.int64).astype(np.float64)
    return np.where(np.isnat(registered), np.nan, days)


def _coded(known: Known) -> Floats:
    numbers = [
        list(map(known.codes.get(name, {}).get, known.columns[name].tolist())) for name in CODED
    ]
    return np.array(numbers, dtype=np.float64)  # None, for a code never seen, becomes NaN


def _of_profiles(known: Known) -> Floats:
    measured = np.stack(
        [
            known.measure("declared"),
            known.measure("controlled"),
            known.rates("documentary"),
            known.rates("physical"),
            known.known_days,
        ],
        axis=1,
    )
    keyed: Floats = measured[1:].reshape(-1, len(known.days))  # the first has no key
    return keyed


def _value_deviations(known: Known) -> Floats:
    return known.value_deviations


_VALUE = "TFA 7.4.4: value"
_GOODS = "TFA 7.4.4: nature and description of the goods, HS code"

_DECLARED = (
    _alone(
        "customs_value_log",
        "log currency",
        "amounts",
        _VALUE,
        partial(_log_number, "customs_value"),
    ),
    _alone("net_mass_log", "log kg", "amounts", _GOODS, partial(_log_number, "net_mass_kg")),
    _alone("unit_value_log", "log currency/kg", "amounts", _VALUE, _log_unit_value),
    _alone(
        "duty_rate",
        "percent",
        "duty",
        "TFA 7.4.4: HS code, value",
        partial(_number, "duty_rate_percent"),
    ),
    _alone("duty_at_stake_log", "log currency", "duty", _VALUE, _log_duty),
    _alone("hs2", "code", "codes", "TFA 7.4.4: HS code", partial(_hs_number, 2)),
    _alone("hs4", "code", "codes", "TFA 7.4.4: HS code", partial(_hs_number, 4)),
    _alone("hs6", "code", "codes", "TFA 7.4.4: HS code", partial(_hs_number, 6)),
    _alone(
        "origin_is_export_country",
        "0 or 1",
        "routing",
        "TFA 7.4.4: country of origin, country from which the goods were shipped",
        _same_country,
    ),
    _alone(
        "importer_registered_days",
        "days",
        "importer",
        "TFA 7.4.4: compliance record",
        _registered_days,
    ),
    _alone(
        "importer_compliance_level",
        "1 to 5",
        "importer",
        "TFA 7.4.4: compliance record",
        partial(_number, "importer_compliance_level"),
    ),
    _alone(
        "importer_risk_level",
        "1 to 9",
        "importer",
        "TFA 7.4.4: compliance record",
        partial(_number, "importer_risk_level"),
    ),
)

_CODED = tuple(Feature(name, "code", "codes", allowed_by) for name, allowed_by in CODED.items())

GROUP = {
    "importer": "importer",
    "importer_hs4": "importer",
    "declarant": "declarant",
    "seller": "seller",
    "office": "office",
    "hs4": "heading",
    "hs6": "heading",
    "origin_hs4": "origin",
    "goods_line": "goods_line",
}
"""Family of the features made of each profile."""

_OF_PROFILES = tuple(
    Feature(f"{profile.name}_{what}", unit, GROUP[profile.name], profile.allowed_by, direction)
    for profile in KEYED
    for what, unit, direction in (
        ("declared", "items", 0),
        ("controlled", "controls", 0),
        ("documentary_rate", "share", 1),
        ("physical_rate", "share", 1),
        ("known_days", "days", 0),
    )
)

_DEVIATIONS = tuple(
    Feature(f"{profile}_value_deviation", "spreads", "price", _VALUE) for profile in OF_OTHER_LINES
)

BLOCKS = (
    *_DECLARED,
    Block(_CODED, _coded),
    Block(_OF_PROFILES, _of_profiles),
    Block(_DEVIATIONS, _value_deviations),
)

FEATURES = tuple(feature for block in BLOCKS for feature in block.features)
"""Every feature, in the order of the model's columns."""

FEATURE_NAMES = tuple(feature.name for feature in FEATURES)

LINE_FEATURES = tuple(at for at, name in enumerate(FEATURE_NAMES) if name.startswith(f"{LINE}_"))
"""Columns of the matrix that remember a goods line."""


def forget_lines(matrix: Floats) -> Floats:
    """The same goods items as if their lines had never been controlled before."""
    forgotten = matrix.copy()
    forgotten[:, LINE_FEATURES] = np.nan
    return forgotten


def feature_matrix(columns: Columns, histories: Histories, codes: CodeMaps) -> Floats:
    """All features of all rows, shape (n, number of features), in the order of `FEATURES`."""
    known = Known(columns, histories, codes)
    return np.ascontiguousarray(np.vstack([block.compute(known) for block in BLOCKS]).T)


def code_maps(columns: Columns) -> dict[str, dict[str, int]]:
    """Numbers for the codes in these rows, by falling frequency, then by code."""
    return {name: _numbered(columns[name]) for name in CODED}


def _numbered(codes: npt.NDArray[Any]) -> dict[str, int]:
    known = [code for code in codes if code is not None]
    names, counts = np.unique(np.array(known, dtype=object), return_counts=True)
    order = sorted(zip(-counts, names, strict=True))
    return {str(name): number for number, (_, name) in enumerate(order)}
