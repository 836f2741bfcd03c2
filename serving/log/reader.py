"""Reads the decision log: one decision, the strictest lane of a lineage, or everything in order."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

from selectivity.inspection import Inspection
from selectivity.lanes import Lane
from selectivity.mode_orders import ModeStep
from selectivity.override import OverrideState, OverrideStep, strictest
from selectivity.record import DecisionRecord
from serving.log.conflicts import Conflict, read_conflicts
from serving.log.kept_texts import (
    AlteredTextError,
    read_inspection_kept,
    read_mode,
    read_override,
    read_record,
)
from serving.log.linked import Link, links
from serving.log.opened_later import OpenedLater
from serving.log.under_names import Version, versions_in
from serving.storage import acts, chain
from serving.storage.file import LogFile
from serving.storage.store import HIGHEST, PAGE, Connection, Store, in_pages

LAST = 1 << 62
"""A place behind all others."""


class Numbered(NamedTuple):
    """A decision and its place in the log."""

    seq: int
    record: DecisionRecord


class Inspected(NamedTuple):
    """An inspection, its place in the log, and the decision it belongs to; None while parked."""

    seq: int
    inspection: Inspection
    decision: Numbered | None


class LogReader:
    """Reads and never writes; any number of readers may look while the service goes on."""

    def __init__(
        self, place: Store | Path, *, quick: bool = False, later: bool = False, log_id: str = ""
    ) -> None:
        """Open the log, or with `later` at the first question that it can be opened for.

        Args:
            place: where the log lies; a path is that of a file.
            quick: as in `Store.open_to_read`.
            log_id: the one log that `one_moment` reads; it refuses another in its place.
        """
        self.store = LogFile(place) if isinstance(place, Path) else place
        opened = partial(self.store.open_to_read, quick=quick)
        self._connection: Connection = OpenedLater(opened) if later else opened()
        self._only = log_id
        if log_id:
            self.log_id = log_id
        elif not later:
            self.log_id  # noqa: B018  # a log that lost it is refused here

    @cached_property
    def log_id(self) -> str:
        """What tells this log from every other."""
        with self._reading():
            return chain.log_id_of(self._connection)

    def find(self, declaration_id: str, version_no: int | None = None) -> DecisionRecord | None:
        """The decision on this version of a declaration, or on its newest version."""
        with self._reading():
            row = self._connection.execute(
                "SELECT record FROM decisions WHERE declaration_id = ? AND version_no = "
                "coalesce(?, (SELECT max(version_no) FROM decisions WHERE declaration_id = ?))",
                (declaration_id, version_no, declaration_id),
            ).fetchone()
        return None if row is None else read_record(row[0])

    def strictest_lane(self, *names: str) -> Lane | None:
        """The strictest lane in force of the versions under these names, from the last one that was
        lowered on; None if all are new. A name is that of a lineage or of a declaration, so that a
        version which names another lineage than the one before does not get away from its lane.
        """
        return self.strictest_lane_before(LAST, *names)

    def strictest_lane_before(self, seq: int, *names: str) -> Lane | None:
        """As `strictest_lane`, of the decisions in front of this place alone."""
        with self._reading():
            versions = versions_in(self._connection, seq, names)
        return strictest(version.held for version in versions)

    def versions_under(self, names: Sequence[str]) -> list[Version]:
        """Each version under these names of lineages or declarations, in order."""
        with self._reading():
            return versions_in(self._connection, LAST, names)

    def override_steps(self, declaration_id: str, version_no: int) -> list[OverrideStep]:
        """Every step of the overrides of this decision, in the order in which they were kept."""
        with self._reading():
            found = acts.texts(acts.What.OVERRIDE, declaration_id, version_no, self._connection)
        return [read_override(text) for text in found]

    def overridden(self, override_id: str) -> tuple[str, int] | None:
        """Key of the decision that this override is about; None if there is no such override."""
        with self._reading():
            names = (f"{override_id}:{state}" for state in OverrideState)
            found = (acts.subject(name, self._connection) for name in names)
            return next((each for each in found if each is not None), None)

    def overrides(self) -> list[OverrideStep]:
        """Every step of every override, in the order in which they were kept."""
        with self._reading():
            found = acts.all_texts(acts.What.OVERRIDE, self._connection)
        return [read_override(text) for text in found]

    def mode_steps(self) -> list[ModeStep]:
        """Every step of the orders on the mode, in the order in which they were kept."""
        with self._reading():
            found = acts.all_texts(acts.What.MODE, self._connection)
        return [read_mode(text) for text in found]

    def number_of_act(self, name: str) -> int | None:
        """The number among all records of the act of this name; None if there is none."""
        with self._reading():
            return acts.number_of(name, self._connection)

    def furthest_acknowledgement(self, office: str) -> str | None:
        """The text of the act by which this office acknowledged most; None if it never did."""
        with self._reading():
            return acts.furthest(acts.What.ACKNOWLEDGEMENT, office, self._connection)

    def records(self, *, after: int = 0) -> Iterator[Numbered]:
        """Every decision behind this place, in the order in which they were kept."""
        with self._reading():
            for seq, text in in_pages(
                self._connection,
                "SELECT seq, record FROM decisions WHERE seq >= ? ORDER BY seq LIMIT ?",
                first=after + 1,
            ):
                yield Numbered(seq, read_record(text))

    def newest_first(self) -> Iterator[DecisionRecord]:
        """Every decision, the one that was kept last before all others."""
        rows: Sequence[Any] = [(LAST, "")]
        while rows:
            with self._reading():
                rows = self._connection.execute(
                    "SELECT seq, record FROM decisions WHERE seq < ? ORDER BY seq DESC LIMIT ?",
                    (rows[-1][0], PAGE),
                ).fetchall()
            for _, text in rows:
                yield read_record(text)

    def inspections(self) -> Iterator[Inspected]:
        """Every inspection, in the order in which they were kept, with its decision."""
        with self._reading():
            for row in in_pages(
                self._connection,
                "SELECT i.seq, i.inspection, d.seq, d.record FROM inspections i "
                "LEFT JOIN decisions d ON d.seq = i.decision_seq "
                "WHERE i.seq >= ? ORDER BY i.seq LIMIT ?",
            ):
                yield _inspected(*row)

    def links(self, *, after: int = 0, upto: int = HIGHEST) -> Iterator[Link]:
        """Everything behind the first number up to the second, in the order it was kept.

        Raises:
            AlteredTextError: the place of a record is no number.
        """
        with self._reading():
            for link in links(self._connection, after=after, upto=upto):
                if not isinstance(link.seq, int) or not isinstance(link.decision_seq, int | None):
                    raise AlteredTextError(f"{link.name} in a place that is no number")
                yield link

    def text_of_decision(self, seq: int) -> str | None:
        """The decision in this place as it was kept; None if there is none."""
        with self._reading():
            row = self._connection.execute(
                "SELECT record FROM decisions WHERE seq = ?", (seq,)
            ).fetchone()
        return None if row is None else str(row[0])

    def first_place(self, kind: str, *, after: int) -> int | None:
        """Place of the first record of a kind behind this number; None if there is none."""
        with self._reading():
            row = self._connection.execute(
                "SELECT seq FROM chain WHERE no > ? AND kind = ? ORDER BY no LIMIT 1", (after, kind)
            ).fetchone()
        if row is not None and not isinstance(row[0], int):
            raise AlteredTextError(f"the first {kind} behind record {after} in no place")
        return None if row is None else int(row[0])

    def inspections_of(self, declaration_id: str, seq: int, *, upto: int) -> list[Inspection]:
        """Inspections that belong to the decision in this place, and lie no further than `upto`."""
        with self._reading():
            rows = self._connection.execute(
                "SELECT inspection FROM inspections "
                "WHERE declaration_id = ? AND decision_seq = ? AND seq <= ? ORDER BY seq",
                (declaration_id, seq, upto),
            ).fetchall()
        return [read_inspection_kept(text) for (text,) in rows]

    def inspections_before(self, seq: int, declaration_id: str) -> list[Inspected]:
        """Inspections of a declaration in front of this place, with their decisions."""
        with self._reading():
            return inspections_before(seq, declaration_id, self._connection)

    def head(self) -> chain.Head:
        """The last record of the chain."""
        with self._reading():
            return chain.head_of(self._connection)

    def hash_at(self, no: int) -> str | None:
        """The hash of the record with this number; None if there is none."""
        with self._reading():
            return chain.hash_at(self._connection, no)

    def conflicts(self) -> list[Conflict]:
        """What spools brought that the log had otherwise, for people to look at."""
        with self._reading():
            rows = self._connection.execute(
                "SELECT spool_id, conflicts FROM drains WHERE conflicts <> '[]' ORDER BY seq"
            ).fetchall()
        return [each for row in rows for each in read_conflicts(*row)]

    @contextmanager
    def one_moment(self) -> Iterator[None]:
        """Everything read inside is of one moment, whatever the service keeps meanwhile.

        Raises:
            DecisionLogError: it cannot be read, or is another log than is meant.
        """
        if self._connection.in_transaction:  # what is around this began the moment
            yield
            return
        with self._reading():
            self.store.begin_reading(self._connection)
        try:
            if self._only:  # one that was cut comes back to whatever lies there by then
                with self._reading():
                    chain.refuse_another(self._only, self._connection)
            yield
        finally:
            if self._connection.in_transaction:  # a connection that was cut is in none
                with self._reading():
                    self._connection.execute("ROLLBACK")

    def damage(self) -> list[str]:
        """What is wrong with the place that the log lies in; empty when it is whole."""
        with self._reading():
            return self.store.damage(self._connection)

    def counts(self) -> tuple[int, int, int]:
        """How many decisions, inspections and parked inspections there are."""
        with self._reading():
            row: tuple[int, int, int] = self._connection.execute(
                "SELECT (SELECT count(*) FROM decisions), (SELECT count(*) FROM inspections), "
                "(SELECT count(*) FROM inspections WHERE decision_seq IS NULL)"
            ).fetchone()
        return row

    def close(self) -> None:
        """Let go of the log."""
        self._connection.close()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except self.store.errors as error:
            raise self.store.unusable(error) from error


def inspections_before(seq: int, declaration_id: str, connection: Connection) -> list[Inspected]:
    """Inspections of a declaration in front of this place, with their decisions."""
    rows = connection.execute(
        "SELECT i.seq, i.inspection, d.seq, d.record FROM inspections i "
        "LEFT JOIN decisions d ON d.seq = i.decision_seq "
        "WHERE i.declaration_id = ? AND i.seq < ? ORDER BY i.seq",
        (declaration_id, seq),
    ).fetchall()
    return [_inspected(*row) for row in rows]


def _inspected(seq: int, text: str, decision_seq: int | None, record: str | None) -> Inspected:
    decision = None
    if decision_seq is not None and record is not None:
        decision = Numbered(decision_seq, read_record(record))
    return Inspected(seq, read_inspection_kept(text), decision)
