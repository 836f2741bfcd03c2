"""What every route is given: the parts of the service, the caller and the caller's language."""

from typing import Annotated, cast

from fastapi import Depends, Header, Request

from selectivity.reasons.wording import Language
from serving.callers.api_keys import Caller
from serving.deciding.parts import Parts
from serving.http.language import preferred


async def _parts(request: Request) -> Parts:
    return cast(Parts, request.app.state.parts)


async def _language(
    accept_language: Annotated[
        str | None, Header(description="`vi` (default) or `en`, for the sentences.")
    ] = None,
) -> Language:
    return preferred(accept_language)


async def _caller(request: Request) -> Caller:
    return cast(Caller, request.state.caller)  # set by `serving.routes.access`


GivenParts = Annotated[Parts, Depends(_parts)]
GivenCaller = Annotated[Caller, Depends(_caller)]
GivenLanguage = Annotated[Language, Depends(_language)]
