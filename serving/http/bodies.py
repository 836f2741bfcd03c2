"""Reads request bodies: within limits, strictly, and never with a key given twice."""

import json
from email.message import Message
from functools import lru_cache
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from selectivity.declaration import Declaration
from selectivity.similar import meant_at
from serving.http.problems import (
    FieldProblem,
    Meant,
    Problem,
    RefusedError,
    of_validation,
    problem,
    too_large,
    unusable,
)

Model = TypeVar("Model", bound=BaseModel)

MEDIA = {
    "",
    "application/json",
    "application/x-ndjson",
    "application/octet-stream",
    "application/x-www-form-urlencoded",  # what curl says unless it is told otherwise
    "text/plain",
}
"""What content may call itself; it is read as JSON whatever it is called."""
CHARSETS = {"", "utf-8", "utf8", "us-ascii"}


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """The whole body.

    Raises:
        RefusedError: it is longer than the limit, encoded, or broke off.
    """
    check_head(request, limit_bytes)
    body, more = bytearray(), True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":  # nobody reads this answer
            raise RefusedError(_broken_off())
        body += message.get("body", b"")
        if len(body) > limit_bytes:
            raise RefusedError(body_too_large(limit_bytes))
        more = message.get("more_body", False)
    return bytes(body)


def _broken_off() -> Problem:
    detail = "Nothing was decided or kept. Send it again, whole."
    return problem(HTTPStatus.BAD_REQUEST, "broken-off", "The content broke off", detail)


def check_head(request: Request, limit_bytes: int) -> None:
    """Refuse what the headers alone show to be too long, encoded, or something else than JSON.

    Raises:
        RefusedError: so it is.
    """
    _check_media(request.headers.get("content-type", ""))
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        remedy = "Send the content as it is, without Content-Encoding."
        found = FieldProblem(field="Content-Encoding", message="is not supported", remedy=remedy)
        status, title = HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The content is encoded"
        raise RefusedError(problem(status, "encoded-content", title, remedy, found))
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > limit_bytes:
        raise RefusedError(body_too_large(limit_bytes))


def _check_media(content_type: str) -> None:
    if _is_json(content_type):
        return
    remedy = (
        "Send JSON in UTF-8, with Content-Type: application/json, or application/x-ndjson for one "
        "declaration a line."
    )
    found = FieldProblem(
        field="Content-Type", value=content_type[:40], message="is not JSON", remedy=remedy
    )
    status, title = HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The content is not JSON"
    raise RefusedError(problem(status, "not-json", title, remedy, found))


@lru_cache(maxsize=64)
def _is_json(content_type: str) -> bool:
    message = Message()
    message["Content-Type"] = content_type or "text/plain"
    charset = str(message.get_param("charset", "")).lower()
    return content_type.partition(";")[0].strip().lower() in MEDIA and charset in CHARSETS


def body_too_large(limit_bytes: int) -> Any:
    """The problem of a body above the limit."""
    return too_large("body", limit_bytes, "bytes", "Send it in several requests.")


def declaration_from(body: bytes, items_limit: int, meant: Meant = meant_at) -> Declaration:
    """A declaration from its JSON.

    Args:
        meant: says which field was probably meant by one that is not known.

    Raises:
        RefusedError: some rule is broken; every problem names its field and remedy.
    """
    declaration = _valid(Declaration, body, meant)
    if not _as_many_texts(body, declaration.canonical):
        _refuse_a_key_twice(body)
    if len(declaration.items) > items_limit:
        found = FieldProblem(
            field="items",
            value=str(len(declaration.items)),
            message=f"more than {items_limit:,} goods items",
            remedy="Split the declaration.",
        )
        raise RefusedError(unusable("The declaration has too many goods items.", found))
    return declaration


def content_from(model: type[Model], body: bytes) -> Model:
    """An inspection, or what somebody asks for, from its JSON.

    Raises:
        RefusedError: some rule is broken; every problem names its field and remedy.
    """
    content = _valid(model, body)
    _refuse_a_key_twice(body)
    return content


def _valid(model: type[Model], body: bytes, meant: Meant = meant_at) -> Model:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise RefusedError(of_validation(error, model, meant)) from error


def _as_many_texts(body: bytes, canonical: bytes) -> bool:
    """Whether no key can have come twice: it would have left two quotation marks behind.

    Quotation marks inside texts, which only come with backslashes, prove nothing.
    """
    return b"\\" not in body and body.count(b'"') == canonical.count(b'"')


def _refuse_a_key_twice(body: bytes) -> None:
    try:
        json.loads(body, object_pairs_hook=_no_key_twice)
    except (ValueError, RecursionError) as error:
        raise RefusedError(
            unusable("The content is not plain JSON. Send it as one object.")
        ) from error


def _no_key_twice(pairs: list[tuple[str, Any]]) -> None:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        found = FieldProblem(
            field=twice[:40], message="is given twice", remedy="Give the field once."
        )
        raise RefusedError(unusable("A field is given twice in one object.", found))
