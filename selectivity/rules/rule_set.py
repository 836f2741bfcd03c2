"""Rules of law and of the risk unit, as data: a table, not a language.

A rule holds when every field of its `when` holds for one and the same goods item (header fields
hold for every item). Rules are checked as a whole when they are built, with their own cases, and
refused as a whole when anything is wrong.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from selectivity.days import day_in_utc
from selectivity.declaration import Declaration, canonical_sha256, problems
from selectivity.errors import RulesError
from selectivity.lanes import Lane, LaneName
from selectivity.rules.conditions import Condition, Tests, tests_of
from selectivity.rules.index import RuleIndex
from selectivity.similar import meant_at


class Layer(StrEnum):
    """In which order rules count. Facilitation lowers selectivity and model, nothing else does."""

    MANDATORY = "mandatory"
    PROHIBITION = "prohibition"
    FACILITATION = "facilitation"
    SELECTIVITY = "selectivity"
    FALLBACK = "fallback"


class Case(BaseModel):
    """A declaration this rule must hit, or must leave alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    declared: Mapping[str, Any]
    hits: bool


class Rule(BaseModel):
    """One row of the table, with its law beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^R-[0-9]{3}[a-z]?$")
    layer: Layer
    reason_code: str = Field(pattern=r"^[A-Z][A-Z0-9_]*$")
    lane: LaneName
    legal_basis: tuple[str, ...] = Field(min_length=1)
    valid_from: date
    valid_to: date | None = Field(default=None, description="Last day it holds.")
    owner: str = Field(min_length=1)
    approver: str = Field(min_length=1)
    always: bool = False
    when: Condition | None = None
    random_share: float = Field(default=1.0, gt=0, le=1, description="Share of hits it is cast on.")
    unless_risk_above: float | None = Field(
        default=None, ge=0, le=1, description="Facilitation yields to a risk above this."
    )
    cases: tuple[Case, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.always == (self.when is not None):
            raise ValueError("give either `when` or `always: true`")
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError("valid_to lies before valid_from")
        if (self.layer is Layer.FACILITATION) != (self.lane is Lane.GREEN) and (
            self.layer is not Layer.FALLBACK
        ):
            raise ValueError(
                "facilitation asks for GREEN and is the only layer besides fallback to do so"
            )
        if self.layer is Layer.FACILITATION and self._tests.of_item:
            raise ValueError(
                "facilitation releases the whole declaration, so `when` may name fields of the "
                "header alone: one goods item must not speak for the others"
            )
        if self.layer is Layer.FALLBACK and self.random_share < 1:
            raise ValueError("a fallback rule cannot be cast by chance: something has to decide")
        if self.unless_risk_above is not None and self.layer is not Layer.FACILITATION:
            raise ValueError("unless_risk_above belongs to facilitation alone")
        return self

    def in_force(self, day: date) -> bool:
        """Whether the law beside it holds on this day."""
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)

    def changes(self) -> Iterator[date]:
        """The days from which it is in force, or no longer."""
        yield self.valid_from
        if self.valid_to is not None and self.valid_to < date.max:
            yield self.valid_to + timedelta(days=1)

    @cached_property
    def _tests(self) -> Tests:
        return Tests() if self.when is None else tests_of(self.when)

    def item_hit(self, declaration: Declaration) -> int | None:
        """`item_no` of the first goods item that satisfies the rule; None if none does."""
        of_header, of_item = self._tests
        for holds in of_header:
            if not holds(declaration):
                return None
        for item in declaration.items:
            for holds_for in of_item:
                if not holds_for(declaration, item):
                    break
            else:
                return item.item_no
        return None


class Hit(NamedTuple):
    """A rule that holds for a declaration, and the goods item it holds for."""

    rule: Rule
    item_no: int


class RuleSet:
    """All rules, checked together. `version` names their content."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self.by_id: Mapping[str, Rule] = {rule.id: rule for rule in self.rules}
        self.version = canonical_sha256(self.content())[:12]
        self._changes = sorted({day for rule in self.rules for day in rule.changes()})
        self._in_force: dict[int, RuleIndex[Rule]] = {}

    @classmethod
    def build(cls, rows: Iterable[tuple[str, Any]]) -> Self:
        """Check rows of (file, rule as data) and build the set.

        Raises:
            RulesError: a row does not fit, an id comes twice, or a rule fails one of its cases.
        """
        rules: dict[str, Rule] = {}
        for file, row in rows:
            rule = _rule(file, row)
            if rule.id in rules:
                raise RulesError(file, rule.id, "the id is used twice", "Give it a new id.")
            _check_cases(file, rule)
            rules[rule.id] = rule
        if not rules:
            raise RulesError("-", None, "there are no rules", "Name at least one file with rules.")
        return cls(list(rules.values()))

    def hits(self, declaration: Declaration) -> list[Hit]:
        """Every rule that holds and is in force on the day (UTC) of acceptance, in file order."""
        index = self._index(day_in_utc(declaration.accepted_at))
        return [
            Hit(rule, item_no)
            for rule in index.candidates(declaration)
            if (item_no := rule.item_hit(declaration)) is not None
        ]

    def _index(self, day: date) -> RuleIndex[Rule]:
        """The rules in force on a day; between two changes it is the same index."""
        at = bisect_right(self._changes, day)
        if at not in self._in_force:
            rules = [rule for rule in self.rules if rule.in_force(day)]
            self._in_force[at] = RuleIndex([(rule.when, rule) for rule in rules])
        return self._in_force[at]

    def content(self) -> list[dict[str, Any]]:
        """The rules as plain data, as `build` takes them."""
        return [rule.model_dump(mode="json", exclude_unset=True) for rule in self.rules]


def _rule(file: str, row: Any) -> Rule:
    name = str(row.get("id", "without id")) if isinstance(row, Mapping) else "?"
    try:
        return Rule.model_validate(row)
    except ValidationError as error:
        remedy = _meant(error, Rule) + "The fields a rule may have are in CONTRIBUTING.md."
        raise RulesError(file, name, problems(error), remedy) from error


def _meant(error: ValidationError, model: type[BaseModel]) -> str:
    """What a field that is not known was probably meant to be, as a sentence."""
    for each in error.errors(include_url=False):
        if each["type"] == "extra_forbidden" and (meant := meant_at(model, each["loc"])):
            return f"Did you mean {meant!r}? "
    return ""


_PLAIN_ITEM = {"item_no": 1, "hs_code": "999999"}
_PLAIN = {"declaration_id": "case", "accepted_at": None, "items": [_PLAIN_ITEM]}


def _check_cases(file: str, rule: Rule) -> None:
    for number, case in enumerate(rule.cases, start=1):
        try:
            declaration = declaration_of_case(case.declared, rule.valid_from)
        except ValidationError as error:
            remedy = _meant(error, Declaration) + "Correct the declared fields."
            raise RulesError(file, rule.id, f"case {number}: {problems(error)}", remedy) from error
        if (rule.item_hit(declaration) is not None) != case.hits:
            expected = "be hit but is not" if case.hits else "be left alone but is hit"
            raise RulesError(
                file, rule.id, f"case {number} should {expected}", "Correct the rule or its case."
            )


def declaration_of_case(declared: Mapping[str, Any], day: date) -> Declaration:
    """A declaration from the few fields a case names, accepted at noon of `day`."""
    items = [
        {"item_no": number, **_PLAIN_ITEM, **item} | {"item_no": number}
        for number, item in enumerate(declared.get("items", [{}]), start=1)
    ]
    header = {**_PLAIN, "accepted_at": f"{day.isoformat()}T12:00:00Z", **declared, "items": items}
    return Declaration.model_validate(header, strict=False)
