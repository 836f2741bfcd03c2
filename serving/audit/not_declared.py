"""What was not declared, where a family of features has no fact to tell for want of it."""

from collections.abc import Iterator, Mapping

from selectivity.histories.rows import Row
from selectivity.reasons.checkable import is_known
from selectivity.reasons.wording import Language

NOT_DECLARED = "NOT_DECLARED"

WORDS: Mapping[str, Mapping[Language, str]] = {
    "seller_id": {"vi": "Không khai người bán", "en": "No seller declared"},
    "trader_id": {
        "vi": "Không khai doanh nghiệp nhập khẩu, hoặc xuất khẩu",
        "en": "No importer declared, or no exporter of an export",
    },
    "declarant_id": {"vi": "Không khai người khai hải quan", "en": "No declarant declared"},
    "declaration_office": {"vi": "Không khai đơn vị hải quan", "en": "No office declared"},
    "description": {"vi": "Không khai mô tả hàng hóa", "en": "No description declared"},
    "hs_code": {"vi": "Không khai mã HS", "en": "No HS code declared"},
    "country_of_origin": {"vi": "Không khai xuất xứ", "en": "No origin declared"},
    "country_of_export": {"vi": "Không khai nước xuất khẩu", "en": "No country of export declared"},
    "customs_value": {"vi": "Không khai trị giá hải quan", "en": "No customs value declared"},
    "net_mass_kg": {"vi": "Không khai trọng lượng tịnh", "en": "No net mass declared"},
    "tariff_quantity": {"vi": "Không khai số lượng", "en": "No quantity declared"},
    "duty_rate_percent": {"vi": "Không khai thuế suất", "en": "No rate of duty declared"},
    "preference_code": {"vi": "Không khai ưu đãi", "en": "No preference claimed"},
}
_WANTED: Mapping[str, tuple[str, ...]] = {
    "amounts": ("customs_value", "net_mass_kg"),
    "price": ("customs_value", "net_mass_kg", "hs_code", "country_of_origin"),
    "weight": ("net_mass_kg", "tariff_quantity", "hs_code"),
    "duty": ("duty_rate_percent", "customs_value", "hs_code"),
    "codes": ("hs_code",),
    "routing": ("country_of_origin", "country_of_export"),
    "preference": ("preference_code",),
    "trader": ("trader_id",),
    "declarant": ("declarant_id",),
    "seller": ("seller_id",),
    "office": ("declaration_office",),
    "heading": ("hs_code",),
    "origin": ("country_of_origin", "hs_code"),
    "description": ("description", "hs_code"),
    "goods_line": ("hs_code", "country_of_origin", "country_of_export", "net_mass_kg"),
}
"""What a family's facts are told from, by family."""


def not_declared(row: Row) -> frozenset[str]:
    """Those of these facts that a goods item was declared without."""
    return frozenset(name for name in WORDS if not is_known(row[name]))


def in_words(
    family: str, lacking: frozenset[str], item_no: int, language: Language
) -> Iterator[dict[str, object]]:
    """What to tell of a family in place of facts."""
    for name in _WANTED[family]:
        if name in lacking:
            text = WORDS[name][language]
            yield {
                "code": NOT_DECLARED,
                "text": text,
                "item_no": item_no,
                "rule_id": None,
                "legal_basis": None,
            }
