"""Batches, single requests and inspections while a new bundle takes over: all of it is proven."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from selectivity.record import DecisionRecord
from serving.log.reader import LogReader
from tests.builders import NOON, a_declaration, an_inspection, an_item
from tests.bundles import a_bundle
from tests.command_line import lanes
from tests.fault.test_new_bundle import publish
from tests.services import a_service, lodged, ndjson, settings_in

SECONDS = 60
IN_A_BATCH = 40


def trade(name: str) -> Iterator[dict[str, Any]]:
    """Declarations of three importers, one a day, so that each counts for those behind it."""
    for number in count():
        goods = (an_item(item_no=1, customs_value=100 + number), an_item(item_no=2))
        yield lodged(
            a_declaration(
                declaration_id=f"{name}-{number}",
                accepted_at=NOON + timedelta(days=number),
                importer_id=f"IMP{number % 3}",
                items=goods[: 1 + number % 2],
            )
        )


def found_in(declared: dict[str, Any]) -> dict[str, Any]:
    """What the inspection of this declaration found, sent a moment before or after it."""
    inspection = an_inspection(
        inspection_id=f"I-{declared['declaration_id']}",
        declaration_id=declared["declaration_id"],
        observed_at=declared["accepted_at"],
        result="FINDING",
        findings=({"item_no": 1, "mechanism": "QUANTITY"},),
    )
    return inspection.model_dump(mode="json", exclude_unset=True)


def send_until(client: httpx.Client, name: str, digest: str) -> int:
    """Send until this bundle serves and once more; gives how many declarations that were."""
    declarations, end, rounds = trade(name), time.monotonic() + SECONDS, 0
    while True:
        over = client.get("/health/ready").json()["bundle"] == digest[:16]
        assert time.monotonic() < end, "the new bundle never served"
        many = [next(declarations) for _ in range(IN_A_BATCH)]
        batch = client.post("/v1/lanes/batch", content=ndjson(*many[:-2]))
        assert all('"lane"' in line for line in batch.text.splitlines())
        for declared in many[-2:]:
            client.post("/v1/inspections", json=found_in(many[0] if over else declared))
            assert client.post("/v1/lanes", json=declared).status_code == 200
        rounds += 1
        if over:
            return rounds * IN_A_BATCH
        time.sleep(0.05)  # a change waits for a moment in which nothing is on its way


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("bundles")
    for seed in (0, 1):
        a_bundle(folder / str(seed), seed=seed)
    return folder / "0", folder / "1"


def test_a_log_across_batches_and_a_change_of_the_bundle_is_whole_and_replays_equal(
    tmp_path: Path, bundles: tuple[Path, Path]
) -> None:
    first = publish(bundles[0], tmp_path)
    with (
        a_service(tmp_path, follow_seconds=0.1, checkpoint_records=50) as client,
        ThreadPoolExecutor(2) as callers,
    ):
        client.post("/v1/lanes/batch", content=ndjson(*map(lodged, [a_declaration()])))
        second = publish(bundles[1], tmp_path)
        sent = callers.map(lambda name: send_until(client, name, second), "AB")
        total = 1 + sum(sent)

    log = LogReader(settings_in(tmp_path).log_file)
    records = [numbered.record for numbered in log.records()]
    assert len(records) == total
    assert {record.bundle_digest for record in records} == {first, second}
    _each_knew_only_what_was_before_it(log, records)
    told = lanes(tmp_path, "replay")
    assert told.stdout.startswith(f"{total} decisions replayed and equal. "), told.stderr
    whole = lanes(tmp_path, "verify")
    assert whole.stdout.startswith(f"whole: {log.head().no} records"), whole.stderr


def _each_knew_only_what_was_before_it(log: LogReader, records: list[DecisionRecord]) -> None:
    decided = [link.no for link in log.links() if link.kind == "decision"]
    known = [record.known_upto or 0 for record in records]
    assert all(upto < no for upto, no in zip(known, decided, strict=True))
    assert known == sorted(known)
    assert len(set(known)) < len(known) / 2  # those of a batch are judged together
