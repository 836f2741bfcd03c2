"""Puts declarations that came in the same turn of the event loop to the model together.

Walking the trees throws all else out of the processor's caches. For sixteen declarations at once
that happens once, and a decision costs a third less; one that comes alone does not wait.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from selectivity.declaration import Declaration
from serving.log.keep import Kept

TOGETHER = 16
"""How many declarations are lodged together. Nothing comes between them, so that all are judged by
what was known when the first was; others wait meanwhile, and twice as many would save little."""

Lodge = Callable[[Sequence[Declaration]], Iterable["asyncio.Future[Kept] | Exception"]]
"""Lodges each, or tells why not."""
_Turn = asyncio.Future[Kept]


class Gathering:
    """Lodges together what comes in one turn of the event loop, in which alone it is used."""

    def __init__(self, lodge: Lodge) -> None:
        self._together = lodge
        self._waiting: list[tuple[Declaration, _Turn]] = []

    async def lodge(self, declaration: Declaration) -> Kept:
        """What stands for it in the log, once that is durable.

        It is lodged in the order of coming, together with those that come in this turn. Once it is
        lodged it is kept even if nobody waits any more.
        """
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
            if some:
                self._lodge_some(some)

    def _lodge_some(self, some: list[tuple[Declaration, _Turn]]) -> None:
        untold = [turn for _, turn in some]
        try:
            lodged = self._together([declaration for declaration, _ in some])
            for (_, turn), kept in zip(some, lodged, strict=True):
                untold.remove(turn)
                if isinstance(kept, Exception):
                    turn.set_exception(kept)
                else:
                    kept.add_done_callback(partial(_tell, turn))
        except Exception as error:  # whoever waits is told
            for turn in untold:
                turn.set_exception(error)


def _tell(turn: _Turn, kept: "asyncio.Future[Kept]") -> None:
    error = kept.exception()
    if turn.done():
        return
    if error is None:
        turn.set_result(kept.result())
    else:
        turn.set_exception(error)
