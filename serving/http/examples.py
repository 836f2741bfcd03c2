"""What callers send, as examples: in the API description, and to try a new bundle with."""

from collections.abc import Mapping
from typing import Any

A_DECLARATION: Mapping[str, Any] = {
    "declaration_id": "10600000000123",
    "version_no": 1,
    "direction": "IMPORT",
    "type_code": "A11",
    "accepted_at": "2026-03-02T09:30:00+07:00",
    "declaration_office": "02CI",
    "importer_id": "SYN-0100000001",
    "declarant_id": "SYN-0300000009",
    "seller_id": "SYN-CN-88",
    "country_of_export": "CN",
    "currency": "USD",
    "documents": [{"type": "380", "id": "INV-2026-17"}],
    "importer_compliance_level": 3,
    "items": [
        {
            "item_no": 1,
            "description": "Cotton T-shirts",
            "hs_code": "61091010",
            "country_of_origin": "CN",
            "net_mass_kg": 420.0,
            "customs_value": 3150.0,
            "duty_rate_percent": 20.0,
        }
    ],
}
AN_INSPECTION: Mapping[str, Any] = {
    "inspection_id": "INS-2026-0042",
    "declaration_id": "10600000000123",
    "control_type": "FULL_PHYSICAL",
    "result": "FINDING",
    "observed_at": "2026-03-03T15:10:00+07:00",
    "findings": [
        {"item_no": 1, "mechanism": "UNDERVALUATION", "additional_duty": 185.5, "currency": "USD"}
    ],
}
AN_OVERRIDE: Mapping[str, Any] = {
    "declaration_id": "10600000000123",
    "version_no": 1,
    "to_lane": "RED",
    "reason_code": "SEAL",
    "reason_text": "Seal number is not that of the bill of lading",
    "evidence_ref": "GATE-7/2026-03-02/118",
}
A_MODE: Mapping[str, Any] = {
    "mode": "NO_GREEN",
    "hours": 4,
    "reason": "Green declarations were found to hold contraband",
}
A_CURSOR: Mapping[str, Any] = {"cursor": "3f9a1c20-1204-b07e5d41"}
