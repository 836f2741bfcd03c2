"""The numbers of a world: `data/reference/simulator/base.yaml`, changed by a preset and by options.

What each number means, its unit and its source stand in base.yaml; here is what is allowed.
"""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.unique_keys import UniqueKeys
from pipelines.stage.params import explain, similar
from selectivity.declaration import Country
from selectivity.errors import ParamsError
from selectivity.inspection import ControlType, Mechanism

BASE = "base.yaml"
PRESETS = "presets"

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
AtLeastZero = Annotated[float, Field(ge=0, allow_inf_nan=False)]
MeanAndSpread = tuple[float, AtLeastZero]
Shift = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")]
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


class Closed(BaseModel):
    """Frozen, and nothing but what is named."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


class Minutes(Closed):
    """Minutes of an officer's work per control: papers, scanner image, goods."""

    DOCUMENT: Positive
    SCAN: Positive
    GOODS: Positive


class Capacity(Closed):
    """Shifts, and what they can take."""

    shifts: tuple[Shift, ...] = Field(min_length=1)
    weight: tuple[Positive, ...]
    minutes: Minutes
    spare: AtLeastZero
    slack: Positive

    @model_validator(mode="after")
    def _each_shift_has_a_weight(self) -> Self:
        if len(self.shifts) != len(self.weight):
            raise ValueError("weight needs as many numbers as there are shifts")
        return self


class Controls(Closed):
    """What controls find, and when."""

    detection: Mapping[Mechanism, Mapping[ControlType, Share]]
    hours: Mapping[ControlType, MeanAndSpread]
    full: Share
    scanned: Share
    scan_false_alarm: Share
    sampled: Share
    sampled_when_miscoded: Share
    false_finding: Share
    wrong_mechanism: Share
    inconclusive: Share
    cancelled: Share


class Lax(Closed):
    """Officers who look less closely. `detects` is times what a diligent one finds."""

    share: Share
    detects: Share


class Colluding(Lax):
    """Officers who look away for one broker, and see to it that they get his declarations."""

    with_their_broker: Share
    minutes: Share
    manual: Share


class Officers(Closed):
    """Who controls."""

    per_office: int = Field(ge=2, description="Who lowers a lane needs a second officer.")
    manual: Share
    lax: Lax
    colluding: Colluding


class Audit(Closed):
    """Audits after clearance."""

    share: Share
    of_controlled: AtLeastZero
    sharpness: AtLeastZero
    days: tuple[int, int]

    @model_validator(mode="after")
    def _days_are_in_order(self) -> Self:
        if not 0 < self.days[0] <= self.days[1]:
            raise ValueError("days must be two numbers above 0, the smaller one first")
        return self


class Appeals(Closed):
    """Findings that traders dispute."""

    share: Share
    overturned: Share
    overturned_when_false: Share
    days: MeanAndSpread


class Settings(Closed):
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


def presets(folder: Path) -> dict[str, str]:
    """Names of the presets in the simulator's folder, each with its title."""
    files = sorted((folder / PRESETS).glob("*.yaml"))
    return {file.stem: str(_content(file).get("title", "")) for file in files}


def read_settings(folder: Path, preset: str, changes: Mapping[str, Any] | None = None) -> Settings:
    """The base world, changed by a preset, then by `changes` (nested, as in the files).

    Args:
        folder: where base.yaml and presets/ stand.
        preset: a name of `presets`, or the path of a YAML file of your own.

    Raises:
        ParamsError: no such preset, an unknown key, or a value that cannot be used.
    """
    file = Path(preset) if preset.endswith((".yaml", ".yml")) else _of_name(folder, preset)
    content = _changed(_changed(_content(folder / BASE), _content(file)), changes or {})
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        raise ParamsError(f"World {file}: {explain(error, Settings)}") from error


def _of_name(folder: Path, preset: str) -> Path:
    known = sorted(file.stem for file in (folder / PRESETS).glob("*.yaml"))
    if preset not in known:
        raise ParamsError(
            f"There is no preset {preset!r}{similar(preset, known)}. There are: "
            f"{', '.join(known)}. A preset of your own is given by its path, ending in .yaml."
        )
    return folder / PRESETS / f"{preset}.yaml"


class _Loader(UniqueKeys, yaml.SafeLoader):
    """Numbers, texts and lists."""


def _content(file: Path) -> dict[str, Any]:
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParamsError(
            f"World {file} cannot be read: {error}. Correct or restore it."
        ) from error
    if not isinstance(content, dict):
        raise ParamsError(f"World {file} holds no settings. Write `name: value` lines.")
    return content


WHOLE = ("import_ways", "export_ways", "ways", "neighbours", "express_days")
"""Mappings that a preset replaces as a whole: shares only make sense together."""


def _changed(content: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    changed = dict(content)
    for name, value in changes.items():
        before = changed.get(name)
        if isinstance(before, dict) and isinstance(value, Mapping) and name not in WHOLE:
            changed[name] = _changed(before, value)
        else:
            changed[name] = value
    return changed
