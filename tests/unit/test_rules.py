"""Rules are checked as a whole, and refused as a whole with file, rule, problem and remedy."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from models.rules_files import read_rules
from selectivity.errors import RulesError
from selectivity.rules.rule_set import RuleSet
from tests.builders import a_declaration, a_rule, an_item, rules_of


def test_a_rule_holds_when_one_goods_item_satisfies_all_of_it() -> None:
    both = a_rule(
        when={"hs_prefix": ["61"], "customs_value_from": 1_000},
        cases=[
            {"declared": {"items": [{"hs_code": "610910", "customs_value": 1000}]}, "hits": True}
        ],
    )
    apart = a_declaration(
        items=(
            an_item(item_no=1, hs_code="610910", customs_value=5.0),
            an_item(item_no=2, hs_code="870323", customs_value=5_000.0),
        )
    )
    together = a_declaration(items=(an_item(item_no=7, hs_code="610910", customs_value=5_000.0),))
    assert rules_of(both).hits(apart) == []
    assert [hit.item_no for hit in rules_of(both).hits(together)] == [7]


def test_a_rule_holds_only_while_its_law_does() -> None:
    rules = rules_of(a_rule(valid_to="2025-12-31"))
    arms = {"importer_id": "ARMOURER"}
    in_time = a_declaration(accepted_at=datetime(2025, 12, 31, tzinfo=UTC), **arms)
    too_late = a_declaration(accepted_at=datetime(2026, 1, 1, tzinfo=UTC), **arms)
    assert len(rules.hits(in_time)) == 1
    assert rules.hits(too_late) == []


def test_a_rule_may_hold_on_one_day_alone() -> None:
    rules = rules_of(a_rule(valid_from="2025-12-31", valid_to="2025-12-31"))
    days = [datetime(2025, 12, day, tzinfo=UTC) for day in (30, 31)]
    hits = [rules.hits(a_declaration(accepted_at=day, importer_id="ARMOURER")) for day in days]
    assert [len(found) for found in hits] == [0, 1]


def test_a_rule_begins_on_its_day_in_utc_wherever_the_declaration_comes_from() -> None:
    rules = rules_of(a_rule(valid_from="2026-04-01"))
    hanoi = timezone(timedelta(hours=7))
    arms = {"importer_id": "ARMOURER"}
    early = a_declaration(accepted_at=datetime(2026, 4, 1, 3, tzinfo=hanoi), **arms)
    stored = a_declaration(accepted_at=datetime(2026, 3, 31, 20, tzinfo=UTC), **arms)
    assert rules.hits(early) == rules.hits(stored) == []


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"lane": "PURPLE"}, "GREEN, YELLOW or RED"),
        ({"when": {"hs_prefx": ["61"]}}, "hs_prefx"),
        ({"when": {}}, "empty"),
        ({"when": {"hs_prefix": None, "direction": ["IMPORT"]}}, "hs_prefix is null"),
        ({"when": None}, "either"),
        ({"legal_basis": []}, "legal_basis"),
        ({"cases": []}, "cases"),
        ({"valid_to": "2019-01-01"}, "before"),
        ({"lane": "GREEN"}, "facilitation"),
        ({"unless_risk_above": 0.5}, "facilitation"),
        (
            {"layer": "facilitation", "lane": "GREEN", "when": {"hs_prefix": ["61"]}},
            "one goods item must not speak",
        ),
        ({"random_share": 1.5}, "random_share"),
        ({"layer": "fallback", "random_share": 0.5}, "by chance"),
        ({"cases": [{"declared": {"items": [{"hs_code": "950300"}]}, "hits": True}]}, "case 1"),
        ({"cases": [{"declared": {"colour": "red"}, "hits": True}]}, "colour"),
        ({"when": {"customs_value_from": float("nan")}}, "customs_value_from"),
    ],
)
def test_a_wrong_rule_is_refused_with_file_rule_and_problem(
    fields: dict[str, Any], told: str
) -> None:
    with pytest.raises(RulesError, match=r"rules\.yaml, rule R-900") as refused:
        rules_of(a_rule(**fields))
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "meant"),
    [
        ({"reason_kode": "X"}, "reason_code"),
        ({"when": {"hs_prefixes": ["93"]}}, "hs_prefix"),
        ({"cases": [{"declares": {}, "hits": True}]}, "declared"),
        ({"cases": [{"declared": {"importer": "A"}, "hits": True}]}, "importer_id"),
        ({"cases": [{"declared": {"items": [{"hscode": "93"}]}, "hits": True}]}, "hs_code"),
    ],
)
def test_a_field_that_was_meant_is_named(fields: dict[str, Any], meant: str) -> None:
    with pytest.raises(RulesError, match=rf"Did you mean '{meant}'\? "):
        rules_of(a_rule(**fields))
    with pytest.raises(RulesError) as refused:
        rules_of(a_rule(xyzzy=1))
    assert "Did you mean" not in str(refused.value)


def test_no_rules_at_all_are_refused() -> None:
    with pytest.raises(RulesError, match="there are no rules"):
        rules_of()


def test_an_id_used_twice_is_refused() -> None:
    with pytest.raises(RulesError, match="used twice"):
        rules_of(a_rule(), a_rule())


def test_a_yaml_key_written_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "twice.yaml"
    file.write_text("- id: R-001\n  lane: RED\n  lane: GREEN\n")
    with pytest.raises(RulesError, match="'lane' is written twice"):
        read_rules([file])


@pytest.mark.parametrize("text", ["", "rules: 1", "[", "- ", pytest.param("[" * 20_000, id="deep")])
def test_a_file_that_is_no_list_of_rules_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(text)
    with pytest.raises(RulesError, match=r"broken\.yaml"):
        read_rules([file])


@pytest.mark.parametrize("text", ["", "[]", "rules: 1", "7"])
def test_a_file_without_a_list_is_told_how_a_rule_begins(tmp_path: Path, text: str) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(text)
    with pytest.raises(RulesError, match=r"does not hold a list of rules.*Begin each rule with"):
        read_rules([file])


def test_rules_survive_being_written_into_a_bundle() -> None:
    rules = rules_of(a_rule(random_share=0.3))
    again = RuleSet.build(("rules.json", row) for row in rules.content())
    assert again.version == rules.version
    assert again.rules == rules.rules


def test_another_content_is_another_version() -> None:
    assert rules_of(a_rule()).version != rules_of(a_rule(random_share=0.5)).version


def test_the_rules_of_the_project_hold_together() -> None:
    rules = read_rules(sorted(Path("data/reference/rules").glob("*.yaml")))
    assert len(rules.rules) >= 12
