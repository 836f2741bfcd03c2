"""Every feature of one goods item with a past, worked out by hand.

Bulk and service read one specification, so that they agree on a wrong number as well as on a right
one. These numbers are from the words of the specification, not from its code.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from math import e, isnan, log, nan
from typing import Any

import numpy as np
import pytest

from selectivity.days import day_at
from selectivity.declaration import Declaration
from selectivity.features.declared import CODED
from selectivity.features.matrix import FEATURE_NAMES, features_of
from selectivity.histories.aggregates import VALUES, Profile, Sums
from selectivity.histories.derived_texts import goods_name
from selectivity.histories.profiles import Profiles
from selectivity.histories.reading import reader
from selectivity.histories.rows import arrays_of, rows_of
from selectivity.inspection import FindingClass
from tests.builders import a_declaration, an_item

NOW = datetime(2026, 6, 30, 9, tzinfo=UTC)
NONE, DOCUMENTARY, PHYSICAL = FindingClass

HEADER = {
    "direction": None,
    "importer_id": "A",
    "exporter_id": None,
    "declarant_id": "B1",
    "seller_id": None,
    "declaration_office": "O1",
    "country_of_export": "CN",
}
ITEM = {
    "hs_code": "610910",
    "country_of_origin": "CN",
    "customs_value": 100.0,
    "net_mass_kg": 10.0,
    "tariff_quantity": 5.0,
    "duty_rate_percent": 10.0,
    "duty_type": "A",
    "preference_code": None,
}


def declared(days_ago: int, *, hour: int = 8, **fields: Any) -> Declaration:
    """One goods item, alike but for these fields."""
    header = {name: fields.pop(name, plain) for name, plain in HEADER.items()}
    item = an_item(**{name: fields.pop(name, plain) for name, plain in ITEM.items()}, **fields)
    moment = NOW.replace(hour=hour) - timedelta(days=days_ago)
    return a_declaration(accepted_at=moment, items=(item,), **header)


FIRST = declared(400, seller_id="S")
OTHER_HEADING_LINE = declared(
    100,
    declarant_id="B2",
    declaration_office="O2",
    country_of_export="VN",
    hs_code="610990",
    preference_code="ACFTA",
    duty_rate_percent=None,
)
SAME_LINE = declared(30)
OTHER_IMPORTER = declared(10, importer_id="C", net_mass_kg=11.0, duty_rate_percent=12.0)
OTHER_GOODS = {
    "declarant_id": "B2",
    "declaration_office": "O2",
    "country_of_export": "JP",
    "hs_code": "870323",
    "country_of_origin": "JP",
}
PAST = [
    FIRST,
    OTHER_HEADING_LINE,
    SAME_LINE,
    OTHER_IMPORTER,
    declared(5, **OTHER_GOODS),
    declared(0, **OTHER_GOODS),  # this morning: counts as `today` alone
    declared(0, hour=10),  # later than what is asked about
]
FOUND = [  # what was found in which, and how many days ago it became known
    (FIRST, 390, PHYSICAL),
    (OTHER_HEADING_LINE, 61, DOCUMENTARY),
    (SAME_LINE, 20, NONE),
    (OTHER_IMPORTER, 1, PHYSICAL),
    (OTHER_IMPORTER, 0, DOCUMENTARY),  # not known before today
]


def features(
    of: Declaration,
    past: Sequence[Declaration] = PAST,
    found: Sequence[tuple[Declaration, int, FindingClass]] = FOUND,
    codes: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, float]:
    """Every feature of its goods item by name."""
    profiles = Profiles()
    for each in past:
        profiles.observe(rows_of(each))
    for each, days_ago, class_ in found:
        profiles.learn(rows_of(each)[0], day_at(NOW) - days_ago, class_)
    (row,) = rows_of(of)
    known = np.array([profiles.values(row)]).T
    (values,) = features_of(arrays_of([row]), known, codes or {}).tolist()
    return dict(zip(FEATURE_NAMES, values, strict=True))


def test_every_feature_is_what_its_words_say() -> None:
    asked = declared(0, hour=9, seller_id="S", gross_mass_kg=12.0).model_copy(
        update={
            "transport_mode": "40",
            "routing_countries": ("SG",),
            "importer_compliance_level": 2,
            "importer_risk_level": 3,
            "importer_registered_on": date(2026, 6, 20),
        }
    )
    # Known of anybody: 4 controls, of which 1 documentary and 2 physical findings. A rate is
    # pulled towards these with the weight of 5 controls.
    documentary, physical = 5 * 1 / 4, 5 * 2 / 4
    expected = {
        "customs_value_log": log(100),
        "net_mass_log": log(10),
        "unit_value_log": log(10),
        "weight_per_unit_log": log(2),
        "packing_log": log(1.2),
        "duty_rate": 10,
        "duty_at_stake_log": log(1 + 10),
        "hs4_duty_gap": (10 + 10 + 12) / 3 - 10,  # one rate is not known
        "hs2": 61,
        "hs4": 6109,
        "hs6": 610910,
        "origin_is_export_country": 1,
        "origin_on_route": 1,
        "origin_export_share": 3 / 4,
        "preference_claimed": 0,
        "trader_preference_share": 1 / 4,
        "origin_preference_share": 1 / 4,
        "importer_registered_days": 10,
        "importer_compliance_level": 2,
        "importer_risk_level": 3,
        "trader_hs4_share": 3 / 4,
        "trader_origin_share": 3 / 4,
        "trader_declared": 4,
        "trader_controlled": 3,
        "trader_documentary_rate": (1 + documentary) / 8,
        "trader_physical_rate": (1 + physical) / 8,
        "trader_declared_30": 2,
        # 390 days ago counts nothing, 61 half, 20 whole.
        "trader_documentary_rate_decayed_60": (0.5 + documentary) / 6.5,
        "trader_physical_rate_decayed_60": physical / 6.5,
        "trader_known_days": 400,
        "trader_idle_days": 5,
        "trader_today": 1,
        "declarant_declared": 3,
        "declarant_controlled": 3,
        "declarant_documentary_rate": documentary / 8,
        "declarant_physical_rate": (2 + physical) / 8,
        "declarant_declared_30": 2,
        "declarant_documentary_rate_365": documentary / 7,
        "declarant_physical_rate_365": (1 + physical) / 7,
        "declarant_known_days": 400,
        "declarant_today": 0,
        "seller_declared": 1,
        "seller_controlled": 1,
        "seller_documentary_rate": documentary / 6,
        "seller_physical_rate": (1 + physical) / 6,
        "seller_known_days": 400,
        "office_declared": 3,
        "office_controlled": 3,
        "office_documentary_rate": documentary / 8,
        "office_physical_rate": (2 + physical) / 8,
        # Headings count what was found on other goods lines than this one.
        "hs2_controlled": 2,
        "hs2_documentary_rate": (1 + documentary) / 7,
        "hs2_physical_rate": (1 + physical) / 7,
        "hs4_declared": 2,
        "hs4_controlled": 2,
        "hs4_documentary_rate": (1 + documentary) / 7,
        "hs4_physical_rate": (1 + physical) / 7,
        "hs6_declared": 1,
        "hs6_controlled": 1,
        "hs6_documentary_rate": documentary / 6,
        "hs6_physical_rate": (1 + physical) / 6,
        "hs6_known_days": 400,
        "origin_declared": 4,
        "origin_controlled": 4,
        "origin_documentary_rate": (1 + documentary) / 9,
        "origin_physical_rate": (2 + physical) / 9,
        "origin_hs4_declared": 2,
        "origin_hs4_controlled": 2,
        "origin_hs4_documentary_rate": (1 + documentary) / 7,
        "origin_hs4_physical_rate": (1 + physical) / 7,
        "trader_hs4_declared": 3,
        "trader_hs4_controlled": 3,
        "trader_hs4_documentary_rate": (1 + documentary) / 8,
        "trader_hs4_physical_rate": (1 + physical) / 8,
        "trader_origin_declared": 3,
        "seller_hs6_declared": 1,
        "seller_hs6_controlled": 1,
        "seller_hs6_documentary_rate": documentary / 6,
        "seller_hs6_physical_rate": (1 + physical) / 6,
        "declarant_office_declared": 3,
        "declarant_office_controlled": 3,
        "declarant_office_documentary_rate": documentary / 8,
        "declarant_office_physical_rate": (2 + physical) / 8,
        "origin_export_declared": 3,
        "origin_export_controlled": 3,
        "origin_export_documentary_rate": documentary / 8,
        "origin_export_physical_rate": (2 + physical) / 8,
        "goods_line_declared": 2,
        "goods_line_controlled": 2,
        "goods_line_documentary_rate": documentary / 7,
        "goods_line_physical_rate": (1 + physical) / 7,
        "goods_line_known_days": 400,
        "goods_name_hs6_share": nan,  # not described
        # Fewer than five values say nothing of what is usual.
        "hs4_value_deviation": nan,
        "hs6_value_deviation": nan,
        "origin_hs4_value_deviation": nan,
        "trader_hs4_value_deviation": nan,
        "hs6_weight_deviation": nan,
    }
    known = {"declaration_office": {"O2": 4, "O1": 7}, "transport_mode": {"40": 3}}
    known |= {"country_of_export": {"VN": 1}}  # a code that training never saw is not known
    expected |= dict.fromkeys(CODED, nan) | {"declaration_office": 7, "transport_mode": 3}
    told = features(asked, codes=known)
    assert told.keys() == expected.keys()
    for name, value in told.items():
        assert value == pytest.approx(expected[name], nan_ok=True), name


def test_who_brings_in_and_sends_out_has_one_record() -> None:
    abroad = {"direction": "EXPORT", "importer_id": "B", "exporter_id": "A"}
    past = [declared(3), declared(2, **abroad), declared(1, direction="EXPORT", exporter_id="B")]
    told = features(declared(0, hour=9, **abroad), past, [(past[0], 1, PHYSICAL)])
    assert told["trader_declared"] == 2
    assert told["trader_controlled"] == 1
    nobody = features(declared(0, hour=9, direction="EXPORT"), past, [])
    assert isnan(nobody["trader_declared"])


@pytest.mark.parametrize(("alike", "expected"), [(3, 3 / 5), (4, 4 / 6), (2, nan)])
def test_words_are_set_against_the_codes_they_came_with(alike: int, expected: float) -> None:
    past = [declared(n + 1, description="Cotton shirts, 20 pcs") for n in range(alike)]
    past += [declared(9, description="PCS shirts; cotton", hs_code="870323")] * 2
    past += [declared(8, description="Cotton trousers"), declared(8)]
    told = features(declared(0, hour=9, description="shirts cotton 7 pcs"), past, [])
    assert told["goods_name_hs6_share"] == pytest.approx(expected, nan_ok=True)


def test_new_words_are_to_trees_what_no_words_are() -> None:
    """A count of none would be taken for words that never came with this code."""
    past = [declared(n + 1, description="Cotton shirts") for n in range(9)]
    told = [features(declared(0, description=words), past, []) for words in ("Silk", None)]
    assert {name for name in told[0] if name.startswith("goods_name")} == {"goods_name_hs6_share"}
    assert all(isnan(each["goods_name_hs6_share"]) for each in told)


@pytest.mark.parametrize("nothing", [None, "12 x 30", "A-4"])
def test_without_words_goods_have_no_name(nothing: str | None) -> None:
    past = [declared(n + 1, description=nothing) for n in range(6)]
    told = features(declared(0, hour=9, description=nothing), past, [])
    assert isnan(told["goods_name_hs6_share"])


@pytest.mark.parametrize(
    ("count", "unit_value", "expected"),
    [(6, e, 0.0), (6, e**3, 2 / 1.1), (6, e**-1, -2 / 1.1), (4, e**3, nan)],
)
def test_a_price_is_set_against_the_usual_one(
    count: int, unit_value: float, expected: float
) -> None:
    # Half of them at logarithm 0 and half at 2: usual is 1, a spread is 1, and 0.1 is added to it.
    past = [declared(n + 1, customs_value=10 * e ** (2 * (n % 2))) for n in range(count)]
    told = features(declared(0, hour=9, customs_value=10 * unit_value), past, [])
    for name in ("hs4", "hs6", "origin_hs4", "trader_hs4"):
        found = told[f"{name}_value_deviation"]
        assert found == pytest.approx(expected, abs=2e-3, nan_ok=True), name


def test_a_weight_is_set_against_the_usual_one() -> None:
    past = [declared(n + 1, net_mass_kg=5 * e ** (2 * (n % 2))) for n in range(6)]
    told = features(declared(0, hour=9, net_mass_kg=5 * e**3), past, [])
    assert told["hs6_weight_deviation"] == pytest.approx(2 / 1.1, abs=2e-3)


def test_five_values_are_enough_to_know_what_is_usual() -> None:
    past = [declared(n + 1) for n in range(5)]
    assert features(declared(0, hour=9), past, [])["hs6_value_deviation"] == pytest.approx(
        0,
        abs=5e-3,  # logarithms are kept in thousandths
    )


def test_a_line_that_was_never_controlled_tells_nothing_and_is_not_called_clean() -> None:
    told = features(
        declared(0, hour=9), [SAME_LINE, OTHER_IMPORTER], [(OTHER_IMPORTER, 1, PHYSICAL)]
    )
    assert all(isnan(value) for name, value in told.items() if name.startswith("goods_line_"))
    assert told["hs4_controlled"] == 1


def test_what_is_not_declared_is_not_known_and_not_zero() -> None:
    asked = declared(0, hour=9, importer_id=None, customs_value=None, hs_code=None)
    told = features(asked)
    alike = ("trader_", "hs2", "hs4", "hs6", "goods_line_", "origin_hs4", "customs_value", "unit")
    for name, value in told.items():
        if name.startswith(alike):
            assert isnan(value), name
    assert told["origin_declared"] == 4


@pytest.mark.parametrize(
    ("days_ago", "whole"), [(1, 1.0), (60, 1.0), (61, 0.5), (120, 0.5), (121, 0.25), (180, 0.25)]
)
def test_what_was_found_counts_less_and_less(days_ago: int, whole: float) -> None:
    told = features(declared(0, hour=9), [FIRST], [(FIRST, days_ago, PHYSICAL)])
    # One control of anybody, and it found something: the general rate is 1.
    assert told["trader_physical_rate_decayed_60"] == pytest.approx((whole + 5) / (whole + 5))
    assert told["trader_documentary_rate_decayed_60"] == 0.0
    other = [(FIRST, days_ago, PHYSICAL), (OTHER_IMPORTER, 200, NONE)]
    told = features(declared(0, hour=9), [FIRST, OTHER_IMPORTER], other)
    assert told["trader_physical_rate_decayed_60"] == pytest.approx((whole + 2.5) / (whole + 5))


@pytest.mark.parametrize(("days_ago", "counted"), [(1, 1), (30, 1), (31, 0)])
def test_thirty_days_are_the_thirty_before_the_day(days_ago: int, counted: int) -> None:
    assert features(declared(0, hour=9), [declared(days_ago)], [])["trader_declared_30"] == counted


@pytest.mark.parametrize(("days_late", "counted"), [(1, 1), (7, 1), (9, 0)])
def test_what_came_that_morning_is_known_for_a_week_to_what_comes_late(
    days_late: int, counted: int
) -> None:
    past = [declared(days_late), declared(0)]
    assert features(declared(days_late, hour=9), past, [])["trader_today"] == counted


@pytest.mark.parametrize(("days_late", "counted"), [(1, 1), (7, 1)])
def test_what_came_that_morning_is_known_over_a_restart(days_late: int, counted: int) -> None:
    profiles = Profiles()
    for each in (declared(days_late), declared(0)):
        profiles.observe(rows_of(each))
    (late,) = rows_of(declared(days_late, hour=9))
    again = Profiles.restore(profiles.snapshot())
    at = next(at for at, value in enumerate(VALUES) if value.name == "trader_today")
    assert again.values(late)[at] == counted


def test_a_heading_is_known_of_goods_without_a_line() -> None:
    told = features(declared(0, hour=9, net_mass_kg=None))  # two or more were declared under it
    assert isnan(told["goods_line_declared"])
    assert told["hs4_declared"] > 0
    assert told["hs4_physical_rate"] > 0


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("Áo thun", "A\u0301o THUN"),  # as a Mac writes it
        ("straße", "STRASSE"),
        ("cotton, cotton shirts", "SHIRTS: 100% cotton"),
        ("ผ้าฝ้าย", "12 ผ้าฝ้าย"),
    ],
)
def test_goods_have_one_name_however_it_is_written(one: str, same: str) -> None:
    assert goods_name(one) == goods_name(same) is not None


def test_goods_of_other_words_or_of_none_have_another_name() -> None:
    assert goods_name("tv of glass") != goods_name("of glass")
    assert goods_name("áo thun") != goods_name("ao thun")
    assert {goods_name(none) for none in ("12 345", "a b", "½", None)} == {None}


def test_a_profile_whose_first_sums_are_not_over_all_days_is_refused() -> None:
    lately, ever = Sums(("declared",), 30), Sums(("declared",))
    reader(Profile("hs4", ("hs4",), "TFA 7.4.4: HS code", (ever, lately)))
    with pytest.raises(ValueError, match="profile hs4: sums over all days have to come first"):
        reader(Profile("hs4", ("hs4",), "TFA 7.4.4: HS code", (lately, ever)))
