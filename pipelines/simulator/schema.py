"""Tables that a world writes: their columns, and by which time each row belongs to a month."""

from collections.abc import Mapping

import numpy as np

from pipelines.simulator.draws import Table
from pipelines.sources.assembly import FINDING, INSPECTION
from pipelines.stage.tables import Kinds, all_missing
from selectivity.columns import HEADER, ITEM

TABLES: Mapping[str, Kinds] = {
    "declarations": HEADER,
    "goods_items": {"declaration_id": "text", "version_no": "integer", **ITEM},
    "inspections": {
        **INSPECTION,
        "stage": "text",
        "assigned_officer_key": "text",
        "assignment_mode": "text",
        "started_at": "time",
        "finished_at": "time",
        "extent_percent": "number",
    },
    "findings": {**FINDING, "intent": "text"},
    "appeals": {
        "inspection_id": "text",
        "item_no": "integer",
        "lodged_at": "time",
        "decided_at": "time",
        "outcome": "text",
    },
    "decisions": {
        "declaration_id": "text",
        "version_no": "integer",
        "decided_at": "time",
        "lane": "text",
        "channel": "text",
        "propensity_green": "number",
        "propensity_yellow": "number",
        "propensity_red": "number",
    },
    "overrides": {
        "override_id": "text",
        "declaration_id": "text",
        "from_lane": "text",
        "to_lane": "text",
        "reason_code": "text",
        "requested_by_key": "text",
        "approved_by_key": "text",
        "at": "time",
    },
    "traders": {
        "trader_id": "text",
        "valid_from": "time",
        "registered_on": "date",
        "compliance_level": "integer",
        "risk_level": "integer",
        "tax_debt": "boolean",
        "sanctions": "integer",
        "aeo_status": "text",
        "address_region": "text",
    },
    "capacity_calendar": {
        "office": "text",
        "lane": "text",
        "shift_start": "time",
        "shift_end": "time",
        "units": "integer",
        "minutes_per_unit": "number",
        "source": "text",
    },
}
"""What the centre has, table by table."""

TRUTH: Mapping[str, Kinds] = {
    "truth": {
        "declaration_id": "text",
        "version_no": "integer",
        "item_no": "integer",
        "accepted_at": "time",
        "violating": "boolean",
        "mechanism": "text",
        "true_risk": "number",
        "honest_error": "text",
        "due": "number",
        "true_hs_code": "text",
        "true_customs_value": "number",
        "price_deviation": "number",
        "quantity_deviation": "number",
        "named_otherwise": "boolean",
        "trader": "integer",
        "trader_kind": "text",
        "watched": "number",
        "lane": "text",
        "channel": "text",
        "propensity": "number",
        "propensity_green": "number",
        "propensity_yellow": "number",
        "propensity_red": "number",
    },
    "officers": {"officer_key": "text", "office": "text", "type": "text", "broker": "text"},
}
"""What nobody but the simulator knows."""

KNOWN_AT = {
    "declarations": "accepted_at",
    "inspections": "observed_at",
    "findings": "observed_at",
    "appeals": "decided_at",
    "decisions": "decided_at",
    "overrides": "at",
    "traders": "valid_from",
    "capacity_calendar": "shift_start",
    "truth": "accepted_at",
}
"""Column that tells the month of a row. Goods items go with their declarations."""

PENDING: Mapping[str, Kinds] = {
    "inspections": TABLES["inspections"],
    "findings": {
        **TABLES["findings"],
        "observed_at": "time",
        "trader": "integer",
        "declaration": "integer",
        "imagined": "boolean",
    },
    "appeals": TABLES["appeals"],
}
"""Results that are not yet known, with what the simulator has to remember of them."""


def empty(kinds: Kinds) -> Table:
    """No rows."""
    return {name: all_missing(0, kind) for name, kind in kinds.items()}


def completed(name: str, table: Table) -> Table:
    """All columns of a table in their order, and the time its rows belong to if that is none of
    them; what the simulator never fills is missing on every row."""
    kinds = {**TABLES, **TRUTH}[name]
    rows = len(next(iter(table.values())))
    complete = {
        column: table[column] if column in table else all_missing(rows, kind)
        for column, kind in kinds.items()
    }
    when = KNOWN_AT.get(name)
    if when is not None and when not in complete:
        complete[when] = table[when]
    return complete


def months(name: str, tables: Mapping[str, Table]) -> "np.typing.NDArray[np.datetime64]":
    """The month each row of a table belongs to."""
    if name == "goods_items":
        header, item = tables["declarations"], tables["goods_items"]
        first = np.flatnonzero(item["item_no"] == 1)
        counts = np.diff(np.append(first, len(item["item_no"])))
        return np.repeat(header["accepted_at"].astype("datetime64[M]"), counts)
    return tables[name][KNOWN_AT[name]].astype("datetime64[M]")
