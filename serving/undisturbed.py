"""Work in a thread that is let come to its end."""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
Result = TypeVar("Result")


async def undisturbed(work: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
    """What the work gives. Who is cancelled meanwhile, be it again and again, waits for its end.

    A thread cannot be stopped: else the log that it reads would be closed under it, which SQLite
    answers by ending the process.
    """
    # No task: the end of `asyncio.run` cancels each of them once more, whoever waits for it.
    at_work = asyncio.get_running_loop().run_in_executor(None, partial(work, *args, **kwargs))
    try:
        return await asyncio.shield(at_work)
    except asyncio.CancelledError:
        while not at_work.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([at_work])
        raise
