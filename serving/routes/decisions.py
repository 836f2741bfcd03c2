"""Decisions as they were kept."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from serving.access import only
from serving.answers import DecisionView
from serving.api_keys import Role
from serving.openapi import answers
from serving.overriding import check_office
from serving.problems import FieldProblem, RefusedError, not_found
from serving.routes.given import GivenCaller, GivenLanguage, GivenParts

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
) -> Response:
    """Show the decision on a declaration, why it was made and what it rests on."""
    record = parts.log.find(declaration_id, version_no)
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
    steps = parts.log.override_steps(*record.key)
    view = DecisionView.shown(record, steps, parts.predictor.rules, language)
    headers = {"Content-Language": language, "Vary": "Accept-Language"}
    return Response(view.model_dump_json(), headers=headers, media_type="application/json")
