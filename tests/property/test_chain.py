"""However several writers take turns on one file, it holds one whole chain over all records."""

import asyncio
import hashlib
import json
import sqlite3
import tempfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from serving.log.chain_check import Walked, walk
from serving.log.decision_log import DecisionLog
from serving.storage import chain
from tests.builders import NOON, an_inspection
from tests.logs import a_record

steps = st.lists(
    st.tuples(
        st.integers(0, 1),  # which of two writers
        st.sampled_from(["decide", "inspect"]),
        st.integers(1, 4),  # which declaration
        st.integers(1, 3),  # which version of it, or which inspection
        st.sampled_from([None, 0.0, 0.001]),  # how long to wait before the next step
    ),
    min_size=1,
    max_size=25,
)


def walked(file: Path) -> Walked:
    with closing(sqlite3.connect(file)) as connection:
        return walk(connection)


async def take(step: tuple[int, str, int, int, float | None], logs: list[DecisionLog]) -> None:
    writer, what, number, which, _ = step
    id_ = f"D-{number}"
    accepted_at = NOON + timedelta(days=2 * which)
    if what == "decide":
        record = a_record(declaration_id=id_, version_no=which, accepted_at=accepted_at)
        await logs[writer].append(record)
    else:  # of a day between two versions, or in front of all
        observed_at = accepted_at - timedelta(days=1)
        name = f"I-{number}-{which}"
        given = an_inspection(inspection_id=name, declaration_id=id_, observed_at=observed_at)
        await logs[writer].add_inspection(given)


@settings(max_examples=40, deadline=None)
@given(steps)
def test_two_writers_of_one_file_make_one_chain(
    many: list[tuple[int, str, int, int, float | None]],
) -> None:
    async def take_all(logs: list[DecisionLog]) -> None:
        begun = []
        for step in many:
            begun.append(asyncio.ensure_future(take(step, logs)))
            if step[-1] is not None:
                await asyncio.sleep(step[-1])
        await asyncio.gather(*begun)

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "decisions.sqlite"
        logs = [DecisionLog(file), DecisionLog(file)]
        asyncio.run(take_all(logs))
        decisions, inspections, _ = logs[0].counts()
        for log in logs:
            log.close()
        found = walked(file)

    assert found.problems == []
    assert (found.decisions, found.inspections) == (decisions, inspections)
    assert found.head.no == decisions + inspections == len({step[1:4] for step in many})


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@given(
    before=st.text("0123456789abcdef", min_size=64, max_size=64),
    no=st.integers(1, 1 << 40),
    columns=st.tuples(names, st.integers(1, 9_999), names),
    text=names,
)
def test_a_hash_can_be_computed_as_it_is_described(
    before: str, no: int, columns: tuple[str, int, str], text: str
) -> None:
    line = json.dumps([before, no, "decision", 7, *columns], separators=(",", ":")).encode("ascii")
    described = hashlib.sha256(line + b"\n" + text.encode("utf-8")).hexdigest()
    assert chain.record_hash(before, no, chain.DECISION, 7, columns, text) == described
