"""Words for officers alone: families of features, and the facts behind them.

The Vietnamese is ours and wants a native reader.
"""

from collections.abc import Mapping
from typing import Literal

Words = Mapping[Literal["vi", "en"], str]

FAMILY_WORDS: Mapping[str, Words] = {
    "amounts": {"vi": "trị giá và trọng lượng khai báo", "en": "declared value and mass"},
    "price": {"vi": "đơn giá", "en": "unit price"},
    "weight": {"vi": "trọng lượng trên đơn vị", "en": "weight per unit"},
    "duty": {"vi": "thuế khai báo", "en": "declared duty"},
    "codes": {"vi": "các mã khai báo", "en": "declared codes"},
    "routing": {"vi": "tuyến vận chuyển", "en": "routing"},
    "preference": {"vi": "ưu đãi thuế quan", "en": "tariff preference"},
    "trader": {"vi": "hồ sơ doanh nghiệp", "en": "trader's record"},
    "declarant": {"vi": "hồ sơ người khai hải quan", "en": "declarant's record"},
    "seller": {"vi": "hồ sơ người bán", "en": "seller's record"},
    "office": {"vi": "hồ sơ đơn vị hải quan", "en": "office's record"},
    "heading": {"vi": "hồ sơ nhóm hàng", "en": "heading's record"},
    "origin": {"vi": "hồ sơ xuất xứ", "en": "origin's record"},
    "description": {"vi": "mô tả hàng hóa", "en": "description of the goods"},
    "goods_line": {"vi": "hồ sơ dòng hàng giống nhau", "en": "goods line's record"},
}
"""Families of features, by `Feature.group`."""

FACT_WORDS: Mapping[str, Words] = {
    "PRICE_COMPARED": {
        "vi": "Đơn giá khai báo {unit_value:,.2f} mỗi kg; "
        "thường gặp với cùng nhóm hàng và xuất xứ: {usual:,.2f}",
        "en": "Declared {unit_value:,.2f} per kg; usual for the heading and origin: {usual:,.2f}",
    },
    "RECORD": {
        "vi": "Đã biết {controls:,.0f} lần kiểm tra, {findings:,.0f} lần có vi phạm; "
        "tỷ lệ chung {general:.1%}",
        "en": "Known before: {controls:,.0f} controls, {findings:,.0f} with findings; "
        "{general:.1%} in general",
    },
    "WEIGHT_COMPARED": {
        "vi": "Trọng lượng khai báo {weight:,.3g} kg mỗi đơn vị; thường gặp với cùng mã HS: "
        "{usual:,.3g}",
        "en": "Declared {weight:,.3g} kg per unit; usual for the HS code: {usual:,.3g}",
    },
    "SO_FAR_TODAY": {
        "vi": "{today:,.0f} dòng hàng đã khai trong ngày; {month:,.0f} trong 30 ngày trước",
        "en": "{today:,.0f} goods items declared earlier today; {month:,.0f} in the 30 days before",
    },
    "TRADER_AGE": {
        "vi": "Người nhập khẩu đăng ký được {days:,.0f} ngày",
        "en": "Importer registered for {days:,.0f} days",
    },
    "TRADER_COMPLIANCE": {
        "vi": "Mức độ tuân thủ của người nhập khẩu {level:.0f} (1 ưu tiên, 5 không tuân thủ)",
        "en": "Compliance level of the importer {level:.0f} "
        "(1 priority enterprise, 5 not compliant)",
    },
    "TRADER_RISK": {
        "vi": "Mức độ rủi ro của người nhập khẩu {level:.0f} trên 9",
        "en": "Risk level of the importer {level:.0f} of 9",
    },
    "DUTY_DECLARED": {
        "vi": "Thuế suất {rate:g} %, số thuế khai báo {duty:,.0f}",
        "en": "Rate of duty {rate:g} %, duty declared {duty:,.0f}",
    },
    "DUTY_USUAL": {
        "vi": "Thuế suất thường gặp của nhóm hàng: {usual:.1f} %",
        "en": "Usual rate of duty for the heading: {usual:.1f} %",
    },
    "AMOUNTS_DECLARED": {
        "vi": "Trị giá hải quan {value:,.0f}, trọng lượng tịnh {mass_kg:,.1f} kg",
        "en": "Customs value {value:,.0f}, net mass {mass_kg:,.1f} kg",
    },
    "ROUTE_DECLARED": {
        "vi": "Xuất xứ {origin}, gửi từ {export}",
        "en": "Origin {origin}, sent from {export}",
    },
    "ROUTE_SHARE": {
        "vi": "{share:.1%} dòng hàng có xuất xứ này được gửi từ đó",
        "en": "{share:.1%} of the goods items of this origin are sent from there",
    },
    "PREFERENCE_DECLARED": {
        "vi": "Có khai ưu đãi {preference}",
        "en": "Preference {preference} is claimed",
    },
    "PREFERENCE_SHARE": {
        "vi": "Ưu đãi được khai trên {trader:.0%} dòng hàng của doanh nghiệp, "
        "{origin:.0%} dòng hàng có xuất xứ này",
        "en": "A preference is claimed on {trader:.0%} of the trader's goods items, "
        "{origin:.0%} of those of this origin",
    },
    "NAME_SHARE": {
        "vi": "Hàng mô tả như vậy đã được khai mã HS này ở {share:.0%} dòng hàng trước đó",
        "en": "{share:.0%} of earlier goods items in these words were declared under this HS code",
    },
    "CODE_DECLARED": {
        "vi": "Mã HS khai báo {hs_code}",
        "en": "HS code declared {hs_code}",
    },
}
"""Of `selectivity.reasons.checkable`, by `Telling.code`."""
