"""What was released without the model in force is found wherever it lies in the log."""

from datetime import timedelta
from pathlib import Path

from selectivity.lanes import Lane
from serving.audit.released import released
from serving.log.decision_log import DecisionLog
from tests.builders import NOON
from tests.logs import a_record, kept


def test_what_a_spool_brought_late_hides_nothing(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "decisions.sqlite")
    for number, hours in enumerate((2, 3, 0, 1)):  # the last two were drained behind the others
        record = a_record(declaration_id=f"D-{number}")
        decision = record.decision.model_copy(
            update={"lane": Lane.GREEN, "fallback_cause": "MODEL_ERROR"}
        )
        moment = NOON + timedelta(hours=hours)
        kept(log, record.model_copy(update={"decision": decision, "decided_at": moment}))
    found = [each.declaration_id for each in released(log, NOON + timedelta(hours=1))]
    log.close()
    assert sorted(found) == ["D-0", "D-1", "D-3"]
