"""Answers the one path that nearly all requests ask for without FastAPI around it.

For one declaration FastAPI spends as long on finding the route and what it depends on as all
checks take. Here the same functions are called in the same order: who calls, then the route itself,
and the application's own handlers if something is refused. Whatever is out of the ordinary is left
to the application.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serving.deciding.parts import Parts
from serving.http.language import preferred
from serving.http.whole_answer import ANSWER_AT_ONCE
from serving.routes import lanes
from serving.routes.access import BEARER, access_of

PATH = "/v1/lanes"


class _Request(Request):
    """One whose headers are looked through once. Their names are in small letters."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        super().__init__(scope, receive)
        self._first = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in reversed(scope["headers"])
        }

    @property
    def headers(self) -> Mapping[str, str]:  # type: ignore[override]
        """The first of each name."""
        return self._first


class QuickLanes:
    """The application, with a shorter way to its busiest route."""

    def __init__(self, app: FastAPI, parts: Parts) -> None:
        self._app, self._parts = app, parts
        self._access = access_of(app, PATH)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a declaration, or pass on what else was asked for."""
        if not self._ordinary(scope):
            await self._app(scope, receive, send)
            return
        request = _Request(scope, receive)
        try:
            response = await self._answer(request)
        except Exception as error:  # each kind has its handler, the last is for all kinds
            response = await self._refused(request, error)
        at_once = scope.get("extensions", {}).get(ANSWER_AT_ONCE)
        if at_once is None or not at_once(response):
            await response(scope, receive, send)

    def _ordinary(self, scope: Scope) -> bool:
        return scope.get("path") == PATH and scope["method"] == "POST" and not scope["query_string"]

    async def _answer(self, request: Request) -> Response:
        language = preferred(request.headers.get("accept-language"))
        await self._access(request, await BEARER(request), self._parts, language)
        return await lanes.assign_lane(request, self._parts, language)

    async def _refused(self, request: Request, error: Exception) -> Response:
        handlers = self._app.exception_handlers
        handle: Any = next(handlers[kind] for kind in type(error).__mro__ if kind in handlers)
        response: Response = await handle(request, error)  # all of them are async
        return response
