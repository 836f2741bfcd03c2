"""What it costs to ask the live histories and to tell them, in microseconds of CPU a goods item.

    python -m tests.benchmarks.histories_live --rows 1000 --rows 100000

So many goods items of traders, headings and offices by chance, over a year, become known, one in
ten with an outcome. Then more of them come, day by day, as a service meets them: all values are
read, and the goods item is counted. A million rows take a few minutes.
"""

import gc
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import numpy as np
import typer

from selectivity.declaration import Declaration
from selectivity.profiles import Profiles
from selectivity.rows import Row, rows_of
from tests.builders import a_declaration, an_item

START = datetime(2025, 1, 1, tzinfo=UTC)
DAYS, DAYS_AFTER = 365, 5
MEASURED = 5_000
OUTCOMES_SHARE = 0.1
WARM = 500


def main(
    rows: Annotated[list[int] | None, typer.Option(help="Rows of history; several times.")] = None,
) -> None:
    """Time reads and updates."""
    print(f"{'rows':>9}{'':20}{'p50 µs':>9}{'p99 µs':>9}")
    for count in rows or [1_000, 100_000]:
        profiles = _known(count)
        restored = Profiles.restore(profiles.snapshot())
        for what, each in (("as it grew", profiles), ("from a bundle", restored)):
            _tell(count, what, *_lived(each, count))


def _known(count: int) -> Profiles:
    profiles, chance = Profiles(), np.random.default_rng(1)
    for row in _coming(count, 0, DAYS, traders=max(count // 20, 10)):
        profiles.observe([row])
        if chance.random() < OUTCOMES_SHARE:
            profiles.learn(row, row["day"] + int(chance.integers(0, 20)), int(chance.integers(3)))
    return profiles


def _lived(profiles: Profiles, count: int) -> tuple[list[float], list[float]]:
    reads, updates = [], []
    coming = list(_coming(MEASURED, DAYS, DAYS_AFTER, traders=max(count // 20, 10)))
    gc.collect()
    gc.freeze()  # as the service does
    for row in coming:
        begun = time.thread_time_ns()
        profiles.values(row)
        read = time.thread_time_ns()
        profiles.observe([row])
        reads.append((read - begun) / 1_000)
        updates.append((time.thread_time_ns() - read) / 1_000)
    gc.unfreeze()
    return reads[WARM:], updates[WARM:]


def _tell(count: int, what: str, reads: list[float], updates: list[float]) -> None:
    for name, found in ((f"read, {what}", reads), (f"update, {what}", updates)):
        p50, p99 = np.quantile(found, [0.5, 0.99])
        print(f"{count:9,}  {name:22}{p50:7.1f}{p99:9.1f}")


def _coming(count: int, first_day: int, days: int, *, traders: int) -> Iterator[Row]:
    """Goods items by chance, in the order of time; a few traders bring most of them."""
    chance = np.random.default_rng(first_day)
    for at in range(count):
        moment = START + timedelta(days=first_day + days * at / count)
        trader = int(traders * chance.random() ** 3)
        (row,) = rows_of(_declaration(at, moment, trader, chance.random(4)))
        yield row


def _declaration(at: int, moment: datetime, trader: int, chances: Any) -> Declaration:
    heading, goods, price, mass = chances
    item = an_item(
        hs_code=f"{int(1_000 + 8_000 * heading**2)}{int(10 + 80 * goods)}",
        country_of_origin=["CN", "VN", "KR", "JP", "DE", "US"][int(6 * goods)],
        customs_value=round(1_000 * (0.5 + price), 1),
        net_mass_kg=round(100 * (0.5 + mass), 1),
        tariff_quantity=float(int(1 + 20 * mass)),
    )
    return a_declaration(
        declaration_id=f"D-{at}",
        accepted_at=moment,
        importer_id=f"IMP{trader}",
        declarant_id=f"DEC{trader % 50}",
        seller_id=f"SEL{trader % 997}",
        declaration_office=f"OFF{trader % 7}",
        items=(item,),
    )


if __name__ == "__main__":
    typer.run(main)
