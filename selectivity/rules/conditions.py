"""What a rule may ask of a declaration: a closed set of typed fields, compiled to plain tests."""

from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from selectivity.declaration import Declaration, GoodsItem


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
        for name in self.model_fields_set:
            if getattr(self, name) is None:
                raise ValueError(f"{name} is null, which says nothing; leave it out")
        return self


HeaderTest = Callable[[Declaration], bool]
ItemTest = Callable[[Declaration, GoodsItem], bool]


class Tests(NamedTuple):
    """What has to hold for the header, and for one and the same goods item."""

    of_header: tuple[HeaderTest, ...] = ()
    of_item: tuple[ItemTest, ...] = ()


def tests_of(condition: Condition) -> Tests:
    """The tests that this condition comes to."""
    asked = [(name, getattr(condition, name)) for name in sorted(condition.model_fields_set)]
    return Tests(
        tuple(_OF_HEADER[name](wanted) for name, wanted in asked if name in _OF_HEADER),
        tuple(_OF_ITEM[name](wanted) for name, wanted in asked if name in _OF_ITEM),
    )


def _header_in(name: str) -> Callable[[Collection[Any]], HeaderTest]:
    def among(wanted: Collection[Any]) -> HeaderTest:
        values = frozenset(wanted)
        return lambda declaration: getattr(declaration, name) in values

    return among


def _item_in(name: str) -> Callable[[Collection[Any]], ItemTest]:
    def among(wanted: Collection[Any]) -> ItemTest:
        values = frozenset(wanted)
        return lambda _, item: getattr(item, name) in values

    return among


def _item_has(name: str) -> Callable[[bool], ItemTest]:
    return lambda wanted: lambda _, item: (getattr(item, name) is not None) == wanted


def _item_from(name: str) -> Callable[[float], ItemTest]:
    def at_least(limit: float) -> ItemTest:
        return lambda _, item: (value := getattr(item, name)) is not None and value >= limit

    return at_least


def _starts_with(prefixes: tuple[str, ...]) -> ItemTest:
    return lambda _, item: item.hs_code is not None and item.hs_code.startswith(prefixes)


def _starts_otherwise(prefixes: tuple[str, ...]) -> ItemTest:
    return lambda _, item: item.hs_code is not None and not item.hs_code.startswith(prefixes)


def _lacks(types: Collection[str]) -> HeaderTest:
    wanted = frozenset(types)
    return lambda declaration: wanted.isdisjoint(
        [document.type for document in declaration.documents or ()]
    )


def _passes_through(countries: Collection[str]) -> HeaderTest:
    wanted = frozenset(countries)
    return lambda declaration: not wanted.isdisjoint(declaration.routing_countries or ())


def _level_unknown(wanted: bool) -> HeaderTest:
    return lambda declaration: (
        wanted
        == (
            declaration.importer_compliance_level is None
            and declaration.importer_risk_level is None
        )
    )


def _debt(wanted: bool) -> HeaderTest:
    return lambda declaration: declaration.importer_tax_debt is wanted


def _origin_differs(wanted: bool) -> ItemTest:
    def differs(declaration: Declaration, item: GoodsItem) -> bool:
        origin, export = item.country_of_origin, declaration.country_of_export
        return origin is not None and export is not None and (origin != export) == wanted

    return differs


def _unit_value_below(limit: float) -> ItemTest:
    def below(_: Declaration, item: GoodsItem) -> bool:
        value, mass = item.customs_value, item.net_mass_kg
        return value is not None and mass is not None and mass > 0 and value / mass < limit

    return below


_OF_HEADER: Mapping[str, Callable[[Any], HeaderTest]] = {
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
}

CLAIMS = {
    "quota_claimed": "quota_id",
    "dangerous_goods": "undg_id",
    "preference_claimed": "preference_code",
}
"""What few goods items claim, and the field in which they do."""

_OF_ITEM: Mapping[str, Callable[[Any], ItemTest]] = {
    "hs_prefix": _starts_with,
    "not_hs_prefix": _starts_otherwise,
    "country_of_origin": _item_in("country_of_origin"),
    "origin_differs_from_export": _origin_differs,
    "duty_type": _item_in("duty_type"),
    **{name: _item_has(field) for name, field in CLAIMS.items()},
    "duty_rate_percent_from": _item_from("duty_rate_percent"),
    "customs_value_from": _item_from("customs_value"),
    "unit_value_below": _unit_value_below,
}
