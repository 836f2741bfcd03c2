"""What a start and a new bundle pay for a long log: CPU a decision, and memory.

    python -m tests.benchmarks.catch_up --decisions 183000

A log is made of so many decisions, one in ten with an inspection, by chance, 10,000 a day. In each
round a process of its own folds it into the histories of a bundle, as a start does, and then into
those of another one while the first is there, as a new bundle does. Beside it, a process does the
same with every record checked as if it came anew, and one goes on from what was kept some records
before the end, as a start does that finds it. Figures are medians of the rounds, ratios those of
the processes of a round.
"""

import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import typer

from models.bundle import load
from selectivity.declaration import read_declaration
from selectivity.inspection import read_inspection
from selectivity.record import DecisionRecord
from serving.deciding.catch_up import catch_up
from serving.deciding.histories_file import HistoriesFile
from serving.deciding.keep_histories import Task, keep
from serving.deciding.predictor import Predictor
from serving.log.journal import Journal
from serving.log.keep import NewDecision, keep_inspection
from serving.log.linked import Link
from serving.log.reader import LogReader
from serving.memory import search_less_for_garbage
from serving.settings import Settings
from serving.storage.file import LogFile
from serving.storage.store import HIGHEST
from tests.benchmarks.own_process import took
from tests.benchmarks.sides import declarations
from tests.bundles import a_bundle

START = datetime(2026, 3, 2, tzinfo=UTC)
A_DAY, INSPECTED_SHARE = 10_000, 0.1
IMPORTERS, DECLARANTS, SELLERS = 20_000, 500, 3_000
MOST_LATER, TOGETHER = 900, 1_000
CHECKED, KEPT = "checked", "kept"
WAYS = {"": "as it was kept", CHECKED: "every record checked", KEPT: "from what was kept"}
DRAW_KEY = b"benchmark"


def main(
    decisions: Annotated[int, typer.Option(help="Length of the log.")] = 20_000,
    rounds: Annotated[int, typer.Option(min=1, max=50)] = 5,
    bundle: Annotated[Path | None, typer.Option(help="Bundle; a tiny one if left out.")] = None,
    log: Annotated[Path | None, typer.Option(hidden=True)] = None,
    way: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Make a log, and have processes read it."""
    if log is not None and bundle is not None:
        print(json.dumps(_read(log, bundle, way)))
        return
    with tempfile.TemporaryDirectory() as folder:
        file, given = Path(folder) / "log.sqlite", bundle or Path(folder) / "bundle"
        if bundle is None:
            a_bundle(given)
        later = min(Settings().histories_records, decisions // 2)
        write_log(file, given, decisions, _keeping(file, given, decisions - later))
        found = [[_in_a_process(file, given, each) for each in WAYS] for _ in range(rounds)]
    print(f"{decisions:,} decisions, {rounds} rounds\n")
    print(f"{'':24}{'µs each':>9}{'loaded':>9}{'start':>9}{'2nd':>9}  MiB")
    for name, of_way in zip(WAYS.values(), zip(*found, strict=True), strict=True):
        figures = [median(each) for each in zip(*of_way, strict=True)]
        print(f"{name:24}" + "".join(f"{figure:9.1f}" for figure in figures))
    print()
    for at, name in list(enumerate(WAYS.values()))[1:]:
        ratios = sorted(of_ways[at][0] / of_ways[0][0] for of_ways in found)
        rounds_told = f"rounds from {ratios[0]:.2f} to {ratios[-1]:.2f}"
        print(f"{name}: {median(ratios):.2f} of as it was kept, {rounds_told}")


def _keeping(file: Path, bundle: Path, at: int) -> Callable[[int], None]:
    """Keeps what the histories know when the log has so many decisions."""
    task = Task(
        log=str(file),
        bundle=bundle,
        digest=load(bundle).digest,
        folder=file.parent / KEPT,
        draw_key=DRAW_KEY.hex(),
    )
    left = [task]

    def look(decisions: int) -> None:
        if decisions >= at and left:
            keep(left.pop())

    return look


def _in_a_process(log: Path, bundle: Path, way: str) -> Sequence[float]:
    command = [sys.executable, "-m", "tests.benchmarks.catch_up", "--log", str(log)]
    printed = took([*command, "--bundle", str(bundle), "--way", way]).printed
    figures: Sequence[float] = json.loads(printed)
    return figures


def _read(file: Path, bundle: Path, way: str) -> Sequence[float]:
    """CPU µs a decision, and the most memory in MiB when the bundle was loaded, when its histories
    knew the log, and when those of another did."""
    logging.disable()  # of records that are not what was written
    first = Predictor.of_bundle(load(bundle), draw_key=DRAW_KEY)
    kept = HistoriesFile(file.parent / KEPT, DRAW_KEY, often=sys.maxsize) if way == KEPT else None
    log, loaded = (_Distrusted if way == CHECKED else LogReader)(file), _most_mebibytes()
    count = max(log.counts()[0], 1)
    search_less_for_garbage()  # as `lanes serve` does
    began = time.process_time()
    catch_up(first, log, kept)
    spent, started = time.process_time() - began, _most_mebibytes()
    catch_up(Predictor.of_bundle(load(bundle), draw_key=DRAW_KEY), log, kept)
    return spent / count * 1e6, loaded, started, _most_mebibytes()


class _Distrusted(LogReader):
    """A log of which nothing is what its hash says, so that every record is checked."""

    def links(self, *, after: int = 0, upto: int = HIGHEST) -> Iterator[Link]:
        return (link._replace(stored=None) for link in super().links(after=after, upto=upto))


def _most_mebibytes() -> float:
    told = Path("/proc/self/status").read_text(encoding="ascii")
    return int(told.split("VmHWM:")[1].split()[0]) / 1024


def write_log(
    file: Path,
    bundle: Path,
    decisions: int,
    look: Callable[[int], None] = lambda decisions: None,
) -> None:
    """A log of so many decisions by this bundle, with inspections. `look` is told how many there
    are at the most, now and then.
    """
    journal = Journal(LogFile(file))
    works, written = _works(bundle, decisions), 0
    while some := list(islice(works, TOGETHER)):
        look(written)
        written += len(some)
        refused = [each for each in journal.keep(some) if isinstance(each, Exception)]
        if refused:
            raise SystemExit(f"the log refuses what the benchmark makes: {refused[0]}")
    journal.let_go()


def _works(bundle: Path, decisions: int) -> Iterator[Any]:
    """The samples, decided on once, with other traders, values and days."""
    predictor, chance = Predictor.of_bundle(load(bundle), draw_key=b"b"), np.random.default_rng(1)
    read = (read_declaration(json.dumps(each)) for each in declarations())
    decided = [predictor.decide(each, earlier_lane=None, now=START) for each in read]
    for at in range(decisions):
        moment = START + timedelta(days=at / A_DAY)
        record = _changed(decided[at % len(decided)], at, moment, chance.random(4).tolist())
        yield NewDecision(record, record.as_kept())
        if at > MOST_LATER and chance.random() < INSPECTED_SHARE:
            yield partial(
                keep_inspection, _inspection(at, moment, int(chance.integers(MOST_LATER)))
            )


def _changed(
    record: DecisionRecord, at: int, moment: datetime, chances: Sequence[float]
) -> DecisionRecord:
    importer, seller, value, mass = chances
    trader = int(IMPORTERS * importer**3)  # a few bring most
    of_items = {"customs_value": round(4_000 * value, 1), "net_mass_kg": round(99 * mass, 1)}
    declared = record.declared | {
        "declaration_id": f"D-{at}",
        "importer_id": f"IMP{trader}",
        "declarant_id": f"DEC{trader % DECLARANTS}",
        "seller_id": f"SEL{int(SELLERS * seller**2)}",
        "accepted_at": moment.isoformat(),
        "items": [item | of_items for item in record.declared["items"]],
    }
    own = {"declaration_id": f"D-{at}", "lineage_id": f"D-{at}", "decided_at": moment}
    return record.model_copy(update=own | {"declared": declared})


def _inspection(at: int, moment: datetime, earlier: int) -> Any:
    content = {
        "inspection_id": f"I-{at}",
        "declaration_id": f"D-{at - earlier}",
        "control_type": "FULL_PHYSICAL",
        "result": "NO_FINDING",
        "observed_at": moment.isoformat(),
    }
    return read_inspection(json.dumps(content))


if __name__ == "__main__":
    typer.run(main)
