"""Decision logs for tests: written through the log itself, without a service around it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from selectivity.actor import Actor
from selectivity.inspection import Inspection
from selectivity.lanes import Lane
from selectivity.override import OverrideAsked, OverrideState, OverrideStep, request
from selectivity.record import DecisionRecord
from serving.log.checkpoints import AnchorLine, anchor_lines
from serving.log.decision_log import DecisionLog
from serving.log.keep import Receipt
from serving.storage.acts import Act, What
from serving.storage.database import Patience
from serving.storage.file import LogFile
from tests.builders import NOON, a_declaration
from tests.bundles import a_predictor

Result = TypeVar("Result")
PREDICTOR = a_predictor()
OFFICER = Actor(id="aaaaaaaa", name="An")
PATIENT = Patience(write_seconds=10, look_seconds=10)
"""For tests that are not about how long somebody waits for a database on a busy machine."""


def a_record(**fields: Any) -> DecisionRecord:
    """A decision on `a_declaration()`, without a model."""
    return PREDICTOR.decide(a_declaration(**fields), earlier_lane=None, now=NOON)


def anchored(file: Path) -> list[AnchorLine]:
    """Every line of an anchor file."""
    with file.open("rb") as stream:
        return list(anchor_lines(stream))


def kept(log: DecisionLog, *records: DecisionRecord) -> list[Any]:
    """What became of records that were appended at the same time."""
    return in_a_loop(lambda: asyncio.gather(*map(log.append, records), return_exceptions=True))


def inspected(log: DecisionLog, inspection: Inspection) -> Receipt:
    """What became of an inspection."""

    async def add() -> Receipt:
        return (await log.add_inspection(inspection)).receipt

    return in_a_loop(add)


def _asked(declaration_id: str, to_lane: str, **fields: Any) -> OverrideAsked:
    plain = {"version_no": 1, "to_lane": to_lane, "reason_code": "INTEL"}
    return OverrideAsked.model_validate({"declaration_id": declaration_id} | plain | fields)


def a_lane_changed(declaration_id: str) -> Act:
    """An act by which an officer raised the lane of this declaration to RED."""
    asked = _asked(declaration_id, "RED")
    step = request(
        a_record(declaration_id=declaration_id), [], asked, rules={}, by=OFFICER, at=NOON
    )
    assert isinstance(step, OverrideStep)
    text = step.model_dump_json()
    return Act(step.name, What.OVERRIDE, declaration_id, 1, text, lane=step.lane, follows=0)


def a_lane_pending(declaration_id: str) -> Act:
    """An act by which an officer asked for GREEN, which waits for a second person."""
    asked = _asked(declaration_id, "GREEN", reason_text="It is another seal.")
    step = OverrideStep(
        override_id="0" * 24,
        state=OverrideState.PENDING,
        asked=asked,
        lineage_id=declaration_id,
        from_lane=Lane.RED,
        requested_by=OFFICER,
        at=NOON,
    )
    text = step.model_dump_json()
    return Act(step.name, What.OVERRIDE, declaration_id, 1, text, lane=step.lane, follows=0)


def acted(log: DecisionLog, act: Act) -> int | None:
    """Number among all records of an act that was kept; None in a spool."""

    async def add() -> int | None:
        return await log.add_act(act)

    return in_a_loop(add)


def path_of(log: DecisionLog) -> Path:
    """Where the file of a log lies that lies in one."""
    assert isinstance(log.store, LogFile)
    return log.store.file


def in_a_loop(work: Callable[[], Awaitable[Result]]) -> Result:
    """Run what needs an event loop."""

    async def run() -> Result:
        return await work()

    return asyncio.run(run())
