"""The copy of the newest decisions reads no more of its log than it lacks and holds."""

import shutil
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from serving.log.decision_log import DecisionLog
from serving.log.reader import LogReader
from serving.log.recent import Recent
from serving.storage.file import LogFile
from serving.storage.store import Connection, Rows
from tests.logs import a_lane_changed, a_record, acted, kept

MOST = 10


class Overheard:
    """A connection that tells from which place on decisions were asked for."""

    def __init__(self, connection: Connection, asked: list[int]) -> None:
        self._connection, self._asked = connection, asked

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Rows:
        if "FROM decisions WHERE seq >= ?" in statement:
            self._asked.append(values[0])
        return self._connection.execute(statement, values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class Listening(LogFile):
    """A log that hears what is asked of it."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self.asked: list[int] = []

    def open_to_read(self, *, quick: bool = False) -> Connection:
        return Overheard(super().open_to_read(quick=quick), self.asked)


def keep(file: Path, first: int, last: int) -> None:
    with closing(DecisionLog(file)) as log:
        kept(log, *[a_record(declaration_id=f"D-{each}") for each in range(first, last + 1)])


def asked_by_a_copy(folder: Path) -> list[int]:
    """From which places on it asks, until it has everything."""
    store = Listening(folder / "decisions.sqlite")
    recent = Recent(folder / "recent.sqlite", store, most=MOST)
    recent.look()
    end = time.monotonic() + 20
    while len(store.asked) < 2 and time.monotonic() < end:  # the last time there is nothing more
        time.sleep(0.01)
    recent.close()
    return store.asked


@pytest.mark.parametrize("more", [1, MOST + 5])
def test_no_more_of_a_log_is_read_than_the_copy_lacks_and_holds(tmp_path: Path, more: int) -> None:
    keep(tmp_path / "decisions.sqlite", 1, 30)
    assert asked_by_a_copy(tmp_path)[:2] == [30 - MOST + 1, 31]
    keep(tmp_path / "decisions.sqlite", 31, 30 + more)
    assert asked_by_a_copy(tmp_path)[:2] == [31 + max(0, more - MOST), 31 + more]
    with closing(LogReader(tmp_path / "recent.sqlite")) as copy:
        found = [record.declaration_id for _, record in copy.records()]
    assert found == [f"D-{each}" for each in range(31 + more - MOST, 31 + more)]


@pytest.mark.parametrize("kind", ["decisions", "acts"])
def test_a_copy_from_before_its_log_was_restored_is_made_anew(tmp_path: Path, kind: str) -> None:
    """Else what was lost would be answered, and what came into its places never be copied."""
    file, backup = tmp_path / "decisions.sqlite", tmp_path / "backup.sqlite"

    def go_on(number: int) -> None:
        if kind == "decisions":
            keep(file, number + 3, number + 3)
        else:
            with closing(DecisionLog(file)) as log:
                acted(log, a_lane_changed(f"D-{number}"))

    def held(place: Path) -> list[str]:
        with closing(LogReader(place)) as log:
            decided = [record.declaration_id for _, record in log.records()]
            return decided + [step.asked.declaration_id for step in log.overrides()]

    keep(file, 1, 3)
    shutil.copy(file, backup)
    go_on(1)
    asked_by_a_copy(tmp_path)
    assert held(tmp_path / "recent.sqlite") == held(file)
    shutil.copy(backup, file)
    go_on(2)
    asked_by_a_copy(tmp_path)
    assert held(tmp_path / "recent.sqlite") == held(file)
