"""Sentences for reason codes, in Vietnamese and English. Made at reading; records keep codes.

The Vietnamese is ours and wants a native reader.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

from selectivity.lanes import LANES, Lane, Reason
from selectivity.reasons.officer_words import FACT_WORDS

Language = Literal["vi", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

LANE_WORDS: Mapping[Lane, Mapping[Language, str]] = {
    Lane.GREEN: {"vi": "luồng xanh", "en": "green lane"},
    Lane.YELLOW: {"vi": "luồng vàng", "en": "yellow lane"},
    Lane.RED: {"vi": "luồng đỏ", "en": "red lane"},
}

WORDS: Mapping[str, Mapping[Language, str]] = {
    **FACT_WORDS,
    # the model and what stands out in its features
    "LOW_RISK": {
        "vi": "Lợi ích kiểm tra dự kiến thấp hơn giá của một chỗ trong luồng",
        "en": "The expected benefit of a check is below the price of a place in a lane",
    },
    "RISK": {
        "vi": "Mô hình đề nghị kiểm tra: sai phạm hồ sơ {documentary:.1%}, hàng hóa {physical:.1%}",
        "en": "The model asks for a check: papers {documentary:.1%}, goods {physical:.1%} at risk",
    },
    "PRICE_LOW": {
        "vi": "Đơn giá khai báo thấp hơn mức thường gặp của cùng mã hàng và xuất xứ",
        "en": "Declared unit price is below what is usual for the same code and origin",
    },
    "NEW_TRADER": {
        "vi": "Doanh nghiệp hoạt động dưới 365 ngày",
        "en": "Trader active for less than 365 days",
    },
    "LINE_FOUND_BEFORE": {
        "vi": "Cùng dòng hàng đã bị phát hiện sai phạm trước đây",
        "en": "Findings were made before on the same goods line",
    },
    "IMPORTER_FOUND_BEFORE": {
        "vi": "Tỷ lệ phát hiện vi phạm của doanh nghiệp cao hơn nhiều so với đơn vị hải quan",
        "en": "The trader's finding rate is well above that of the office",
    },
    "HEADING_FOUND_BEFORE": {
        "vi": "Tỷ lệ phát hiện vi phạm của nhóm hàng cao hơn nhiều so với đơn vị hải quan",
        "en": "The heading's finding rate is well above that of the office",
    },
    # integrity
    "UNKNOWN_CODE": {
        "vi": "Mã khai báo ở trường {field} chưa từng gặp trong dữ liệu huấn luyện",
        "en": "The code declared in {field} was not met in training",
    },
    "MISSING_FACT": {
        "vi": "Thiếu thông tin cần thiết: {field}",
        "en": "A fact needed for release is missing: {field}",
    },
    "INCOMPLETE_CODE": {
        "vi": "Mã HS có {digits} chữ số: cần 6, 8, 10 hoặc 12, có thể đã mất số 0 ở đầu",
        "en": "The HS code has {digits} digits: it takes 6, 8, 10 or 12, a first zero may be lost",
    },
    "ODD_DATE": {
        "vi": "Ngày chấp nhận tờ khai {accepted_at} quá xa ngày hiện tại",
        "en": "Accepted on {accepted_at}, which is too far from today",
    },
    "LINEAGE": {
        "vi": "Phiên bản trước của tờ khai đã ở {earlier_lane}",
        "en": "An earlier version of this declaration was in the {earlier_lane}",
    },
    "RANDOM": {
        "vi": "Được chọn ngẫu nhiên để đo lường tuân thủ",
        "en": "Selected at random for compliance measurement",
    },
    # what people ordered, and what an office can take
    "MODE": {
        "vi": "Chế độ vận hành {mode}: không thông quan tự động",
        "en": "Mode of operation {mode}: nothing is released by itself",
    },
    "CAPACITY": {
        "vi": "Chi cục đã nhận {taken} tờ khai ở luồng này hôm nay (bình thường {normal:.0f})",
        "en": "The office got {taken} declarations in that lane today ({normal:.0f} is normal)",
    },
    # for traders, who are told facts of their own and nothing of how others are chosen
    "SELECTED": {
        "vi": "Được lựa chọn kiểm tra theo quản lý rủi ro",
        "en": "Selected for a check under risk management",
    },
    "RELEASED": {
        "vi": "Không phải kiểm tra trước khi thông quan",
        "en": "No check is needed before release",
    },
    # fallback
    "SCORECARD": {
        "vi": "Quyết định theo bảng điểm rủi ro vì mô hình không sẵn sàng: {points} điểm",
        "en": "Decided by the points table because the model was unavailable: {points} points",
    },
    "FALLBACK": {
        "vi": "Quyết định theo quy tắc dự phòng vì mô hình không sẵn sàng",
        "en": "Decided by fallback rules because the model was unavailable",
    },
    "FALLBACK_TRUSTED": {
        "vi": "Quy tắc dự phòng: người nhập khẩu có mức tuân thủ cao",
        "en": "Fallback rule: importer with a high compliance level",
    },
    "FALLBACK_MEDIUM": {
        "vi": "Quy tắc dự phòng: người nhập khẩu mức trung bình, thuế suất thấp",
        "en": "Fallback rule: importer with a medium level, low duty",
    },
    "FALLBACK_MEDIUM_DUTY": {
        "vi": "Quy tắc dự phòng: người nhập khẩu mức trung bình, thuế suất từ 10 %",
        "en": "Fallback rule: importer with a medium level, duty of 10 % or more",
    },
    "FALLBACK_LOWEST": {
        "vi": "Quy tắc dự phòng: người nhập khẩu có mức tuân thủ thấp nhất",
        "en": "Fallback rule: importer with the lowest compliance level",
    },
    "FALLBACK_UNKNOWN": {
        "vi": "Quy tắc dự phòng: chưa rõ mức tuân thủ và mức rủi ro của người nhập khẩu",
        "en": "Fallback rule: neither compliance level nor risk level of the importer is known",
    },
    "FALLBACK_SENSITIVE": {
        "vi": "Quy tắc dự phòng: người nhập khẩu rủi ro rất cao hoặc hoạt động dưới 365 ngày, "
        "hàng nhạy cảm",
        "en": "Fallback rule: importer of very high risk or active for less than 365 days, "
        "sensitive goods",
    },
    "FALLBACK_UNTRUSTED": {  # in records of before alone: the two above were one
        "vi": "Quy tắc dự phòng: người nhập khẩu mức thấp hoặc chưa rõ",
        "en": "Fallback rule: importer with a low or unknown level",
    },
    # rules of law and of the risk unit
    "LICENCE": {
        "vi": "Hàng hóa thuộc diện quản lý chuyên ngành, thiếu giấy phép",
        "en": "Goods are subject to specialised management and no licence was presented",
    },
    "QUARANTINE": {
        "vi": "Hàng hóa thuộc diện kiểm dịch động vật, thực vật",
        "en": "Goods are subject to animal or plant quarantine",
    },
    "QUARANTINE_NO_CERTIFICATE": {
        "vi": "Hàng hóa thuộc diện kiểm dịch, thiếu giấy chứng nhận",
        "en": "Goods are subject to quarantine and the certificate is missing",
    },
    "QUOTA": {
        "vi": "Có yêu cầu áp dụng hạn ngạch thuế quan",
        "en": "A tariff quota is claimed",
    },
    "PREFERENCE_WITHOUT_CERTIFICATE": {
        "vi": "Yêu cầu ưu đãi xuất xứ nhưng thiếu giấy chứng nhận xuất xứ",
        "en": "Preferential origin is claimed and the certificate of origin is missing",
    },
    "DANGEROUS_GOODS": {
        "vi": "Hàng nguy hiểm thiếu chứng từ an toàn",
        "en": "Dangerous goods without safety documents",
    },
    "SCRAP": {
        "vi": "Phế liệu nhập khẩu",
        "en": "Scrap or waste for import",
    },
    "WASTE_WITHOUT_CONSENT": {
        "vi": "Chất thải xuyên biên giới thiếu văn bản chấp thuận",
        "en": "Transboundary waste without a movement document",
    },
    "TAX_DEBT": {
        "vi": "Người khai có nợ thuế quá hạn bị cưỡng chế",
        "en": "The importer has overdue tax debt under enforcement",
    },
    "IVORY": {
        "vi": "Ngà voi và sản phẩm thuộc Phụ lục I CITES",
        "en": "Ivory: CITES Appendix I",
    },
    "ENDANGERED_SPECIES": {
        "vi": "Loài thuộc CITES, thiếu giấy phép CITES",
        "en": "Species covered by CITES and no CITES permit was presented",
    },
    "ARMS": {
        "vi": "Vũ khí, đạn dược",
        "en": "Arms and ammunition",
    },
    "INTELLIGENCE": {
        "vi": "Đối tượng thuộc danh sách cảnh báo hiện hành",
        "en": "A party is on a current alert list",
    },
    "TRANSSHIPMENT": {
        "vi": "Tuyến vận chuyển qua điểm trung chuyển, hàng thuộc danh mục gian lận xuất xứ",
        "en": "Routed through a hub, goods on the origin-fraud list",
    },
    "PRIORITY_ENTERPRISE": {
        "vi": "Doanh nghiệp ưu tiên",
        "en": "Priority enterprise",
    },
    "HIGH_COMPLIANCE": {
        "vi": "Doanh nghiệp tuân thủ cao, rủi ro thấp",
        "en": "High compliance level and low risk level",
    },
    "SANCTIONED_TRADER": {
        "vi": "Doanh nghiệp dưới 365 ngày đã bị xử phạt",
        "en": "Trader under 365 days with sanctions",
    },
    "HIGH_RISK_TRADER": {
        "vi": "Doanh nghiệp có mức rủi ro rất cao hoặc không tuân thủ",
        "en": "Trader with a very high risk level or non-compliant",
    },
    # why officers change a lane
    "OBS_DOCS": {
        "vi": "Công chức phát hiện dấu hiệu trong hồ sơ",
        "en": "An officer saw something in the documents",
    },
    "OBS_GOODS": {
        "vi": "Công chức phát hiện dấu hiệu ở hàng hóa",
        "en": "An officer saw something about the goods",
    },
    "INTEL": {
        "vi": "Thông tin nghiệp vụ",
        "en": "Intelligence",
    },
    "SEAL": {
        "vi": "Niêm phong không nguyên vẹn hoặc không khớp",
        "en": "The seal is broken or is another",
    },
    "SCAN_IMAGE": {
        "vi": "Hình ảnh soi chiếu có dấu hiệu nghi vấn",
        "en": "The scan image is suspicious",
    },
    "OTHER": {
        "vi": "Lý do khác, do công chức ghi",
        "en": "Another reason, written down by the officer",
    },
}


FOR_TRADERS = frozenset(
    {
        *("MISSING_FACT", "INCOMPLETE_CODE", "ODD_DATE", "LINEAGE", "LICENCE", "QUOTA"),
        *("QUARANTINE", "QUARANTINE_NO_CERTIFICATE"),
        *("PREFERENCE_WITHOUT_CERTIFICATE", "DANGEROUS_GOODS", "SCRAP", "WASTE_WITHOUT_CONSENT"),
        *("TAX_DEBT", "IVORY", "ENDANGERED_SPECIES", "ARMS", "PRIORITY_ENTERPRISE"),
    }
)
"""Reasons that traders may read: law, and what they declared or lack themselves."""


def for_trader(reason: Reason, lane: Lane) -> Reason:
    """What a trader is told instead of a reason: the same if it is law, else nothing of how."""
    if reason.code in FOR_TRADERS:
        return reason
    code = "RELEASED" if lane is Lane.GREEN else "SELECTED"
    return Reason(code=code)


_SWAPPED = str.maketrans(",.", ".,")


class _WholeNumber(int):
    """Written as Vietnamese does: 1.234."""

    def __format__(self, spec: str) -> str:
        return super().__format__(spec).translate(_SWAPPED)


class _Number(float):
    """Written as Vietnamese does: 1.234,5."""

    def __format__(self, spec: str) -> str:
        return super().__format__(spec).translate(_SWAPPED)


_VIETNAMESE: Mapping[type, Callable[[Any], object]] = {int: _WholeNumber, float: _Number}
"""How Vietnamese writes numbers; `str.format` asks them, which costs little for each answer."""


def sentence(reason: Reason, language: Language) -> str:
    """A reason in words. Facts that are absent leave the code standing, never an error."""
    template = WORDS.get(reason.code, {}).get(language, reason.code)
    facts = {name: _said(value, language) for name, value in reason.facts.items()}
    try:
        return template.format(**facts)
    except (KeyError, ValueError, TypeError):
        return template


def _said(fact: float | int | str | None, language: Language) -> object:
    if isinstance(fact, str):
        return LANE_WORDS[Lane[fact]][language] if fact in LANES else fact
    written = _VIETNAMESE.get(type(fact)) if language == "vi" else None
    return written(fact) if written else fact


def written(number: float, spec: str, language: Language) -> str:
    """A number as this language writes it. `spec` is that of `format`.

    >>> written(1234.5, ",.1f", "vi")
    '1.234,5'
    """
    return format(_said(number, language), spec)
