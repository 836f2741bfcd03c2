"""Work in a thread that is let come to its end."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
Result = TypeVar("Result")


async def undisturbed(work: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
    """What the work gives. Who is cancelled meanwhile still waits for its end.

    A thread cannot be stopped: else the log that it reads would be closed under it, which SQLite
    answers by ending the process.
    """
    at_work = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(at_work)
    except asyncio.CancelledError:
        await asyncio.wait([at_work])
        raise
