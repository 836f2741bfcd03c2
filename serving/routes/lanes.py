"""Lanes for one declaration or for many."""

from fastapi import APIRouter, Request, Response

from selectivity.declaration import Declaration
from serving.answers.lanes import LaneAnswer, lane_answer
from serving.callers.api_keys import Role
from serving.deciding.assign import assign
from serving.http.bodies import check_head, declaration_from, read_body
from serving.http.examples import A_DECLARATION
from serving.http.language import headers_in
from serving.routes.access import only
from serving.routes.batch import NDJSON, NdjsonResponse, answer_lines
from serving.routes.given import GivenLanguage, GivenParts
from serving.routes.openapi import answers, reads

router = APIRouter(tags=["lanes"])

_BATCH = {
    "requestBody": {
        "required": False,  # no lines get no answers
        "content": {
            NDJSON: {
                "schema": {"type": "string", "description": "One declaration per line."},
                "example": '{"declaration_id": "D-1", "accepted_at": "2026-03-02T09:30:00+07:00", '
                '"items": [{"item_no": 1, "hs_code": "610910"}]}\n',
            }
        },
    }
}


@router.post(
    "/v1/lanes",
    dependencies=[only(Role.SCORER)],
    responses=answers(
        LaneAnswer,
        401,
        403,
        409,
        413,
        415,
        422,
        503,
        meaning="The lane; its record is durable.",
    ),
    openapi_extra=reads(Declaration, A_DECLARATION),
)
async def assign_lane(request: Request, parts: GivenParts, language: GivenLanguage) -> Response:
    """Put one declaration in a lane and keep a record of why.

    The same declaration and version gets the same stored answer for ever, and with other content
    a 409. Blanks, the order of fields, 10 or 10.0, and 0 or -0 make no difference; a field more,
    `null` or a time in another offset does. So keep what you sent, and after a 503 or no answer
    send just that.
    """
    with parts.meters.answer_seconds.time():
        body = await read_body(request, parts.settings.body_limit_bytes)
        with parts.places.take(language):
            declaration = declaration_from(body, parts.settings.items_limit)
            record = await assign(declaration, parts)
        answer = lane_answer(record, parts.predictor.rules, language)
    return Response(answer, headers=headers_in(language), media_type="application/json")


@router.post(
    "/v1/lanes/batch",
    dependencies=[only(Role.SCORER)],
    responses=answers(
        None,
        401,
        403,
        413,
        415,
        503,
        media=NDJSON,
        meaning="One line per declaration, in order: a LaneAnswer, or a Problem with its `line`.",
    ),
    openapi_extra=_BATCH,
)
async def assign_lanes(request: Request, parts: GivenParts, language: GivenLanguage) -> Response:
    """Put many declarations in lanes, one per line; a bad line never stops the others.

    Lines are decided on as they come, and answered once the whole request is there. Look at every
    line of the answer: one whose `status` is 503 was not kept and has to be sent again. A Problem
    without a `line` ends the answer where the batch became too large; a connection that breaks ends
    it anywhere. Send the rest, or all of it: what was kept is answered alike.
    """
    check_head(request, parts.settings.batch_limit_bytes)
    place = parts.batch_places.take(language)
    return NdjsonResponse(answer_lines(request, parts, language), language, place)
