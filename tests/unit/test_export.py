"""Who asked for a control, and the chance it had: what training weighs findings by."""

from contextlib import closing
from pathlib import Path

import pytest

from selectivity.deciding.decision import LaneDecision
from selectivity.errors import ParamsError
from selectivity.lanes import LINEAGE, Channel, Lane, Propensities, Reason, Vote
from selectivity.record import DecisionRecord
from serving.audit.export import export, with_trigger
from serving.log.decision_log import DecisionLog
from serving.log.reader import LogReader
from tests.builders import an_inspection
from tests.logs import a_lane_pending, a_record, acted, inspected, kept, path_of


def a_red_one() -> DecisionRecord:
    """A decision for a goods inspection, which had a chance of one in four."""
    record = a_record()
    chances = Propensities(green=0.5, yellow=0.25, red=0.25)
    red = {"lane": Lane.RED, "channel": Channel.MODEL, "propensities": chances}
    return record.model_copy(update={"decision": record.decision.model_copy(update=red)})


@pytest.mark.parametrize(
    ("said", "changed_to", "cause", "chance"),
    [
        (None, None, "MODEL", 0.25),
        ("MODEL", None, "MODEL", 0.25),
        ("RANDOM", None, "RANDOM", None),  # something else than the lane asked for it
        (None, Lane.GREEN, "OFFICER", None),
        ("RANDOM", Lane.GREEN, "RANDOM", None),
        (None, Lane.RED, "MODEL", 0.25),  # changed, and changed back
    ],
)
def test_a_control_has_the_cause_and_the_chance_of_its_lane(
    said: str | None, changed_to: Lane | None, cause: str, chance: float | None
) -> None:
    record = a_red_one()
    inspection = an_inspection(triggered_by=said)
    changed = {} if changed_to is None else {record.key: changed_to}
    exported = with_trigger(inspection, record, changed)
    assert (exported.triggered_by, exported.propensity) == (cause, chance)


@pytest.mark.parametrize(
    ("drawn", "lane", "chance"), [(True, Lane.RED, 0.005), (False, Lane.RED, None)]
)
def test_the_chance_of_an_amendment_is_its_own_or_nobody_knows_it(
    drawn: bool, lane: Lane, chance: float | None
) -> None:
    """Version 2 of what was red before: drawn at random alike, or kept red by that alone."""
    votes = [
        Vote(lane=Lane.RED, channel=Channel.RULE, reason=Reason(code=LINEAGE)),
        Vote(lane=Lane.GREEN, channel=Channel.MODEL, reason=Reason(code="LOW_RISK")),
        Vote(
            lane=Lane.RED,
            channel=Channel.RANDOM,
            reason=Reason(code="RANDOM"),
            probability=0.005,
            cast=drawn,
        ),
    ]
    record = a_record().model_copy(update={"decision": LaneDecision.of(votes)})
    assert record.decision.lane is lane
    exported = with_trigger(an_inspection(), record, {})
    assert exported.triggered_by == "RULE"
    assert exported.propensity == (None if chance is None else pytest.approx(chance))


def test_a_lower_lane_that_still_waits_changes_no_cause(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "decisions.sqlite")
    kept(log, a_red_one())
    acted(log, a_lane_pending("D-1"))
    inspected(log, an_inspection())
    reader = LogReader(path_of(log))
    export(reader, tmp_path / "out")
    reader.close()
    log.close()
    assert '"triggered_by":"MODEL"' in (tmp_path / "out/inspections.ndjson").read_text()


def test_where_nothing_can_be_written_is_told(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "decisions.sqlite")
    (tmp_path / "file").touch()
    with closing(LogReader(path_of(log))) as reader:
        for place in (tmp_path / "file", tmp_path / "file/below"):
            with pytest.raises(ParamsError, match=r"cannot be written.*Name a folder"):
                export(reader, place)
    log.close()


def test_an_export_that_fails_leaves_the_one_before_as_a_whole(tmp_path: Path) -> None:
    """With newer declarations beside it, what it says of how far it reaches would be wrong, and
    what lies between would be learnt twice."""
    log, out = DecisionLog(tmp_path / "decisions.sqlite"), tmp_path / "out"
    kept(log, a_record())
    with closing(LogReader(path_of(log))) as reader:
        export(reader, out)
        before = {file.name: file.read_bytes() for file in out.iterdir()}
        kept(log, a_record(declaration_id="D-2"))
        (out / ".inspections.ndjson.half").mkdir()  # no room for it
        with pytest.raises(ParamsError):
            export(reader, out)
        (out / ".inspections.ndjson.half").rmdir()
        assert {file.name: file.read_bytes() for file in out.iterdir()} == before
        assert export(reader, out).declarations == 2
    log.close()
    assert sorted(file.name for file in out.iterdir()) == sorted(before)
