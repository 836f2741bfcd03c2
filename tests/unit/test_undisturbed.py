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


@pytest.mark.parametrize("times", [1, 2, 3])
def test_who_is_cancelled_again_and_again_waits_for_the_thread(times: int) -> None:
    """The end of `asyncio.run` cancels every task once more."""
    ended: list[str] = []

    def work() -> None:
        time.sleep(0.2)
        ended.append("work")

    async def wait() -> None:
        try:
            await undisturbed(work)
        finally:
            ended.append("waiting")

    async def cancel() -> None:
        task = asyncio.create_task(wait())
        for _ in range(times):
            await asyncio.sleep(0.02)
            task.cancel()

    asyncio.run(cancel())
    assert ended == ["work", "waiting"]


def test_what_goes_wrong_in_it_is_told() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(undisturbed(lambda: 1 // 0))
