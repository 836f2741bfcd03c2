"""Writes what is declared onto the forms: the fields of `Declaration` and `GoodsItem`."""

import numpy as np

from pipelines.simulator.draws import Bools, Streams, Table, Texts, blanked, one_of, texts
from pipelines.simulator.goods import PAPERS
from pipelines.simulator.shipments import NOWHERE, Lines, Shipments, duty_percent
from pipelines.simulator.world import (
    COUNTRIES,
    COUNTRY_CODES,
    HOME,
    NEW_TRADER_DAYS,
    OFFICES,
    PRIORITY,
    World,
)
from selectivity.columns import Floats, Ints

FOREIGN_PARTIES = 60
"""Sellers and buyers abroad per percent of trade of their country."""

IMPORT_PROCEDURES = {"A11": 0.45, "A12": 0.3, "E21": 0.1, "E31": 0.1, "G11": 0.05}
EXPORT_PROCEDURES = {"B11": 0.6, "E42": 0.2, "E62": 0.15, "G21": 0.05}
INCOTERMS = {"CIF": 0.45, "FOB": 0.35, "DAP": 0.12, "EXW": 0.08}
PAYMENTS = {"TTR": 0.7, "LC": 0.2, "KC": 0.1}
TRANSACTIONS = {"11": 0.9, "21": 0.04, "91": 0.06}

AGREEMENTS = texts(each.agreement for each in COUNTRIES)


def headers(
    world: World, shipments: Shipments, lines: Lines, streams: Streams, *, missing_share: float
) -> Table:
    """One row per declaration."""
    n, traders = len(shipments.trader), world.traders
    trader, imported = shipments.trader, shipments.is_import
    ids = texts(f"SYN{number:08d}" for number in range(1, n + 1))
    random = streams("forms")
    who, abroad = traders.id[trader], _parties(world, shipments, streams("parties"))
    country = COUNTRY_CODES[shipments.partner]
    office = [OFFICES[position] for position in shipments.office]
    by_sea = np.array([each.kind in ("sea", "dry") for each in office])
    offices = texts(each.code for each in office)
    return {
        "declaration_id": ids,
        "version_no": np.ones(n),
        "lineage_id": ids,
        "direction": np.where(imported, "IMPORT", "EXPORT").astype(object),
        "type_code": np.where(imported, "IM", "EX").astype(object),
        "procedure_code": np.where(
            imported, one_of(random, IMPORT_PROCEDURES, n), one_of(random, EXPORT_PROCEDURES, n)
        ),
        "clearance_form": np.where(
            (traders.kind[trader] == PRIORITY) & (random.random(n) < 0.6), "ENTERPRISE", "BRANCH"
        ).astype(object),
        "accepted_at": shipments.accepted_at,
        "lodged_at": shipments.lodged_at,
        "declaration_office": offices,
        "presentation_office": offices,
        "declarant_id": _declarants(world, shipments, streams("declarants")),
        "importer_id": np.where(imported, who, abroad),
        "exporter_id": np.where(imported, abroad, who),
        "seller_id": _left_out(np.where(imported, abroad, who), random, 2 * missing_share),
        "carrier_id": texts(f"SYNC{number:03d}" for number in random.integers(1, 60, n)),
        "transport_mode": texts(each.transport_mode for each in office),
        "containerised": np.where(by_sea, random.random(n) < 0.85, False).astype(np.float64),
        "country_of_export": np.where(imported, country, HOME),
        "country_of_destination": np.where(imported, HOME, country),
        "routing_countries": _routing(shipments),
        "incoterms": _left_out(one_of(random, INCOTERMS, n), random, missing_share),
        "transaction_nature": one_of(random, TRANSACTIONS, n),
        "payment_method": one_of(random, PAYMENTS, n),
        "specific_circumstance": texts("A" if each.kind == "express" else None for each in office),
        "currency": texts(["USD"] * n),
        "document_types": _documents(world, shipments, lines, streams("documents"), missing_share),
        **_standing(world, shipments),
    }


def items(
    world: World, shipments: Shipments, lines: Lines, streams: Streams, *, missing_share: float
) -> Table:
    """One row per goods item, in the order of their headers."""
    n, goods, random = len(lines.code), world.goods, streams("item-forms")
    imported = shipments.is_import[lines.declaration]
    origin = np.where(lines.origin == NOWHERE, HOME, COUNTRY_CODES[lines.origin])
    value = np.round(lines.value, 2)
    gross = np.round(lines.net_mass_kg * random.uniform(1.03, 1.15, n), 2)
    freight = np.where(random.random(n) < 0.5, random.uniform(0.02, 0.08, n), 0.0)
    method = one_of(random, {"1": 0.95, "2": 0.03, "6": 0.02}, n)
    return {
        "item_no": lines.item_no,
        "description": goods.description[lines.named_after],
        "hs_code": goods.hs6[lines.code],
        "country_of_origin": _left_out(origin, random, missing_share / 2),
        "origin_type": np.where(lines.preference, "PREF", "NONPREF").astype(object),
        "preference_code": blanked(AGREEMENTS[lines.origin], ~lines.preference),
        "gross_mass_kg": gross,
        "net_mass_kg": np.where(
            random.random(n) < missing_share, np.nan, np.round(lines.net_mass_kg, 2)
        ),
        "tariff_quantity": lines.quantity,
        "quantity_unit": goods.unit[lines.code],
        "package_count": np.ceil(gross / random.choice([12.0, 20.0, 25.0, 400.0], n)),
        "item_amount": np.round(value * (1 - freight), 2),
        "customs_value": value,
        "valuation_method": blanked(method, ~imported),
        "duty_type": blanked(np.where(lines.preference, "FTA", "MFN"), ~imported),
        "duty_rate_percent": duty_percent(world, shipments, lines),
        "undg_id": goods.undg_id[lines.code],
    }


def with_totals(header: Table, item: Table) -> Table:
    """The header with what it sums up from its items."""
    first = np.flatnonzero(item["item_no"] == 1)
    return header | {
        "invoice_amount": np.round(np.add.reduceat(item["item_amount"], first), 2),
        "total_gross_mass_kg": np.round(np.add.reduceat(item["gross_mass_kg"], first), 2),
        "total_packages": np.add.reduceat(item["package_count"], first),
    }


def _standing(world: World, shipments: Shipments) -> Table:
    """What the centre knows about importers; nothing about foreign buyers of exports."""
    traders, trader, imported = world.traders, shipments.trader, shipments.is_import
    new = registered_days(world, shipments) < NEW_TRADER_DAYS
    level = np.where(new, 7 + traders.sanctions[trader], traders.settled_risk_level[trader])
    nothing = np.datetime64("NaT", "D")
    return {
        "importer_compliance_level": _where_known(imported, traders.compliance_level[trader]),
        "importer_risk_level": _where_known(imported, level),
        "importer_registered_on": np.where(imported, traders.registered_on[trader], nothing),
        "importer_tax_debt": _where_known(imported, traders.tax_debt[trader]),
    }


def registered_days(world: World, shipments: Shipments) -> Ints:
    """Age of each declaration's trader in days."""
    registered = world.traders.registered_on[shipments.trader]
    days: Ints = (shipments.accepted_at.astype("datetime64[D]") - registered).astype(np.int64)
    return days


def _where_known(known: Bools, values: Ints | Bools) -> Floats:
    return np.where(known, values.astype(np.float64), np.nan)


def _parties(world: World, shipments: Shipments, random: np.random.Generator) -> Texts:
    """The seller or buyer abroad: most traders have a favourite in each country."""
    which = random.choice(3, len(shipments.trader), p=(0.7, 0.2, 0.1))
    trade = np.array([each.trade for each in COUNTRIES])[shipments.partner]
    seed = world.traders.partners[shipments.trader, which] + 7 * shipments.partner
    number = 1 + seed % np.maximum(np.round(trade * FOREIGN_PARTIES), 10).astype(np.int64)
    pairs = zip(COUNTRY_CODES[shipments.partner], number, strict=True)
    return texts(f"SYNF{country}{one:04d}" for country, one in pairs)


def _declarants(world: World, shipments: Shipments, random: np.random.Generator) -> Texts:
    """A broker of the trader's; priority enterprises declare for themselves."""
    which = random.choice(3, len(shipments.trader), p=(0.75, 0.2, 0.05))
    broker = world.traders.brokers[shipments.trader, which]
    brokers = texts(f"SYNB{one + 1:03d}" for one in broker)
    alone = world.traders.kind[shipments.trader] == PRIORITY
    declarants: Texts = np.where(alone, world.traders.id[shipments.trader], brokers)
    return declarants


def _routing(shipments: Shipments) -> Texts:
    ends = (COUNTRY_CODES[shipments.partner], COUNTRY_CODES[shipments.hub], shipments.hub)
    return texts(
        [partner] if at == NOWHERE else [partner, hub]
        for partner, hub, at in zip(*ends, strict=True)
    )


def _documents(
    world: World,
    shipments: Shipments,
    lines: Lines,
    random: np.random.Generator,
    missing_share: float,
) -> Texts:
    """Types of the documents presented; the papers that goods need are now and then forgotten."""
    n = len(shipments.trader)
    needed = np.zeros((n, len(PAPERS)), dtype=np.bool_)
    held = world.goods.papers[lines.code] & lines.papers_held[:, None]
    np.logical_or.at(needed, lines.declaration, held)
    needed &= random.random(needed.shape) >= missing_share
    packing_list = random.random(n) >= missing_share
    origin = np.zeros(n, dtype=np.bool_)
    np.logical_or.at(origin, lines.declaration, lines.preference)
    origin &= random.random(n) >= missing_share
    transport = [OFFICES[position].transport_document for position in shipments.office]
    return texts(
        ["380"]
        + ["271"] * bool(packing_list[row])
        + [transport[row]]
        + ["861"] * bool(origin[row])
        + [PAPERS[column] for column in np.flatnonzero(needed[row])]
        for row in range(n)
    )


def _left_out(values: Texts, random: np.random.Generator, share: float) -> Texts:
    return blanked(values, random.random(len(values)) < share)
