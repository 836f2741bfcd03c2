"""A process that keeps decisions in a log until it is stopped or killed, and says which it kept.

python -m tests.log_writer <file> <name>
"""

import asyncio
import itertools
import sys
from pathlib import Path

from selectivity.errors import DecisionLogError
from serving.log.decision_log import DecisionLog
from tests.logs import a_record

MOST = 100_000


async def _keep_on(log: DecisionLog, name: str) -> None:
    numbers = itertools.count()

    async def call() -> None:
        while (number := next(numbers)) < MOST:
            record = a_record(declaration_id=f"{name}-{number}")
            try:
                await log.append(record)
            except DecisionLogError:  # the other held the file for too long: nothing was kept
                continue
            print(record.declaration_id, flush=True)

    await asyncio.gather(*[call() for _ in range(8)])


if __name__ == "__main__":
    asyncio.run(_keep_on(DecisionLog(Path(sys.argv[1])), sys.argv[2]))
