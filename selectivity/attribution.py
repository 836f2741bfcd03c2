"""Why the model sees a risk in a goods item, in families of features and facts to check.

What every feature adds to the log-odds (see `models.contributions`) is summed per family. Each
family is told with what stands out in it, see `selectivity.explain`, and with numbers that an
officer finds in the files. For officers alone: a trader who knew would declare around it.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isnan
from typing import NamedTuple

import numpy as np

from selectivity.background import Background
from selectivity.columns import Columns, Floats
from selectivity.explain import FAMILY_OF_SIGNAL, Observed, observations
from selectivity.features import FEATURES, duty_at_stake
from selectivity.lanes import Reason

FAMILIES = tuple(dict.fromkeys(feature.group for feature in FEATURES))
MOST_FEATURES = 3
"""Features of a family that are named, those that add most."""

_PLACES = {
    family: [at for at, feature in enumerate(FEATURES) if feature.group == family]
    for family in FAMILIES
}


class FeatureShare(NamedTuple):
    """A feature, its value (NaN: not known) and what it adds to the log-odds."""

    name: str
    unit: str
    value: float
    added: float


class FamilyShare(NamedTuple):
    """What a family of features adds to the log-odds of a finding, and facts behind it."""

    family: str
    added: float
    reasons: tuple[Reason, ...]
    features: tuple[FeatureShare, ...]


class Goods(NamedTuple):
    """One goods item among others, as declared and with what was known before."""

    columns: Columns
    background: Background
    at: int

    def number(self, name: str) -> float:
        """A field that is a number."""
        return float(self.columns[name][self.at])

    def text(self, name: str) -> str | None:
        """A field that is a code or a text."""
        text: str | None = self.columns[name][self.at]
        return text


Value = Callable[[Goods], float | str | None]


class Telling(NamedTuple):
    """Facts that tell of a family; all of them have to be known."""

    code: str
    family: str
    facts: Mapping[str, Value]


def _number(name: str) -> Value:
    return lambda goods: goods.number(name)


def _text(name: str) -> Value:
    return lambda goods: goods.text(name)


def _record(family: str, profile: str) -> Telling:
    return Telling(
        "RECORD",
        family,
        {
            "findings": lambda goods: float(goods.background.findings[profile][goods.at]),
            "controls": lambda goods: float(goods.background.controls[profile][goods.at]),
            "general": lambda goods: float(goods.background.general_rate[goods.at]),
        },
    )


def _registered_days(goods: Goods) -> float:
    since = goods.columns["importer_registered_on"][goods.at]
    if np.isnat(since):
        return np.nan
    accepted = goods.columns["accepted_at"][goods.at].astype("datetime64[D]")
    return float((accepted - since.astype("datetime64[D]")).astype(np.int64))


TELLINGS = (
    Telling(
        "PRICE_COMPARED",
        "price",
        {
            "unit_value": lambda goods: float(goods.background.unit_value[goods.at]),
            "usual": lambda goods: float(goods.background.usual_unit_value[goods.at]),
        },
    ),
    _record("importer", "importer"),
    Telling("TRADER_AGE", "importer", {"days": _registered_days}),
    Telling("TRADER_COMPLIANCE", "importer", {"level": _number("importer_compliance_level")}),
    Telling("TRADER_RISK", "importer", {"level": _number("importer_risk_level")}),
    _record("declarant", "declarant"),
    _record("seller", "seller"),
    _record("office", "office"),
    _record("heading", "hs4"),
    _record("origin", "origin_hs4"),
    _record("goods_line", "goods_line"),
    Telling(
        "DUTY_DECLARED",
        "duty",
        {
            "rate": _number("duty_rate_percent"),
            "duty": lambda goods: float(duty_at_stake(goods.columns)[goods.at]),
        },
    ),
    Telling(
        "AMOUNTS_DECLARED",
        "amounts",
        {"value": _number("customs_value"), "mass_kg": _number("net_mass_kg")},
    ),
    Telling(
        "ROUTE_DECLARED",
        "routing",
        {"origin": _text("country_of_origin"), "export": _text("country_of_export")},
    ),
    Telling("CODE_DECLARED", "codes", {"hs_code": _text("hs_code")}),
)


def families(
    columns: Columns, matrix: Floats, added: Floats, background: Background
) -> list[tuple[FamilyShare, ...]]:
    """Families of each goods item, the one that raises the risk most first.

    Args:
        matrix: features, shape (n, features).
        added: what each adds to the log-odds of a finding, shape (n, features).
    """
    return [
        _of_item(Goods(columns, background, at), matrix[at], added[at], seen)
        for at, seen in enumerate(observations(matrix))
    ]


def _of_item(
    goods: Goods, values: Floats, added: Floats, observed: Observed
) -> tuple[FamilyShare, ...]:
    item_no = int(goods.number("item_no"))
    shares = [
        FamilyShare(
            family=family,
            added=float(added[_PLACES[family]].sum()),
            reasons=(*_signals(family, item_no, observed), *_facts(family, item_no, goods)),
            features=_features(_PLACES[family], values, added),
        )
        for family in FAMILIES
    ]
    return tuple(sorted(shares, key=lambda share: -share.added))


def _signals(family: str, item_no: int, observed: Observed) -> list[Reason]:
    return [
        Reason(code=code, item_no=item_no, facts=facts)
        for code, facts in observed.items()
        if FAMILY_OF_SIGNAL[code] == family
    ]


def _facts(family: str, item_no: int, goods: Goods) -> list[Reason]:
    told = []
    for code, _, values in (telling for telling in TELLINGS if telling.family == family):
        facts = {name: value(goods) for name, value in values.items()}
        if all(map(_known, facts.values())):
            told.append(Reason(code=code, item_no=item_no, facts=facts))
    return told


def _known(fact: float | str | None) -> bool:
    return fact is not None and not (isinstance(fact, float) and isnan(fact))


def _features(places: Sequence[int], values: Floats, added: Floats) -> tuple[FeatureShare, ...]:
    order = sorted(places, key=lambda at: -abs(added[at]))[:MOST_FEATURES]
    return tuple(
        FeatureShare(FEATURES[at].name, FEATURES[at].unit, float(values[at]), float(added[at]))
        for at in order
        if added[at] != 0
    )
