"""What stands before the first declaration: places, goods, traders and officers.

Country codes are real; offices, traders and officers are invented and resemble nobody: their ids
start with SYN.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.simulator.draws import Bools, Draws, Streams, Texts, by_share, position, texts
from pipelines.simulator.goods import Goods, Headings, goods_of
from pipelines.simulator.settings import TraderKinds, WorldSettings
from selectivity.columns import Floats, Ints

KINDS = tuple(TraderKinds.model_fields)
PRIORITY, EVADER, OPPORTUNIST, NEW = (
    KINDS.index(kind) for kind in ("priority", "evader", "opportunist", "new")
)
NEW_TRADER_DAYS = 365
"""Traders younger than this have risk levels 7 to 9, by their sanctions."""

HORIZONS = 2
"""New traders keep turning up for this many times the planned weeks, for worlds that go on."""

DILIGENT, LAX, COLLUDING = range(3)
OFFICER_TYPES = ("diligent", "lax", "colluding")
NOBODY = -1


@dataclass(frozen=True)
class Places:
    """One entry per office, or per country, in the order of the settings."""

    office: Texts
    office_share: Floats
    office_kind: Texts
    transport_mode: Texts
    transport_document: Texts
    scanner: Bools
    country: Texts
    trade: Floats
    agreement: Texts
    price_level: Floats
    hubs: Ints
    neighbours: Ints
    neighbour_share: Floats

    def country_at(self, code: str) -> int:
        """Position of a country."""
        return int(np.flatnonzero(self.country == code)[0])

    def is_kind(self, *kinds: str) -> Bools:
        """Offices of these kinds. Shape (offices,)."""
        return np.isin(self.office_kind.astype(str), kinds)


@dataclass(frozen=True)
class Traders:
    """One entry per trader, or one row. `compliance_level`, `sanctions` and the like are what the
    centre knows at the start; `kind`, `violation`, `aversion` and `honest_error` what nobody but
    the simulator does."""

    kind: Ints
    violation: Floats
    aversion: Floats
    honest_error: Floats
    compliance_level: Ints
    settled_risk_level: Ints
    sanctions: Ints
    tax_debt: Bools
    region: Ints
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
class Officers:
    """One entry per officer; those of one office stand together. `broker` is the one that a
    colluding officer looks away for, `NOBODY` for the others."""

    key: Texts
    type: Ints
    broker: Ints


@dataclass(frozen=True)
class World:
    """Everything that the weeks have in common."""

    settings: WorldSettings
    streams: Streams
    places: Places
    goods: Goods
    traders: Traders
    officers: Officers

    @property
    def start(self) -> np.datetime64:
        """Midnight of the first Monday, UTC."""
        return np.datetime64(self.settings.start, "D")

    def monday(self, week: int) -> np.datetime64:
        """First day of a week."""
        return self.start + np.timedelta64(7 * week, "D")

    def day(self, week: int) -> date:
        """First day of a week, as a date."""
        return self.settings.start + timedelta(weeks=week)

    @cached_property
    def office_demand(self) -> Floats:
        """Share of declarations that each office can expect. Shape (offices,)."""
        usual = np.bincount(
            self.traders.office, self.traders.activity, minlength=len(self.places.office)
        )
        anywhere = self.places.office_share / self.places.office_share.sum()
        demand: Floats = AT_OWN_OFFICE * usual / usual.sum() + (1 - AT_OWN_OFFICE) * anywhere
        return demand


AT_OWN_OFFICE = 0.85
"""Share of a trader's declarations at the office he usually goes to."""


def build_world(settings: WorldSettings, headings: Headings) -> World:
    """The world of these settings."""
    streams = Streams(settings.seed)
    fraud = settings.fraud
    goods = goods_of(
        headings,
        streams,
        hazard_spread=fraud.hazard_spread,
        scheme_headings=fraud.scheme.headings,
    )
    places = _places(settings)
    return World(
        settings=settings,
        streams=streams,
        places=places,
        goods=goods,
        traders=_traders(settings, streams, places, goods),
        officers=_officers(settings, streams, places),
    )


def _places(settings: WorldSettings) -> Places:
    offices, countries = settings.offices, settings.countries
    codes = list(countries)
    return Places(
        office=texts(offices),
        office_share=np.array([office.share for office in offices.values()]),
        office_kind=texts(office.kind for office in offices.values()),
        transport_mode=texts(office.transport_mode for office in offices.values()),
        transport_document=texts(office.transport_document for office in offices.values()),
        scanner=np.array([office.scanner for office in offices.values()]),
        country=texts(codes),
        trade=np.array([country.trade for country in countries.values()]),
        agreement=texts(country.agreement for country in countries.values()),
        price_level=np.array([country.price_level for country in countries.values()]),
        hubs=np.array([codes.index(code) for code in settings.hubs]),
        neighbours=np.array([codes.index(code) for code in settings.neighbours]),
        neighbour_share=np.array(list(settings.neighbours.values())),
    )


def _traders(settings: WorldSettings, streams: Streams, places: Places, goods: Goods) -> Traders:
    n = settings.trade.traders
    nothing = np.zeros(n, dtype=np.int64)
    shares = [_of_kinds("share", settings).tolist()]
    kind = position(streams("trader-kinds").random(n), shares, nothing)
    return Traders(
        kind=kind,
        region=streams("trader-regions").integers(0, 60, n),
        **_conduct(settings, kind, streams("trader-conduct")),
        **_lifetimes(settings, kind, streams("trader-lifetimes")),
        **_business(settings, kind, streams("trader-business"), places, goods),
    )


def _of_kinds(name: str, settings: WorldSettings) -> npt.NDArray[Any]:
    """A number, or several, of each kind of trader."""
    return np.array([getattr(getattr(settings.traders, kind), name) for kind in KINDS])


def _conduct(settings: WorldSettings, kind: Ints, random: Draws) -> dict[str, Any]:
    n = len(kind)
    compliance = 1 + position(random.random(n), _of_kinds("compliance", settings).tolist(), kind)
    sanctions = position(random.random(n), _of_kinds("sanctions", settings).tolist(), kind)
    settled = np.clip(compliance + random.integers(0, 2, n) + sanctions, 2, 6)
    return {
        "violation": _of_kinds("violation", settings)[kind] * random.gamma(2, 0.5, n),
        "aversion": _of_kinds("aversion", settings)[kind],
        "honest_error": _of_kinds("honest_error", settings)[kind],
        "compliance_level": compliance,
        "sanctions": sanctions,
        "settled_risk_level": np.where(kind == PRIORITY, 1, settled),
        "tax_debt": random.random(n) < _of_kinds("tax_debt", settings)[kind],
    }


def _lifetimes(settings: WorldSettings, kind: Ints, random: Draws) -> dict[str, Any]:
    n, days = len(kind), 7 * settings.weeks
    start = np.datetime64(settings.start, "D")
    settled_since = np.where(kind == PRIORITY, -1_000, 250) - random.exponential(2_200, n)
    newly = random.uniform(-60, (HORIZONS - 0.1) * days, n)
    opened = np.where(kind == NEW, newly, settled_since)
    closed = np.where(kind == NEW, opened + random.uniform(30, 300, n), 40_000)
    means, spreads = _of_kinds("activity", settings).T
    activity = np.exp(random.normal(means[kind], spreads[kind], n))
    return {
        "registered_on": start + np.floor(opened).astype("timedelta64[D]"),
        "active_from": start + np.floor(opened + 7).astype("timedelta64[D]"),
        "active_to": start + np.floor(closed).astype("timedelta64[D]"),
        "activity": _with_priority_volume(
            activity, kind == PRIORITY, settings.trade.priority_volume
        ),
    }


def _with_priority_volume(activity: Floats, priority: Bools, volume: float) -> Floats:
    if not priority.any():
        return activity
    scale = volume / (1 - volume) * activity[~priority].sum() / activity[priority].sum()
    return np.where(priority, activity * scale, activity)


def _business(
    settings: WorldSettings, kind: Ints, random: Draws, places: Places, goods: Goods
) -> dict[str, Any]:
    n, brokers = len(kind), settings.trade.brokers
    problem = _problem_brokers(settings)
    to_problem = random.random((n, 3)) < _of_kinds("problem_broker", settings)[kind][:, None]
    any_broker = random.integers(0, brokers, (n, 3))
    problem_broker = random.choice(problem, (n, 3))
    trade = np.add.reduceat(goods.trade, goods.bounds[:-1])
    export = settings.trade.export_share
    return {
        "brokers": np.where(to_problem, problem_broker, any_broker),
        "partners": random.integers(0, 1_000_000, (n, 3)),
        "office": by_share(random, places.office_share, n),
        "country": by_share(random, places.trade, n),
        "headings": by_share(random, trade, 4 * n).reshape(n, 4),
        "export_share": random.beta(2 * export, 2 * (1 - export), n),
        "price_level": np.exp(random.normal(0, 0.15, n)),
    }


def _problem_brokers(settings: WorldSettings) -> Ints:
    """Those whom evaders go to, a few of all and at least one."""
    brokers = settings.trade.brokers
    few = max(1, round(settings.trade.problem_brokers * brokers))
    return Streams(settings.seed)("problem-brokers").permutation(brokers)[:few]


def _officers(settings: WorldSettings, streams: Streams, places: Places) -> Officers:
    """Types by share; colluding officers look away for one problem broker each."""
    n = len(places.office) * settings.officers.per_office
    random = streams("officers")
    counts = [round(settings.officers.lax.share * n), round(settings.officers.colluding.share * n)]
    kinds = np.repeat([LAX, COLLUDING], counts)
    type_ = np.zeros(n, dtype=np.int64)
    type_[random.permutation(n)[: len(kinds)]] = kinds
    partner = random.choice(_problem_brokers(settings), n)
    return Officers(
        key=texts(f"SYNO{number:04d}" for number in 1 + random.permutation(n)),
        type=type_,
        broker=np.where(type_ == COLLUDING, partner, NOBODY),
    )
