"""Facts behind a family of features, in numbers that an officer can check in the files."""

from collections.abc import Callable, Mapping, Sequence
from math import exp, isnan, nan
from typing import NamedTuple

from selectivity.features.known import FEWEST_VALUES
from selectivity.histories.aggregates import (
    EVERYTHING,
    FIXED_POINT,
    PLACE,
    duty_at_stake,
    unit_value,
    weight_per_unit,
)
from selectivity.histories.rows import Row
from selectivity.lanes import Reason

Fact = float | str | None


class Goods(NamedTuple):
    """One goods item as declared, and everything that was known before it."""

    row: Row
    history: Sequence[float]
    """In the order of `selectivity.histories.aggregates.VALUES`."""

    def known(self, name: str) -> float:
        """A value that is known of its keys, by name; NaN where it has no such key."""
        return self.history[PLACE[name]]


FactOf = Callable[[Goods], Fact]
NumberOf = Callable[[Goods], float]


class Telling(NamedTuple):
    """Facts behind a family of features. They are given together, when all of them are known."""

    code: str
    family: str
    facts: Mapping[str, FactOf]


def _declared(name: str) -> FactOf:
    return lambda goods: goods.row[name]


def _known(name: str) -> NumberOf:
    return lambda goods: goods.known(name)


def _over(part: str, whole: str, least: float = 1) -> NumberOf:
    def fact(goods: Goods) -> float:
        counted = goods.known(whole)
        return goods.known(part) / counted if counted >= least else nan

    return fact


def _usual(logarithms: str, count: str) -> NumberOf:
    """Geometric mean of what was declared; NaN with few of them."""
    mean = _over(logarithms, count, FEWEST_VALUES)
    return lambda goods: exp(mean(goods) / FIXED_POINT)


def _findings(profile: str) -> NumberOf:
    """Findings of any class among the controls of goods items of the same key."""
    return lambda goods: goods.known(f"{profile}_documentary") + goods.known(f"{profile}_physical")


_ALL_FINDINGS = _findings(EVERYTHING.name)


def _general_rate(goods: Goods) -> float:
    controls = goods.known(f"{EVERYTHING.name}_controlled")
    return _ALL_FINDINGS(goods) / controls if controls else nan


_USUAL_DUTY = _over("hs4_duty_rate", "hs4_rated")


def _record(family: str, profile: str) -> Telling:
    facts = {
        "findings": _findings(profile),
        "controls": _known(f"{profile}_controlled"),
        "general": _general_rate,
    }
    return Telling("RECORD", family, facts)


def _busy(family: str, profile: str) -> Telling:
    facts = {"today": _known(f"{profile}_today"), "month": _known(f"{profile}_declared_30")}
    return Telling("SO_FAR_TODAY", family, facts)


TELLINGS = (
    Telling(
        "PRICE_COMPARED",
        "price",
        {
            "unit_value": lambda goods: unit_value(goods.row),
            "usual": _usual("origin_hs4_log_value", "origin_hs4_valued"),
        },
    ),
    Telling(
        "WEIGHT_COMPARED",
        "weight",
        {
            "weight": lambda goods: weight_per_unit(goods.row),
            "usual": _usual("hs6_log_weight", "hs6_weighed"),
        },
    ),
    _record("trader", "trader"),
    Telling(
        "TRADER_AGE",
        "trader",
        {"days": lambda goods: goods.row["day"] - goods.row["importer_registered_day"]},
    ),
    Telling("TRADER_COMPLIANCE", "trader", {"level": _declared("importer_compliance_level")}),
    Telling("TRADER_RISK", "trader", {"level": _declared("importer_risk_level")}),
    _busy("trader", "trader"),
    _record("declarant", "declarant"),
    _busy("declarant", "declarant"),
    _record("seller", "seller"),
    _record("office", "office"),
    _record("heading", "hs4"),
    _record("origin", "origin_hs4"),
    _record("goods_line", "goods_line"),
    Telling(
        "DUTY_DECLARED",
        "duty",
        {
            "rate": _declared("duty_rate_percent"),
            "duty": lambda goods: duty_at_stake(goods.row),
        },
    ),
    Telling(
        "DUTY_USUAL",
        "duty",
        {"usual": lambda goods: _USUAL_DUTY(goods) / 100},  # kept in hundredths
    ),
    Telling(
        "AMOUNTS_DECLARED",
        "amounts",
        {"value": _declared("customs_value"), "mass_kg": _declared("net_mass_kg")},
    ),
    Telling(
        "ROUTE_DECLARED",
        "routing",
        {"origin": _declared("country_of_origin"), "export": _declared("country_of_export")},
    ),
    Telling(
        "ROUTE_SHARE", "routing", {"share": _over("origin_export_declared", "origin_declared")}
    ),
    Telling("PREFERENCE_DECLARED", "preference", {"preference": _declared("preference_code")}),
    Telling(
        "PREFERENCE_SHARE",
        "preference",
        {
            "trader": _over("trader_preferential", "trader_declared"),
            "origin": _over("origin_preferential", "origin_declared"),
        },
    ),
    Telling(
        "NAME_SHARE",
        "description",
        {"share": _over("goods_name_hs6_declared", "goods_name_declared", FEWEST_VALUES)},
    ),
    Telling("CODE_DECLARED", "codes", {"hs_code": _declared("hs_code")}),
)


def facts_to_check(family: str, goods: Goods) -> list[Reason]:
    """The facts behind a family of features, as reasons; those that are not known are left out."""
    reasons = []
    for code, _, facts_of in (telling for telling in TELLINGS if telling.family == family):
        facts = {name: of(goods) for name, of in facts_of.items()}
        if all(map(is_known, facts.values())):
            reasons.append(Reason(code=code, item_no=int(goods.row["item_no"]), facts=facts))
    return reasons


def is_known(fact: Fact) -> bool:
    """Whether a fact was declared, or could be worked out."""
    return fact is not None and not (isinstance(fact, float) and isnan(fact))
