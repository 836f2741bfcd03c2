"""Decisions kept in one go come to the same as each kept by itself: outcomes, rows and links."""

import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selectivity.lanes import Lane
from serving.log.chain_check import walk
from serving.log.journal import Journal, Work
from serving.log.keep import NewDecision, OvertakenError, Receipt, keep_inspection
from serving.storage.database import LogDatabase
from serving.storage.file import LogFile
from serving.storage.store import ROWS_AT_ONCE, Store
from tests.builders import NOON, a_declaration, an_inspection, an_item
from tests.logs import PATIENT, PREDICTOR
from tests.postgresql import PostgreSql

HELD_BEFORE = {"strict": Lane.RED, "mild": Lane.YELLOW, "none": None}

decisions = st.builds(
    lambda number, version, code, lineage, before, in_step: _new(
        f"D-{number}", version, code, lineage, HELD_BEFORE[before], in_step=in_step
    ),
    st.integers(1, 5),
    st.integers(1, 2),
    st.sampled_from(["610910", "050710"]),
    st.sampled_from([None, "D-1", "L-1"]),
    st.sampled_from(sorted(HELD_BEFORE)),
    st.booleans(),
)
inspections = st.builds(
    lambda number, declared: Inspected(f"I-{number}", f"D-{declared}"),
    st.integers(1, 4),
    st.integers(1, 5),
)
"""Some come before their decision, and wait for it."""
batches = st.lists(st.lists(decisions | inspections, min_size=1, max_size=8), max_size=4)


class Inspected:
    """An inspection as work."""

    def __init__(self, inspection_id: str, declaration_id: str) -> None:
        self._inspection = an_inspection(inspection_id=inspection_id, declaration_id=declaration_id)

    def __call__(self, *place: Any) -> Any:
        return keep_inspection(self._inspection, *place)


def _new(
    name: str, version: int, code: str, lineage: str | None, before: Lane | None, *, in_step: bool
) -> NewDecision:
    declared = a_declaration(
        declaration_id=name, version_no=version, lineage_id=lineage, items=(an_item(hs_code=code),)
    )
    record = PREDICTOR.decide(declared, earlier_lane=before, now=NOON)
    return NewDecision(record, record.model_dump_json(), in_step)


def _alone(work: Work[Any]) -> Work[Any]:
    """The same, but that it cannot be done together with others."""
    return lambda links, connection: work(links, connection)


def _told(outcome: Any) -> object:
    if isinstance(outcome, Exception):
        return type(outcome), str(outcome)
    return outcome


def _kept(place: Store | Path, some: Sequence[Sequence[Work[Any]]]) -> tuple[Any, ...]:
    """What was told, and what lies there then; the hashes depend on the log's id."""
    store = LogFile(place) if isinstance(place, Path) else place
    journal = Journal(store)
    told = [_told(each) for works in some for each in journal.keep(works)]
    journal.let_go()
    with closing(store.open_to_read()) as reading:
        assert not walk(reading).problems
        return told, *(
            [tuple(row) for row in reading.execute(f"SELECT {columns} ORDER BY 1").fetchall()]
            for columns in ("* FROM decisions", "* FROM inspections", "no, kind, seq FROM chain")
        )


def _check(places: tuple[Store | Path, Store | Path], some: Sequence[Sequence[Work[Any]]]) -> None:
    together, alone = places
    one_by_one = [[_alone(work)] for works in some for work in works]
    assert _kept(together, some) == _kept(alone, one_by_one)


@settings(max_examples=150, deadline=None)
@given(batches)
def test_in_a_file(some: list[list[Work[Any]]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        _check((Path(name) / "together.sqlite", Path(name) / "alone.sqlite"), some)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batches)
def test_in_a_database(postgresql: PostgreSql, some: list[list[Work[Any]]]) -> None:
    one, other = (LogDatabase(postgresql.new_database(), PATIENT) for _ in range(2))
    _check((one, other), some)


def test_more_than_one_statement_adds_are_kept(tmp_path: Path) -> None:
    many = [
        _new(f"D-{n}", 1, "610910", None, None, in_step=True) for n in range(2 * ROWS_AT_ONCE + 3)
    ]
    told, decisions, _, links = _kept(tmp_path / "decisions.sqlite", [many])
    assert [each.no for each in told] == [no for no, _, _ in links] == list(range(1, len(many) + 1))
    assert [row[1] for row in decisions] == [each.record.declaration_id for each in many]


def test_the_same_few_statements_keep_few_and_many_new_versions_too(tmp_path: Path) -> None:
    def statements(count: int) -> int:
        asked: list[str] = []
        journal = Journal(LogFile(tmp_path / f"{count}.sqlite"))
        first = [_new(f"D-{n}", 1, "050710", None, None, in_step=True) for n in range(count)]
        lane = first[0].record.decision.lane
        amended = [_new(f"D-{n}", 2, "050710", None, lane, in_step=True) for n in range(count)]
        journal.keep([*first, *amended])
        again = [_new(f"D-{n}", 3, "050710", None, lane, in_step=True) for n in range(count)]
        journal._connection.set_trace_callback(asked.append)  # type: ignore[union-attr]
        assert all(each.new for each in journal.keep(again))
        journal.let_go()
        return len(asked)

    assert statements(2) == statements(ROWS_AT_ONCE)


def test_what_is_held_counts_under_both_names_and_whenever_it_was_kept(tmp_path: Path) -> None:
    def new(name: str, version: int, code: str, lineage: str, before: Lane | None) -> NewDecision:
        return _new(name, version, code, lineage, before, in_step=True)

    strict, mild = ("050710", "610910")
    journal = Journal(LogFile(tmp_path / "decisions.sqlite"))
    first = [new("D-1", 1, strict, "L-1", None), new("D-2", 1, mild, "L-2", None)]
    red, other = (each.record.decision.lane for each in first)
    assert other < red is Lane.RED
    assert all(each.new for each in journal.keep(first))
    # Of one declaration in another lineage: what either holds counts, and the strictest of them.
    stale, right = new("D-1", 2, mild, "L-2", other), new("D-1", 2, mild, "L-2", red)
    for works in ([stale], [stale, new("D-9", 1, mild, "L-9", None)]):
        assert isinstance(journal.keep(works)[0], OvertakenError)
    assert journal.keep([right])[0].new
    # An inspection waits for the first of a batch; what it is given counts for the next.
    (waits,) = journal.keep([Inspected("I-1", "D-5")])
    assert waits.receipt is Receipt.PARKED
    batch = [new("D-5", 1, strict, "L-5", None), new("D-6", 1, mild, "L-5", None)]
    kept, overtaken = journal.keep(batch)
    assert kept.parked
    assert isinstance(overtaken, OvertakenError)
    journal.let_go()
