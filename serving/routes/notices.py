"""What a branch is told of its lanes, and that it says it has it."""

import asyncio
from contextlib import closing
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from selectivity.declaration import Code
from selectivity.errors import ConflictError
from serving.answers.notices import MOST_AT_ONCE, AcknowledgementAnswer, Notices, Teller
from serving.callers.api_keys import Caller, Role, actor_of
from serving.deciding.acknowledging import Acknowledgement, acknowledged, act_of
from serving.deciding.offices import check_office
from serving.deciding.parts import Parts
from serving.deciding.receiving import keep_act
from serving.http.bodies import content_from, read_body
from serving.http.examples import A_CURSOR
from serving.log.cursors import CURSOR, CursorGiven, place
from serving.log.reader import LogReader
from serving.routes.access import only
from serving.routes.given import GivenCaller, GivenLanguage, GivenParts
from serving.routes.openapi import answers, reads

router = APIRouter(tags=["notices"])

Office = Annotated[Code, Path(description="Where goods are checked.")]
After = Annotated[
    str | None,
    Query(pattern=CURSOR, description="Cursor; what was acknowledged last if left out."),
]


@router.get(
    "/v1/offices/{office:path}/notices",
    dependencies=[only(Role.INSPECTOR, Role.MANAGER, Role.AUDITOR)],
    responses=answers(
        Notices, 401, 403, 404, 409, 422, 503, meaning="Notices, in the log's order."
    ),
)
async def show_notices(
    office: Office,
    parts: GivenParts,
    caller: GivenCaller,
    language: GivenLanguage,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=MOST_AT_ONCE)] = 100,
) -> Response:
    """Show the lanes of an office's declarations, and changes of them, behind a cursor.

    Ask again with the `cursor` of the answer; at once while it says `more`.
    """
    check_office({office}, caller, language)

    def look() -> Notices:
        ours = parts.log  # never what another log in its place has for an office
        with closing(LogReader(ours.store, log_id=ours.log_id)) as log, log.one_moment():
            return Teller(log, parts.predictor.rules, language).notices(office, after, limit)

    notices = await asyncio.to_thread(look)
    return notices.response(language=language)


@router.post(
    "/v1/offices/{office:path}/notices/ack",
    dependencies=[only(Role.INSPECTOR)],
    responses=answers(
        AcknowledgementAnswer,
        401,
        403,
        404,
        409,
        413,
        415,
        422,
        503,
        meaning="How far the office has acknowledged; durable.",
    ),
    openapi_extra=reads(CursorGiven, A_CURSOR),
)
async def acknowledge(
    office: Office,
    request: Request,
    parts: GivenParts,
    caller: GivenCaller,
    language: GivenLanguage,
) -> Response:
    """Keep that the office has every notice up to a cursor, and who said so."""
    check_office({office}, caller, language)
    body = await read_body(request, parts.settings.body_limit_bytes)
    with parts.places.take(language):
        cursor = content_from(CursorGiven, body).cursor
        kept = await _acknowledge(office, cursor, caller, parts)
    answer = AcknowledgementAnswer(
        office=office, acknowledged=kept.cursor, by=kept.by.id, at=kept.at
    )
    return answer.response(language=language)


async def _acknowledge(office: str, cursor: str, caller: Caller, parts: Parts) -> Acknowledgement:
    """What stands: this one, or one that was made before and reaches as far."""
    new = Acknowledgement(office=office, cursor=cursor, by=actor_of(caller), at=parts.now())
    act, before = act_of(new, parts.log), acknowledged(parts.log, office)
    if before is not None and place(parts.log, before.cursor) >= act.number:
        return before
    try:
        await keep_act(act, parts)
    except ConflictError:  # the same was acknowledged at the same moment
        return acknowledged(parts.log, office) or new
    return new
