"""What stands before the first declaration: countries, offices and traders.

Country codes are real, their shares of trade round guesses. Offices and traders are invented and
resemble nobody; ids start with SYN.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.simulator.draws import Bools, Streams, Texts, position, texts
from pipelines.simulator.goods import Goods, Headings, goods_of
from selectivity.columns import Floats, Ints

HOME = "VN"
HUBS = ("HK", "SG")
NEIGHBOURS = ("CN", "LA", "KH")
"""What crosses the land border comes from here."""


class Country(NamedTuple):
    """Where goods come from and go to, and the trade agreement with it, if any."""

    code: str
    trade: float
    agreement: str | None
    price_level: float


COUNTRIES = (
    Country("CN", 26, "ACFTA", 0.85),
    Country("KR", 11, "AKFTA", 1.05),
    Country("JP", 9, "AJCEP", 1.2),
    Country("US", 8, None, 1.2),
    Country("TW", 6, None, 1.0),
    Country("TH", 5, "ATIGA", 0.95),
    Country("MY", 3.5, "ATIGA", 0.95),
    Country("ID", 3, "ATIGA", 0.9),
    Country("SG", 2.5, "ATIGA", 1.1),
    Country("HK", 2.5, "AHKFTA", 1.0),
    Country("IN", 2.5, "AIFTA", 0.85),
    Country("DE", 2.5, "EVFTA", 1.3),
    Country("AU", 2, "AANZFTA", 1.15),
    Country("NL", 1.5, "EVFTA", 1.2),
    Country("IT", 1.5, "EVFTA", 1.3),
    Country("FR", 1.5, "EVFTA", 1.3),
    Country("GB", 1.2, "UKVFTA", 1.25),
    Country("BR", 1.2, None, 0.95),
    Country("LA", 1.2, "ATIGA", 0.8),
    Country("KH", 1.2, "ATIGA", 0.8),
    Country("PH", 1, "ATIGA", 0.9),
    Country("CA", 0.8, "CPTPP", 1.15),
    Country("MX", 0.7, "CPTPP", 1.0),
    Country("NZ", 0.7, "AANZFTA", 1.15),
    Country("ES", 0.7, "EVFTA", 1.15),
    Country("AE", 0.7, None, 1.0),
    Country("MM", 0.6, "ATIGA", 0.8),
    Country("RU", 0.6, "EAEU", 0.9),
    Country("BD", 0.6, None, 0.75),
    Country("ZA", 0.5, None, 0.95),
)
COUNTRY_CODES = texts(each.code for each in COUNTRIES)
COUNTRY_TRADE = np.array([each.trade for each in COUNTRIES])


def country(code: str) -> int:
    """Position of a country in `COUNTRIES`."""
    return [each.code for each in COUNTRIES].index(code)


class Office(NamedTuple):
    """A border-gate branch, its usual means of transport and transport document."""

    code: str
    kind: Literal["sea", "air", "land", "dry", "express"]
    share: float
    transport_mode: str
    transport_document: str


OFFICES = (
    Office("SEA1", "sea", 24, "1", "705"),
    Office("SEA2", "sea", 14, "1", "705"),
    Office("SEA3", "sea", 8, "1", "705"),
    Office("AIR1", "air", 12, "4", "740"),
    Office("AIR2", "air", 7, "4", "740"),
    Office("LAND1", "land", 8, "3", "730"),
    Office("LAND2", "land", 5, "3", "730"),
    Office("LAND3", "land", 3, "3", "730"),
    Office("DRY1", "dry", 6, "1", "705"),
    Office("DRY2", "dry", 5, "1", "705"),
    Office("DRY3", "dry", 4, "2", "720"),
    Office("EXP1", "express", 4, "4", "740"),
)
OFFICE_SHARE = np.array([office.share for office in OFFICES])

Five = tuple[float, float, float, float, float]
Three = tuple[float, float, float]


class Kind(NamedTuple):
    """A kind of trader. `activity` is mean and spread of its logarithm; `compliance` the shares of
    levels 1 to 5; `sanctions` those of none, other and serious ones before the period."""

    name: str
    share: float
    violation: float
    activity: tuple[float, float]
    compliance: Five
    sanctions: Three
    tax_debt: float
    problem_broker: float
    honest_error: float


_USUAL = (0.9, 1.1)
KINDS = (
    Kind("priority", 0.01, 0.05, (3.2, 0.8), (1, 0, 0, 0, 0), (1, 0, 0), 0, 0, 0.4),
    Kind("regular", 0.57, 0.25, _USUAL, (0, 35, 45, 15, 5), (96, 3, 1), 0.02, 0.02, 1),
    Kind("careless", 0.20, 1, _USUAL, (0, 20, 45, 25, 10), (88, 10, 2), 0.05, 0.04, 2.7),
    Kind("opportunist", 0.12, 3, _USUAL, (0, 15, 40, 30, 15), (85, 10, 5), 0.06, 0.12, 1),
    Kind("evader", 0.04, 12, _USUAL, (0, 8, 30, 35, 27), (70, 15, 15), 0.10, 0.40, 1),
    Kind("new", 0.06, 4, (-0.2, 0.6), (0, 0, 70, 25, 5), (90, 6, 4), 0.04, 0.10, 1),
)
PRIORITY, NEW = 0, 5
NEW_TRADER_DAYS = 365
"""Traders younger than this have risk levels 7 to 9, by their sanctions."""
PRIORITY_VOLUME = 0.3
"""Priority enterprises are few and lodge this share of all declarations."""


@dataclass(frozen=True)
class Traders:
    """One entry per trader, or one row. `compliance_level`, `sanctions` and the like are what the
    centre knows; `kind`, `violation` and `honest_error` what nobody but the simulator does."""

    id: Texts
    kind: Ints
    violation: Floats
    honest_error: Floats
    compliance_level: Ints
    settled_risk_level: Ints
    sanctions: Ints
    tax_debt: Bools
    activity: Floats
    registered_on: npt.NDArray[Any]
    active_from: npt.NDArray[Any]
    active_to: npt.NDArray[Any]
    export_share: Floats
    price_level: Floats
    office: Ints
    country: Ints
    headings: Ints
    brokers: Ints
    partners: Ints


@dataclass(frozen=True)
class World:
    """Goods and traders over `weeks` weeks from `start`, a Monday."""

    goods: Goods
    traders: Traders
    start: np.datetime64
    weeks: int


def build_world(
    headings: Headings,
    streams: Streams,
    *,
    start: np.datetime64,
    weeks: int,
    traders: int,
    brokers: int,
    export_share: float,
) -> World:
    """The world of one seed."""
    goods = goods_of(headings, streams)
    shares = [[kind.share for kind in KINDS]]
    kind = position(
        streams("trader-kinds").random(traders), shares, np.zeros(traders, dtype=np.int64)
    )
    everyone = Traders(
        id=texts(f"SYNT{number:05d}" for number in range(1, traders + 1)),
        kind=kind,
        **_conduct(kind, streams("trader-conduct")),
        **_lifetimes(kind, streams("trader-lifetimes"), start, weeks),
        **_business(kind, streams("trader-business"), goods, brokers, export_share),
    )
    return World(goods=goods, traders=everyone, start=start, weeks=weeks)


def _conduct(kind: Ints, random: np.random.Generator) -> dict[str, Any]:
    n = len(kind)
    compliance = 1 + position(random.random(n), [k.compliance for k in KINDS], kind)
    sanctions = position(random.random(n), [k.sanctions for k in KINDS], kind)
    settled = np.clip(compliance + random.integers(0, 2, n) + sanctions, 2, 6)
    return {
        "violation": _of_kind("violation", kind) * random.gamma(2, 0.5, n),
        "honest_error": _of_kind("honest_error", kind),
        "compliance_level": compliance,
        "sanctions": sanctions,
        "settled_risk_level": np.where(kind == PRIORITY, 1, settled),
        "tax_debt": random.random(n) < _of_kind("tax_debt", kind),
    }


def _lifetimes(
    kind: Ints, random: np.random.Generator, start: np.datetime64, weeks: int
) -> dict[str, Any]:
    n, days = len(kind), 7 * weeks
    settled_since = np.where(kind == PRIORITY, -1_000, 250) - random.exponential(2_200, n)
    opened = np.where(kind == NEW, random.uniform(-60, 0.9 * days, n), settled_since)
    closed = np.where(kind == NEW, opened + random.uniform(30, 300, n), days + 1)
    means = np.array([k.activity[0] for k in KINDS])[kind]
    spreads = np.array([k.activity[1] for k in KINDS])[kind]
    return {
        "registered_on": start + np.floor(opened).astype("timedelta64[D]"),
        "active_from": start + np.floor(opened + 7).astype("timedelta64[D]"),
        "active_to": start + np.floor(closed).astype("timedelta64[D]"),
        "activity": _with_priority_volume(np.exp(random.normal(means, spreads)), kind == PRIORITY),
    }


def _with_priority_volume(activity: Floats, priority: Bools) -> Floats:
    if not priority.any():
        return activity
    share = PRIORITY_VOLUME / (1 - PRIORITY_VOLUME)
    scale = share * activity[~priority].sum() / activity[priority].sum()
    return np.where(priority, activity * scale, activity)


def _business(
    kind: Ints, random: np.random.Generator, goods: Goods, brokers: int, export_share: float
) -> dict[str, Any]:
    n, problem = len(kind), max(1, round(0.03 * brokers))
    to_problem = random.random((n, 3)) < _of_kind("problem_broker", kind)[:, None]
    any_broker, problem_broker = (random.integers(0, high, (n, 3)) for high in (brokers, problem))
    trade = np.add.reduceat(goods.trade, goods.bounds[:-1])
    return {
        "brokers": np.where(to_problem, problem_broker, any_broker),
        "partners": random.integers(0, 1_000_000, (n, 3)),
        "office": random.choice(len(OFFICES), n, p=OFFICE_SHARE / OFFICE_SHARE.sum()),
        "country": random.choice(len(COUNTRIES), n, p=COUNTRY_TRADE / COUNTRY_TRADE.sum()),
        "headings": random.choice(len(trade), (n, 4), p=trade / trade.sum()),
        "export_share": random.beta(2 * export_share, 2 * (1 - export_share), n),
        "price_level": np.exp(random.normal(0, 0.15, n)),
    }


def _of_kind(name: str, kind: Ints) -> Floats:
    values: Floats = np.array([getattr(k, name) for k in KINDS], dtype=np.float64)[kind]
    return values
