"""A copy of the newest decisions of a log that lies elsewhere, for when it is out of reach.

Callers who ask again meanwhile get the same answer, later versions keep the lane of earlier ones,
as people changed it, and the mode that was ordered holds. Nothing is proven by the copy and nothing
is lost with it: it is filled from the log again.
"""

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from selectivity.errors import DecisionLogError
from selectivity.record import DecisionRecord
from serving.log.opened_later import OpenedLater
from serving.log.reader import LogReader
from serving.storage.chain import COLUMNS, DECISION, Head, genesis, log_id_of
from serving.storage.file import open_to_read, open_to_write
from serving.storage.store import PAGE, Connection, Store

LOOK_SECONDS = 1.0
"""How often to look for what other services kept."""
_NAMES = ", ".join((*COLUMNS[DECISION], "record"))
_NEW = f"SELECT seq, {_NAMES} FROM decisions WHERE seq >= ? ORDER BY seq LIMIT ?"
_COPY = f"INSERT OR IGNORE INTO decisions ({_NAMES}) VALUES (?, ?, ?, ?, ?, ?)"
_ACT_NAMES = "seq, name, what, about, number, lane, decided, act"
_NEW_ACTS = (
    f"SELECT {_ACT_NAMES} FROM acts WHERE what IN ('override', 'mode') AND seq > ? "
    "ORDER BY seq LIMIT ?"
)
_COPY_ACT = f"INSERT OR IGNORE INTO acts ({_ACT_NAMES}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_FORGET = "DELETE FROM decisions WHERE seq <= (SELECT max(seq) FROM decisions) - ?"
_NEWEST_DECISION = (
    "SELECT declaration_id, version_no, record FROM decisions ORDER BY seq DESC LIMIT 1",
    "SELECT record FROM decisions WHERE declaration_id = ? AND version_no = ?",
)
_NEWEST_ACT = (
    "SELECT seq, act FROM acts ORDER BY seq DESC LIMIT 1",
    "SELECT act FROM acts WHERE seq = ?",
)
_MARKS = "CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value TEXT NOT NULL)"
_MARK = "INSERT OR REPLACE INTO marks VALUES (?, ?)"


class Recent:
    """Follows a log until it is closed. What other services decide comes a second late."""

    def __init__(self, file: Path, log: Store, *, most: int, away: bool = False) -> None:
        """With `away` the log cannot be reached now, and the copy that is there stands for it.

        Args:
            most: how many decisions are kept at hand.

        Raises:
            DecisionLogError: the log cannot be read, or the file cannot be written; if it is away,
                there is no copy of it that was complete once.
        """
        self._most, self._lock = most, threading.Lock()
        self._errors = (*log.errors, sqlite3.Error, DecisionLogError)
        with ExitStack() as opened:
            try:
                self._open(file, log, away, opened)
            except sqlite3.Error as error:
                raise DecisionLogError(f"the copy {file} cannot be used ({error})") from error
            except log.errors as error:
                raise log.unusable(error) from error
            self._opened = opened.pop_all()
        self._enough, self._due = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="recent", daemon=True)
        self._thread.start()

    def _open(self, file: Path, log: Store, away: bool, opened: ExitStack) -> None:
        self._log: Connection = OpenedLater(log.open_to_read) if away else log.open_to_read()
        opened.callback(self._log.close)
        self._copy = _as_it_is(file, log.name) if away else _copy_of(file, self._log)
        opened.callback(self._copy.close)
        self.log_id = log_id_of(self._copy)
        """Id of the log that this is a copy of."""
        self._mark("of", log.name)
        self.reader = LogReader(file)
        """Reads the copy."""
        opened.callback(self.reader.close)

    @property
    def in_step(self) -> datetime | None:
        """When it last had all that it is to have; None if it never did."""
        return _moment(_marked(self._copy, "in_step"))

    def remember(self, records: Sequence[DecisionRecord]) -> None:
        """Copy what this service has just kept; a copy that cannot be written stops nothing."""
        rows = [
            (*each.key, each.lineage_id, each.snapshot_sha256, int(each.decision.lane), text)
            for each in records
            for text in (each.as_kept(),)
        ]
        with suppress(sqlite3.Error):
            self._insert(rows)

    def look(self) -> None:
        """Look into the log now: something else than a decision was kept."""
        self._due.set()

    def note_drained(self, spool_id: str, upto: Head) -> None:
        """Remember how far the log has a spool, for a start without it."""
        with suppress(sqlite3.Error):
            self._mark(f"drained {spool_id}", f"{upto.no} {upto.record_hash}")

    def drained(self, spool_id: str) -> Head:
        """How far the log had this spool when it was last known; number 0 of one never seen."""
        return _drained(self._copy, spool_id)

    def note_held(self, place: str, spool_id: str, head: Head) -> None:
        """Remember what the spool at this place holds, for a start that finds another there."""
        with suppress(sqlite3.Error):
            self._mark(f"held {place}", f"{head.no} {head.record_hash} {spool_id}")

    def held(self, place: str) -> tuple[str, Head] | None:
        """The spool that was at this place, by its id, and what it held at least."""
        return _held(self._copy, place)

    def close(self) -> None:
        """Stop following."""
        self._enough.set()
        self._due.set()
        self._thread.join()
        self._opened.close()

    def _run(self) -> None:
        while not self._enough.is_set():
            self._due.wait(LOOK_SECONDS)
            self._due.clear()
            with suppress(*self._errors):  # the log is down: then there is nothing to follow
                self._follow()

    def _follow(self) -> None:
        if log_id_of(self._log) != self.log_id:  # another one has taken its place
            return
        (last,) = self._log.execute("SELECT coalesce(max(seq), 0) FROM decisions").fetchone()
        upto = max(_number(_marked(self._copy, "upto")), last - self._most)
        while rows := self._log.execute(_NEW, (upto + 1, PAGE)).fetchall():
            upto = rows[-1][0]
            self._insert([row[1:] for row in rows], upto)
        self._follow_acts()
        self._mark("in_step", datetime.now(UTC).isoformat())

    def _follow_acts(self) -> None:
        """Every lane that people changed and every order they gave; they are few."""
        upto = _number(_marked(self._copy, "acts"))
        while rows := self._log.execute(_NEW_ACTS, (upto, PAGE)).fetchall():
            upto = rows[-1][0]
            with self._lock, self._copy:
                self._copy.execute("BEGIN")
                self._copy.executemany(_COPY_ACT, rows)
                self._copy.execute(_MARK, ("acts", str(upto)))

    def _insert(self, rows: Sequence[Sequence[Any]], upto: int | None = None) -> None:
        with self._lock, self._copy:
            self._copy.execute("BEGIN")
            self._copy.executemany(_COPY, rows)
            self._copy.execute(_FORGET, (self._most,))
            if upto is not None:
                self._copy.execute(_MARK, ("upto", str(upto)))

    def _mark(self, name: str, value: str) -> None:
        with self._lock:
            self._copy.execute(_MARK, (name, value))


def _marked(copy: sqlite3.Connection, name: str) -> str | None:
    row = copy.execute("SELECT value FROM marks WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def _number(mark: str | None) -> int:
    """A mark as a number; one that cannot be read is as good as none."""
    return int(mark) if mark is not None and mark.isascii() and mark.isdigit() else 0


def _head(mark: str | None) -> Head | None:
    """A mark as a place in a chain; one that cannot be read is as good as none."""
    no, _, record_hash = (mark or "").partition(" ")
    return Head(_number(no), record_hash) if _number(no) and record_hash else None


def _held(copy: sqlite3.Connection, place: str) -> tuple[str, Head] | None:
    mark, _, spool_id = (_marked(copy, f"held {place}") or "").rpartition(" ")
    head = _head(mark)
    return None if head is None else (spool_id, head)


def _moment(mark: str | None) -> datetime | None:
    """A mark as a time; one that cannot be read is as good as none."""
    with suppress(ValueError):
        moment = None if mark is None else datetime.fromisoformat(mark)
        return moment if moment is not None and moment.tzinfo is not None else None
    return None


def _copy_of(file: Path, log: Connection) -> sqlite3.Connection:
    """A copy of this very log; what is there of another one, or cannot be read, is thrown away.

    One of another log without a decision may yet hold its orders, and marks of how far it came. So
    may one of this log from before it was restored, which then gives other records their places.
    """
    log_id = log_id_of(log)
    with suppress(DecisionLogError, sqlite3.Error), ExitStack() as unless_ours:
        copy = unless_ours.enter_context(closing(_writable(file)))
        if log_id_of(copy) == log_id and _holds_newest_of(copy, log):
            unless_ours.pop_all()
            return copy
    for part in ("", "-wal", "-shm"):
        file.with_name(file.name + part).unlink(missing_ok=True)
    copy = _writable(file)
    copy.execute("UPDATE meta SET log_id = ?", (log_id,))
    return copy


def _holds_newest_of(copy: sqlite3.Connection, log: Connection) -> bool:
    """Whether the log has the newest decision and the newest act that the copy has."""
    for newest, same in (_NEWEST_DECISION, _NEWEST_ACT):
        row = copy.execute(newest).fetchone()
        if row is not None and log.execute(same, row[:-1]).fetchone() != row[-1:]:
            return False
    return True


def _drained(copy: sqlite3.Connection, spool_id: str) -> Head:
    return _head(_marked(copy, f"drained {spool_id}")) or Head(0, genesis(spool_id))


def held_by(file: Path, log_id: str, place: str) -> tuple[str, Head] | None:
    """What `Recent.held` of the copy of the log with this id gives; None if there is none."""
    if file.exists():
        with suppress(DecisionLogError, sqlite3.Error), closing(open_to_read(file)) as copy:
            return _held(copy, place) if log_id_of(copy) == log_id else None
    return None


def drained_by(file: Path, spool_id: str) -> Head:
    """What `Recent.drained` of the copy of a log gives; number 0 if there is none."""
    if file.exists():
        with suppress(DecisionLogError, sqlite3.Error), closing(open_to_read(file)) as copy:
            return _drained(copy, spool_id)
    return Head(0, genesis(spool_id))


def copied_at(file: Path, log: str) -> datetime:
    """When the copy of the log of this name was last in step with it; changes nothing.

    Raises:
        DecisionLogError: there is none, it never was, or it cannot be read.
    """
    if not file.exists():
        raise DecisionLogError(f"there is no copy of it at {file}")
    try:
        with closing(open_to_read(file)) as copy:
            damage = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
            name, in_step = _marked(copy, "of"), _moment(_marked(copy, "in_step"))
    except (DecisionLogError, sqlite3.Error) as error:
        raise DecisionLogError(f"the copy {file} cannot be read ({error})") from error
    if damage != "ok":
        raise DecisionLogError(f"the copy {file} is damaged ({damage})")
    if name != log:
        raise DecisionLogError(f"{file} is a copy of another log, the {name}")
    if in_step is None:
        raise DecisionLogError(f"the copy {file} was never complete")
    return in_step


def _as_it_is(file: Path, log: str) -> sqlite3.Connection:
    """The copy of the log of this name, if it was complete once.

    Raises:
        DecisionLogError: it was not, or cannot be read.
    """
    copied_at(file, log)
    return _writable(file)


def _writable(file: Path) -> sqlite3.Connection:
    copy = open_to_write(file)
    try:
        copy.execute("PRAGMA synchronous = NORMAL")  # it may be lost in a power cut, not damaged
        copy.execute(_MARKS)
    except sqlite3.Error:
        copy.close()
        raise
    return copy
