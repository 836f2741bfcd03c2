"""The same names in code, data dictionary, rules and sentences."""

import ast
import re
import string
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from selectivity.declaration import Declaration, Document, GoodsItem
from selectivity.features.matrix import FEATURES
from selectivity.inspection import Finding, Inspection
from selectivity.override import OverrideReason
from selectivity.reasons.checkable import TELLINGS
from selectivity.reasons.officer_words import FAMILY_WORDS
from selectivity.reasons.signals import RELATIVE, SIGNALS
from selectivity.reasons.wording import FOR_TRADERS, WORDS
from selectivity.rules.conditions import Condition
from selectivity.rules.rule_set import Rule
from tests.architecture.tree import ROOT, modules, parsed

DICTIONARY = (ROOT / "data/README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RULES = sorted((ROOT / "data/reference/rules").glob("*.yaml"))
GIVE_CODES = {"Reason", "shared_vote"}
"""What makes a reason from a `code`."""
OF_BEFORE = {"FALLBACK_UNTRUSTED"}
"""Reasons that nothing gives any more, and that records of before hold."""
COMPUTED = {"code", "rule.reason_code", "self.asked.reason_code"}
"""What they may be given besides a literal; their values are collected below."""


@pytest.mark.parametrize("model", [Declaration, GoodsItem, Document, Inspection, Finding])
def test_the_data_dictionary_and_the_model_hold_the_same_fields(model: type[BaseModel]) -> None:
    described = _first_column(DICTIONARY, f"## {model.__name__}")
    assert described == list(model.model_fields), "data/README.md: same fields, in the same order"


@pytest.mark.parametrize("model", [Declaration, GoodsItem, Document, Inspection, Finding])
def test_the_data_dictionary_says_which_fields_are_required(model: type[BaseModel]) -> None:
    section = _section(DICTIONARY, f"## {model.__name__}")
    said = set(re.findall(r"^\| `(\w+)` \|.*\| yes \|$", section, re.MULTILINE))
    assert said == {name for name, field in model.model_fields.items() if field.is_required()}


def test_the_data_dictionary_names_the_columns_of_the_korean_set() -> None:
    mapping = yaml.safe_load((ROOT / "data/reference/sources/kcs.yaml").read_text("utf-8"))
    read = {
        name: source if isinstance(source, str) else source["column"]
        for name, source in mapping["fields"].items()
    }
    tables = _section(DICTIONARY, "## Declaration") + _section(DICTIONARY, "## GoodsItem")
    cells = re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \| \w+ \|$", tables, re.MULTILINE)
    said = {name: column for name, column in cells if column[0].isupper()}
    assert said == read


@pytest.mark.parametrize(
    ("model", "heading"), [(Rule, "### Fields of a rule"), (Condition, "### Fields of `when`")]
)
def test_contributing_lists_the_fields_a_rule_may_have(
    model: type[BaseModel], heading: str
) -> None:
    assert set(_first_column(CONTRIBUTING, heading)) == set(model.model_fields)


def test_every_reason_has_words_and_all_words_are_used() -> None:
    codes = _codes_of_rules() | _codes_in_modules() | set(RELATIVE)
    codes |= {signal.code for signal in SIGNALS} | {telling.code for telling in TELLINGS}
    codes |= set(OverrideReason)
    assert len(codes) > 10
    assert codes - set(WORDS) == set(), "add their words to selectivity/reasons/wording.py"
    assert set(WORDS) - codes == OF_BEFORE, "no rule and no module gives these reasons"


def test_no_two_reasons_have_the_same_words() -> None:
    for language in ("vi", "en"):
        said = [words[language] for words in WORDS.values()]
        assert [each for each in said if said.count(each) > 1] == []


def test_no_two_rules_give_the_same_reason_for_different_facts() -> None:
    """Who reads the reason has to learn which of them it was."""
    rules = [row for path in RULES for row in yaml.safe_load(path.read_text(encoding="utf-8"))]
    facts: dict[str, set[tuple[str, ...]]] = {}
    for row in rules:
        facts.setdefault(row["reason_code"], set()).add(tuple(sorted(row["when"])))
    assert [code for code, names in facts.items() if len(names) > 1] == []


@pytest.mark.parametrize("code", WORDS)
def test_a_reason_says_the_same_in_both_languages(code: str) -> None:
    words = WORDS[code]
    assert set(words) == {"vi", "en"}
    assert all(text.strip() for text in words.values())
    assert _facts(words["vi"]) == _facts(words["en"])


def test_what_traders_may_read_has_words() -> None:
    assert set(WORDS) >= FOR_TRADERS


def test_every_family_of_features_has_a_name_in_both_languages() -> None:
    assert {feature.group for feature in FEATURES} <= set(FAMILY_WORDS)
    assert all(set(words) == {"vi", "en"} for words in FAMILY_WORDS.values())


def _section(text: str, heading: str) -> str:
    level = heading.split()[0]
    _, _, rest = text.partition(f"\n{heading}\n")
    assert rest, f"there is no heading {heading!r}"
    return re.split(rf"^#{{1,{len(level)}}} ", rest, flags=re.MULTILINE)[0]


def _first_column(text: str, heading: str) -> list[str]:
    return re.findall(r"^\| `(\w+)` \|", _section(text, heading), re.MULTILINE)


def _codes_of_rules() -> set[str]:
    rows = [row for path in RULES for row in yaml.safe_load(path.read_text(encoding="utf-8"))]
    return {row["reason_code"] for row in rows}


def _codes_in_modules() -> set[str]:
    return {code for module in modules() for code in _codes_in(module)}


def _codes_in(module: Path) -> set[str]:
    """Literals given as `code` to what makes reasons, at once or through a variable `code`."""
    given: list[ast.expr] = []
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in GIVE_CODES:
            given += [keyword.value for keyword in node.keywords if keyword.arg == "code"]
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "code":
            given += (
                [node.value.body, node.value.orelse] if isinstance(node.value, ast.IfExp) else []
            )
    literals = {expr.value for expr in given if isinstance(expr, ast.Constant)}
    others = {ast.unparse(expr) for expr in given if not isinstance(expr, ast.Constant)}
    assert others <= COMPUTED, f"{module}: give Reason a literal code, not {others - COMPUTED}"
    return {str(literal) for literal in literals}


def _facts(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}
