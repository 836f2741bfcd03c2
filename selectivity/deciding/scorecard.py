"""A points table that a person can read and add up: it decides when no model can be used.

It looks at nothing but what is declared, so that it needs no history. Every goods item gets points
per fact; the item with the most decides. A fact that was not declared, or a code that no line
names, gets the most points that its fact can give: silence never lowers the lane.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from functools import cached_property
from math import isfinite, log
from typing import Annotated, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from selectivity.days import day_in_utc
from selectivity.declaration import Declaration, GoodsItem
from selectivity.lanes import Lane, LaneName

Value = float | str | None
"""What a fact comes to: a measure, a code, or None for not known."""


class UsualValue(BaseModel):
    """What goods under one code were usually declared at, when the table was made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit_value: float = Field(gt=0, allow_inf_nan=False, description="Median, currency/kg.")
    spread: float = Field(gt=0, allow_inf_nan=False, description="Of the logarithms.")


UsualValues = Mapping[str, UsualValue]
"""By HS code of 6 or 4 digits; the longer one counts."""


ValueOf = Callable[[Declaration, GoodsItem, UsualValues], Value]
PointsOf = Callable[[Value], int]


class LawfulFact(NamedTuple):
    """How a fact is found in a goods item, and the lawful criterion that allows it."""

    value: ValueOf
    allowed_by: str


def _heading(_: Declaration, item: GoodsItem, __: UsualValues) -> Value:
    return None if item.hs_code is None else item.hs_code[:4]


def _origin(_: Declaration, item: GoodsItem, __: UsualValues) -> Value:
    return item.country_of_origin


def _direction(declaration: Declaration, _: GoodsItem, __: UsualValues) -> Value:
    return declaration.direction


def _origin_is_export_country(declaration: Declaration, item: GoodsItem, _: UsualValues) -> Value:
    origin, export = item.country_of_origin, declaration.country_of_export
    return None if origin is None or export is None else "yes" if origin == export else "no"


def _compliance_level(declaration: Declaration, _: GoodsItem, __: UsualValues) -> Value:
    return declaration.importer_compliance_level


def _risk_level(declaration: Declaration, _: GoodsItem, __: UsualValues) -> Value:
    return declaration.importer_risk_level


def _registered_days(declaration: Declaration, _: GoodsItem, __: UsualValues) -> Value:
    registered = declaration.importer_registered_on
    if registered is None:
        return None
    return (day_in_utc(declaration.accepted_at) - registered).days


def _tax_debt(declaration: Declaration, _: GoodsItem, __: UsualValues) -> Value:
    debt = declaration.importer_tax_debt
    return None if debt is None else "yes" if debt else "no"


def _duty_rate(_: Declaration, item: GoodsItem, __: UsualValues) -> Value:
    return item.duty_rate_percent


def _unit_value_deviation(_: Declaration, item: GoodsItem, usual: UsualValues) -> Value:
    value, mass, code = item.customs_value, item.net_mass_kg, item.hs_code
    if not value or not mass or code is None:
        return None
    known = usual.get(code[:6]) or usual.get(code[:4])
    if known is None:
        return None
    return (log(value) - log(mass) - log(known.unit_value)) / known.spread


FACTS: Mapping[str, LawfulFact] = {
    "direction": LawfulFact(_direction, "TFA 7.4.4: type of transport, country of destination"),
    "heading": LawfulFact(_heading, "TFA 7.4.4: HS code"),
    "origin": LawfulFact(_origin, "TFA 7.4.4: country of origin"),
    "origin_is_export_country": LawfulFact(
        _origin_is_export_country, "TFA 7.4.4: country of origin, country of shipment"
    ),
    "importer_compliance_level": LawfulFact(_compliance_level, "TFA 7.4.4: compliance record"),
    "importer_risk_level": LawfulFact(_risk_level, "TFA 7.4.4: compliance record"),
    "importer_registered_days": LawfulFact(_registered_days, "TFA 7.4.4: compliance record"),
    "importer_tax_debt": LawfulFact(_tax_debt, "TFA 7.4.4: compliance record"),
    "duty_rate_percent": LawfulFact(_duty_rate, "TFA 7.4.4: HS code, value"),
    "unit_value_deviation": LawfulFact(_unit_value_deviation, "TFA 7.4.4: value"),
}
"""What the table may look at. A deviation is in spreads from the usual unit value of the code."""

OF_THE_IMPORTER = (
    "importer_compliance_level",
    "importer_risk_level",
    "importer_registered_days",
    "importer_tax_debt",
)
"""Not asked of exports, which name no importer that customs knows. Any other direction is asked."""


def _known_fact(name: str) -> str:
    if name not in FACTS:
        raise ValueError(f"there is no fact {name!r}; there are {', '.join(FACTS)}")
    return name


class Band(BaseModel):
    """One line of the table: some codes, or the measures from the line before up to `below`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    codes: tuple[str, ...] | None = None
    below: float | None = Field(default=None, allow_inf_nan=False)
    points: int = Field(ge=0)


class FactPoints(BaseModel):
    """The lines of one fact, and what its absence counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fact: Annotated[str, AfterValidator(_known_fact)]
    bands: tuple[Band, ...] = Field(min_length=1)
    missing: int = Field(ge=0, description="Points where it is not known.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.missing < max(band.points for band in self.bands):
            raise ValueError(f"{self.fact}: missing may not count less than any of the lines")
        edges = [band.below for band in self.bands[:-1]]
        measured = self.bands[-1].codes is None
        if any((band.codes is None) != measured for band in self.bands):
            raise ValueError(f"{self.fact}: lines are either of codes or of measures")
        if measured and (self.bands[-1].below is not None or edges != sorted(set(_given(edges)))):
            raise ValueError(f"{self.fact}: `below` has to rise, and the last line has none")
        return self

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied.__dict__.pop("points", None)  # `model_copy` goes on to change the copy
        return copied

    @cached_property
    def points(self) -> PointsOf:
        """What a value counts."""
        missing, points = self.missing, [band.points for band in self.bands]
        of_code: dict[Value, int] = {
            code: band.points for band in self.bands for code in band.codes or ()
        }
        edges = _given([band.below for band in self.bands[:-1]])

        def of_measure(value: Value) -> int:
            if value is None or isinstance(value, str) or not isfinite(value):
                return missing
            return points[bisect_right(edges, value)]

        return (lambda value: of_code.get(value, missing)) if of_code else of_measure

    def asked_of(self, direction: str | None) -> bool:
        """Whether it counts for declarations in this direction."""
        return direction != "EXPORT" or self.fact not in OF_THE_IMPORTER

    def of(self, declaration: Declaration, item: GoodsItem, usual: UsualValues) -> int:
        """What this fact of a goods item counts."""
        if not self.asked_of(declaration.direction):
            return 0
        return self.points(FACTS[self.fact].value(declaration, item, usual))


def _given(edges: list[float | None]) -> list[float]:
    return [edge for edge in edges if edge is not None]


class Scored(BaseModel):
    """What the table says of a declaration, and the goods item that it is said of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lane: LaneName
    points: int
    item_no: int


class Scorecard(BaseModel):
    """The whole table, with the points from which a lane is asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    yellow_from: int = Field(description="Points from which documents are checked.")
    red_from: int = Field(description="Points from which goods are inspected.")
    facts: tuple[FactPoints, ...] = Field(min_length=1)
    usual_unit_values: UsualValues

    @model_validator(mode="after")
    def _red_is_stricter(self) -> Self:
        if not 0 < self.yellow_from <= self.red_from:
            raise ValueError("points have to rise from 0 to yellow_from and on to red_from")
        return self

    def __copy__(self) -> Self:
        copied = super().__copy__()
        for name in ("_for_exports", "_for_others"):  # `model_copy` goes on to change the copy
            copied.__dict__.pop(name, None)
        return copied

    @cached_property
    def _for_exports(self) -> list[tuple[ValueOf, PointsOf]]:
        return [_parts(each) for each in self.facts if each.asked_of("EXPORT")]

    @cached_property
    def _for_others(self) -> list[tuple[ValueOf, PointsOf]]:
        return [_parts(each) for each in self.facts]

    def points(self, declaration: Declaration, item: GoodsItem) -> int:
        """Points of one goods item: the sum over the facts."""
        usual, is_export = self.usual_unit_values, declaration.direction == "EXPORT"
        facts = self._for_exports if is_export else self._for_others
        return sum([points(value(declaration, item, usual)) for value, points in facts])

    def judge(self, declaration: Declaration) -> Scored:
        """The lane that the goods item with the most points asks for; the first of several."""
        of_items = [self.points(declaration, item) for item in declaration.items]
        points = max(of_items)
        lane = Lane((points >= self.yellow_from) + (points >= self.red_from))
        item_no = declaration.items[of_items.index(points)].item_no
        return Scored(lane=lane, points=points, item_no=item_no)


def _parts(fact: FactPoints) -> tuple[ValueOf, PointsOf]:
    return FACTS[fact.fact].value, fact.points
