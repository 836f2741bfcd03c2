"""The file of the decision log: its tables, and how a connection to it is opened.

SQLite with a write-ahead log and `synchronous=FULL`: with less, decisions that were answered are
lost in a power cut, and no test that kills the process can tell.
"""

import secrets
import sqlite3
from pathlib import Path

from models.durable import sync
from selectivity.errors import DecisionLogError
from serving import acts, chain

VERSION = 3
WITHOUT_ACTS = 2
UNCHAINED = 1
LOCK_SECONDS = 1.0
"""How long to wait for another process that holds the file."""
FULL = 2
CHECKPOINT_PAGES = 4_000

TABLES = """
CREATE TABLE decisions (
    seq INTEGER PRIMARY KEY,
    declaration_id TEXT NOT NULL,
    version_no INTEGER NOT NULL,
    lineage_id TEXT NOT NULL,
    snapshot_sha256 TEXT NOT NULL,
    lane INTEGER NOT NULL,
    record TEXT NOT NULL,
    UNIQUE (declaration_id, version_no)
);
CREATE INDEX decisions_by_lineage ON decisions (lineage_id, lane);
CREATE TABLE inspections (
    seq INTEGER PRIMARY KEY,
    inspection_id TEXT NOT NULL UNIQUE,
    declaration_id TEXT NOT NULL,
    content_sha256 TEXT NOT NULL,
    inspection TEXT NOT NULL,
    decision_seq INTEGER REFERENCES decisions (seq)  -- NULL while parked: no decision is known yet
);
CREATE INDEX inspections_by_declaration ON inspections (declaration_id);
"""


def open_to_write(file: Path) -> sqlite3.Connection:
    """A connection that commits durably; the file and its tables are made if there are none.

    Raises:
        DecisionLogError: the file is no decision log, or cannot keep what is committed.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = sqlite3.connect(
            file, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False
        )
        _make_durable(connection, file)
        _make_tables(connection, file)
        sync(file.parent)
    except (sqlite3.Error, OSError) as error:
        raise unusable(file, error) from error
    return connection


def is_open(file: Path) -> bool:
    """Whether somebody has it open, or had when killed: only then a part lies beside the file."""
    return file.with_name(f"{file.name}-wal").exists()


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
        if _check_version(connection, file) == WITHOUT_ACTS:
            _make(acts.TABLES.replace("CREATE TABLE", "CREATE TEMP TABLE"), connection)
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
    if not file.exists():
        return DecisionLogError(
            f"There is no decision log at {file}. The service makes one when it starts; "
            "check LANES_STATE."
        )
    return DecisionLogError(
        f"The decision log {file} cannot be used: {error}. Check that it is the service's own "
        "file, that the disk has room and that no other program holds it; restore it from a "
        "backup if it is damaged."
    )


def write_version(connection: sqlite3.Connection) -> None:
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
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        if _check_version(connection, file) == WITHOUT_ACTS:
            _make(acts.TABLES, connection)
    else:
        _make(TABLES + chain.TABLES + acts.TABLES, connection)
        connection.execute("INSERT INTO meta VALUES (?)", (secrets.token_hex(16),))
    write_version(connection)
    connection.execute("COMMIT")


def _make(tables: str, connection: sqlite3.Connection) -> None:
    for statement in tables.split(";\n"):
        connection.execute(statement)


def _check_version(connection: sqlite3.Connection, file: Path) -> int:
    """The version of the file.

    A log from before acts were kept reads as one without any, and gets a table for them as soon as
    a service writes it.

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
    if version not in (VERSION, WITHOUT_ACTS):
        raise DecisionLogError(
            f"{file} is no decision log of this version (version {version}, not {VERSION}). "
            "Start the version of the service that wrote it, or give another LANES_STATE."
        )
    return version
