"""Asking only the rules that the index finds gives the hits of asking every rule."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from models.rules_files import read_rules
from selectivity.declaration import Declaration
from selectivity.rules.conditions import Condition
from selectivity.rules.rule_set import Rule, RuleSet
from tests.builders import NOON, a_declaration, an_item
from tests.bundles import RULE_FILES

CODES = ["0507", "050710", "870323", "6109", "61091000"]
COUNTRIES = ["CN", "VN", "KE"]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "hs_prefix": st.lists(
        st.sampled_from(["05", "0507", "050710", "8703", "61091000"]), min_size=1
    ),
    "not_hs_prefix": st.just(["61"]),
    "country_of_origin": st.lists(st.sampled_from(COUNTRIES), min_size=1),
    "country_of_export": st.lists(st.sampled_from(COUNTRIES), min_size=1),
    "importer_id": st.just(["IMP1", "IMP2"]),
    "importer_risk_level": st.just([8, 9]),
    "importer_tax_debt": st.booleans(),
    "quota_claimed": st.booleans(),
    "dangerous_goods": st.booleans(),
    "preference_claimed": st.booleans(),
    "lacks_document": st.just(["CITES"]),
    "customs_value_from": st.just(100.0),
}
conditions = st.sets(st.sampled_from(sorted(VALUES)), min_size=1, max_size=3).flatmap(
    lambda names: st.fixed_dictionaries({name: VALUES[name] for name in names})
)
days = st.dates(NOON.date() - timedelta(days=2), NOON.date() + timedelta(days=2))


def a_rule(number: int, when: dict[str, Any], first: Any, last: Any) -> Rule:
    """A rule in force between two days; without a condition it holds for everything."""
    condition = {"when": Condition.model_validate(when)} if when else {"always": True}
    return Rule.model_construct(id=f"R-{number}", valid_from=first, valid_to=last, **condition)


@st.composite
def rule_sets(draw: st.DrawFn) -> RuleSet:
    rows = draw(st.lists(st.tuples(st.just({}) | conditions, days, st.none() | days), max_size=12))
    return RuleSet([a_rule(number, *row) for number, row in enumerate(rows)])


declarations = st.builds(
    a_declaration,
    accepted_at=st.integers(-60, 60).map(lambda hours: NOON + timedelta(hours=hours)),
    importer_id=st.sampled_from(["IMP1", "IMP3", None]),
    importer_risk_level=st.sampled_from([1, 9, None]),
    importer_tax_debt=st.sampled_from([True, False, None]),
    country_of_export=st.sampled_from([*COUNTRIES, None]),
    items=st.lists(
        st.tuples(
            st.sampled_from([*CODES, None]),
            st.sampled_from([*COUNTRIES, None]),
            st.sampled_from(["Q1", None]),
            st.sampled_from(["P1", None]),
            st.sampled_from(["1203", None]),
        ),
        min_size=1,
        max_size=3,
    ).map(
        lambda rows: tuple(
            an_item(
                item_no=no,
                hs_code=code,
                country_of_origin=origin,
                quota_id=quota,
                preference_code=preference,
                undg_id=dangerous,
            )
            for no, (code, origin, quota, preference, dangerous) in enumerate(rows, start=1)
        )
    ),
)


def in_turn(rules: RuleSet, declaration: Declaration) -> list[tuple[Rule, int]]:
    """Hits, found by asking every rule."""
    day = declaration.accepted_at.astimezone(UTC).date()
    return [
        (rule, item_no)
        for rule in rules.rules
        if rule.in_force(day) and (item_no := rule.item_hit(declaration)) is not None
    ]


@given(rule_sets(), st.lists(declarations, min_size=1, max_size=4))
@settings(deadline=None, max_examples=200)
def test_the_index_hides_no_rule_and_keeps_their_order(
    rules: RuleSet, many: list[Declaration]
) -> None:
    for declaration in many:
        assert rules.hits(declaration) == in_turn(rules, declaration)


@given(declarations)
@settings(deadline=None)
def test_so_it_does_for_the_rules_of_the_project(declaration: Declaration) -> None:
    rules = read_rules(RULE_FILES)
    assert rules.hits(declaration) == in_turn(rules, declaration)


def test_a_rule_that_ends_on_the_last_day_of_the_calendar_is_in_force() -> None:
    rules = RuleSet([a_rule(1, {}, NOON.date(), datetime.max.date())])
    assert len(rules.hits(a_declaration())) == 1


def test_a_rule_is_asked_until_its_last_day_and_not_on_the_next() -> None:
    rules = RuleSet([a_rule(1, {}, NOON.date(), NOON.date())])
    on_the_day = [a_declaration(accepted_at=NOON + timedelta(days=days)) for days in (-1, 0, 1)]
    assert [len(rules.hits(each)) for each in on_the_day] == [0, 1, 0]
