"""Features of what was known before: of every key's profile, and of the usual price and weight."""

from selectivity.aggregates import KEYED, PLACE, PROFILES, Profile
from selectivity.known import Compute, Feature, deviation, rate


def _value(name: str) -> Compute:
    place = PLACE[name]
    return lambda known: known.values[place]


def _days_since(name: str) -> Compute:
    place = PLACE[name]
    return lambda known: known.declared["day"] - known.values[place]


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


OF_PROFILES = tuple(feature for profile in KEYED for feature in _of_profile(profile))


def _deviations(what: str, logarithm: str, group: str, allowed_by: str) -> list[Feature]:
    """How far a goods item is from what is usual, per profile that adds `log_{what}` up."""
    return [
        Feature(
            f"{profile.name}_{what}_deviation",
            "spreads",
            group,
            allowed_by,
            deviation(profile.name, what, logarithm),
        )
        for profile in PROFILES
        if f"log_{what}" in profile.measures
    ]


DEVIATIONS = (
    *_deviations("value", "unit_value_log", "price", "TFA 7.4.4: value"),
    *_deviations(
        "weight",
        "weight_per_unit_log",
        "weight",
        "TFA 7.4.4: nature and description of the goods, HS code",
    ),
)
