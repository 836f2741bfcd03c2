"""What is remembered, as data: which measures of which keys, over which days.

Everything else follows from this specification. `pipelines.histories` runs it in bulk, as SQL on
DuckDB or Spark; `selectivity.histories.profiles` folds it one event at a time, in the service. All
measures are whole numbers, added up per day in UTC, so both agree to the last bit whatever the
order.

A declaration counts from the day after its `accepted_at`, an outcome from the day after its
`observed_at`: nothing of the day itself is known yet, and nothing later ever is. The one exception
is `TODAY`, the goods items of the same key that were accepted earlier on the day itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from selectivity import elementwise
from selectivity.elementwise import Number

FIXED_POINT = 1_000
"""Logarithms are kept as whole thousandths, duty rates as whole hundredths of a percent."""

Declared = Mapping[str, Any]
"""Fields of a goods item and its header by name: of one row, or arrays of many."""


def unit_value(declared: Declared) -> Number:
    """Customs value per kilogram, currency/kg; NaN where either is zero or not known."""
    value = elementwise.where_above_zero(declared["customs_value"], declared["customs_value"])
    return elementwise.ratio(value, declared["net_mass_kg"])


def weight_per_unit(declared: Declared) -> Number:
    """Net mass per unit of the tariff quantity, kg; NaN where either is zero or not known."""
    mass = elementwise.where_above_zero(declared["net_mass_kg"], declared["net_mass_kg"])
    return elementwise.ratio(mass, declared["tariff_quantity"])


def duty_at_stake(declared: Declared) -> Number:
    """Customs value times duty rate, in the declaration's currency; NaN where either is missing."""
    return declared["customs_value"] * declared["duty_rate_percent"] / 100


DERIVED: Mapping[str, Callable[[Declared], Number]] = {
    "unit_value_log": lambda declared: elementwise.log(unit_value(declared)),
    "weight_per_unit_log": lambda declared: elementwise.log(weight_per_unit(declared)),
}
"""What measures and features look at besides fields; made once, for logarithms are dear."""


def derived(declared: Declared) -> dict[str, Number]:
    """Everything of `DERIVED`."""
    return {name: compute(declared) for name, compute in DERIVED.items()}


def _log_value(declared: Declared) -> Number:
    return elementwise.whole(declared["unit_value_log"], FIXED_POINT)


def _log_weight(declared: Declared) -> Number:
    return elementwise.whole(declared["weight_per_unit_log"], FIXED_POINT)


def _duty_rate(declared: Declared) -> Number:
    return elementwise.whole(declared["duty_rate_percent"], 100)


MEASURES: Mapping[str, Callable[[Declared], Number]] = {
    "declared": lambda declared: elementwise.one_if_known(declared["item_no"]),
    "preferential": lambda declared: elementwise.one_if_known(declared["preference_code"]),
    "rated": lambda declared: elementwise.one_if_known(declared["duty_rate_percent"]),
    "duty_rate": _duty_rate,
    "valued": lambda declared: elementwise.one_if_known(declared["unit_value_log"]),
    "log_value": _log_value,
    "log_value_squared": lambda declared: _log_value(declared) ** 2,
    "weighed": lambda declared: elementwise.one_if_known(declared["weight_per_unit_log"]),
    "log_weight": _log_weight,
    "log_weight_squared": lambda declared: _log_weight(declared) ** 2,
}
"""What is added up of goods items as declared, and of what is derived from them."""

MEASURED = ("customs_value", "net_mass_kg", "tariff_quantity", "duty_rate_percent")
"""Numbers that measures look at, besides whether a preference was claimed."""

OUTCOMES = ("controlled", "documentary", "physical")
"""What is added up of what controls concluded: how many, and how many found each class."""

COUNT = ("declared",)
CONTROL = OUTCOMES
VALUE = ("valued", "log_value", "log_value_squared")
WEIGHT = ("weighed", "log_weight", "log_weight_squared")
DUTY = ("rated", "duty_rate")
CLAIM = ("preferential",)

Kind = Literal["sum", "decayed", "first_day", "last_day", "today"]


class Sums(NamedTuple):
    """Sums of some measures over the `days` complete days before, or over all of them.

    Decayed: events up to `days` old count four times, up to twice as old twice, up to three times
    as old once, and older ones no more: halves in whole numbers.
    """

    measures: tuple[str, ...]
    days: int | None = None
    decayed: bool = False


DECAY = {1: 2, 2: 1, 3: 1}
"""Weight of the sum over so many times the days: together 4, 2 and 1 by age."""

DECAYED_WHOLE = 4
"""What an event of yesterday counts in a decayed sum."""


class Value(NamedTuple):
    """One number that is known of a key before a declaration."""

    profile: str
    kind: Kind
    measure: str = ""
    days: int | None = None

    @property
    def name(self) -> str:
        """Names it in files and SQL."""
        parts = [self.profile, self.measure or self.kind]
        parts += ["decayed"] if self.kind == "decayed" else []
        parts += [str(self.days)] if self.days else []
        return "_".join(parts)


@dataclass(frozen=True)
class Profile:
    """One kind of key, what is remembered of it, and what allows customs to look at it.

    A goods item with any part of the key missing belongs to no key: all of it is NaN. Parts in
    `may_lack` are not asked for: lacking counts as a value of its own.
    """

    name: str
    keys: tuple[str, ...]
    allowed_by: str
    sums: tuple[Sums, ...]
    first_day: bool = False
    last_day: bool = False
    today: bool = False
    may_lack: tuple[str, ...] = ()

    def values(self) -> tuple[Value, ...]:
        """Everything that is known of a key, in order."""
        kinds: dict[Kind, bool] = {
            "first_day": self.first_day,
            "last_day": self.last_day,
            "today": self.today,
        }
        return (
            *(
                Value(self.name, "decayed" if sums.decayed else "sum", measure, sums.days)
                for sums in self.sums
                for measure in sums.measures
            ),
            *(Value(self.name, kind) for kind, wanted in kinds.items() if wanted),
        )

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures that are added up for its keys."""
        return tuple(dict.fromkeys(name for sums in self.sums for name in sums.measures))


_COMPLIANCE = "TFA 7.4.4: compliance record"
_GOODS = "TFA 7.4.4: HS code"
_ORIGIN = "TFA 7.4.4: country of origin"
_NAMED = "TFA 7.4.4: nature and description of the goods, HS code"

EVERYTHING = Profile("everything", (), _COMPLIANCE, (Sums(CONTROL),))
KEYED = (
    Profile(
        "trader",
        ("trader_id",),
        _COMPLIANCE,
        (
            Sums((*COUNT, *CLAIM, *CONTROL)),
            Sums(COUNT, 30),
            Sums(CONTROL, 60, decayed=True),
        ),
        first_day=True,
        last_day=True,
        today=True,
    ),
    Profile(
        "declarant",
        ("declarant_id",),
        _COMPLIANCE,
        (Sums((*COUNT, *CONTROL)), Sums(COUNT, 30), Sums(CONTROL, 365)),
        first_day=True,
        today=True,
    ),
    Profile(
        "seller",
        ("seller_id",),
        _COMPLIANCE,
        (Sums((*COUNT, *CONTROL)),),
        first_day=True,
    ),
    Profile(
        "office",
        ("declaration_office",),
        "TFA 7.4.4: country from which the goods were shipped, type of means of transport",
        (Sums((*COUNT, *CONTROL)),),
    ),
    Profile("hs2", ("hs2",), _GOODS, (Sums(CONTROL),)),
    Profile("hs4", ("hs4",), _GOODS, (Sums((*COUNT, *CONTROL, *DUTY, *VALUE)),)),
    Profile(
        "hs6",
        ("hs6",),
        _GOODS,
        (Sums((*COUNT, *CONTROL, *VALUE, *WEIGHT)),),
        first_day=True,
    ),
    Profile("origin", ("country_of_origin",), _ORIGIN, (Sums((*COUNT, *CLAIM, *CONTROL)),)),
    Profile(
        "origin_hs4",
        ("country_of_origin", "hs4"),
        "TFA 7.4.4: country of origin, HS code",
        (Sums((*COUNT, *CONTROL, *VALUE)),),
    ),
    Profile(
        "trader_hs4",
        ("trader_id", "hs4"),
        "TFA 7.4.4: compliance record, HS code",
        (Sums((*COUNT, *CONTROL, *VALUE)),),
    ),
    Profile(
        "trader_origin",
        ("trader_id", "country_of_origin"),
        "TFA 7.4.4: compliance record, country of origin",
        (Sums(COUNT),),
    ),
    Profile(
        "seller_hs6",
        ("seller_id", "hs6"),
        "TFA 7.4.4: compliance record, HS code",
        (Sums((*COUNT, *CONTROL)),),
    ),
    Profile(
        "declarant_office",
        ("declarant_id", "declaration_office"),
        "TFA 7.4.4: compliance record",
        (Sums((*COUNT, *CONTROL)),),
    ),
    Profile(
        "origin_export",
        ("country_of_origin", "country_of_export"),
        "TFA 7.4.4: country of origin, country from which the goods were shipped",
        (Sums((*COUNT, *CONTROL)),),
    ),
    Profile(
        "goods_line",
        (
            "hs_code",
            "country_of_export",
            "country_of_origin",
            "duty_rate_percent",
            "duty_type",
            "net_mass_kg",
        ),
        "TFA 7.4.4: nature and description of the goods, HS code, country of origin",
        (Sums((*COUNT, *CONTROL)),),
        first_day=True,
        may_lack=("country_of_export", "country_of_origin", "duty_rate_percent", "duty_type"),
    ),
    Profile("goods_name", ("goods_name",), _NAMED, (Sums(COUNT),)),
    Profile("goods_name_hs6", ("goods_name", "hs6"), _NAMED, (Sums(COUNT),)),
)

PROFILES = (EVERYTHING, *KEYED)

VALUES = tuple(value for profile in PROFILES for value in profile.values())
"""Everything that is known before a declaration, in the order of histories."""

PLACE: Mapping[str, int] = {value.name: at for at, value in enumerate(VALUES)}
"""Where each value lies in a history."""
