"""Who may call which route: every route says so, and none is open by oversight.

A route takes `dependencies=[only(Role.SCORER)]`, or `[ANYONE]` where there is nothing to protect.
"""

import base64
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Security
from fastapi.params import Depends as Dependency
from fastapi.routing import RouteContext, iter_route_contexts
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection

from selectivity.errors import SelectivityError
from serving.callers.api_keys import Role
from serving.http.problems import FieldProblem, RefusedError, unusable
from serving.http.refusals import no_key, wrong_role
from serving.routes.given import GivenLanguage, GivenParts

DESCRIPTION = {"/openapi.json", "/docs", "/docs/oauth2-redirect", "/static-offline-docs"}
"""Routes of the API description, which FastAPI makes: they tell nothing that anyone declared."""


class Bearer(HTTPBearer):
    """Gives what was sent as a key, and not a model of it."""

    async def __call__(self, request: HTTPConnection) -> str | None:  # type: ignore[override]
        """The key; None if nothing came as one."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return (key.strip() or None) if scheme.lower() == "bearer" else None


BEARER = Bearer(
    auto_error=False,
    scheme_name="key",
    description="A key, made with `lanes keys create`, or a token (JWT) where the service takes "
    "them.",
)


class Access:
    """Lets callers through who hold a valid key with one of these roles.

    `page` is for what people open in a browser, which asks them for a name and a password: any
    name, and the key. Nothing that changes anything may take it, for browsers send it unasked.
    """

    def __init__(self, *roles: Role, page: bool) -> None:
        self.roles, self._page = frozenset(roles), page

    async def __call__(
        self,
        request: Request,
        key: Annotated[str | None, Security(BEARER)],
        parts: GivenParts,
        language: GivenLanguage,
    ) -> None:
        """Refuse everyone else.

        Raises:
            RefusedError: no valid key came, or one without the role.
        """
        if not key and self._page:
            key = _typed_in(request)
        holder = parts.caller(key) if key else None
        if holder is None:
            asked_for = 'Basic realm="lanes", charset="UTF-8"' if self._page else "Bearer"
            headers = {"WWW-Authenticate": asked_for}
            raise RefusedError(no_key(language), language=language, headers=headers)
        if self.roles.isdisjoint(holder.roles):
            raise RefusedError(wrong_role(language, self.roles), language=language)
        request.state.caller = holder
        refuse_unknown_parameters(request)


def refuse_unknown_parameters(request: Request) -> None:
    """A parameter that is misspelt must not be as good as none: it would show something else. Nor
    may one come twice: what stands in front of the service may have looked at the first.

    Raises:
        RefusedError: the address holds a parameter that the route does not take, or takes once.
    """
    if not request.scope["query_string"]:
        return
    taken = [field.alias for field in request.scope["route"].dependant.query_params]
    for name in request.query_params:
        if name not in taken:
            remedy = f"This route takes {', '.join(taken)}." if taken else "Leave it out."
            found = FieldProblem(field=name[:40], message="is not a parameter", remedy=remedy)
            raise RefusedError(unusable("Some parameter is not known.", found))
        if len(request.query_params.getlist(name)) > 1:
            found = FieldProblem(
                field=name, message="is given twice", remedy="Give the parameter once."
            )
            raise RefusedError(unusable("A parameter is given twice in one address.", found))


def only(*roles: Role, page: bool = False) -> Dependency:
    """Let through who has one of these roles."""
    declared: Dependency = Depends(Access(*roles, page=page))
    return declared


async def _let_anyone_through() -> None:
    return None


ANYONE = Depends(_let_anyone_through)
"""Says that a route is open on purpose."""


def roles_of(route: RouteContext) -> frozenset[Role] | None:
    """The roles a route lets through; None if it is open.

    Raises:
        SelectivityError: it does not say.
    """
    if route.path in DESCRIPTION:
        return None
    for declared in getattr(route, "dependencies", None) or ():
        if declared is ANYONE:
            return None
        if isinstance(declared.dependency, Access) and declared.dependency.roles:
            return declared.dependency.roles
    raise SelectivityError(
        f"The route {route.path} does not say who may call it. Give it "
        "dependencies=[only(...)] or [ANYONE], see serving/routes/access.py."
    )


def access_of(app: FastAPI, path: str) -> Access:
    """What the route at this path, which is not open, asks of its callers."""
    return next(
        declared.dependency
        for route in iter_route_contexts(app.routes)
        if route.path == path
        for declared in getattr(route, "dependencies", None) or ()
        if isinstance(declared.dependency, Access)
    )


def require_roles(app: FastAPI) -> None:
    """Refuse to start with a route that does not say who may call it.

    Raises:
        SelectivityError: there is one.
    """
    for route in iter_route_contexts(app.routes):
        roles_of(route)


def _typed_in(request: Request) -> str | None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2]
    except ValueError:
        return None
