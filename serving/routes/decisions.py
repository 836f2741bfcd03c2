"""Decisions as they were kept."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from serving.answers.lanes import DecisionView, TraderView
from serving.callers.api_keys import Role
from serving.deciding.offices import found_or_refused
from serving.routes.access import only
from serving.routes.given import GivenCaller, GivenLanguage, GivenParts
from serving.routes.openapi import answers

router = APIRouter(tags=["decisions"])

AnyId = Annotated[str, Query(description="Any id, whatever characters it has.")]
VersionNo = Annotated[
    int | None, Query(ge=1, le=9_999, description="The newest version if left out.")
]
View = Annotated[
    Literal["officer", "trader"], Query(description="`trader`: what may be passed on.")
]
_SHOWS_ONE: dict[str, Any] = {
    "dependencies": [only(Role.SCORER, Role.INSPECTOR, Role.AUDITOR)],
    "responses": answers(
        DecisionView, 401, 403, 404, 422, 503, meaning="The decision and its record."
    ),
}
"""Who may see a decision, and what is answered, whichever way it was asked for."""


@router.get("/v1/decisions", **_SHOWS_ONE)
async def find_decision(
    declaration_id: AnyId,
    parts: GivenParts,
    caller: GivenCaller,
    language: GivenLanguage,
    version_no: VersionNo = None,
    view: View = "officer",
) -> Response:
    """Show the decision on a declaration whose id cannot stand in a path, such as `A/explanation`.

    It is the same that `/v1/decisions/{declaration_id}` shows of others.
    """
    return await show_decision(declaration_id, parts, caller, language, version_no, view)


@router.get("/v1/decisions/{declaration_id:path}", **_SHOWS_ONE)
async def show_decision(
    declaration_id: str,
    parts: GivenParts,
    caller: GivenCaller,
    language: GivenLanguage,
    version_no: VersionNo = None,
    view: View = "officer",
) -> Response:
    """Show the decision on a declaration, why it was made and what it rests on.

    With `view=trader` it is a TraderView: the lane, and such reasons as traders may read.
    """
    record = found_or_refused(declaration_id, version_no, parts, caller, language)
    steps = parts.log.override_steps(*record.key)
    shown = (
        TraderView.shown(record, steps, language)
        if view == "trader"
        else DecisionView.shown(record, steps, parts.predictor.rules, language)
    )
    return shown.response(language=language)
