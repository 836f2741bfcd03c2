"""A connection to a log that may be away when the service starts."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from serving.storage.store import Connection, Rows


class OpenedLater:
    """A connection that the first statement opens; where that fails, the next one tries again."""

    def __init__(self, opened: Callable[[], Connection]) -> None:
        self._open = opened
        self._connection: Connection | None = None

    @property
    def in_transaction(self) -> bool:
        """Whether one was begun and not ended."""
        return self._connection is not None and self._connection.in_transaction

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Rows:
        """Do one statement.

        Raises:
            DecisionLogError: the connection cannot be opened.
        """
        return self._opened().execute(statement, values)

    def executemany(self, statement: str, many: Iterable[Sequence[Any]], /) -> object:
        """Do it with each of these values.

        Raises:
            DecisionLogError: the connection cannot be opened.
        """
        return self._opened().executemany(statement, many)

    def close(self) -> None:
        """End it, if it was opened."""
        if self._connection is not None:
            self._connection.close()

    def _opened(self) -> Connection:
        self._connection = self._connection or self._open()
        return self._connection
