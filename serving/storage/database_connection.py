"""A connection to PostgreSQL as the decision log asks it: like a file, and never for ever.

A server that hangs cannot tell so: every wait ends by our own clock.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from serving.storage.store import Rows

NEVER = float("inf")


class Impatient(psycopg.Connection[Any]):
    """A connection that gives up at a moment of our own clock, and is closed then."""

    until = NEVER
    """That moment, by `time.monotonic`."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """As psycopg waits, and no longer than until that moment."""
        if self.until == NEVER:
            return super().wait(gen, interval, timeout)
        left = max(0.0, self.until - time.monotonic())
        try:
            return super().wait(gen, interval, left if timeout is None else min(left, timeout))
        except psycopg.OperationalError as error:
            if time.monotonic() < self.until:
                raise
            self.pgconn.finish()  # nobody knows what the server still does with it
            raise psycopg.OperationalError("the server did not answer in time") from error


class Server:
    """One connection, asked with `?` as a file is."""

    def __init__(
        self,
        connection: Impatient,
        seconds_a_statement: float,
        *,
        again: Callable[[], Impatient] | None = None,
    ) -> None:
        """`again` opens another connection in place of one that was cut between transactions."""
        self._connection, self._again = connection, again
        self.seconds_a_statement = seconds_a_statement

    @property
    def in_transaction(self) -> bool:
        """Whether one was begun and not ended."""
        return self._connection.info.transaction_status in (
            TransactionStatus.INTRANS,
            TransactionStatus.INERROR,
        )

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Rows:
        """Do one statement, or two without values."""
        if self._connection.closed and self._again is not None:
            self._connection = self._again()
        if self.seconds_a_statement != NEVER:
            self.give_until(time.monotonic() + self.seconds_a_statement)
        return self._connection.execute(_with_its_marks(statement), values or None)

    def executemany(self, statement: str, many: Iterable[Sequence[Any]], /) -> None:
        """Do a statement with each of these values, without waiting for one after the other."""
        with self._connection.cursor() as cursor:
            cursor.executemany(_with_its_marks(statement), many)

    def give_until(self, moment: float) -> None:
        """What is not answered by then has failed."""
        self._connection.until = moment

    def close(self) -> None:
        """End it; a transaction that was begun is undone."""
        self._connection.close()

    @contextlib.contextmanager
    def closed_on_error(self) -> Any:
        """Closed if this fails, else left open."""
        try:
            yield
        except BaseException:
            self.close()
            raise


@lru_cache(maxsize=256)
def _with_its_marks(statement: str) -> Any:
    return statement.replace("%", "%%").replace("?", "%s") if "?" in statement else statement
