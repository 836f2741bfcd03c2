"""Features of what is declared, set against what was declared before.

Each names what allows customs to use it. NaN means "not known", never zero.
"""

from functools import partial
from typing import Any

import numpy as np

from selectivity import elementwise
from selectivity.aggregates import duty_at_stake
from selectivity.elementwise import Number, Text
from selectivity.known import Feature, Known, share

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


def _field(name: str, known: Known) -> Number:
    return known.declared[name]


def _log_field(name: str, known: Known) -> Number:
    return elementwise.log(known.declared[name])


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


_usual_duty = share("hs4_duty_rate", "hs4_rated")  # in hundredths of a percent


def _duty_gap(known: Known) -> Number:
    return _usual_duty(known) / 100 - known.declared["duty_rate_percent"]


_VALUE = "TFA 7.4.4: value"
_NATURE = "TFA 7.4.4: nature and description of the goods, HS code"
_ORIGIN = "TFA 7.4.4: country of origin"
_ROUTE = "TFA 7.4.4: country of origin, country from which the goods were shipped"
_RECORD = "TFA 7.4.4: compliance record"

DECLARED = (
    Feature(
        "customs_value_log", "log currency", "amounts", _VALUE, partial(_log_field, "customs_value")
    ),
    Feature("net_mass_log", "log kg", "amounts", _NATURE, partial(_log_field, "net_mass_kg")),
    Feature(
        "unit_value_log", "log currency/kg", "amounts", _VALUE, partial(_field, "unit_value_log")
    ),
    Feature(
        "weight_per_unit_log",
        "log kg/unit",
        "amounts",
        _NATURE,
        partial(_field, "weight_per_unit_log"),
    ),
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

CODES = tuple(
    Feature(name, "code", "codes", allowed_by, partial(_coded, name))
    for name, allowed_by in CODED.items()
)
