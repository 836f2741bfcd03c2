"""Refusals at the door, before anything was read, in the caller's language."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import NamedTuple

from selectivity.wording import Language
from serving.api_keys import Role
from serving.problems import Problem, problem


class _Words(NamedTuple):
    title: str
    detail: str


def no_key(language: Language) -> Problem:
    """Nobody knows who is calling."""
    return _refusal(HTTPStatus.UNAUTHORIZED, "no-valid-key", _NO_KEY[language])


def wrong_role(language: Language, roles: Iterable[Role]) -> Problem:
    """The caller is known, and this is for others."""
    title, detail = _WRONG_ROLE[language]
    words = _Words(title, detail.format(roles=", ".join(sorted(roles))))
    return _refusal(HTTPStatus.FORBIDDEN, "wrong-role", words)


def _refusal(status: HTTPStatus, name: str, words: _Words) -> Problem:
    return problem(status, name, *words)


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
