"""Work in a thread is over before anybody goes on, cancelled or not."""

import asyncio
import threading
import time

import pytest

from serving.undisturbed import undisturbed


def test_who_is_cancelled_waits_for_the_thread() -> None:
    begun, over = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        time.sleep(0.2)
        over.set()

    async def cancelled() -> None:
        task = asyncio.create_task(undisturbed(work))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert over.is_set()

    asyncio.run(cancelled())


def test_what_goes_wrong_in_it_is_told() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(undisturbed(lambda: 1 // 0))
