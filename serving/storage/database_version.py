"""Brings the tables of a decision log in PostgreSQL up to date, one service at a time."""

import secrets

from selectivity.errors import DecisionLogError
from serving.storage import migrations
from serving.storage.store import Connection

MIGRATING = 0x1A9E4
"""The advisory lock that whoever changes the tables holds."""
NO_LOG = 0
VERSIONS = """
CREATE TABLE log_versions (
    version INTEGER PRIMARY KEY,
    since TIMESTAMPTZ NOT NULL DEFAULT now()
)
"""

THERE = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_tables WHERE tablename = 'log_versions'
               AND schemaname = ANY (current_schemas(false)))
"""


def version_of(connection: Connection) -> int:
    """The version of the log in this database; 0 if there is none."""
    # A look into the table itself: the server's answer by name may be from before we had a lock.
    (there,) = connection.execute(THERE).fetchone()
    if not there:
        return NO_LOG
    return int(connection.execute("SELECT max(version) FROM log_versions").fetchone()[0])


def check(connection: Connection, name: str) -> None:
    """Raises DecisionLogError: there is no log, or not one of this version."""
    version = version_of(connection)
    if version == NO_LOG:
        raise DecisionLogError(
            f"There is no decision log in the {name}. The service makes one when it starts, and "
            "so does `lanes migrate`; check LANES_DATABASE."
        )
    _refuse_newer(version, name)
    if version < migrations.VERSION:
        raise DecisionLogError(
            f"The decision log in the {name} is of version {version}, and this software wants "
            f"{migrations.VERSION}. Back it up, then run `lanes migrate` or start the service."
        )


def bring_up_to_date(connection: Connection, name: str) -> list[int]:
    """Take the steps that lack, all or none; gives their versions.

    Raises:
        DecisionLogError: the log was made by newer software, or the database cannot hold one.
    """
    if version_of(connection) == migrations.VERSION:  # so a role that may change no table will do
        return []
    _check_encoding(connection, name)
    connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
    connection.execute("SELECT pg_advisory_xact_lock(?)", (MIGRATING,))
    version = version_of(connection)  # another service may have been quicker
    _refuse_newer(version, name)
    if version == NO_LOG:
        _execute(connection, VERSIONS, migrations.GUARD)
    steps = [each for each in sorted(migrations.STEPS) if each > version]
    for step in steps:
        _execute(connection, *migrations.in_postgresql(migrations.STEPS[step]))
        connection.execute("INSERT INTO log_versions (version) VALUES (?)", (step,))
    if version == NO_LOG:
        connection.execute("INSERT INTO meta VALUES (?)", (secrets.token_hex(16),))
    connection.execute("COMMIT")
    return steps


def _execute(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.execute(statement)


def _refuse_newer(version: int, name: str) -> None:
    if version > migrations.VERSION:
        raise DecisionLogError(
            f"The decision log in the {name} is of version {version}, newer than this software, "
            f"which knows versions up to {migrations.VERSION}. Start the newer software, or give "
            "another LANES_DATABASE; a log is never taken back to an older version."
        )


def _check_encoding(connection: Connection, name: str) -> None:
    (encoding,) = connection.execute("SHOW server_encoding").fetchone()
    if encoding != "UTF8":
        raise DecisionLogError(
            f"The {name} is encoded in {encoding}, and names in other letters would be lost. Make "
            "a database with ENCODING 'UTF8' and name it in LANES_DATABASE."
        )
