"""What the decision log needs of the place it lies in; a file and a database server are two.

Statements are in the SQL that both speak, with `?` for values. Everything else about a place, such
as how its errors are called and what makes a commit durable, is its own.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from selectivity.errors import DecisionLogError

Found = TypeVar("Found")


class AwayError(DecisionLogError):
    """The log cannot be reached now: it may be whole, and nobody can look."""


AWAY_SECONDS = 1.0
"""How long to leave a log alone that could not be asked, for those whose task it is not to look
whether it is back. A database that comes up has better things to do than to turn many away."""

PAGE = 1_000
"""Rows that are read at once."""

ROWS_AT_ONCE = 64
"""Rows that one statement adds. Each statement to a file gives up Python's lock, and then waits to
get it back.
"""
LOWEST, HIGHEST = -(1 << 63), (1 << 63) - 1
"""The lowest and the highest place there can be, even of what was put in from outside."""


class Rows(Protocol):
    """What a statement gives."""

    def fetchone(self) -> Any:
        """The next row; None behind the last."""

    def fetchall(self) -> list[Any]:
        """All rows that are left."""

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A connection that commits when it is told to."""

    @property
    def in_transaction(self) -> bool:
        """Whether one was begun and not ended."""

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Rows:
        """Do one statement."""

    def executemany(self, statement: str, many: Iterable[Sequence[Any]], /) -> object:
        """Do it with each of these values."""

    def close(self) -> None:
        """End it; a transaction that was begun is undone."""


class Store(Protocol):
    """A place where one decision log lies."""

    @property
    def name(self) -> str:
        """What to call it in a message; never a password."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What its connections raise."""

    def open_to_write(self) -> Connection:
        """A connection that commits durably; the tables are made if there are none.

        Raises:
            AwayError: it cannot be reached now.
            DecisionLogError: this is no decision log, or it cannot keep what is committed.
        """

    def open_to_read(self, *, quick: bool = False) -> Connection:
        """A connection that cannot change anything; one that is asked while a caller waits is quick
        to give up.

        Raises:
            AwayError: it cannot be reached now.
            DecisionLogError: there is no decision log that this software reads.
        """

    def begin(self, connection: Connection) -> None:
        """Begin a transaction in which nobody else writes; `COMMIT` ends it."""

    def begin_reading(self, connection: Connection) -> None:
        """Begin a transaction that sees the log of one moment; `ROLLBACK` ends it."""

    def add_rows(
        self, connection: Connection, into: str, columns: Sequence[str], rows: Sequence[Any]
    ) -> list[int]:
        """Add rows to a table in a transaction that has begun; gives the place (`seq`) of each."""

    def prove(self, connection: Connection) -> None:
        """Change as little as proves that a commit is kept."""

    def check_in_place(self, connection: Connection | None) -> None:
        """Before each transaction of this connection, or of one that is opened for it.

        Raises:
            DecisionLogError: what is open is no longer what lies at this place. What was committed
                is durable all the same, as far as that can be done.
        """

    def let_go(self) -> None:
        """Tidy up after the last connection was closed."""

    def look_through(self, look: Callable[[Connection], Found]) -> Found:
        """What an auditor sees, of one moment, leaving no trace. Values may be of any type."""

    def damage(self, connection: Connection, *, thorough: bool = False) -> list[str]:
        """What is wrong with the place itself; empty when it is whole."""

    def unusable(self, error: Exception) -> DecisionLogError:
        """What to say when it cannot be opened, read or written."""


def insert(
    connection: Connection,
    into: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    ending: str = "",
) -> list[Any]:
    """Add rows to a table, many in a statement; gives what the statements give by their ending."""
    marks, given = f"({', '.join('?' * len(columns))})", []
    for first in range(0, len(rows), ROWS_AT_ONCE):
        some = rows[first : first + ROWS_AT_ONCE]
        values = ", ".join([marks] * len(some))
        statement = f"INSERT INTO {into} ({', '.join(columns)}) VALUES {values} {ending}"
        done = connection.execute(statement, [value for row in some for value in row])
        if ending:
            given += done.fetchall()
    return given


def in_pages(
    connection: Connection,
    statement: str,
    *values: Any,
    first: int = LOWEST,
    at_once: int = PAGE,
) -> Iterator[Any]:
    """Every row from this place on, a page at a time, so that a long log fits in memory.

    `statement` gives the place first, and ends with `>= ? ORDER BY <place> LIMIT ?` after `values`.
    """
    rows: Sequence[Any] = (None,) * at_once
    while len(rows) == at_once:
        rows = connection.execute(statement, (*values, first, at_once)).fetchall()
        yield from rows
        first = rows[-1][0] + 1 if rows else first
