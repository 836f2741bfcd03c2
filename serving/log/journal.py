"""A store that is written a transaction at a time, each record linked to the one before."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, TypeVar

from selectivity.errors import DecisionLogError
from serving.storage.chain import Links
from serving.storage.store import Connection, Store

Outcome = TypeVar("Outcome")
Work = Callable[[Links, Connection], Outcome]
"""What is done inside a transaction: it writes rows and links them."""


class Journal:
    """Keeps work durably, or says that nothing of it was kept. For one thread at a time."""

    def __init__(
        self,
        store: Store,
        on_commit: Callable[[float], None] = lambda seconds: None,
        *,
        aside: bool = False,
        later: bool = False,
    ) -> None:
        """Open the store, or with `later` at the first work.

        Args:
            aside: it is a spool, which does not hold all records that there are.

        Raises:
            DecisionLogError: it cannot keep anything.
        """
        self.store, self._on_commit = store, on_commit
        self._links = Links(store, aside=aside)
        self._failures: tuple[type[Exception], ...] = (*store.errors, DecisionLogError)
        self._connection: Connection | None = None if later else store.open_to_write()

    def keep(self, works: Sequence[Work[Any]]) -> list[Any]:
        """What each work gives, once all of it is on disk; an exception where one was refused.

        Raises:
            DecisionLogError: nothing was kept.
        """
        started = time.perf_counter()
        try:
            outcomes = self._commit(works)
        except self._failures as error:
            self.let_go()  # after a failed sync nothing the connection says can be trusted
            raise lost(str(error)) from error
        self._on_commit(time.perf_counter() - started)
        return outcomes

    def check_in_place(self) -> None:
        """Raises DecisionLogError: what is open is no longer what lies at the place of the log."""
        try:
            self.store.check_in_place(self._connection)
        except self.store.errors as error:
            raise self.store.unusable(error) from error

    def let_go(self) -> None:
        """Close the connection; the next work opens another."""
        if self._connection is not None:
            with contextlib.suppress(*self.store.errors):
                self._connection.close()
            self._connection = None

    def _commit(self, works: Sequence[Work[Any]]) -> list[Any]:
        self.check_in_place()
        connection = self._connection = self._connection or self.store.open_to_write()
        self.store.begin(connection)
        with self._links.within(connection):
            outcomes = list(_outcomes(works, self._links, connection))
        connection.execute("COMMIT")
        return outcomes


def prove(links: Links, connection: Connection) -> None:
    """Work that changes as little as proves that a commit is kept."""
    links.store.prove(connection)


def lost(cause: str) -> DecisionLogError:
    """What to tell whoever waits for something that was not kept."""
    return DecisionLogError(
        f"The decision could not be kept ({cause.strip()}), so no lane is given. Send it again "
        "with the same id and version in a moment; hold the goods as for a check of documents "
        "until then."
    )


def _outcomes(works: Sequence[Work[Any]], links: Links, connection: Connection) -> Iterator[Any]:
    """What each work comes to, in order; see `outcome`.

    Works of a class that has `keep_all` are given to it together, where they stand side by side. It
    gives the same as doing them one after the other, in fewer statements.
    """
    for keep_all, together in groupby(works, lambda work: getattr(work, "keep_all", None)):
        if keep_all is None:
            yield from (outcome(work, links, connection) for work in together)
        else:
            yield from keep_all(list(together), links, connection)


def outcome(work: Work[Any], links: Links, connection: Connection) -> Any:
    """What the work gives. A refusal concerns this work alone, not the rest of the transaction."""
    try:
        return work(links, connection)
    except DecisionLogError as refusal:
        return refusal
