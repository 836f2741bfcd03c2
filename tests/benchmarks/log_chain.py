"""What the chain costs: durable records a second with it and without, turn and turn about.

    python -m tests.benchmarks.log_chain

Each of so many callers keeps one decision after the other, in a file of its own for each round.
"Without" is the same writer and the same statements, less the link. The disk differs from minute to
minute, so only the ratio of neighbouring rounds says something.
"""

import asyncio
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

from selectivity.record import DecisionRecord
from serving.log.group_writer import GroupWriter
from serving.log.journal import Journal
from serving.storage.chain import COLUMNS, DECISION, Links
from serving.storage.file import LogFile
from serving.storage.store import Connection
from tests.builders import NOON, a_declaration, an_item
from tests.bundles import a_predictor

CALLERS, EACH, ROUNDS = 64, 40, 11
LOOK = "SELECT record FROM decisions WHERE declaration_id = ? AND version_no = ?"
PARKED = "SELECT seq FROM inspections WHERE declaration_id = ? AND decision_seq IS NULL"
WRITE = (
    f"INSERT INTO decisions ({', '.join(COLUMNS[DECISION])}, record) "
    "VALUES (?, ?, ?, ?, ?, ?) RETURNING seq"
)


def per_second(record: DecisionRecord, *, chained: bool) -> float:
    """Durable records a second in a file of its own."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(LogFile(Path(folder) / "log.sqlite"))
        writer = GroupWriter(journal.keep, journal.let_go)
        started = time.perf_counter()
        asyncio.run(_all_callers(writer, record, chained))
        seconds = time.perf_counter() - started
        writer.close()
    return CALLERS * EACH / seconds


def _keep(
    record: DecisionRecord, text: str, chained: bool, links: Links, connection: Connection
) -> None:
    """As the service keeps a decision: look whether there is one, write it, link it."""
    connection.execute(LOOK, record.key).fetchone()
    connection.execute(PARKED, record.key[:1]).fetchone()
    columns = (*record.key, record.lineage_id, record.snapshot_sha256, int(record.decision.lane))
    (seq,) = connection.execute(WRITE, (*columns, text)).fetchone()
    if chained:
        links.add(DECISION, seq, columns, text)


async def _all_callers(writer: GroupWriter, record: DecisionRecord, chained: bool) -> None:
    async def call(caller: int) -> None:
        for number in range(EACH):
            own = record.model_copy(update={"declaration_id": f"D-{caller}-{number}"})
            await writer.submit(partial(_keep, own, own.model_dump_json(), chained))

    await asyncio.gather(*map(call, range(CALLERS)))


def main() -> None:
    """Print both medians and the median ratio of neighbouring rounds."""
    items = tuple(an_item(item_no=number) for number in (1, 2, 3))
    record = a_predictor().decide(a_declaration(items=items), earlier_lane=None, now=NOON)
    per_second(record, chained=False)
    rounds = [
        (per_second(record, chained=False), per_second(record, chained=True)) for _ in range(ROUNDS)
    ]
    ratios = sorted(chained / plain for plain, chained in rounds)
    plain, chained = (statistics.median(each) for each in zip(*rounds, strict=True))
    print(f"{CALLERS} callers, records of {len(record.model_dump_json()):,} bytes")
    print(f"without the chain {plain:8,.0f}/s")
    print(f"with the chain    {chained:8,.0f}/s")
    print(f"ratio {statistics.median(ratios):.2f}, rounds from {ratios[0]:.2f} to {ratios[-1]:.2f}")


if __name__ == "__main__":
    main()
