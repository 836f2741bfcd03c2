"""Puts the HTTP application together from its parts. Reads nothing, starts nothing."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.responses import Response

from selectivity.errors import SelectivityError
from serving.deciding.parts import Parts
from serving.http import problems
from serving.http.problems import FieldProblem, Problem, RefusedError
from serving.routes import (
    decisions,
    explanations,
    health,
    inspections,
    lanes,
    mode,
    notices,
    overrides,
    pages,
)
from serving.routes.access import require_roles
from serving.routes.openapi import describe

logger = logging.getLogger(__name__)

ABOUT = """Puts customs declarations in a **green** (clear), **yellow** (check documents) or **red**
(inspect goods) lane and says why, in Vietnamese or English.

No durable record, no lane: an answer is given once its record is on disk, and it stays the same
for ever. When no model can be used, a points table or fallback rules decide, and every answer says
so."""


Beside = Callable[[], Coroutine[Any, Any, None]]
"""What runs while the service does."""
# An explanation's path begins as a decision's does, and is asked for first.
ROUTERS = tuple(
    routes.router
    for routes in (
        *(lanes, explanations, decisions, inspections, overrides, notices),
        *(mode, health, pages),
    )
)


def create_app(
    parts: Parts,
    routers: Sequence[APIRouter] = ROUTERS,
    beside: Sequence[Beside] = (),
) -> FastAPI:
    """The service with these parts. It closes the decision log when it ends.

    Args:
        beside: are cancelled when it ends.

    Raises:
        SelectivityError: a route does not say who may call it.
    """

    @asynccontextmanager
    async def until_the_end(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(each()) for each in beside]
        for task in tasks:
            task.add_done_callback(_tell_of_failure)
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # what they read is closed first
        await asyncio.to_thread(parts.log.close)

    app = FastAPIOffline(
        title="Customs lanes",
        version="1",
        description=ABOUT,
        redoc_url=None,  # it would fetch a picture from the internet
        swagger_ui_parameters={"validatorUrl": None},
        lifespan=until_the_end,
        generate_unique_id_function=lambda route: route.name,  # what generated clients call it
    )
    app.state.parts = parts
    for router in routers:
        app.include_router(router)
    require_roles(app)
    _answer_refusals(app, parts)
    describe(app)
    predictor = parts.predictor
    parts.meters.serving(predictor.bundle_digest, predictor.rules.version, predictor.cause)
    return app


def _tell_of_failure(task: asyncio.Task[None]) -> None:
    """What runs beside the service has no caller to tell, and without it the service goes on."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.critical("no longer followed; restart the service", exc_info=error)


def _answer_refusals(app: FastAPI, parts: Parts) -> None:
    def refuse(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
        parts.meters.refused(problem.status)
        return problems.response(problem, headers=headers)

    async def refused(request: Request, error: Exception) -> Response:
        allowed = error.headers if isinstance(error, HTTPException) else None
        return refuse(_problem_of(error, reading=request.method in ("GET", "HEAD")), allowed)

    async def refused_with_words(_: Request, error: Exception) -> Response:
        assert isinstance(error, RefusedError)
        parts.meters.refused(error.problem.status)
        return problems.response(error.problem, language=error.language, headers=error.headers)

    async def failed(request: Request, error: Exception) -> Response:
        logger.error("request failed", extra={"path": request.url.path[:100]}, exc_info=error)
        return refuse(_FAILED)

    for kind in (SelectivityError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, refused)
    app.add_exception_handler(RefusedError, refused_with_words)
    app.add_exception_handler(Exception, failed)


_FAILED = problems.problem(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "internal",
    "The service failed",
    "Nothing was promised. Send it again; if it fails again, report the time of this answer.",
)


def _problem_of(error: Exception, *, reading: bool) -> Problem:
    if isinstance(error, SelectivityError):
        return problems.of_error(error, reading=reading)
    if isinstance(error, RequestValidationError):
        return problems.unusable("Some parameter cannot be used.", *_parameters(error))
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    detail = "See /docs for the paths there are and what each takes."
    return problems.problem(status, status.name.lower().replace("_", "-"), status.phrase, detail)


def _parameters(error: RequestValidationError) -> list[FieldProblem]:
    return [_parameter(found, absent=found["type"] == "missing") for found in error.errors()]


def _parameter(found: Mapping[str, Any], *, absent: bool) -> FieldProblem:
    return FieldProblem(
        field=".".join(str(step) for step in found["loc"])[:40],
        value=None if absent else str(found["input"])[:40],
        message=found["msg"],
        remedy=f"{'Add' if absent else 'Correct'} the parameter; its rules are in the API "
        "description at /docs.",
    )
