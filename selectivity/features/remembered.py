"""Features of what was known before: of every key's profile, and of the usual price and weight."""

from selectivity.features.known import (
    FINDINGS,
    Feature,
    Formula,
    days_since,
    decayed_rate,
    deviation,
    rate,
    value,
)
from selectivity.histories.aggregates import KEYED, PLACE, PROFILES, Profile

GROUP = {
    "trader": "trader",
    "trader_hs4": "trader",
    "trader_origin": "trader",
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
ONLY_SHARED = ("goods_name", "goods_name_hs6")
"""Profiles of which no feature is made but a share of one in the other. Their counts are never
unknown in training, so that trees took goods that nobody described, or in words that are new, for
goods whose words never came with this code."""
COUNTED = {"value": "valued", "weight": "weighed"}
"""The measure that counts the goods items whose logarithms were added up."""


def _of_profile(profile: Profile) -> list[Feature]:
    name, group, allowed_by = profile.name, GROUP[profile.name], profile.allowed_by
    made = []

    def add(
        what: str, unit: str, formula: Formula, of: tuple[int, ...], direction: int = 0
    ) -> None:
        made.append(Feature(f"{name}_{what}", unit, group, allowed_by, formula, of, direction))

    for each in profile.values():
        if each.measure in ("declared", "controlled") and each.kind == "sum":
            days = f"_{each.days}" if each.days else ""
            if each.measure == "declared" or not days:
                add(f"{each.measure}{days}", "items", value, (PLACE[each.name],))
        if each.measure in FINDINGS:
            over = each.name.removeprefix(f"{name}_{each.measure}")
            of = PLACE[each.name], PLACE[f"{name}_controlled{over}"], FINDINGS.index(each.measure)
            formula = decayed_rate if each.kind == "decayed" else rate
            add(f"{each.measure}_rate{over}", "share", formula, of, direction=1)
    if profile.first_day:
        add("known_days", "days", days_since, (PLACE[f"{name}_first_day"],))
    if profile.last_day:
        add("idle_days", "days", days_since, (PLACE[f"{name}_last_day"],))
    if profile.today:
        add("today", "items", value, (PLACE[f"{name}_today"],))
    return made


OF_PROFILES = tuple(
    feature
    for profile in KEYED
    if profile.name not in ONLY_SHARED
    for feature in _of_profile(profile)
)


def _deviations(what: str, logarithm: str, group: str, allowed_by: str) -> list[Feature]:
    """How far a goods item is from what is usual, per profile that adds `log_{what}` up."""
    measures = COUNTED[what], f"log_{what}", f"log_{what}_squared"
    return [
        Feature(
            f"{profile.name}_{what}_deviation",
            "spreads",
            group,
            allowed_by,
            deviation,
            (*(PLACE[f"{profile.name}_{measure}"] for measure in measures), logarithm),
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
