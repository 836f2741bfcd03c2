"""What it costs to ask the live histories and to tell them, in microseconds of CPU a goods item.

    python -m tests.benchmarks.histories_live --rows 1000 --rows 100000

So many goods items of traders, headings and offices by chance, over a year, become known, one in
ten with an outcome, which is told on its day, up to 19 days later. Then more of them come, day by
day, as a service meets them: a row is made of the goods item, all values are read, a row is made
again, and it is counted. Rows are not timed, nor are outcomes that come in between. A million rows
take a few minutes.
"""

import gc
import time
from collections.abc import Iterator
from copy import copy, deepcopy
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import numpy as np
import typer

from selectivity.declaration import Declaration
from selectivity.histories.profiles import Profiles
from selectivity.histories.rows import Row, rows_of
from serving.memory import search_less_for_garbage
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
        world = World(count)
        restored = world.restored()
        for what, each in (("as it grew", world), ("from a bundle", restored)):
            _tell(count, what, *_lived(each, count))


class World:
    """Histories, and the outcomes that are not known yet."""

    def __init__(self, count: int) -> None:
        self.profiles, self._chance = Profiles(), np.random.default_rng(1)
        self._pending: dict[int, list[tuple[Row, int]]] = {}
        self._day = 0
        for declaration in _coming(count, 0, DAYS, traders=max(count // 20, 10)):
            (row,) = rows_of(declaration)
            self.learn_until(row["day"])
            self.profiles.observe([row])
            self.control(row)

    def restored(self) -> "World":
        """The same, with histories from a snapshot."""
        other = copy(self)
        other.profiles = Profiles.restore(self.profiles.snapshot())
        other._pending, other._chance = deepcopy((self._pending, self._chance))
        return other

    def control(self, row: Row) -> None:
        """Control one in ten goods items; what was found is known some days later."""
        if self._chance.random() < OUTCOMES_SHARE:
            day = row["day"] + int(self._chance.integers(0, 20))
            self._pending.setdefault(day, []).append((row, int(self._chance.integers(3))))

    def learn_until(self, day: int) -> None:
        """Tell the outcomes of the days before this one, on its first goods item."""
        if day != self._day:
            for past in sorted(each for each in self._pending if each < day):
                for row, found in self._pending.pop(past):
                    self.profiles.learn(row, past, found)
            self._day = day


def _lived(world: World, count: int) -> tuple[list[float], list[float]]:
    reads, updates = [], []
    coming = list(_coming(MEASURED, DAYS, DAYS_AFTER, traders=max(count // 20, 10)))
    profiles = world.profiles
    search_less_for_garbage()  # as `lanes serve` does
    for declaration in coming:
        (row,) = rows_of(declaration)
        world.learn_until(row["day"])
        begun = time.thread_time_ns()
        profiles.values(row)
        reads.append((time.thread_time_ns() - begun) / 1_000)
        rows = rows_of(declaration)
        begun = time.thread_time_ns()
        profiles.observe(rows)
        updates.append((time.thread_time_ns() - begun) / 1_000)
        world.control(row)
    gc.unfreeze()
    return reads[WARM:], updates[WARM:]


def _tell(count: int, what: str, reads: list[float], updates: list[float]) -> None:
    for name, found in ((f"read, {what}", reads), (f"update, {what}", updates)):
        p50, p99 = np.quantile(found, [0.5, 0.99])
        print(f"{count:9,}  {name:22}{p50:7.1f}{p99:9.1f}")


def _coming(count: int, first_day: int, days: int, *, traders: int) -> Iterator[Declaration]:
    """Goods items by chance, in the order of time; a few traders bring most of them."""
    chance = np.random.default_rng(first_day)
    for at in range(count):
        moment = START + timedelta(days=first_day + days * at / count)
        trader = int(traders * chance.random() ** 3)
        yield _declaration(at, moment, trader, chance.random(4))


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
