"""Decisions as they were kept."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from selectivity.record import DecisionRecord
from selectivity.wording import Language
from serving.callers.api_keys import Role
from serving.deciding.assign import Parts
from serving.deciding.overriding import check_office
from serving.http.answers import DecisionView, TraderView
from serving.http.problems import FieldProblem, RefusedError, not_found
from serving.routes.access import only
from serving.routes.given import GivenCaller, GivenLanguage, GivenParts
from serving.routes.openapi import answers

router = APIRouter(tags=["decisions"])


@router.get(
    "/v1/decisions/{declaration_id:path}",
    dependencies=[only(Role.SCORER, Role.INSPECTOR, Role.AUDITOR)],
    responses=answers(
        DecisionView, 401, 403, 404, 422, 503, meaning="The decision and its record."
    ),
)
async def show_decision(
    declaration_id: str,
    parts: GivenParts,
    caller: GivenCaller,
    language: GivenLanguage,
    version_no: Annotated[
        int | None, Query(ge=1, le=9_999, description="The newest version if left out.")
    ] = None,
    view: Annotated[
        Literal["officer", "trader"], Query(description="`trader`: what may be passed on.")
    ] = "officer",
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
    headers = {"Content-Language": language, "Vary": "Accept-Language"}
    return Response(shown.model_dump_json(), headers=headers, media_type="application/json")


def found_or_refused(
    declaration_id: str,
    version_no: int | None,
    parts: Parts,
    caller: GivenCaller,
    language: Language,
) -> DecisionRecord:
    """The record of a decision.

    Raises:
        RefusedError: there is none, or it is another office's than the caller's.
    """
    known = "\0" not in declaration_id  # no text of a database holds one, and it will not look
    record = parts.log.find(declaration_id, version_no) if known else None
    if record is None:
        found = FieldProblem(
            field="declaration_id",
            value=declaration_id[:40],
            message="no decision was kept for it"
            + (f" in version {version_no}" if version_no else ""),
            remedy="Check the id and version, or send the declaration to /v1/lanes.",
        )
        raise RefusedError(not_found("There is no such decision.", found))
    check_office(record, caller, language)
    return record
