"""Writes what is declared onto the forms: the fields of `Declaration` and `GoodsItem`."""

import numpy as np

from pipelines.simulator.draws import (
    Bools,
    Draws,
    Table,
    Texts,
    WeekStreams,
    blanked,
    by_share,
    numbered,
    one_of,
    texts,
)
from pipelines.simulator.goods import PAPERS
from pipelines.simulator.history import History
from pipelines.simulator.reaction import Standing, risk_levels
from pipelines.simulator.shipments import NOWHERE, NUMBERS_A_WEEK, Shipments, duty_percent
from pipelines.simulator.world import NOBODY, PRIORITY, World
from selectivity.columns import Floats, Ints

FOREIGN_PARTIES = 60
"""Sellers and buyers abroad per percent of trade of their country."""

IMPORT_PROCEDURES = {"A11": 0.45, "A12": 0.3, "E21": 0.1, "E31": 0.1, "G11": 0.05}
EXPORT_PROCEDURES = {"B11": 0.6, "E42": 0.2, "E62": 0.15, "G21": 0.05}
INCOTERMS = {"CIF": 0.45, "FOB": 0.35, "DAP": 0.12, "EXW": 0.08}
PAYMENTS = {"TTR": 0.7, "LC": 0.2, "KC": 0.1}
TRANSACTIONS = {"11": 0.9, "21": 0.04, "91": 0.06}


def ids(keys: Ints) -> Texts:
    """Declaration ids: the week and the place in it."""
    week, place = np.divmod(keys, NUMBERS_A_WEEK)
    return texts(
        f"SYN{one:04d}{other:06d}" for one, other in zip(week.tolist(), place.tolist(), strict=True)
    )


def headers(
    world: World, history: History, standing: Standing, names: Texts, streams: WeekStreams
) -> Table:
    """One row per declaration version. `names` are the ids of the declarations."""
    route, places, traders = history.route, world.places, world.traders
    n, trader, imported = len(history), route.trader, route.is_import
    missing_share = world.settings.trade.missing_share
    random = streams("forms")
    who, abroad = standing.ids[trader], _parties(world, route, streams("parties"))
    country = places.country[route.partner]
    by_sea = places.is_kind("sea", "dry")[route.office]
    express = places.is_kind("express")[route.office]
    offices = places.office[route.office]
    enterprise = (traders.kind[trader] == PRIORITY) & (random.random(n) < 0.6)
    header = {
        "declaration_id": names,
        "version_no": route.version.astype(np.float64),
        "lineage_id": ids(route.lineage),
        "direction": np.where(imported, "IMPORT", "EXPORT").astype(object),
        "type_code": np.where(imported, "IM", "EX").astype(object),
        "procedure_code": np.where(
            imported, one_of(random, IMPORT_PROCEDURES, n), one_of(random, EXPORT_PROCEDURES, n)
        ),
        "clearance_form": np.where(enterprise, "ENTERPRISE", "BRANCH").astype(object),
        "accepted_at": route.accepted_at,
        "lodged_at": route.lodged_at,
        "declaration_office": offices,
        "presentation_office": offices,
        "declarant_id": _declarants(route, who),
        "importer_id": np.where(imported, who, abroad),
        "exporter_id": np.where(imported, abroad, who),
        "seller_id": _left_out(np.where(imported, abroad, who), random, 2 * missing_share),
        "carrier_id": numbered("SYNC", random.integers(1, 60, n), 3),
        "transport_mode": places.transport_mode[route.office],
        "containerised": np.where(by_sea, random.random(n) < 0.85, False).astype(np.float64),
        "country_of_export": np.where(imported, country, world.settings.home),
        "country_of_destination": np.where(imported, world.settings.home, country),
        "routing_countries": _routing(world, route),
        "incoterms": _left_out(one_of(random, INCOTERMS, n), random, missing_share),
        "transaction_nature": one_of(random, TRANSACTIONS, n),
        "payment_method": one_of(random, PAYMENTS, n),
        "specific_circumstance": texts([None, "A"])[express.astype(np.int64)],
        "currency": texts(["USD"] * n),
        "document_types": _documents(world, history, streams("documents")),
        **_standing(world, history, standing),
    }
    return _as_before(header, history)


STAYS = (
    *("declarant_id", "seller_id", "carrier_id", "importer_id", "exporter_id", "procedure_code"),
    *("incoterms", "containerised", "transaction_nature", "payment_method", "clearance_form"),
    "document_types",
)
"""What an amendment leaves as it was."""


def _as_before(header: Table, history: History) -> Table:
    """An amendment repeats what it does not change."""
    same = np.where(history.original >= 0, history.original, np.arange(len(history)))
    return header | {name: header[name][same] for name in STAYS}


def items(world: World, history: History, streams: WeekStreams) -> Table:
    """One row per goods item, in the order of their headers."""
    route, lines, goods, places = history.route, history.told, world.goods, world.places
    n, random = len(lines.code), streams("item-forms")
    missing_share = world.settings.trade.missing_share
    imported = route.is_import[lines.declaration]
    origin = np.where(lines.origin == NOWHERE, world.settings.home, places.country[lines.origin])
    value = np.round(lines.value, 2)
    same = _same_items(history)
    gross = np.round(lines.net_mass_kg * random.uniform(1.03, 1.15, n)[same], 2)
    freight = np.where(random.random(n) < 0.5, random.uniform(0.02, 0.08, n), 0.0)[same]
    method = one_of(random, {"1": 0.95, "2": 0.03, "6": 0.02}, n)[same]
    packed = random.choice([12.0, 20.0, 25.0, 400.0], n)[same]
    missing = random.random((n, 2))[same] < [missing_share, missing_share / 2]
    no_mass, no_origin = missing.T
    return {
        "item_no": lines.item_no.astype(np.float64),
        "description": goods.description[lines.named_after],
        "hs_code": goods.hs6[lines.code],
        "country_of_origin": blanked(origin, no_origin),
        "origin_type": np.where(lines.preference, "PREF", "NONPREF").astype(object),
        "preference_code": blanked(places.agreement[lines.origin], ~lines.preference),
        "gross_mass_kg": gross,
        "net_mass_kg": np.where(no_mass, np.nan, np.round(lines.net_mass_kg, 2)),
        "tariff_quantity": lines.quantity,
        "quantity_unit": goods.unit[lines.code],
        "package_count": np.ceil(gross / packed),
        "item_amount": np.round(value * (1 - freight), 2),
        "customs_value": value,
        "valuation_method": blanked(method, ~imported),
        "duty_type": blanked(np.where(lines.preference, "FTA", "MFN").astype(object), ~imported),
        "duty_rate_percent": duty_percent(world, route, lines),
        "undg_id": goods.undg_id[lines.code],
    }


def _same_items(history: History) -> Ints:
    """For each goods item the row it repeats: in an amendment that of the version before."""
    owner, rows = history.told.declaration, np.arange(len(history.told.declaration))
    first = np.searchsorted(owner, np.arange(len(history)))
    before = history.original[owner]
    return np.where(before >= 0, first[before] + rows - first[owner], rows)


def with_totals(header: Table, item: Table) -> Table:
    """The header with what it sums up from its items."""
    first = np.flatnonzero(item["item_no"] == 1)
    return header | {
        "invoice_amount": np.round(np.add.reduceat(item["item_amount"], first), 2),
        "total_gross_mass_kg": np.round(np.add.reduceat(item["gross_mass_kg"], first), 2),
        "total_packages": np.add.reduceat(item["package_count"], first),
    }


def _standing(world: World, history: History, standing: Standing) -> Table:
    """What the centre knows about importers; nothing about foreign buyers of exports."""
    route, traders = history.route, world.traders
    trader, imported = route.trader, route.is_import
    level = risk_levels(world, standing, trader, route.accepted_at)
    nothing = np.datetime64("NaT", "D")
    return {
        "importer_compliance_level": _where_known(imported, traders.compliance_level[trader]),
        "importer_risk_level": _where_known(imported, level),
        "importer_registered_on": np.where(imported, standing.registered_on[trader], nothing),
        "importer_tax_debt": _where_known(imported, traders.tax_debt[trader]),
    }


def _where_known(known: Bools, values: Ints | Bools) -> Floats:
    return np.where(known, values.astype(np.float64), np.nan)


def _parties(world: World, route: Shipments, random: Draws) -> Texts:
    """The seller or buyer abroad: most traders have a favourite in each country."""
    which = by_share(random, np.array([0.7, 0.2, 0.1]), len(route.trader))
    trade = world.places.trade[route.partner]
    seed = world.traders.partners[route.trader, which] + 7 * route.partner
    number = 1 + seed % np.maximum(np.round(trade * FOREIGN_PARTIES), 10).astype(np.int64)
    pairs = zip(world.places.country[route.partner], number.tolist(), strict=True)
    return texts([f"SYNF{country}{one:04d}" for country, one in pairs])


def _declarants(route: Shipments, who: Texts) -> Texts:
    """The trader's broker, or himself."""
    brokers = numbered("SYNB", np.maximum(route.broker, 0) + 1, 3)
    declarants: Texts = np.where(route.broker == NOBODY, who, brokers)
    return declarants


def _routing(world: World, route: Shipments) -> Texts:
    """Where the goods come through; every pair of countries is one list, shared by its rows."""
    country = world.places.country
    pair = route.partner * (len(country) + 1) + route.hub + 1
    distinct, row = np.unique(pair, return_inverse=True)
    ways = [divmod(int(one), len(country) + 1) for one in distinct]
    lists = texts(
        [country[partner]] if hub == 0 else [country[partner], country[hub - 1]]
        for partner, hub in ways
    )
    return lists[row]


def _documents(world: World, history: History, random: Draws) -> Texts:
    """Types of the documents presented; the papers that goods need are now and then forgotten."""
    lines, n = history.told, len(history)
    share = world.settings.trade.missing_share
    needed = np.zeros((n, len(PAPERS)), dtype=np.bool_)
    held = world.goods.papers[lines.code] & lines.papers_held[:, None]
    rows, columns = np.nonzero(held)
    needed[lines.declaration[rows], columns] = True
    origin = np.bincount(lines.declaration, lines.preference, minlength=n) > 0
    kinds = np.column_stack([np.ones(n, dtype=np.bool_), origin, needed])
    kinds &= random.random(kinds.shape) >= share
    code = kinds @ (1 << np.arange(kinds.shape[1])) + (history.route.office << kinds.shape[1])
    _, first, row = np.unique(code, return_index=True, return_inverse=True)
    transport = world.places.transport_document[history.route.office[first]]
    lists = texts(
        ["380"]
        + ["271"] * bool(have[0])
        + [paper]
        + ["861"] * bool(have[1])
        + [PAPERS[column] for column in np.flatnonzero(have[2:])]
        for have, paper in zip(kinds[first], transport, strict=True)
    )
    return lists[row]


def _left_out(values: Texts, random: Draws, share: float) -> Texts:
    return blanked(values, random.random(len(values)) < share)
