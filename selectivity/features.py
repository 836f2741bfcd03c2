"""Features of a goods item: one definition, for a million rows and for one.

Every feature names what allows customs to use it. NaN means "not known", never zero. A feature
never depends on the rows beside it, nor on anything later than `accepted_at`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from selectivity import elementwise
from selectivity.aggregates import (
    KEYED,
    PLACE,
    PROFILES,
    Declared,
    Profile,
    unit_value,
    weight_per_unit,
)
from selectivity.columns import Columns, Floats
from selectivity.elementwise import Number, Text
from selectivity.known import LINE, CodeMaps, Compute, Known, deviation, rate, share
from selectivity.rows import Row, as_arrays

CODED = {
    "declaration_office": (
        "TFA 7.4.4: country from which the goods were shipped, type of means of transport"
    ),
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
    compute: Compute
    direction: int = 0
    """1: the risk may never fall when the feature rises. 0: the data may say."""


def _field(name: str, known: Known) -> Number:
    return known.declared[name]


def _log_field(name: str, known: Known) -> Number:
    return elementwise.log(known.declared[name])


def _log_unit_value(known: Known) -> Number:
    return elementwise.log(unit_value(known.declared))


def _log_weight_per_unit(known: Known) -> Number:
    return elementwise.log(weight_per_unit(known.declared))


def duty_at_stake(declared: Declared) -> Number:
    """Customs value times duty rate, in the declaration's currency; NaN where either is missing."""
    return declared["customs_value"] * declared["duty_rate_percent"] / 100


def _log_duty(known: Known) -> Number:
    return elementwise.log(1.0 + duty_at_stake(known.declared))


def _packing(known: Known) -> Number:
    gross, net = known.declared["gross_mass_kg"], known.declared["net_mass_kg"]
    return elementwise.log(elementwise.ratio(gross, net))


def _hs_number(digits: int, known: Known) -> Number:
    return elementwise.digits(known.declared["hs_code"], digits)


def _same_country(known: Known) -> Number:
    declared = known.declared
    return elementwise.same(declared["country_of_origin"], declared["country_of_export"])


def _on_route(origin: Text, export: Text, route: Any) -> Number:
    if isinstance(origin, np.ndarray):
        rows = zip(origin.tolist(), export.tolist(), route.tolist(), strict=True)
        return np.array([_on_route(*row) for row in rows], dtype=np.float64)
    if origin is None or export is None or route is None:
        return np.nan
    return float(origin == export or origin in route)


def _origin_on_route(known: Known) -> Number:
    fields = ("country_of_origin", "country_of_export", "routing_countries")
    return _on_route(*(known.declared[name] for name in fields))


def _registered_days(known: Known) -> Number:
    return known.declared["day"] - known.declared["importer_registered_day"]


def _claimed(known: Known) -> Number:
    return elementwise.is_known(known.declared["preference_code"])


def _coded(name: str, known: Known) -> Number:
    numbers, codes = known.codes.get(name, {}), known.declared[name]
    if isinstance(codes, np.ndarray):
        found = list(map(numbers.get, codes.tolist()))
        return np.array(found, dtype=np.float64)  # None, for a code never seen, becomes NaN
    return float(numbers.get(codes, np.nan))


def _value(name: str) -> Compute:
    place = PLACE[name]
    return lambda known: known.values[place]


def _days_since(name: str) -> Compute:
    place = PLACE[name]
    return lambda known: known.declared["day"] - known.values[place]


_usual_duty = share("hs4_duty_rate", "hs4_rated")  # in hundredths of a percent


def _duty_gap(known: Known) -> Number:
    return _usual_duty(known) / 100 - known.declared["duty_rate_percent"]


_VALUE = "TFA 7.4.4: value"
_NATURE = "TFA 7.4.4: nature and description of the goods, HS code"
_ORIGIN = "TFA 7.4.4: country of origin"
_ROUTE = "TFA 7.4.4: country of origin, country from which the goods were shipped"
_RECORD = "TFA 7.4.4: compliance record"

_DECLARED = (
    Feature(
        "customs_value_log", "log currency", "amounts", _VALUE, partial(_log_field, "customs_value")
    ),
    Feature("net_mass_log", "log kg", "amounts", _NATURE, partial(_log_field, "net_mass_kg")),
    Feature("unit_value_log", "log currency/kg", "amounts", _VALUE, _log_unit_value),
    Feature("weight_per_unit_log", "log kg/unit", "amounts", _NATURE, _log_weight_per_unit),
    Feature("packing_log", "log kg/kg", "amounts", _NATURE, _packing),
    Feature(
        "duty_rate",
        "percent",
        "duty",
        "TFA 7.4.4: HS code, value",
        partial(_field, "duty_rate_percent"),
    ),
    Feature("duty_at_stake_log", "log currency", "duty", _VALUE, _log_duty),
    Feature("hs4_duty_gap", "percent", "duty", "TFA 7.4.4: HS code, value", _duty_gap),
    Feature("hs2", "code", "codes", "TFA 7.4.4: HS code", partial(_hs_number, 2)),
    Feature("hs4", "code", "codes", "TFA 7.4.4: HS code", partial(_hs_number, 4)),
    Feature("hs6", "code", "codes", "TFA 7.4.4: HS code", partial(_hs_number, 6)),
    Feature("origin_is_export_country", "0 or 1", "routing", _ROUTE, _same_country),
    Feature("origin_on_route", "0 or 1", "routing", _ROUTE, _origin_on_route),
    Feature(
        "origin_export_share",
        "share",
        "routing",
        _ROUTE,
        share("origin_export_declared", "origin_declared"),
    ),
    Feature("preference_claimed", "0 or 1", "preference", _ORIGIN, _claimed),
    Feature(
        "importer_preference_share",
        "share",
        "preference",
        _RECORD,
        share("importer_preferential", "importer_declared"),
    ),
    Feature(
        "origin_preference_share",
        "share",
        "preference",
        _ORIGIN,
        share("origin_preferential", "origin_declared"),
    ),
    Feature("importer_registered_days", "days", "importer", _RECORD, _registered_days),
    Feature(
        "importer_compliance_level",
        "1 to 5",
        "importer",
        _RECORD,
        partial(_field, "importer_compliance_level"),
    ),
    Feature(
        "importer_risk_level", "1 to 9", "importer", _RECORD, partial(_field, "importer_risk_level")
    ),
    Feature(
        "importer_hs4_share",
        "share",
        "importer",
        _RECORD,
        share("importer_hs4_declared", "importer_declared"),
    ),
    Feature(
        "importer_origin_share",
        "share",
        "importer",
        _RECORD,
        share("importer_origin_declared", "importer_declared"),
    ),
)

_CODED = tuple(
    Feature(name, "code", "codes", allowed_by, partial(_coded, name))
    for name, allowed_by in CODED.items()
)

GROUP = {
    "importer": "importer",
    "importer_hs4": "importer",
    "importer_origin": "importer",
    "declarant": "declarant",
    "declarant_office": "declarant",
    "seller": "seller",
    "seller_hs6": "seller",
    "office": "office",
    "hs2": "heading",
    "hs4": "heading",
    "hs6": "heading",
    "origin": "origin",
    "origin_hs4": "origin",
    "origin_export": "routing",
    "goods_line": "goods_line",
}
"""Family of the features made of each profile."""


def _of_profile(profile: Profile) -> list[Feature]:
    name, group, allowed_by = profile.name, GROUP[profile.name], profile.allowed_by
    made = []

    def add(what: str, unit: str, compute: Compute, direction: int = 0) -> None:
        made.append(Feature(f"{name}_{what}", unit, group, allowed_by, compute, direction))

    for value in profile.values():
        if value.measure in ("declared", "controlled") and value.kind == "sum":
            days = f"_{value.days}" if value.days else ""
            if value.measure == "declared" or not days:
                add(f"{value.measure}{days}", "items", _value(value.name))
        if value.measure in ("documentary", "physical"):
            over = value.name.removeprefix(f"{name}_{value.measure}")
            rates = rate(name, value.measure, over)
            add(f"{value.measure}_rate{over}", "share", rates, direction=1)
    if profile.first_day:
        add("known_days", "days", _days_since(f"{name}_first_day"))
    if profile.last_day:
        add("idle_days", "days", _days_since(f"{name}_last_day"))
    if profile.today:
        add("today", "items", _value(f"{name}_today"))
    return made


_OF_PROFILES = tuple(feature for profile in KEYED for feature in _of_profile(profile))

_DEVIATIONS = (
    *(
        Feature(
            f"{profile.name}_value_deviation",
            "spreads",
            "price",
            _VALUE,
            deviation(profile.name, "value", _log_unit_value),
        )
        for profile in PROFILES
        if "log_value" in profile.measures
    ),
    *(
        Feature(
            f"{profile.name}_weight_deviation",
            "spreads",
            "weight",
            _NATURE,
            deviation(profile.name, "weight", _log_weight_per_unit),
        )
        for profile in PROFILES
        if "log_weight" in profile.measures
    ),
)

FEATURES = (*_DECLARED, *_CODED, *_OF_PROFILES, *_DEVIATIONS)
"""Every feature, in the order of the model's columns."""

FEATURE_NAMES = tuple(feature.name for feature in FEATURES)

FAMILIES = tuple(dict.fromkeys(feature.group for feature in FEATURES))
"""Every `Feature.group`. Explanations and ablations speak of these."""

LINE_FEATURES = tuple(at for at, name in enumerate(FEATURE_NAMES) if name.startswith(f"{LINE}_"))
"""Columns of the matrix that remember a goods line."""


def forget_lines(matrix: Floats) -> Floats:
    """The same goods items as if their lines had never been controlled before."""
    forgotten = matrix.copy()
    forgotten[:, LINE_FEATURES] = np.nan
    return forgotten


def feature_row(row: Row, history: Sequence[float], codes: CodeMaps) -> list[float]:
    """All features of one goods item, in the order of `FEATURES`.

    Args:
        history: everything known before it, in the order of `selectivity.aggregates.VALUES`.
    """
    known = Known.of(row, list(history), codes)
    return [float(feature.compute(known)) for feature in FEATURES]


def feature_matrix(columns: Columns, histories: Floats, codes: CodeMaps) -> Floats:
    """All features of all rows, shape (n, number of features), in the order of `FEATURES`.

    Args:
        histories: everything known before each row, shape (values, n).
    """
    known = Known.of(as_arrays(columns), histories, codes)
    matrix = np.empty((len(columns["item_no"]), len(FEATURES)))
    for at, feature in enumerate(FEATURES):
        matrix[:, at] = feature.compute(known)
    return matrix


def code_maps(columns: Columns) -> dict[str, dict[str, int]]:
    """The number of each code in these rows, per coded field."""
    return {name: numbered(Counter(columns[name].tolist())) for name in CODED}


def numbered(counts: Mapping[Any, int]) -> dict[str, int]:
    """Numbers for codes, by falling frequency, then by code; None is no code."""
    order = sorted((-count, code) for code, count in counts.items() if code is not None)
    return {code: number for number, (_, code) in enumerate(order)}
