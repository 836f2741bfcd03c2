"""Takes on no more than can be answered in time; the rest is told at once to come again.

Without a limit, three times the load that a service can bear leaves it busy with answers that
nobody waits for any more. A place is taken when the whole request is there, so that slow callers
take none; while all are taken, others are turned away before anything of theirs is read.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from selectivity.wording import Language
from serving.language import LANGUAGES, preferred
from serving.problems import RefusedError, response
from serving.refusals import overloaded


class Admission:
    """So many places."""

    def __init__(self, places: int) -> None:
        self._places, self._taken = places, 0

    @property
    def full(self) -> bool:
        """Whether no place is left."""
        return self._taken >= self._places

    @asynccontextmanager
    async def take(self, language: Language) -> AsyncIterator[None]:
        """Take a place while the block runs.

        Raises:
            RefusedError: none is left.
        """
        if self.full:
            raise RefusedError(overloaded(language), language=language)
        self._taken += 1
        try:
            # All that came by now take their places, or are turned away, before any is decided on.
            await asyncio.sleep(0)
            yield
        finally:
            self._taken -= 1


class TurnAway:
    """Answers for these paths, while they are full, before anything is looked at."""

    def __init__(
        self, app: ASGIApp, *, places: dict[str, Admission], on_refused: Callable[[int], None]
    ) -> None:
        self._app, self._places, self._on_refused = app, places, on_refused
        self._answers = {each: response(overloaded(each), language=each) for each in LANGUAGES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or turn it away."""
        places = self._places.get(scope.get("path", ""))
        if places is None or not places.full:
            await self._app(scope, receive, send)
            return
        answer = self._answers[preferred(Headers(scope=scope).get("accept-language"))]
        self._on_refused(answer.status_code)
        await answer(scope, receive, send)
