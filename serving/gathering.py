"""Puts declarations that came in the same turn of the event loop to the model together.

Walking the trees throws all else out of the processor's caches. For sixteen declarations at once
that happens once, and a decision costs a third less; one that comes alone does not wait.
"""

import asyncio
from collections.abc import Callable, Sequence

from selectivity.declaration import Declaration
from serving.keep import Kept
from serving.predictor import Assessed

TOGETHER = 16
"""So many declarations. Nothing comes between them, so that all are judged by what was known when
the first was; others wait for so long, and twice as many would save little more."""

Assess = Callable[[Sequence[Declaration]], Sequence[Assessed | None]]
Lodge = Callable[[Declaration, Assessed | None], "asyncio.Future[Kept]"]
_Turn = asyncio.Future["asyncio.Future[Kept]"]


class Gathering:
    """To be used in the event loop alone."""

    def __init__(self, assess: Assess, lodge: Lodge) -> None:
        self._assess, self._lodge = assess, lodge
        self._waiting: list[tuple[Declaration, _Turn]] = []

    async def lodge(self, declaration: Declaration) -> "asyncio.Future[Kept]":
        """Lodge it, in the order of coming, together with those that come in this turn."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._lodge_all)
        turn: _Turn = loop.create_future()
        self._waiting.append((declaration, turn))
        return await turn

    def _lodge_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        for first in range(0, len(waiting), TOGETHER):
            some = [each for each in waiting[first : first + TOGETHER] if not each[1].done()]
            assessed = self._assess([declaration for declaration, _ in some])
            for (declaration, turn), said in zip(some, assessed, strict=True):
                try:
                    turn.set_result(self._lodge(declaration, said))
                except Exception as error:  # whoever waits for it is told
                    turn.set_exception(error)
