"""A copy of the newest decisions of a log that lies elsewhere, for when it is out of reach.

Callers who ask again meanwhile get the same answer, and later versions keep the lane of earlier
ones, as people changed it. Nothing is proven by the copy and nothing is lost with it: it is filled
from the log again.
"""

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from selectivity.errors import DecisionLogError
from selectivity.record import DecisionRecord
from serving.chain import COLUMNS, DECISION, log_id_of
from serving.log_file import open_to_write
from serving.log_reader import LogReader
from serving.store import PAGE, Store

LOOK_SECONDS = 1.0
"""How often to look for what other services kept."""
_NAMES = ", ".join((*COLUMNS[DECISION], "record"))
_NEW = f"SELECT seq, {_NAMES} FROM decisions WHERE seq >= ? ORDER BY seq LIMIT ?"
_COPY = f"INSERT OR IGNORE INTO decisions ({_NAMES}) VALUES (?, ?, ?, ?, ?, ?)"
_ACT_NAMES = "seq, name, what, about, number, lane, decided, act"
_NEW_ACTS = (
    f"SELECT {_ACT_NAMES} FROM acts WHERE what = 'override' AND seq > ? ORDER BY seq LIMIT ?"
)
_COPY_ACT = f"INSERT OR IGNORE INTO acts ({_ACT_NAMES}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_FORGET = "DELETE FROM decisions WHERE seq <= (SELECT max(seq) FROM decisions) - ?"
_UPTO = "CREATE TABLE IF NOT EXISTS copied (upto INTEGER NOT NULL)"


class Recent:
    """Follows a log until it is closed. What other services decide comes a second late."""

    def __init__(self, file: Path, log: Store, *, most: int) -> None:
        """`most` is how many decisions are kept at hand.

        Raises:
            DecisionLogError: the log cannot be read, or the file cannot be written.
        """
        self._most, self._lock, self._errors = most, threading.Lock(), (*log.errors, sqlite3.Error)
        self._log = log.open_to_read()
        self._copy = _open(file, log_id_of(self._log))
        self.reader = LogReader(file)
        """Of the copy."""
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recent", daemon=True)
        self._thread.start()

    def remember(self, records: Sequence[DecisionRecord]) -> None:
        """Copy what this service has just kept; a copy that cannot be written stops nothing."""
        rows = [
            (*each.key, each.lineage_id, each.snapshot_sha256, int(each.decision.lane), text)
            for each in records
            for text in (each.model_dump_json(),)
        ]
        with suppress(sqlite3.Error):
            self._insert(rows)

    def close(self) -> None:
        """Stop following."""
        self._enough.set()
        self._thread.join()
        for each in (self._log, self._copy, self.reader):
            each.close()

    def _run(self) -> None:
        while not self._enough.wait(LOOK_SECONDS):
            with suppress(*self._errors):  # the log is down: then there is nothing to follow
                self._follow()

    def _follow(self) -> None:
        (last,) = self._log.execute("SELECT coalesce(max(seq), 0) FROM decisions").fetchone()
        (upto,) = self._copy.execute("SELECT coalesce(max(upto), 0) FROM copied").fetchone()
        upto = max(upto, last - self._most)
        while rows := self._log.execute(_NEW, (upto + 1, PAGE)).fetchall():
            upto = rows[-1][0]
            self._insert([row[1:] for row in rows], upto)
        self._follow_acts()

    def _follow_acts(self) -> None:
        """Every lane that people changed; they are few."""
        (upto,) = self._copy.execute("SELECT coalesce(max(seq), 0) FROM acts").fetchone()
        while rows := self._log.execute(_NEW_ACTS, (upto, PAGE)).fetchall():
            upto = rows[-1][0]
            with self._lock, self._copy:
                self._copy.execute("BEGIN")
                self._copy.executemany(_COPY_ACT, rows)

    def _insert(self, rows: Sequence[Sequence[Any]], upto: int | None = None) -> None:
        with self._lock, self._copy:
            self._copy.execute("BEGIN")
            self._copy.executemany(_COPY, rows)
            self._copy.execute(_FORGET, (self._most,))
            if upto is not None:
                self._copy.execute("DELETE FROM copied")
                self._copy.execute("INSERT INTO copied VALUES (?)", (upto,))


def _open(file: Path, log_id: str) -> sqlite3.Connection:
    """A copy of this very log; what is there of another one, or cannot be read, is thrown away."""
    try:
        copy = open_to_write(file)
        if log_id_of(copy) != log_id and copy.execute("SELECT 1 FROM decisions").fetchone():
            copy.close()
            raise DecisionLogError(f"{file} is a copy of another log.")
    except DecisionLogError:
        for part in ("", "-wal", "-shm"):
            file.with_name(file.name + part).unlink(missing_ok=True)
        copy = open_to_write(file)
    copy.execute("PRAGMA synchronous = NORMAL")  # it may be lost in a power cut, not damaged
    copy.execute(_UPTO)
    copy.execute("UPDATE meta SET log_id = ?", (log_id,))
    return copy
