"""Rules of law and of the risk unit, as data: a table, not a language.

A rule holds when every field of its `when` holds for one and the same goods item (header fields
hold for every item). Rules are checked as a whole when they are built, with their own cases, and
refused as a whole when anything is wrong.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, NamedTuple, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from selectivity.declaration import Declaration, GoodsItem, canonical_sha256, problems
from selectivity.errors import RulesError
from selectivity.lanes import Lane, LaneName


class Layer(StrEnum):
    """In which order rules count. Facilitation lowers selectivity and model, nothing else does."""

    MANDATORY = "mandatory"
    PROHIBITION = "prohibition"
    FACILITATION = "facilitation"
    SELECTIVITY = "selectivity"
    FALLBACK = "fallback"


def _digits(value: Any) -> Any:
    return value.replace(".", "").replace(" ", "") if isinstance(value, str) else value


HsPrefix = Annotated[str, BeforeValidator(_digits), Field(pattern=r"^[0-9]{2,12}$")]
Codes = Annotated[tuple[str, ...], Field(min_length=1)]
Levels = Annotated[tuple[int, ...], Field(min_length=1)]


class Condition(BaseModel):
    """What has to hold; fields left out do not matter. An undeclared fact never satisfies a
    comparison, but does count as a lacking document."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    direction: Codes | None = None
    declaration_office: Codes | None = None
    procedure_code: Codes | None = None
    specific_circumstance: Codes | None = None
    transport_mode: Codes | None = None
    importer_id: Codes | None = None
    declarant_id: Codes | None = None
    seller_id: Codes | None = None
    country_of_export: Codes | None = None
    routing_country: Codes | None = None
    importer_compliance_level: Levels | None = None
    importer_risk_level: Levels | None = None
    importer_level_unknown: bool | None = None
    importer_tax_debt: bool | None = None
    lacks_document: Codes | None = Field(default=None, description="None of these was presented.")
    hs_prefix: tuple[HsPrefix, ...] | None = Field(default=None, min_length=1)
    not_hs_prefix: tuple[HsPrefix, ...] | None = Field(default=None, min_length=1)
    country_of_origin: Codes | None = None
    origin_differs_from_export: bool | None = None
    duty_type: Codes | None = None
    preference_claimed: bool | None = None
    dangerous_goods: bool | None = None
    quota_claimed: bool | None = None
    duty_rate_percent_from: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    customs_value_from: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    unit_value_below: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="Currency per kilogram."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("an empty `when` would hold for everything; write `always: true`")
        return self


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
        if self.layer is Layer.FALLBACK and self.random_share < 1:
            raise ValueError("a fallback rule cannot be cast by chance: something has to decide")
        if self.unless_risk_above is not None and self.layer is not Layer.FACILITATION:
            raise ValueError("unless_risk_above belongs to facilitation alone")
        return self

    def in_force(self, day: date) -> bool:
        """Whether the law beside it holds on this day."""
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)

    @cached_property
    def _tests(self) -> list[Callable[[Declaration, GoodsItem], bool]]:
        if self.when is None:
            return []
        return [
            _TESTS[name](getattr(self.when, name)) for name in sorted(self.when.model_fields_set)
        ]

    def item_hit(self, declaration: Declaration) -> int | None:
        """`item_no` of the first goods item that satisfies the rule; None if none does."""
        for item in declaration.items:
            if all(test(declaration, item) for test in self._tests):
                return item.item_no
        return None


Test = Callable[[Declaration, GoodsItem], bool]


def _header_in(name: str) -> Callable[[Sequence[Any]], Test]:
    return lambda wanted: lambda declaration, _: getattr(declaration, name) in wanted


def _item_in(name: str) -> Callable[[Sequence[Any]], Test]:
    return lambda wanted: lambda _, item: getattr(item, name) in wanted


def _item_has(name: str) -> Callable[[bool], Test]:
    return lambda wanted: lambda _, item: (getattr(item, name) is not None) == wanted


def _item_from(name: str) -> Callable[[float], Test]:
    def at_least(limit: float) -> Test:
        return lambda _, item: (value := getattr(item, name)) is not None and value >= limit

    return at_least


def _starts_with(prefixes: tuple[str, ...]) -> Test:
    return lambda _, item: item.hs_code is not None and item.hs_code.startswith(prefixes)


def _starts_otherwise(prefixes: tuple[str, ...]) -> Test:
    return lambda _, item: item.hs_code is not None and not item.hs_code.startswith(prefixes)


def _lacks(types: Sequence[str]) -> Test:
    return lambda declaration, _: (
        not any(document.type in types for document in declaration.documents or ())
    )


def _passes_through(countries: Sequence[str]) -> Test:
    return lambda declaration, _: any(
        country in countries for country in declaration.routing_countries or ()
    )


def _level_unknown(wanted: bool) -> Test:
    return lambda declaration, _: (
        wanted
        == (
            declaration.importer_compliance_level is None
            and declaration.importer_risk_level is None
        )
    )


def _origin_differs(wanted: bool) -> Test:
    def differs(declaration: Declaration, item: GoodsItem) -> bool:
        origin, export = item.country_of_origin, declaration.country_of_export
        return origin is not None and export is not None and (origin != export) == wanted

    return differs


def _debt(wanted: bool) -> Test:
    return lambda declaration, _: declaration.importer_tax_debt is wanted


def _unit_value_below(limit: float) -> Test:
    def below(_: Declaration, item: GoodsItem) -> bool:
        value, mass = item.customs_value, item.net_mass_kg
        return value is not None and mass is not None and mass > 0 and value / mass < limit

    return below


_TESTS: Mapping[str, Callable[[Any], Test]] = {
    "direction": _header_in("direction"),
    "declaration_office": _header_in("declaration_office"),
    "procedure_code": _header_in("procedure_code"),
    "specific_circumstance": _header_in("specific_circumstance"),
    "transport_mode": _header_in("transport_mode"),
    "importer_id": _header_in("importer_id"),
    "declarant_id": _header_in("declarant_id"),
    "seller_id": _header_in("seller_id"),
    "country_of_export": _header_in("country_of_export"),
    "routing_country": _passes_through,
    "importer_compliance_level": _header_in("importer_compliance_level"),
    "importer_risk_level": _header_in("importer_risk_level"),
    "importer_level_unknown": _level_unknown,
    "importer_tax_debt": _debt,
    "lacks_document": _lacks,
    "hs_prefix": _starts_with,
    "not_hs_prefix": _starts_otherwise,
    "country_of_origin": _item_in("country_of_origin"),
    "origin_differs_from_export": _origin_differs,
    "duty_type": _item_in("duty_type"),
    "preference_claimed": _item_has("preference_code"),
    "dangerous_goods": _item_has("undg_id"),
    "quota_claimed": _item_has("quota_id"),
    "duty_rate_percent_from": _item_from("duty_rate_percent"),
    "customs_value_from": _item_from("customs_value"),
    "unit_value_below": _unit_value_below,
}


class Hit(NamedTuple):
    """A rule that holds for a declaration, and the goods item it holds for."""

    rule: Rule
    item_no: int


class RuleSet:
    """All rules, checked together. `version` names their content."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self.version = canonical_sha256(self.content())[:12]

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
            raise RulesError("-", "-", "there are no rules", "Name at least one file with rules.")
        return cls(list(rules.values()))

    def hits(self, declaration: Declaration) -> list[Hit]:
        """Every rule that holds and is in force on the day (UTC) of acceptance, in file order."""
        day = declaration.accepted_at.astimezone(UTC).date()
        return [
            Hit(rule, item_no)
            for rule in self.rules
            if rule.in_force(day) and (item_no := rule.item_hit(declaration)) is not None
        ]

    def content(self) -> list[dict[str, Any]]:
        """The rules as plain data, as `build` takes them."""
        return [rule.model_dump(mode="json", exclude_unset=True) for rule in self.rules]


def _rule(file: str, row: Any) -> Rule:
    name = str(row.get("id", "without id")) if isinstance(row, Mapping) else "?"
    try:
        return Rule.model_validate(row)
    except ValidationError as error:
        raise RulesError(
            file, name, problems(error), "The fields a rule may have are in CONTRIBUTING.md."
        ) from error


_PLAIN_ITEM = {"item_no": 1, "hs_code": "999999"}
_PLAIN = {"declaration_id": "case", "accepted_at": None, "items": [_PLAIN_ITEM]}


def _check_cases(file: str, rule: Rule) -> None:
    for number, case in enumerate(rule.cases, start=1):
        try:
            declaration = declaration_of_case(case.declared, rule.valid_from)
        except ValidationError as error:
            raise RulesError(
                file, rule.id, f"case {number}: {problems(error)}", "Correct the declared fields."
            ) from error
        if (rule.item_hit(declaration) is not None) != case.hits:
            told = "be hit but is not" if case.hits else "be left alone but is hit"
            raise RulesError(
                file, rule.id, f"case {number} should {told}", "Correct the rule or its case."
            )


def declaration_of_case(declared: Mapping[str, Any], day: date) -> Declaration:
    """A declaration from the few fields a case names, accepted at noon of `day`."""
    items = [
        {"item_no": number, **_PLAIN_ITEM, **item} | {"item_no": number}
        for number, item in enumerate(declared.get("items", [{}]), start=1)
    ]
    header = {**_PLAIN, "accepted_at": f"{day.isoformat()}T12:00:00Z", **declared, "items": items}
    return Declaration.model_validate(header, strict=False)
