"""What the chain costs: durable records a second with it and without, turn and turn about.

    python -m tests.benchmarks.log_chain

Each of so many callers keeps one decision after the other in a file of its own round. "Without" is
the same writer and the same INSERT, less the link. The disk differs from minute to minute, so only
the ratio of neighbouring rounds says something.
"""

import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from selectivity.record import DecisionRecord
from serving import chain
from serving.group_writer import GroupWriter
from serving.log_file import open_to_write
from tests.builders import NOON, a_declaration, an_item
from tests.bundles import a_predictor

CALLERS, EACH, ROUNDS = 64, 40, 9
Keep = Callable[[DecisionRecord, str, sqlite3.Connection], None]


def insert(record: DecisionRecord, text: str, connection: sqlite3.Connection) -> None:
    """Keep a decision without linking it."""
    _insert(record, text, connection)


def insert_and_link(record: DecisionRecord, text: str, connection: sqlite3.Connection) -> None:
    """Keep a decision as the service does."""
    columns, seq = _insert(record, text, connection)
    chain.extend(connection, chain.DECISION, seq, columns, text)


def _insert(
    record: DecisionRecord, text: str, connection: sqlite3.Connection
) -> tuple[tuple[str | int, ...], int | None]:
    columns = (*record.key, record.lineage_id, record.snapshot_sha256, int(record.decision.lane))
    names = ", ".join((*chain.COLUMNS[chain.DECISION], "record"))
    sql = f"INSERT INTO decisions ({names}) VALUES (?, ?, ?, ?, ?, ?)"
    return columns, connection.execute(sql, (*columns, text)).lastrowid


def per_second(keep: Keep, record: DecisionRecord) -> float:
    """Durable records a second, in a file of its own."""
    with tempfile.TemporaryDirectory() as folder:
        writer = GroupWriter(partial(open_to_write, Path(folder) / "log.sqlite"))
        started = time.perf_counter()
        asyncio.run(_all_callers(writer, keep, record))
        seconds = time.perf_counter() - started
        writer.close()
    return CALLERS * EACH / seconds


async def _all_callers(writer: GroupWriter, keep: Keep, record: DecisionRecord) -> None:
    async def call(caller: int) -> None:
        for number in range(EACH):
            own = record.model_copy(update={"declaration_id": f"D-{caller}-{number}"})
            await writer.submit(partial(keep, own, own.model_dump_json()))

    await asyncio.gather(*map(call, range(CALLERS)))


def main() -> None:
    """Print both medians and the median ratio of neighbouring rounds."""
    items = tuple(an_item(item_no=number) for number in (1, 2, 3))
    record = a_predictor().decide(a_declaration(items=items), earlier_lane=None, now=NOON)
    per_second(insert, record)
    rounds = [
        (per_second(insert, record), per_second(insert_and_link, record)) for _ in range(ROUNDS)
    ]
    ratios = sorted(chained / plain for plain, chained in rounds)
    plain, chained = (statistics.median(each) for each in zip(*rounds, strict=True))
    print(f"{CALLERS} callers, records of {len(record.model_dump_json()):,} bytes")
    print(f"without the chain {plain:8,.0f}/s")
    print(f"with the chain    {chained:8,.0f}/s")
    print(f"ratio {statistics.median(ratios):.2f}, rounds from {ratios[0]:.2f} to {ratios[-1]:.2f}")


if __name__ == "__main__":
    main()
