"""Puts declarations that came in the same turn of the event loop to the model together.

Walking the trees throws all else out of the processor's caches. For sixteen declarations together
that happens once, and each decision costs a third less. A declaration that comes alone does not
wait for others.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from selectivity.declaration import Declaration
from serving.log.keep import Kept

TOGETHER = 16
"""How many declarations are lodged together, at most. Nothing is learnt between them, so all are
judged by what was known when the first was. Everybody else waits meanwhile, and twice as many would
save little more."""

Lodge = Callable[[Sequence[Declaration]], Iterable["asyncio.Future[Kept] | Exception"]]
"""Lodges declarations, in order; for one that cannot be lodged it gives the error."""
_Waiter = tuple[Declaration, asyncio.Future[Kept]]
"""A declaration, and the future of whoever waits for it."""


class Gathering:
    """Lodges together what comes in one turn of the event loop, in which alone it is used."""

    def __init__(self) -> None:
        self._waiting: list[_Waiter] = []

    async def lodge(self, declaration: Declaration, lodge_all: Lodge) -> Kept:
        """What stands for it in the log, once that is durable.

        Declarations are lodged in the order in which they came, at the end of this turn of the
        event loop. One that is lodged is kept even if nobody waits any more.

        Args:
            lodge_all: lodges it together with the others of this turn, who give the same.
        """
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._lodge_waiting, lodge_all)
        kept: asyncio.Future[Kept] = loop.create_future()
        self._waiting.append((declaration, kept))
        return await kept

    def _lodge_waiting(self, lodge_all: Lodge) -> None:
        waiting, self._waiting = self._waiting, []
        for first in range(0, len(waiting), TOGETHER):
            batch = [each for each in waiting[first : first + TOGETHER] if not each[1].done()]
            if batch:
                _lodge_batch(batch, lodge_all)


def _lodge_batch(batch: list[_Waiter], lodge_all: Lodge) -> None:
    unanswered = [future for _, future in batch]
    try:
        lodged = lodge_all([declaration for declaration, _ in batch])
        for (_, future), kept in zip(batch, lodged, strict=True):
            unanswered.remove(future)
            if isinstance(kept, Exception):
                future.set_exception(kept)
            else:
                kept.add_done_callback(partial(_pass_on, future))
    except Exception as error:  # whoever waits has to hear of it
        for future in unanswered:
            future.set_exception(error)


def _pass_on(future: "asyncio.Future[Kept]", kept: "asyncio.Future[Kept]") -> None:
    """Give what became of a declaration to whoever still waits for it."""
    error = kept.exception()
    if future.done():
        return
    if error is None:
        future.set_result(kept.result())
    else:
        future.set_exception(error)
