"""What each place for the log costs: durable decisions a second, turn and turn about.

    python -m tests.benchmarks.log_places

Each of so many callers keeps one decision after the other: in a file, in a PostgreSQL of its own on
the same disk, and in the spool beside a file that somebody holds. Disks differ from minute to
minute, so only the ratio of neighbouring rounds says something.
"""

import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from serving.log.decision_log import DecisionLog
from serving.log.spool import Reserve
from serving.storage.database import LogDatabase, Patience
from serving.storage.file import LogFile
from tests.logs import a_record
from tests.postgresql import PostgreSql, a_server

CALLERS, EACH, ROUNDS = 64, 40, 5


def per_second(log: DecisionLog) -> float:
    """Durable decisions a second."""
    plain = a_record()

    async def call(caller: int) -> None:
        for number in range(EACH):
            id_ = f"D-{caller}-{number}"
            own = plain.model_copy(update={"declaration_id": id_, "lineage_id": id_})
            await log.append(own, in_step=True)

    async def all_callers() -> None:
        await asyncio.gather(*map(call, range(CALLERS)))

    started = time.perf_counter()
    asyncio.run(all_callers())
    return CALLERS * EACH / (time.perf_counter() - started)


@contextmanager
def in_a_file(folder: Path, _: PostgreSql) -> Iterator[DecisionLog]:
    """The log in a file."""
    with closing(DecisionLog(folder / "log.sqlite")) as log:
        yield log


@contextmanager
def in_a_database(_: Path, server: PostgreSql) -> Iterator[DecisionLog]:
    """The log in a database."""
    store = LogDatabase(server.new_database(), Patience(write_seconds=10))
    with closing(DecisionLog(store)) as log:
        yield log


@contextmanager
def in_the_spool(folder: Path, _: PostgreSql) -> Iterator[DecisionLog]:
    """The log in a file that somebody holds."""
    file = folder / "held.sqlite"
    reserve = Reserve(LogFile(folder / "spool.sqlite"))
    with (
        closing(DecisionLog(file, reserve=reserve)) as log,
        closing(sqlite3.connect(file, isolation_level=None)) as other,
    ):
        other.execute("BEGIN EXCLUSIVE")
        asyncio.run(log.prove_writable())  # after a second, by the spool
        yield log


PLACES = {"file": in_a_file, "PostgreSQL": in_a_database, "spool": in_the_spool}


def main() -> None:
    """Print the median of each place, and its ratio to the file in the same round."""
    rounds: list[dict[str, float]] = []
    with a_server() as server:
        for _ in range(ROUNDS):
            figures = {}
            for name, place in PLACES.items():
                with tempfile.TemporaryDirectory() as folder, place(Path(folder), server) as log:
                    figures[name] = per_second(log)
            rounds.append(figures)
    print(f"{CALLERS} callers, {ROUNDS} rounds, median")
    for name in PLACES:
        median = statistics.median(each[name] for each in rounds)
        ratio = statistics.median(each[name] / each["file"] for each in rounds)
        print(f"{name:12} {median:8,.0f}/s   {ratio:.2f} of a file")


if __name__ == "__main__":
    main()
