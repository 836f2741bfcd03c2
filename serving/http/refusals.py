"""Refusals in the caller's language: at the door, and of what people want changed."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import NamedTuple

from selectivity.mode_orders import ModeRefusal
from selectivity.override import Refusal
from selectivity.reasons.wording import Language
from serving.callers.api_keys import Role
from serving.http.problems import Problem, about, problem

KEY = "Authorization"
"""The header that names the caller."""
_FIELDS = {
    Refusal.SAME_LANE: "to_lane",
    Refusal.BINDING: "to_lane",
    Refusal.UNEXPLAINED: "reason_text",
}
"""What to change, where it is not the override that is approved."""


class _Words(NamedTuple):
    title: str
    detail: str


def no_key(language: Language) -> Problem:
    """Nobody knows who is calling."""
    return _about(KEY, HTTPStatus.UNAUTHORIZED, "no-valid-key", _NO_KEY[language], language)


def wrong_role(language: Language, roles: Iterable[Role]) -> Problem:
    """The caller is known, and this is for others."""
    title, detail = _WRONG_ROLE[language]
    words = _Words(title, detail.format(roles=", ".join(sorted(roles))))
    return _about(KEY, HTTPStatus.FORBIDDEN, "wrong-role", words, language)


def other_office(language: Language, office: str) -> Problem:
    """The caller is of an office that has nothing to do with it."""
    title, detail = _OTHER_OFFICE[language]
    words = _Words(title, detail.format(office=office))
    return _about(KEY, HTTPStatus.FORBIDDEN, "other-office", words, language)


def not_overridden(language: Language, why: Refusal) -> Problem:
    """The lane stays as it is."""
    title, look_again = _NOT_OVERRIDDEN[language]
    to_do = _TO_DO[why][language] if why in _TO_DO else look_again
    words = _Words(title, f"{_WHY[why][language]}. {to_do}")
    second = why is Refusal.SAME_PERSON
    status = HTTPStatus.FORBIDDEN if second else HTTPStatus.CONFLICT
    return _about(_FIELDS.get(why, "override_id"), status, "not-overridden", words, language)


def not_ordered(language: Language, why: ModeRefusal) -> Problem:
    """The mode stays as it is."""
    title, look_again = _NOT_ORDERED[language]
    second = why is ModeRefusal.SAME_PERSON
    to_do = _TO_DO[Refusal.SAME_PERSON][language] if second else look_again
    words = _Words(title, f"{_WHY_NOT_ORDERED[why][language]}. {to_do}")
    status = HTTPStatus.FORBIDDEN if second else HTTPStatus.CONFLICT
    field = "mode" if why is ModeRefusal.SAME_MODE else "order_id"
    return _about(field, status, "mode-not-ordered", words, language)


def too_slow(language: Language) -> Problem:
    """The request was begun and did not come to its end."""
    return problem(HTTPStatus.REQUEST_TIMEOUT, "too-slow", *_TOO_SLOW[language])


def headers_too_large(language: Language) -> Problem:
    """The headers are longer than any caller needs."""
    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    return problem(status, "headers-too-large", *_HEADERS_TOO_LARGE[language])


def not_http(language: Language) -> Problem:
    """What came is no request."""
    return problem(HTTPStatus.BAD_REQUEST, "not-http", *_NOT_HTTP[language])


def not_one_host(language: Language) -> Problem:
    """Whom a request is for stands in it once (RFC 9112, 3.2)."""
    return problem(HTTPStatus.BAD_REQUEST, "not-one-host", *_NOT_ONE_HOST[language])


def other_coding(language: Language) -> Problem:
    """The content comes in a coding that nobody here can take off (RFC 9112, 6.1)."""
    return problem(HTTPStatus.NOT_IMPLEMENTED, "other-coding", *_OTHER_CODING[language])


def overloaded(language: Language) -> Problem:
    """As much is in progress as can be answered in time."""
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "overloaded", *_OVERLOADED[language])


def _about(field: str, status: HTTPStatus, name: str, words: _Words, language: Language) -> Problem:
    """A problem about the one field that the caller has to change."""
    return problem(status, name, words.title, _NOTHING[language], about(field, words.detail))


_NOTHING: dict[Language, str] = {
    "vi": "Không thực hiện và không lưu gì: xem problems.",
    "en": "Nothing was done or kept: see problems.",
}
_NO_KEY: dict[Language, _Words] = {
    "vi": _Words(
        "Yêu cầu không kèm khóa hợp lệ",
        "Không có khóa, hoặc khóa không đúng, đã hết hạn hay đã bị thu hồi. Gửi khóa trong tiêu đề "
        "Authorization: Bearer …; người quản trị tạo khóa bằng lệnh `lanes keys create`.",
    ),
    "en": _Words(
        "No valid key came with the request",
        "There was no key, or it is unknown, expired or revoked. Send one in the header "
        "Authorization: Bearer …; an administrator makes it with `lanes keys create`.",
    ),
}
_WRONG_ROLE: dict[Language, _Words] = {
    "vi": _Words(
        "Khóa không có vai trò cần thiết",
        "Việc này dành cho vai trò: {roles}. Dùng khóa có một trong các vai trò đó.",
    ),
    "en": _Words(
        "The key has not the role for this",
        "This is for the roles: {roles}. Use a key that has one of them.",
    ),
}
_OTHER_OFFICE: dict[Language, _Words] = {
    "vi": _Words(
        "Thuộc đơn vị khác",
        "Khóa này dành cho đơn vị {office}. Dùng khóa của đơn vị liên quan.",
    ),
    "en": _Words(
        "It is another office's",
        "This key is for office {office}. Use a key of the office that it concerns.",
    ),
}
_NOT_OVERRIDDEN: dict[Language, _Words] = {
    "vi": _Words("Luồng được giữ nguyên", "Xem lại quyết định trước khi gửi."),
    "en": _Words(
        "The lane stays as it is", "Look at the decision again before you send it once more."
    ),
}
_TO_DO: dict[Refusal, dict[Language, str]] = {
    Refusal.UNEXPLAINED: {
        "vi": "Thêm reason_text rồi gửi lại.",
        "en": "Add reason_text and send it again.",
    },
    Refusal.SAME_PERSON: {
        "vi": "Để người khác phê duyệt, bằng khóa của chính người đó.",
        "en": "Let another person approve it, with a key of their own.",
    },
}
"""What to do instead, where looking at the declaration again would not help."""
_WHY: dict[Refusal, dict[Language, str]] = {
    Refusal.SAME_LANE: {
        "vi": "tờ khai đã ở luồng này",
        "en": "the declaration is in that lane already",
    },
    Refusal.BINDING: {
        "vi": "luồng do quy tắc bắt buộc, điều cấm hoặc chọn ngẫu nhiên đặt ra, không ai được hạ",
        "en": "a mandatory rule, a prohibition or the random stratum asked for the lane, and "
        "nobody may lower what they ask for",
    },
    Refusal.UNEXPLAINED: {
        "vi": "hạ luồng phải ghi lý do ở reason_text",
        "en": "a lane is only lowered with a reason_text",
    },
    Refusal.SAME_PERSON: {
        "vi": "người đề nghị không được tự phê duyệt, cần người thứ hai",
        "en": "whoever asked for it cannot approve it as well; a second person has to",
    },
    Refusal.NOT_PENDING: {
        "vi": "đề nghị không còn chờ phê duyệt: đã có hiệu lực hoặc đã có bước khác sau đó",
        "en": "it waits for nobody: it is in force, or another step came after it",
    },
}
_NOT_ORDERED: dict[Language, _Words] = {
    "vi": _Words("Chế độ được giữ nguyên", "Xem lại chế độ hiện hành trước khi gửi."),
    "en": _Words(
        "The mode stays as it is", "Look at the mode in force before you send it once more."
    ),
}
_WHY_NOT_ORDERED: dict[ModeRefusal, dict[Language, str]] = {
    ModeRefusal.SAME_MODE: {
        "vi": "chế độ này đang có hiệu lực và không có thời hạn",
        "en": "that mode is in force and has no end",
    },
    ModeRefusal.SAME_PERSON: _WHY[Refusal.SAME_PERSON],
    ModeRefusal.NOT_PENDING: {
        "vi": "lệnh không còn chờ phê duyệt: đã có hiệu lực, đã có bước khác, hoặc chờ quá 4 giờ",
        "en": "the order waits for nobody: it is in force, another step came after it, or it "
        "waited for more than four hours",
    },
}
_TOO_SLOW: dict[Language, _Words] = {
    "vi": _Words(
        "Yêu cầu đến quá chậm",
        "Gửi lại toàn bộ yêu cầu trên một kết nối mới. Dòng nào của lô đã được quyết định thì vẫn "
        "giữ nguyên và được trả lời như vậy.",
    ),
    "en": _Words(
        "The request came too slowly",
        "Send it again, whole, on a new connection. Lines of a batch that were decided on stay so "
        "and are answered alike.",
    ),
}
_HEADERS_TOO_LARGE: dict[Language, _Words] = {
    "vi": _Words(
        "Tiêu đề của yêu cầu quá lớn",
        "Chưa quyết định và chưa lưu gì. Bỏ bớt tiêu đề hoặc rút ngắn địa chỉ rồi gửi lại.",
    ),
    "en": _Words(
        "The headers are too large",
        "Nothing was decided or kept. Leave headers out, or shorten the address, and send it "
        "again.",
    ),
}
_NOT_HTTP: dict[Language, _Words] = {
    "vi": _Words("Đây không phải là yêu cầu HTTP", "Gửi yêu cầu theo HTTP/1.1; xem /docs."),
    "en": _Words("This is no HTTP request", "Send a request in HTTP/1.1; see /docs."),
}
_NOT_ONE_HOST: dict[Language, _Words] = {
    "vi": _Words(
        "Yêu cầu phải có đúng một tiêu đề Host",
        "Chưa quyết định và chưa lưu gì. Gửi lại với đúng một tiêu đề Host.",
    ),
    "en": _Words(
        "A request needs exactly one header Host",
        "Nothing was decided or kept. Send it again with one.",
    ),
}
_OTHER_CODING: dict[Language, _Words] = {
    "vi": _Words(
        "Không hỗ trợ kiểu Transfer-Encoding này",
        "Chưa quyết định và chưa lưu gì. Gửi lại nội dung không nén, với Content-Length hoặc chỉ "
        "với Transfer-Encoding: chunked.",
    ),
    "en": _Words(
        "The transfer coding is not supported",
        "Nothing was decided or kept. Send the content as it is, with Content-Length or with "
        "Transfer-Encoding: chunked alone.",
    ),
}
_OVERLOADED: dict[Language, _Words] = {
    "vi": _Words(
        "Dịch vụ đang quá tải",
        "Chưa quyết định và chưa lưu gì. Gửi lại sau thời gian nêu trong Retry-After.",
    ),
    "en": _Words(
        "The service has too much to do",
        "Nothing was decided or kept. Send it again after the time in Retry-After.",
    ),
}
