"""Changes of a lane by officers, and their approval by a second person."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from selectivity.actor import ID_PATTERN
from selectivity.override import OverrideAsked, OverrideState
from selectivity.reasons.wording import Language
from serving.answers.overrides import OverrideAnswer
from serving.callers.api_keys import Role
from serving.deciding.overriding import Overridden, agree, ask
from serving.http.bodies import content_from, read_body
from serving.http.examples import AN_OVERRIDE
from serving.routes.access import only
from serving.routes.given import GivenCaller, GivenLanguage, GivenParts
from serving.routes.openapi import answers, reads

router = APIRouter(tags=["overrides"])

_PENDING = {202: "A second person has to approve it; until then the lane stays."}


@router.post(
    "/v1/overrides",
    dependencies=[only(Role.INSPECTOR)],
    responses=answers(
        OverrideAnswer,
        401,
        403,
        404,
        409,
        413,
        415,
        422,
        503,
        meaning="The lane was changed, or had been by the same request.",
        also=_PENDING,
    ),
    openapi_extra=reads(OverrideAsked, AN_OVERRIDE),
)
async def ask_for_override(
    request: Request, parts: GivenParts, caller: GivenCaller, language: GivenLanguage
) -> Response:
    """Raise a lane at once, or ask for a lower one, which waits for a second person.

    The decision stays as it is; what holds from now on is a record of its own. Nobody lowers what a
    mandatory rule, a prohibition or the random stratum asked for.
    """
    body = await read_body(request, parts.settings.body_limit_bytes)
    with parts.places.take(language):
        overridden = await ask(content_from(OverrideAsked, body), caller, parts, language)
    return _response(overridden, language)


@router.post(
    "/v1/overrides/{override_id}/approve",
    dependencies=[only(Role.MANAGER)],
    responses=answers(
        OverrideAnswer,
        401,
        403,
        404,
        409,
        422,
        503,
        meaning="The lower lane holds from now on, or did already by this approval.",
    ),
)
async def approve_override(
    override_id: Annotated[str, Path(pattern=ID_PATTERN)],
    parts: GivenParts,
    caller: GivenCaller,
    language: GivenLanguage,
) -> Response:
    """Agree, as the second person, to a lower lane that somebody else asked for."""
    with parts.places.take(language):
        overridden = await agree(override_id, caller, parts, language)
    return _response(overridden, language)


def _response(overridden: Overridden, language: Language) -> Response:
    """202 (Accepted) while a second person has to approve, else 200."""
    answer = OverrideAnswer.of(*overridden, language)
    status = HTTPStatus.ACCEPTED if answer.state is OverrideState.PENDING else HTTPStatus.OK
    return answer.response(status, language=language)
