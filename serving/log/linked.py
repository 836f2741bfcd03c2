"""Reads the records of a decision log in the order of its chain, each with its link in it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from serving.storage import chain
from serving.storage.store import HIGHEST, LOWEST, PAGE, Connection, in_pages


class Link(NamedTuple):
    """A record of the chain with the row it stands for; values may be of any type by now."""

    no: int
    kind: Any
    seq: Any
    before: Any
    stored: Any
    columns: tuple[Any, ...]
    text: Any
    decision_seq: Any
    """Of an inspection: place of its decision; None while it is parked."""

    @property
    def name(self) -> str:
        """What to call it."""
        if self.text is None:
            return f"record {self.no} ({self.kind!s:.20} in place {self.seq!s:.20})"
        version = f" version {self.columns[1]!s:.10}" if self.kind == chain.DECISION else ""
        return f"record {self.no} ({_CALLED[self.kind]} {self.columns[0]!r:.75}{version})"

    @property
    def whole(self) -> bool:
        """Whether it is what its own hash says that it was."""
        return self.text is not None and self.hash_at(self.no, self.before) == self.stored

    def hash_at(self, no: int, before: Any) -> str | None:
        """Its hash if it stood there; None if it cannot be one of ours."""
        return chain.hash_if_ours(before, no, self.kind, self.seq, self.columns, self.text)


_CALLED: Mapping[chain.Kind, str] = {
    chain.DECISION: "decision on",
    chain.INSPECTION: "inspection",
    chain.DRAIN: "drain of spool",
    chain.ACT: "act",
}
"""What stands in front of the first column."""


def links(
    connection: Connection, *, after: int = LOWEST - 1, upto: int = HIGHEST, at_once: int = PAGE
) -> Iterator[Link]:
    """Every record behind the first number up to the second, in order, with its row."""
    columns = (f"{kind}.{name}" for kind, names in _COLUMNS_OF_ALL.items() for name in names)
    rows = (
        f"LEFT JOIN {kind}s {kind} ON c.kind = '{kind}' AND {kind}.seq = c.seq"
        for kind in _COLUMNS_OF_ALL
    )
    for no, kind, seq, before, stored, decision_seq, *values in in_pages(
        connection,
        "SELECT c.no, c.kind, c.seq, c.prev_hash, c.record_hash, inspection.decision_seq, "
        f"{', '.join(columns)} FROM chain c {' '.join(rows)} "
        "WHERE c.no <= ? AND c.no >= ? ORDER BY c.no LIMIT ?",
        upto,
        first=after + 1,
        at_once=at_once,
    ):
        text, *own = _own(kind, values)
        yield Link(no, kind, seq, before, stored, tuple(own), text, decision_seq)


_COLUMNS_OF_ALL: Mapping[chain.Kind, tuple[str, ...]] = {
    kind: (chain.TEXTS[kind], *columns) for kind, columns in chain.COLUMNS.items()
}


def _own(kind: Any, values: Sequence[Any]) -> Sequence[Any]:
    """Cuts the values of this kind out of those of all kinds, which stand one behind the other."""
    at = 0
    for other, columns in _COLUMNS_OF_ALL.items():
        if other == kind:
            return values[at : at + len(columns)]
        at += len(columns)
    return (None,)  # a kind that there is not
