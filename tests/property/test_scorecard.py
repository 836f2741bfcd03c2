"""The points table: silence never lowers a lane, and points follow the law of the field."""

import math
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from selectivity.deciding.scorecard import Band, FactPoints, Scorecard, UsualValue
from selectivity.declaration import Declaration, GoodsItem
from selectivity.lanes import Lane
from tests.builders import NOON, a_declaration, an_item

TABLE = Scorecard(
    yellow_from=20,
    red_from=60,
    usual_unit_values={
        "6109": UsualValue(unit_value=20, spread=0.5),
        "870323": UsualValue(unit_value=9, spread=0.3),
    },
    facts=(
        FactPoints(
            fact="heading",
            bands=(Band(codes=("6109", "8703"), points=0), Band(codes=("2402",), points=15)),
            missing=15,
        ),
        FactPoints(
            fact="origin",
            bands=(Band(codes=("VN",), points=0), Band(codes=("CN", "LA"), points=9)),
            missing=12,
        ),
        FactPoints(
            fact="origin_is_export_country",
            bands=(Band(codes=("yes",), points=0), Band(codes=("no",), points=4)),
            missing=4,
        ),
        FactPoints(
            fact="importer_compliance_level",
            bands=(Band(below=3, points=0), Band(below=5, points=8), Band(points=20)),
            missing=20,
        ),
        FactPoints(
            fact="importer_registered_days",
            bands=(Band(below=365, points=11), Band(points=0)),
            missing=11,
        ),
        FactPoints(
            fact="importer_tax_debt",
            bands=(Band(codes=("no",), points=0), Band(codes=("yes",), points=7)),
            missing=7,
        ),
        FactPoints(
            fact="duty_rate_percent",
            bands=(Band(below=5, points=0), Band(below=15, points=3), Band(points=6)),
            missing=6,
        ),
        FactPoints(
            fact="unit_value_deviation",
            bands=(Band(below=-2, points=20), Band(below=-1, points=5), Band(points=0)),
            missing=20,
        ),
    ),
)
ITEM_FACTS = (
    "hs_code",
    "country_of_origin",
    "duty_rate_percent",
    "customs_value",
    "net_mass_kg",
)
HEADER_FACTS = (
    "country_of_export",
    "importer_compliance_level",
    "importer_registered_on",
    "importer_tax_debt",
    "direction",
)

items = st.builds(
    an_item,
    item_no=st.just(1),
    hs_code=st.sampled_from(["610910", "870323", "240210", "999999", "6109"]),
    country_of_origin=st.sampled_from(["VN", "CN", "LA", "ZZ"]),
    duty_rate_percent=st.floats(0, 50),
    customs_value=st.floats(0, 1e6),
    net_mass_kg=st.floats(0, 1e5),
)
headers: Any = st.fixed_dictionaries(
    {
        "direction": st.sampled_from(["IMPORT", "EXPORT", "TRANSIT"]),
        "country_of_export": st.sampled_from(["VN", "CN"]),
        "importer_compliance_level": st.integers(1, 5),
        "importer_registered_on": st.dates(date(1990, 1, 1), date(2026, 3, 1)),
        "importer_tax_debt": st.booleans(),
    }
)


def points(item: GoodsItem, header: dict[str, Any]) -> int:
    return TABLE.judge(a_declaration(items=(item,), **header)).points


@given(items, headers, st.sampled_from(ITEM_FACTS))
@settings(deadline=None)
def test_leaving_out_a_fact_of_the_goods_never_lowers_the_points(
    item: GoodsItem, header: dict[str, Any], fact: str
) -> None:
    silent = GoodsItem.model_validate(item.model_dump(exclude={fact}, exclude_none=True))
    assert points(silent, header) >= points(item, header)


@given(items, headers, st.sampled_from(HEADER_FACTS))
@settings(deadline=None)
def test_leaving_out_a_fact_of_the_trader_never_lowers_the_points(
    item: GoodsItem, header: dict[str, Any], fact: str
) -> None:
    assert points(item, header | {fact: None}) >= points(item, header)


@given(items, headers)
@settings(deadline=None)
def test_a_code_that_no_line_names_counts_as_much_as_silence(
    item: GoodsItem, header: dict[str, Any]
) -> None:
    for field, code in (("hs_code", "999999"), ("country_of_origin", "ZZ")):
        named = item.model_copy(update={field: code, "customs_value": None})
        silent = item.model_copy(update={field: None, "customs_value": None})
        exported = header | {"country_of_export": None}
        assert points(named, exported) == points(silent, exported)


@given(items, headers, st.integers(1, 4))
@settings(deadline=None)
def test_a_worse_level_a_younger_trader_or_a_higher_duty_never_lowers_the_points(
    item: GoodsItem, header: dict[str, Any], level: int
) -> None:
    plain = header | {"importer_compliance_level": level}
    worse = plain | {"importer_compliance_level": level + 1}
    registered = header["importer_registered_on"]
    younger = worse | {"importer_registered_on": registered + timedelta(days=1)}
    dearer = item.model_copy(update={"duty_rate_percent": (item.duty_rate_percent or 0) + 1})
    assert points(item, plain) <= points(item, worse) <= points(dearer, younger)


@given(st.lists(items, min_size=1, max_size=5), headers)
@settings(deadline=None)
def test_another_goods_item_never_lowers_the_lane(
    many: list[GoodsItem], header: dict[str, Any]
) -> None:
    numbered = tuple(
        item.model_copy(update={"item_no": at}) for at, item in enumerate(many, start=1)
    )
    whole = TABLE.judge(a_declaration(items=numbered, **header))
    for at, item in enumerate(many):
        alone = TABLE.judge(a_declaration(items=(item,), **header))
        assert alone.lane <= whole.lane
        assert alone.points <= whole.points
        assert at + 1 != whole.item_no or alone.points == whole.points


@pytest.mark.parametrize(
    ("level", "value", "lane"),
    [(1, 2_000.0, Lane.GREEN), (5, 2_000.0, Lane.YELLOW), (5, 1.0, Lane.RED)],
)
def test_points_come_to_the_lane_that_a_person_would_add_up(
    level: int, value: float, lane: Lane
) -> None:
    # origin CN 9, duty of 20 % 6, and level 5 20, goods far below their usual value 20, debt 7
    declaration = a_declaration(
        importer_compliance_level=level,
        importer_registered_on=date(2000, 1, 1),
        importer_tax_debt=level == 5,
        items=(an_item(customs_value=value),),
    )
    scored = TABLE.judge(declaration)
    assert scored.points == 15 + 27 * (level == 5) + 20 * (value == 1.0)
    assert scored.lane is lane


@pytest.mark.parametrize(
    ("yellow", "red", "lane"), [(1, 1, Lane.GREEN), (0, 1, Lane.YELLOW), (0, 0, Lane.RED)]
)
def test_a_lane_is_asked_for_from_its_points_on(yellow: int, red: int, lane: Lane) -> None:
    points = TABLE.judge(a_declaration()).points
    table = TABLE.model_copy(update={"yellow_from": points + yellow, "red_from": points + red})
    assert table.judge(a_declaration()).lane is lane


def test_the_traders_level_is_not_asked_of_exports() -> None:
    export = a_declaration(direction="EXPORT")  # silent on the trader, as the others are
    assert TABLE.judge(export).points == TABLE.judge(a_declaration()).points - 20 - 11 - 7
    assert TABLE.judge(a_declaration(direction=None)).points == TABLE.judge(a_declaration()).points


def test_age_is_counted_to_the_day_of_acceptance() -> None:
    def of_age(days: int) -> Declaration:
        return a_declaration(importer_registered_on=NOON.date() - timedelta(days=days))

    assert TABLE.judge(of_age(364)).points == TABLE.judge(of_age(365)).points + 11


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"missing": 7}, "missing may not count less"),
        ({"fact": "colour"}, "there is no fact 'colour'"),
        ({"bands": [{"below": 5, "points": 0}, {"below": 3, "points": 1}, {"points": 2}]}, "rise"),
        ({"bands": [{"codes": ["VN"], "points": 0}, {"points": 2}]}, "either of codes or of"),
        ({"bands": [{"below": 5, "points": -1}, {"points": 2}]}, "greater than or equal to 0"),
    ],
)
def test_a_table_that_does_not_fit_together_is_refused(
    change: dict[str, Any], problem: str
) -> None:
    plain = {
        "fact": "duty_rate_percent",
        "bands": [{"below": 5, "points": 0}, {"points": 8}],
        "missing": 8,
    }
    FactPoints.model_validate(plain)
    with pytest.raises(ValidationError, match=problem):
        FactPoints.model_validate(plain | change)


def test_red_may_not_begin_below_yellow() -> None:
    with pytest.raises(ValidationError, match="rise"):
        Scorecard.model_validate(TABLE.model_dump() | {"red_from": 10})


@given(st.lists(items, min_size=1, max_size=3), headers)
@settings(deadline=None)
def test_the_first_goods_item_with_the_highest_sum_over_the_facts_decides(
    many: list[GoodsItem], header: dict[str, Any]
) -> None:
    numbered = [item.model_copy(update={"item_no": at}) for at, item in enumerate(many, start=1)]
    declaration, usual = a_declaration(items=tuple(numbered), **header), TABLE.usual_unit_values
    sums = [sum(fact.of(declaration, item, usual) for fact in TABLE.facts) for item in numbered]
    scored = TABLE.judge(declaration)
    assert (scored.points, scored.item_no) == (max(sums), sums.index(max(sums)) + 1)


def test_a_table_that_is_changed_counts_what_it_now_says() -> None:
    declaration = a_declaration()
    TABLE.judge(declaration)
    fewer = TABLE.model_copy(update={"facts": TABLE.facts[:1]})
    built = Scorecard.model_validate(fewer.model_dump())
    assert fewer.judge(declaration) == built.judge(declaration)
    line = TABLE.facts[0]
    line.points(None)
    dearer = line.model_copy(update={"missing": line.missing + 5})
    assert dearer.points(None) == line.missing + 5


@pytest.mark.parametrize("measure", [math.nan, math.inf, -math.inf])
def test_a_measure_that_is_no_number_counts_as_missing(measure: float) -> None:
    bands = [{"below": 5, "points": 0}, {"points": 8}]
    line = FactPoints.model_validate({"fact": "duty_rate_percent", "bands": bands, "missing": 9})
    assert line.points(measure) == 9
