"""How much the service may decide by itself: shown, ordered, and approved by a second person."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from selectivity.actor import ID_PATTERN
from selectivity.mode_orders import ModeAsked, ModeStep
from serving.answers.mode import ModeAnswer
from serving.callers.api_keys import Role
from serving.deciding.governing import agree, give_order
from serving.deciding.parts import Parts
from serving.http.bodies import content_from, read_body
from serving.http.examples import A_MODE
from serving.routes.access import only
from serving.routes.given import GivenCaller, GivenLanguage, GivenParts
from serving.routes.openapi import answers, reads

router = APIRouter(tags=["operation"])

_PENDING = {202: "A second person has to approve it; until then the mode stays."}


@router.get(
    "/v1/mode",
    dependencies=[only(Role.MANAGER, Role.ADMIN, Role.AUDITOR)],
    responses=answers(ModeAnswer, 401, 403, meaning="What holds now, and what waits."),
)
async def show_mode(parts: GivenParts, language: GivenLanguage) -> Response:
    """Show the mode in force, who ordered it, until when, and what waits for approval."""
    return _mode_answer(parts.log.mode_steps(), parts).response()


@router.post(
    "/v1/mode",
    dependencies=[only(Role.MANAGER, Role.ADMIN)],
    responses=answers(
        ModeAnswer,
        401,
        403,
        409,
        413,
        415,
        422,
        503,
        meaning="The mode is in force.",
        also=_PENDING,
    ),
    openapi_extra=reads(ModeAsked, A_MODE),
)
async def order_mode(
    request: Request, parts: GivenParts, caller: GivenCaller, language: GivenLanguage
) -> Response:
    """Tighten at once, or ask to relax, which waits for a second person.

    NORMAL has no end. Every other mode ends after its hours; then nothing is released by itself
    (NO_GREEN) until two people say otherwise. While the log cannot be written, who tightens is
    heard by this service alone (`only_here`), and nobody relaxes.
    """
    body = await read_body(request, parts.settings.body_limit_bytes)
    with parts.places.take(language):
        steps = await give_order(content_from(ModeAsked, body), caller, parts, language)
    return _response(steps, parts)


@router.post(
    "/v1/mode/{order_id}/approve",
    dependencies=[only(Role.ADMIN)],
    responses=answers(ModeAnswer, 401, 403, 409, 422, 503, meaning="The mode is in force."),
)
async def approve_mode(
    order_id: Annotated[str, Path(pattern=ID_PATTERN)],
    parts: GivenParts,
    caller: GivenCaller,
    language: GivenLanguage,
) -> Response:
    """Agree, as the second person, to an order that somebody else gave."""
    with parts.places.take(language):
        steps = await agree(order_id, caller, parts, language)
    return _response(steps, parts)


def _response(steps: list[ModeStep], parts: Parts) -> Response:
    """202 (Accepted) while a second person has to approve, else 200."""
    answer = _mode_answer(steps, parts)
    return answer.response(HTTPStatus.ACCEPTED if answer.waiting else HTTPStatus.OK)


def _mode_answer(steps: list[ModeStep], parts: Parts) -> ModeAnswer:
    return ModeAnswer.of(steps, parts.now(), only_here=parts.log.waits)
