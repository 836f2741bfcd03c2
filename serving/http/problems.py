"""Refusals as RFC 9457 problem documents: which field, what came, what is wrong, what to do.

They quote at most the first characters of an offending scalar, never more of what was declared.
"""

import codecs
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from selectivity.declaration import form_asked_for
from selectivity.errors import ConflictError, DecisionLogError, SelectivityError
from selectivity.reasons.wording import Language
from selectivity.similar import LONGEST, meant_at
from serving.http.whole_answer import whole

PROBLEM_JSON = "application/problem+json"
TYPES = "urn:problem-type:lanes:"
MOST_SHOWN = 20
MOST_CHARACTERS = 40
RETRY_SECONDS = 1
Meant = Callable[[type[BaseModel], Sequence[int | str]], str | None]
"""Says which field was probably meant by one that is not known."""
ONE_OBJECT = "Send one JSON object in UTF-8."


class FieldProblem(BaseModel):
    """One thing that is wrong, and what to do about it."""

    model_config = ConfigDict(frozen=True)

    field: str = Field(description="Path of the field, for example items.0.hs_code.")
    value: str | None = Field(default=None, description="What came, if it is one short value.")
    message: str
    remedy: str


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    model_config = ConfigDict(frozen=True)

    type: str
    title: str
    status: int
    detail: str
    problems: tuple[FieldProblem, ...] = ()
    line: int | None = Field(default=None, description="In a batch: the line, counted from 1.")


class RefusedError(Exception):
    """Raised where a request is read, answered as its problem document.

    `language` is that of the document, `headers` are sent with it.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        language: Language = "en",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.problem, self.language, self.headers = problem, language, headers or {}
        super().__init__(problem.title)


def about(field: str, detail: str) -> FieldProblem:
    """What is wrong with this field, and what to do, from words that say the one, then the other.

    >>> about("cursor", "It is of another log. Begin without one.").remedy
    'Begin without one.'
    """
    message, _, remedy = detail.partition(". ")
    return FieldProblem(field=field, message=message, remedy=remedy or message)


def problem(
    status: HTTPStatus, name: str, title: str, detail: str, *problems: FieldProblem
) -> Problem:
    """A problem document of this stable type."""
    return Problem(type=TYPES + name, title=title, status=status, detail=detail, problems=problems)


def unusable(detail: str, *problems: FieldProblem) -> Problem:
    """The content breaks a rule."""
    title = "The content cannot be used"
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "unusable-content", title, detail, *problems)


def too_large(what: str, limit: int, unit: str, remedy: str) -> Problem:
    """More came than is taken at once."""
    detail = f"At most {limit:,} {unit} are taken at once. {remedy}"
    found = FieldProblem(field=what, message=f"more than {limit:,} {unit}", remedy=remedy)
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return problem(status, "too-large", "The content is too large", detail, found)


def not_found(detail: str, *problems: FieldProblem) -> Problem:
    """What was asked for is not there."""
    return problem(HTTPStatus.NOT_FOUND, "not-found", "Not found", detail, *problems)


def of_error(error: SelectivityError, *, reading: bool = False) -> Problem:
    """What an error of this system means to a caller, who wants something kept or only to read."""
    if isinstance(error, ConflictError):
        name, title, detail = _CURSOR if error.field == "cursor" else _CONTENT
        return problem(HTTPStatus.CONFLICT, name, title, detail, about(error.field, str(error)))
    if isinstance(error, DecisionLogError):
        name, title = (
            ("not-read", "The decision log cannot be read now")
            if reading
            else ("not-kept", "The decision could not be kept")
        )
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, name, title, str(error))
    return unusable(str(error))


_CURSOR = (
    "cursor-of-another-log",
    "The cursor is not of this log",
    "Nothing was told or kept: see problems.",
)
_CONTENT = (
    "conflict",
    "The same key came with other content",
    "Nothing was done or kept: what was there first stands.",
)


def of_validation(
    error: ValidationError, model: type[BaseModel], meant: Meant = meant_at
) -> Problem:
    """Every broken rule of this model with its field, value and remedy."""
    found = _without_echoes(error.errors(include_url=False, include_context=False))
    shown = tuple(_field_problem(each, model, meant) for each in found[:MOST_SHOWN])
    more = f"; the first {MOST_SHOWN} are shown" if len(found) > MOST_SHOWN else ""
    count = f"{len(found)} problems{more}" if len(found) > 1 else "1 problem"
    return unusable(f"Nothing was decided or kept: {count}. Correct it and send it again.", *shown)


def response(
    found: Problem, *, language: Language = "en", headers: Mapping[str, str] | None = None
) -> Response:
    """The problem as an HTTP answer."""
    headers = {"Content-Language": language, **(headers or {})}
    if found.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_SECONDS)
    body = found.model_dump_json(exclude_none=True)
    return Response(body, found.status, headers, media_type=PROBLEM_JSON)


def response_bytes(found: Problem, language: Language, *, close: bool = False) -> bytes:
    """The problem as an HTTP answer in bytes, for who answers without an application."""
    headers = {"Connection": "close"} if close else None
    return whole(response(found, language=language, headers=headers))


def _without_echoes(found: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Leave out "too few" where the reason is that the ones there are wrong themselves."""
    paths = [each["loc"] for each in found]
    return [
        each
        for each in found
        if each["type"] != "too_short"
        or not any(len(path) > len(each["loc"]) == _shared(path, each["loc"]) for path in paths)
    ]


def _shared(path: Sequence[object], other: Sequence[object]) -> int:
    return sum(a == b for a, b in zip(path, other, strict=False))


def _field_problem(found: Mapping[str, Any], model: type[BaseModel], meant: Meant) -> FieldProblem:
    path, message = ".".join(map(_short, found["loc"])), found["msg"].removeprefix("Value error, ")
    name, _, rest = message.partition(": ")
    if not path and name in model.model_fields:  # a rule on several fields names one to look at
        path, message = name, rest
    return FieldProblem(
        field=path or "body",
        value=_value(found["input"]),
        message=_short(message, 200),
        remedy=_remedy(found, model, meant),
    )


def _remedy(found: Mapping[str, Any], model: type[BaseModel], meant: Meant) -> str:
    kind, path = found["type"], found["loc"]
    if kind == "json_invalid" and bytes(found["input"][:3]) == codecs.BOM_UTF8:
        return "Leave out the byte order mark it begins with (EF BB BF)."
    if not path:
        return ONE_OBJECT if kind in ("json_invalid", "model_type") else _CORRECT
    # A longer name comes close to none of ours, and is not to be remembered for a whole batch.
    unknown = kind == "extra_forbidden" and len(str(path[-1])) <= LONGEST
    name = meant(model, path) if unknown else None
    if name is not None:
        return f"Did you mean {name}? The fields there are stand in the API description."
    form = form_asked_for(found["msg"])
    return f"Give {form}." if form else _REMEDIES.get(kind, _CORRECT)


def _value(given: Any) -> str | None:
    """A scalar in a few characters; nothing of objects, lists and whole bodies."""
    if isinstance(given, bool) or given is None:
        return {True: "true", False: "false", None: "null"}[given]
    if isinstance(given, int):
        return str(given) if given.bit_length() < 128 else "a very large number"
    return _short(given) if isinstance(given, str | float) else None


def _short(text: object, most: int = MOST_CHARACTERS) -> str:
    """Cut, and without anything that cannot be written as UTF-8."""
    cut = str(text)[:most]
    return cut.encode("utf-8", errors="replace").decode()


_CORRECT = "Correct the value; the field's rules are in the API description at /docs."
_NUMBER = "Give a plain JSON number without quotes."
_TIME = "Give a date and time with its offset, for example 2026-03-02T09:30:00+07:00."
_REMEDIES = {
    "missing": "Add the field.",
    "enum": "Give one of these, as it is written here.",
    "extra_forbidden": "Take the field out; the fields there are stand in the API description.",
    "float_type": _NUMBER,
    "int_type": "Give a whole number without quotes.",
    "finite_number": _NUMBER,
    "bool_type": "Give true or false.",
    "string_type": "Give a text in quotes.",
    "string_too_long": "Shorten the text.",
    "timezone_aware": _TIME,
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_from_date_parsing": _TIME,
    "too_long": "Send fewer of them in one declaration.",
    "too_short": "Send at least one.",
}
