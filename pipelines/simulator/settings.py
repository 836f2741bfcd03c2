"""The settings of a world: its trade, its traders and what they do, and how goods were selected.

What each number means, its unit and its source stand in `data/reference/simulator/base.yaml`; here
is what is allowed.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pipelines.simulator.control_settings import Appeals, Audit, Capacity, Controls, Officers
from pipelines.simulator.setting_kinds import AtLeastZero, Closed, MeanAndSpread, Positive, Share
from selectivity.declaration import Country
from selectivity.inspection import Mechanism

OfficeCode = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{1,16}$")]


def _some(weights: Mapping[Any, float]) -> Mapping[Any, float]:
    if not weights or sum(weights.values()) <= 0:
        raise ValueError("give at least one share above 0")
    return weights


def _day_of_a_year(day: str) -> str:
    try:
        date.fromisoformat(f"2001-{day}")
    except ValueError as error:
        raise ValueError("write the month and day of any year, as 11-11") from error
    return day


Ways = Annotated[Mapping[Mechanism, AtLeastZero], AfterValidator(_some)]


class NewYear(Closed):
    """Trade rises for some weeks, then falls to `dip` of the ordinary for `weeks`."""

    weeks: int = Field(ge=0)
    dip: Positive
    rise_weeks: int = Field(ge=0)
    rise: AtLeastZero


class Trade(Closed):
    """How many, how much, and when."""

    traders: int = Field(ge=50)
    brokers: int = Field(ge=5)
    problem_brokers: Share
    export_share: float = Field(gt=0, lt=1)
    items_mean: float = Field(ge=1, le=12)
    missing_share: Share
    named_alike: Share
    priority_volume: float = Field(ge=0, lt=1)
    lunar_new_year: NewYear
    december: Positive
    month_end: Positive
    weekdays: tuple[Positive, ...] = Field(min_length=7, max_length=7)
    express_days: Mapping[Annotated[str, AfterValidator(_day_of_a_year)], Positive]


class TraderKind(Closed):
    """A kind of trader."""

    share: Share
    violation: AtLeastZero
    aversion: Share
    activity: MeanAndSpread
    compliance: tuple[AtLeastZero, ...] = Field(min_length=5, max_length=5)
    sanctions: tuple[AtLeastZero, ...] = Field(min_length=3, max_length=3)
    tax_debt: Share
    problem_broker: Share
    honest_error: AtLeastZero


class TraderKinds(Closed):
    """The kinds there are; which one a trader is, nobody is told."""

    priority: TraderKind
    regular: TraderKind
    careless: TraderKind
    opportunist: TraderKind
    evader: TraderKind
    new: TraderKind


class Office(Closed):
    """A border-gate branch, its usual means of transport and transport document."""

    kind: Literal["sea", "air", "land", "dry", "express"]
    share: Positive
    transport_mode: str
    transport_document: str
    red: AtLeastZero
    yellow: AtLeastZero
    scanner: bool = False


class Partner(Closed):
    """A country that goods come from and go to."""

    trade: Positive
    agreement: str | None = None
    price_level: Positive


class Scheme(Closed):
    """A way of fraud that comes up in some headings from one week on."""

    from_week: int = Field(ge=0)
    factor: Positive
    headings: int = Field(ge=0)
    origin: Country
    moved: Share


class Fraud(Closed):
    """How many violate the law, and how."""

    violating_share: float = Field(gt=0, lt=1)
    sharpness: Positive
    hazard_spread: AtLeastZero
    temptation: AtLeastZero
    import_ways: Ways
    export_ways: Ways
    undervalued_to: MeanAndSpread
    cover_origins: tuple[Country, ...] = Field(min_length=1)
    scheme: Scheme


class Errors(Closed):
    """Honest errors."""

    share: Share
    taxed: Share
    ways: Ways


class Reaction(Closed):
    """What traders make of being inspected."""

    half_life: Positive
    caught_for_new_id: int = Field(ge=1)
    new_id: Share
    sanctioned: bool
    serious_after: int = Field(ge=1)


class Lineages(Closed):
    """Second versions, and declarations that are cancelled and lodged anew."""

    amended: Share
    refiled: Share
    refiled_when_red: Share


class Legacy(Closed):
    """The selection policy of old."""

    red: Share
    yellow: Share
    random: Share
    mandatory_yellow: Share
    mandatory_red: Share
    sharpness: AtLeastZero
    noise: Positive
    officer_up: Share
    officer_nose: AtLeastZero
    officer_down: Share
    propensity_from_week: int = Field(ge=0)

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if self.random + self.officer_up > self.red:
            raise ValueError("random and officer_up together exceed red")
        if self.red + self.yellow > 1:
            raise ValueError("red and yellow together exceed 1")
        return self


class WorldSettings(Closed):
    """Every number of a world."""

    title: str
    seed: int = Field(ge=0)
    start: date
    weeks: int = Field(gt=0, le=1_040)
    declarations: int = Field(gt=0, description="At least ten a week, at most 800,000.")
    trade: Trade
    traders: TraderKinds
    offices: Mapping[OfficeCode, Office] = Field(min_length=1)
    countries: Mapping[Country, Partner] = Field(min_length=1)
    home: Country
    hubs: tuple[Country, ...] = Field(min_length=1)
    neighbours: Annotated[Mapping[Country, AtLeastZero], AfterValidator(_some)]
    fraud: Fraud
    errors: Errors
    reaction: Reaction
    lineages: Lineages
    selection: Legacy
    capacity: Capacity
    controls: Controls
    officers: Officers
    audit: Audit
    appeals: Appeals
    must_hit: Mapping[str, tuple[float, float]] = Field(
        default_factory=dict, description="Figures that a world of this preset has to come to."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.start.weekday() != 0 or not 2000 <= self.start.year < 2100:
            raise ValueError("start must be a Monday from 2000 to 2099")
        if not 10 * self.weeks <= self.declarations <= 800_000 * self.weeks:
            raise ValueError("declarations must come to 10 to 800,000 a week")
        named = {*self.hubs, *self.neighbours, *self.fraud.cover_origins, self.fraud.scheme.origin}
        unknown = sorted(named - set(self.countries))
        if unknown:
            raise ValueError(f"{', '.join(unknown)} must be among `countries`")
        return self
