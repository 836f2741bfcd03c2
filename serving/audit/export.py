"""Gives the decision log to training: declarations as lodged, and what controls of them found.

Writes  declarations.ndjson   one declaration per line, every version that was decided on
        inspections.ndjson    one inspection per line, with the chance its control had
        export.json           how far of the log this is, for `trained_on.feedback_upto`
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

from pydantic import BaseModel, ConfigDict

from models.durable import sync
from selectivity.deciding.decision import LaneDecision
from selectivity.errors import ParamsError
from selectivity.inspection import Inspection
from selectivity.lanes import Channel, Lane
from selectivity.record import DecisionRecord
from serving.log.reader import LogReader

FILES = ("declarations.ndjson", "inspections.ndjson", "export.json")


class Exported(BaseModel):
    """How much was written, and up to which places of which log."""

    model_config = ConfigDict(frozen=True)

    log_id: str
    decision_seq: int = 0
    inspection_seq: int = 0
    declarations: int = 0
    inspections: int = 0
    parked: int = 0


def export(log: LogReader, folder: Path) -> Exported:
    """Write the whole log as files. They appear when all are complete, or not at all: one that is
    newer than `export.json` beside it would be learnt in part twice.

    Raises:
        ParamsError: nothing can be written there.
        DecisionLogError: the log cannot be read.
    """
    try:
        return _export(log, folder)
    except OSError as error:
        raise ParamsError(
            f"{folder} cannot be written ({error.strerror}). Name a folder on a disk with room."
        ) from error


def _export(log: LogReader, folder: Path) -> Exported:
    folder.mkdir(parents=True, exist_ok=True)
    with _together(folder, *FILES) as (to_declarations, to_inspections, to_places):
        with log.one_moment():
            changed = _changed_by_officers(log)
            declarations, decision_seq = _write_declarations(log, to_declarations)
            inspections, parked, inspection_seq = _write_inspections(log, to_inspections, changed)
        exported = Exported(
            log_id=log.log_id,
            decision_seq=decision_seq,
            inspection_seq=inspection_seq,
            declarations=declarations,
            inspections=inspections,
            parked=parked,
        )
        to_places.write(exported.model_dump_json(indent=1) + "\n")
    return exported


def with_trigger(
    inspection: Inspection, record: DecisionRecord, changed: Mapping[tuple[str, int], Lane]
) -> Inspection:
    """The inspection with `triggered_by` and `propensity`, as far as they follow from the log.

    Where an officer changed the lane, the officer triggered it, and nobody knows its propensity.

    Args:
        changed: lanes in force where officers changed them, by the key of the decision.
    """
    if changed.get(record.key, record.decision.lane) == record.decision.lane:
        return triggered_by_lane(inspection, record)
    return inspection.model_copy(
        update={"triggered_by": inspection.triggered_by or Channel.OFFICER}
    )


def triggered_by_lane(inspection: Inspection, record: DecisionRecord) -> Inspection:
    """The inspection with the channel and propensity of the lane, if that asks for such a control.

    One that names another trigger itself stays as it is.
    """
    explained = asks_for(record.decision.lane, inspection.control_type)
    if not explained or inspection.triggered_by not in (None, record.decision.channel):
        return inspection
    chance = chance_of_control(record.decision, inspection.control_type)
    return inspection.model_copy(
        update={
            "propensity": inspection.propensity or chance,
            "triggered_by": record.decision.channel,
        }
    )


def asks_for(lane: Lane, control_type: str) -> bool:
    """Whether this lane asks for this control.

    YELLOW and RED have their documents checked, RED alone its goods inspected. An audit after
    release follows from no lane.
    """
    if control_type == "DOCUMENT":
        return lane >= Lane.YELLOW
    return control_type != "AUDIT" and lane is Lane.RED


def chance_of_control(decision: LaneDecision, control_type: str) -> float | None:
    """Chance that the decision asked for this control; None where only the lane of an earlier
    version explains its lane, since the chance was that version's.
    """
    if (chances := decision.chances) is None:
        return None
    papers = control_type == "DOCUMENT"
    return _at_most_one(chances.yellow + chances.red if papers else chances.red)


def _changed_by_officers(log: LogReader) -> dict[tuple[str, int], Lane]:
    """The lane that holds for each decision that somebody changed, by its key."""
    return {
        (step.asked.declaration_id, step.asked.version_no): step.lane
        for step in log.overrides()
        if step.lane is not None
    }


def _at_most_one(chance: float) -> float:
    return min(chance, 1.0)  # sums of shares may exceed 1 by a rounding


def _write_declarations(log: LogReader, stream: TextIO) -> tuple[int, int]:
    count = last = 0
    for seq, record in log.records():
        _write_line(stream, record.declared)
        count, last = count + 1, seq
    return count, last


def _write_inspections(
    log: LogReader, stream: TextIO, changed: Mapping[tuple[str, int], Lane]
) -> tuple[int, int, int]:
    count = parked = last = 0
    for seq, inspection, decision in log.inspections():
        if decision is not None:
            inspection = with_trigger(inspection, decision.record, changed)
        _write_line(stream, inspection.model_dump(mode="json", exclude_none=True))
        count, parked, last = count + 1, parked + (decision is None), seq
    return count, parked, last


def _write_line(stream: TextIO, content: dict[str, Any]) -> None:
    stream.write(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n")


@contextmanager
def _together(folder: Path, *names: str) -> Iterator[list[TextIO]]:
    """Streams to files that take their names one behind the other, once all are on the disk."""
    halves = [folder / f".{name}.half" for name in names]
    try:
        with ExitStack() as opened:
            yield [opened.enter_context(half.open("w", encoding="utf-8")) for half in halves]
        for half in halves:
            sync(half)
        for half, name in zip(halves, names, strict=True):
            half.replace(folder / name)
        sync(folder)
    finally:
        for half in halves:
            half.unlink(missing_ok=True)
