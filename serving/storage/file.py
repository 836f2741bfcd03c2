"""The file of the decision log, and how a connection to it is opened.

SQLite with a write-ahead log and `synchronous=FULL`: with less, decisions that were answered are
lost in a power cut, and no test that kills the process can tell.
"""

import secrets
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from models.durable import sync
from selectivity.errors import DecisionLogError
from serving.storage.migrations import STEPS, VERSION
from serving.storage.store import Connection, Found, insert

UNCHAINED = 1
LOCK_SECONDS = 1.0
"""How long to wait for another process that holds the file."""
START_SECONDS = 5.0
"""How long to wait at the start, when no caller waits: a busy writer lets others in seldom."""
FULL = 2
CHECKPOINT_PAGES = 4_000


class LogFile:
    """A decision log in a file of its own, as `serving.storage.store.Store` describes it."""

    errors: tuple[type[Exception], ...] = (sqlite3.Error,)

    def __init__(self, file: Path) -> None:
        self.file = file
        self._identity: tuple[int, int] | None = None
        self._parts: dict[Path, tuple[int, int] | None] = {}
        """SQLite's own files beside it, which no other can take the place of while it is open."""
        self._lost: Path | None = None

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.file)

    def open_to_write(self) -> Connection:
        """A connection that commits durably; the first one says which file is meant from now on."""
        first = self._identity is None
        connection = open_to_write(self.file, START_SECONDS if first else LOCK_SECONDS)
        self._identity = self._identity or identity_of(self.file)
        self._parts = {part: identity_of(part) for part in parts_of(self.file)}
        return connection

    def open_to_read(self, *, quick: bool = False) -> Connection:
        """A connection that cannot change anything; a file is always quick."""
        return open_to_read(self.file)

    def begin(self, connection: Connection) -> None:
        """Lock the file for this writer."""
        connection.execute("BEGIN IMMEDIATE")

    def begin_reading(self, connection: Connection) -> None:
        """SQLite takes the moment of the first read."""
        connection.execute("BEGIN")

    def add_rows(
        self, connection: Connection, into: str, columns: Sequence[str], rows: Sequence[Any]
    ) -> list[int]:
        """Give the places that SQLite would; to be told them costs a step a row."""
        (last,) = connection.execute(f"SELECT coalesce(max(seq), 0) FROM {into}").fetchone()
        places = list(range(last + 1, last + 1 + len(rows)))
        placed = [(place, *row) for place, row in zip(places, rows, strict=True)]
        insert(connection, into, ("seq", *columns), placed)
        return places

    def prove(self, connection: Connection) -> None:
        """Write the version that is there."""
        write_version(connection)

    def check_in_place(self, connection: Connection | None) -> None:
        """A file that was deleted or replaced can still be written, and is lost with the process.

        What lies in a part that was deleted is brought into the file itself, for this process alone
        still sees it.

        Raises:
            DecisionLogError: the file at the log's path is not the one that was opened, or one of
                its parts is not.
        """
        if identity_of(self.file) != self._identity:
            raise DecisionLogError(
                f"the decision log {self.file} was deleted or replaced while the service ran: put "
                "it back from a backup and start the service again"
            )
        if self._lost is None and connection is not None:
            self._look_at_parts(connection)
        if self._lost is not None:
            raise DecisionLogError(
                f"{self._lost}, a part of the decision log, was deleted or replaced while the "
                "service ran: start the service again"
            )

    def _look_at_parts(self, connection: Connection) -> None:
        changed = (part for part, seen in self._parts.items() if identity_of(part) != seen)
        if (lost := next(changed, None)) is None:
            return
        self._lost = lost  # also if this fails: another connection would make a new part
        busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:  # somebody reads what is in it: it is looked at again in a moment
            self._lost = None

    def let_go(self) -> None:
        """The last to let go has to be one that may write: only then is the file alone the log."""
        if self._identity is not None and identity_of(self.file) == self._identity:
            with suppress(DecisionLogError):  # another process is at it
                open_to_write(self.file).close()

    def look_through(self, look: Callable[[Connection], Found]) -> Found:
        """Read without SQLite's own files, if nobody has it open; bytes that are no text pass."""
        alone = not is_open(self.file)
        with closing(open_to_read(self.file, alone=alone)) as connection:
            connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            try:
                connection.execute("BEGIN")
                found = look(connection)
            except sqlite3.Error as error:
                raise unusable(self.file, error) from error
        # A service that was started meanwhile may have written where this read without looking.
        return self.look_through(look) if alone and is_open(self.file) else found

    def damage(self, connection: Connection, *, thorough: bool = False) -> list[str]:
        """What SQLite finds wrong with the file."""
        check = "integrity_check(3)" if thorough else "quick_check"
        rows = connection.execute(f"PRAGMA {check}").fetchall()
        return [" ".join(line.split()) for (line,) in rows if line != "ok"]

    def unusable(self, error: Exception) -> DecisionLogError:
        """What to say when the file cannot be used."""
        return unusable(self.file, error)


def open_to_write(file: Path, patience: float = LOCK_SECONDS) -> sqlite3.Connection:
    """A connection that commits durably; the file and its tables are made if there are none.

    Args:
        patience: seconds to wait, in opening it, for another process that holds the file.

    Raises:
        DecisionLogError: the file is no decision log, or cannot keep what is committed.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not file.exists():
            file.touch(mode=0o600)  # what was declared is not for every account of the machine
        connection = sqlite3.connect(
            file, timeout=patience, isolation_level=None, check_same_thread=False
        )
        _make_durable(connection, file)
        _make_tables(connection, file)
        connection.execute(f"PRAGMA busy_timeout = {LOCK_SECONDS * 1_000:.0f}")
        sync(file.parent)
    except (sqlite3.Error, OSError) as error:
        raise unusable(file, error) from error
    return connection


def parts_of(file: Path) -> tuple[Path, Path]:
    """Where SQLite puts what belongs to this file while somebody has it open."""
    place = file.resolve()  # beside what a link points at
    return place.with_name(f"{place.name}-wal"), place.with_name(f"{place.name}-shm")


def is_open(file: Path) -> bool:
    """Whether somebody has it open, or had when killed: only then a part lies beside the file."""
    return parts_of(file)[0].exists()


def open_to_read(file: Path, *, alone: bool = False) -> sqlite3.Connection:
    """A connection that cannot change anything.

    With `alone`, for a file that nobody has open, not even SQLite's own files appear beside it.

    Raises:
        DecisionLogError: there is no such file, or it is no decision log.
    """
    try:
        connection = sqlite3.connect(
            f"{file.absolute().as_uri()}?mode=ro" + "&immutable=1" * alone,
            uri=True,
            timeout=LOCK_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        version = _check_version(connection, file)
        for step in _steps_after(version):  # of an older log: as if it had the tables, and no rows
            _execute(step.replace("CREATE TABLE", "CREATE TEMP TABLE"), connection)
    except sqlite3.Error as error:
        raise unusable(file, error) from error
    return connection


def identity_of(file: Path) -> tuple[int, int] | None:
    """Tells this file from any other that may come to lie at its path; None if none lies there."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def unusable(file: Path, error: Exception) -> DecisionLogError:
    """What to say when the file cannot be opened."""
    if isinstance(error, OSError):
        return DecisionLogError(
            f"The decision log {file} cannot be written: {error.strerror}. Correct its path "
            "(LANES_STATE, or LANES_SPOOL for a spool) or its permissions, or make room."
        )
    if not file.exists():
        return DecisionLogError(
            f"There is no decision log at {file}. The service makes one when it starts; "
            "check LANES_STATE."
        )
    return DecisionLogError(
        f"The decision log {file} cannot be used: {error}. Check that it is the service's own "
        "file, that the disk has room and can be written, and that no other program holds it; "
        "restore it from a backup if it is damaged."
    )


def write_version(connection: Connection) -> None:
    """The smallest change that proves the file can be written."""
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _make_durable(connection: sqlite3.Connection, file: Path) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    journal = connection.execute("PRAGMA journal_mode").fetchone()[0]
    synchronous = connection.execute("PRAGMA synchronous").fetchone()[0]
    if journal != "wal" or synchronous != FULL:
        raise DecisionLogError(
            f"The decision log {file} would not survive a power cut (journal {journal}, "
            f"synchronous {synchronous}). Put LANES_STATE on a local disk."
        )


def _make_tables(connection: sqlite3.Connection, file: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    there = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    for step in _steps_after(_check_version(connection, file) if there else 0):
        _execute(step, connection)
    if not there:
        connection.execute("INSERT INTO meta VALUES (?)", (secrets.token_hex(16),))
    write_version(connection)
    connection.execute("COMMIT")


def _steps_after(version: int) -> list[str]:
    return [STEPS[step] for step in sorted(STEPS) if step > version]


def _execute(step: str, connection: sqlite3.Connection) -> None:
    for statement in step.split(";\n"):
        connection.execute(statement)


def _check_version(connection: sqlite3.Connection, file: Path) -> int:
    """The version of the file.

    Raises:
        DecisionLogError: it is one that this software cannot use.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version == UNCHAINED:
        raise DecisionLogError(
            f"The decision log {file} is of version {UNCHAINED}, whose records are not chained. It "
            "is left as it is: a chain made now would vouch for what nobody watched. Export it "
            "with the version of the service that wrote it, keep it for audits, and give another "
            "LANES_STATE."
        )
    if version not in STEPS:
        raise DecisionLogError(
            f"{file} is no decision log that this software knows (version {version}, not up to "
            f"{VERSION}). Start the version of the service that wrote it, or give another "
            "LANES_STATE."
        )
    return version
