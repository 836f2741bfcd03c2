"""When a service ends, nothing is closed under whoever still reads it."""

import asyncio
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from selectivity.errors import DecisionLogError
from serving.app import create_app
from serving.deciding.governing import watch
from serving.deciding.parts import Parts
from serving.start import assemble
from serving.storage.file import LogFile
from tests.services import settings_in


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return assemble(settings_in(tmp_path))


class _SlowLog(LogFile):
    """Takes its time over the orders on the mode, and notes when it is closed meanwhile."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self.begun, self.over, self.closed_under_it = threading.Event(), False, False

    def open_to_read(self, *, quick: bool = False) -> Any:
        connection = super().open_to_read(quick=quick)

        def execute(statement: str, *values: Any) -> Any:
            if "FROM acts" in statement:
                self.begun.set()
                time.sleep(0.2)
                self.over = True
            return connection.execute(statement, *values)

        def close() -> None:
            self.closed_under_it = self.begun.is_set() and not self.over
            connection.close()

        return SimpleNamespace(execute=execute, close=close, in_transaction=False)


def test_a_watch_on_the_mode_ends_behind_its_last_look(parts: Parts) -> None:
    slow = _SlowLog(parts.settings.log_file)
    parts.log.store = slow

    async def end_it_while_it_looks() -> None:
        task = asyncio.create_task(watch(parts))
        await asyncio.to_thread(slow.begun.wait)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(end_it_while_it_looks())
    parts.log.close()
    assert slow.over
    assert not slow.closed_under_it


def test_what_runs_beside_ends_before_the_log_is_closed(parts: Parts) -> None:
    ended: list[str] = []

    async def beside() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.1)
            ended.append("beside")

    parts.log.at_the_end(lambda: ended.append("log"))
    app = create_app(parts, beside=[beside])

    async def begin_and_end() -> None:
        async with app.router.lifespan_context(app):
            await asyncio.sleep(0)

    asyncio.run(begin_and_end())
    assert ended == ["beside", "log"]


def test_what_ends_too_early_beside_is_told(parts: Parts, caplog: pytest.LogCaptureFixture) -> None:
    async def beside() -> None:
        raise DecisionLogError("The log is gone.")

    async def begin_and_end() -> None:
        async with app.router.lifespan_context(app):
            await asyncio.sleep(0.05)

    app = create_app(parts, beside=[beside])
    asyncio.run(begin_and_end())
    (told,) = [each for each in caplog.records if each.levelname == "CRITICAL"]
    assert "restart the service" in told.message
    assert "The log is gone." in caplog.text
