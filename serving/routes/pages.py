"""Pages for people: the managers' report, and the way to the API description."""

from fastapi import APIRouter, Response
from starlette.responses import FileResponse, RedirectResponse

from serving.callers.api_keys import Role
from serving.http.problems import FieldProblem, RefusedError, not_found
from serving.routes.access import ANYONE, only
from serving.routes.given import GivenParts

router = APIRouter(include_in_schema=False)


@router.get("/", dependencies=[ANYONE])
async def show_start() -> Response:
    """Lead to the API description."""
    return RedirectResponse("/docs")


@router.get(
    "/reports", dependencies=[only(Role.MANAGER, Role.AUDITOR, Role.DATA_SCIENTIST, page=True)]
)
async def show_report(parts: GivenParts) -> Response:
    """Show the managers' report."""
    if not parts.settings.report.is_file():
        remedy = "Run `make report`, or say with LANES_REPORT where the report lies."
        found = FieldProblem(field="report", message="was not made yet", remedy=remedy)
        raise RefusedError(not_found("There is no report yet.", found))
    return FileResponse(parts.settings.report, media_type="text/html; charset=utf-8")
