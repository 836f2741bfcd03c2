"""Features of what is declared, set against what was declared before.

Each names what allows customs to use it. NaN means "not known", never zero.
"""

from collections.abc import Callable, Sequence

import numpy as np

from selectivity.columns import Floats, Ints
from selectivity.elementwise import log, one_if_known, ratio
from selectivity.features.known import Feature, Known, share, share_of_many
from selectivity.histories.aggregates import PLACE, duty_at_stake

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


def _log_field(known: Known, names: Sequence[str]) -> Floats:
    return log(known.numbers(names))  # type: ignore[no-any-return]


def _log_duty(known: Known) -> Floats:
    return log(1.0 + duty_at_stake(known.declared))  # type: ignore[no-any-return]


def _packing(known: Known) -> Floats:
    return log(ratio(known.declared["gross_mass_kg"], known.declared["net_mass_kg"]))  # type: ignore[no-any-return]


def _duty_gap(known: Known) -> Floats:
    hundredths, rated = (known.values[PLACE[f"hs4_{name}"]] for name in ("duty_rate", "rated"))
    usual = ratio(hundredths, rated) / 100
    return usual - known.declared["duty_rate_percent"]  # type: ignore[no-any-return]


def _hs_number(known: Known, digits: Ints) -> Floats:
    """The first digits of the code as a number; NaN where it is not known or shorter."""
    codes = known.declared["hs_code"].tolist()
    first = [
        [np.nan if code is None or len(code) < count else float(code[:count]) for code in codes]
        for count in digits.tolist()
    ]
    return np.array(first, dtype=np.float64)


def _same_country(known: Known) -> Floats:
    return _of_each(_is_same, known, "country_of_origin", "country_of_export")


def _is_same(origin: str | None, export: str | None) -> float:
    return np.nan if origin is None or export is None else float(origin == export)


def _origin_on_route(known: Known) -> Floats:
    fields = "country_of_origin", "country_of_export", "routing_countries"
    return _of_each(_is_on_route, known, *fields)


def _is_on_route(origin: str | None, export: str | None, route: Sequence[str] | None) -> float:
    if origin is None or export is None or route is None:
        return np.nan
    return float(origin == export or origin in route)


def _of_each(compute: Callable[..., float], known: Known, *fields: str) -> Floats:
    """What a function makes of the texts of each goods item."""
    rows = zip(*(known.declared[name].tolist() for name in fields), strict=True)
    return np.array([compute(*row) for row in rows], dtype=np.float64)


def _registered_days(known: Known) -> Floats:
    return known.declared["day"] - known.declared["importer_registered_day"]


def _claimed(known: Known) -> Floats:
    return one_if_known(known.declared["preference_code"])  # type: ignore[no-any-return]


def _coded(known: Known, names: Sequence[str]) -> Floats:
    """The number of each code; NaN of one never seen."""
    numbers = [
        list(map(known.codes.get(name, {}).get, known.declared[name].tolist())) for name in names
    ]
    return np.array(numbers, dtype=np.float64)  # None becomes NaN


_VALUE = "TFA 7.4.4: value"
_NATURE = "TFA 7.4.4: nature and description of the goods, HS code"
_ORIGIN = "TFA 7.4.4: country of origin"
_ROUTE = "TFA 7.4.4: country of origin, country from which the goods were shipped"
_RECORD = "TFA 7.4.4: compliance record"

DECLARED = (
    Feature("customs_value_log", "log currency", "amounts", _VALUE, _log_field, ("customs_value",)),
    Feature("net_mass_log", "log kg", "amounts", _NATURE, _log_field, ("net_mass_kg",)),
    Feature(
        "unit_value_log", "log currency/kg", "amounts", _VALUE, Known.numbers, ("unit_value_log",)
    ),
    Feature(
        "weight_per_unit_log",
        "log kg/unit",
        "amounts",
        _NATURE,
        Known.numbers,
        ("weight_per_unit_log",),
    ),
    Feature("packing_log", "log kg/kg", "amounts", _NATURE, _packing),
    Feature(
        "duty_rate",
        "percent",
        "duty",
        "TFA 7.4.4: HS code, value",
        Known.numbers,
        ("duty_rate_percent",),
    ),
    Feature("duty_at_stake_log", "log currency", "duty", _VALUE, _log_duty),
    Feature("hs4_duty_gap", "percent", "duty", "TFA 7.4.4: HS code, value", _duty_gap),
    Feature("hs2", "code", "codes", "TFA 7.4.4: HS code", _hs_number, (2,)),
    Feature("hs4", "code", "codes", "TFA 7.4.4: HS code", _hs_number, (4,)),
    Feature("hs6", "code", "codes", "TFA 7.4.4: HS code", _hs_number, (6,)),
    Feature("origin_is_export_country", "0 or 1", "routing", _ROUTE, _same_country),
    Feature("origin_on_route", "0 or 1", "routing", _ROUTE, _origin_on_route),
    Feature(
        "origin_export_share",
        "share",
        "routing",
        _ROUTE,
        share,
        (PLACE["origin_export_declared"], PLACE["origin_declared"]),
    ),
    Feature("preference_claimed", "0 or 1", "preference", _ORIGIN, _claimed),
    Feature(
        "trader_preference_share",
        "share",
        "preference",
        _RECORD,
        share,
        (PLACE["trader_preferential"], PLACE["trader_declared"]),
    ),
    Feature(
        "origin_preference_share",
        "share",
        "preference",
        _ORIGIN,
        share,
        (PLACE["origin_preferential"], PLACE["origin_declared"]),
    ),
    Feature("importer_registered_days", "days", "trader", _RECORD, _registered_days),
    Feature(
        "importer_compliance_level",
        "1 to 5",
        "trader",
        _RECORD,
        Known.numbers,
        ("importer_compliance_level",),
    ),
    Feature(
        "importer_risk_level",
        "1 to 9",
        "trader",
        _RECORD,
        Known.numbers,
        ("importer_risk_level",),
    ),
    Feature(
        "trader_hs4_share",
        "share",
        "trader",
        _RECORD,
        share,
        (PLACE["trader_hs4_declared"], PLACE["trader_declared"]),
    ),
    Feature(
        "trader_origin_share",
        "share",
        "trader",
        _RECORD,
        share,
        (PLACE["trader_origin_declared"], PLACE["trader_declared"]),
    ),
    Feature(
        "goods_name_hs6_share",
        "share",
        "description",
        _NATURE,
        share_of_many,
        (PLACE["goods_name_hs6_declared"], PLACE["goods_name_declared"]),
    ),
)

CODES = tuple(
    Feature(name, "code", "codes", allowed_by, _coded, (name,))
    for name, allowed_by in CODED.items()
)
