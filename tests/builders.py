"""Values for tests: name only what the test is about."""

from datetime import UTC, datetime
from typing import Any

from selectivity.declaration import Declaration, GoodsItem
from selectivity.inspection import Inspection
from selectivity.rules.rule_set import RuleSet

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def an_item(**fields: Any) -> GoodsItem:
    """A plain goods item: cotton T-shirts from China."""
    plain = {
        "item_no": 1,
        "hs_code": "610910",
        "country_of_origin": "CN",
        "net_mass_kg": 100.0,
        "customs_value": 2_000.0,
        "duty_rate_percent": 20.0,
    }
    return GoodsItem.model_validate(_present(plain | fields))


def a_declaration(**fields: Any) -> Declaration:
    """A plain import declaration with one goods item."""
    plain = {
        "declaration_id": "D-1",
        "accepted_at": NOON,
        "direction": "IMPORT",
        "declaration_office": "OFF01",
        "declarant_id": "DEC1",
        "importer_id": "IMP1",
        "seller_id": "SEL1",
        "country_of_export": "CN",
        "items": (an_item(),),
    }
    return Declaration.model_validate(_present(plain | fields))


def an_inspection(**fields: Any) -> Inspection:
    """A physical control of `a_declaration()` that found nothing."""
    plain = {
        "inspection_id": "I-1",
        "declaration_id": "D-1",
        "control_type": "FULL_PHYSICAL",
        "result": "NO_FINDING",
        "observed_at": NOON,
    }
    return Inspection.model_validate(_present(plain | fields))


def a_rule(**fields: Any) -> dict[str, Any]:
    """Whatever ARMOURER declares is inspected; as it stands in a file of rules."""
    plain = {
        "id": "R-900",
        "layer": "mandatory",
        "reason_code": "ARMS",
        "lane": "RED",
        "legal_basis": ["Some law, art. 1"],
        "valid_from": "2020-01-01",
        "owner": "risk-unit",
        "approver": "legal-unit",
        "when": {"importer_id": ["ARMOURER"]},
        "cases": [{"declared": {"importer_id": "ARMOURER"}, "hits": True}],
    }
    return _present(plain | fields)


def rules_of(*rows: dict[str, Any]) -> RuleSet:
    """Built as the rules of a file are."""
    return RuleSet.build(("rules.yaml", row) for row in rows)


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
