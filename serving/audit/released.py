"""What became GREEN while no model in force spoke or its histories were behind: to be looked at."""

from collections.abc import Iterator
from datetime import datetime

from selectivity.lanes import Lane
from selectivity.record import DecisionRecord
from serving.log.reader import LogReader

LINE = "{:20}{:24}{:>3}  {:10}{:20}{:>6}  {}"
HEAD = LINE.format("decided", "declaration", "v", "source", "cause", "points", "office")


def released(log: LogReader, since: datetime) -> Iterator[DecisionRecord]:
    """Decisions made without the model in force that released goods, those kept last first."""
    for record in log.newest_first():
        # What a spool brought lies behind later ones, so that all of the log is looked through.
        degraded = record.decided_at >= since and record.degraded_cause is not None
        if degraded and record.decision.lane is Lane.GREEN:
            yield record


def line(record: DecisionRecord) -> str:
    """One of them, as a line of a table."""
    decision = record.decision
    return LINE.format(
        f"{record.decided_at:%Y-%m-%d %H:%M:%S}",
        record.declaration_id,
        record.version_no,
        decision.source,
        record.degraded_cause or "",
        "" if decision.shadow is None else decision.shadow.points,
        record.declared.get("declaration_office") or "",
    )
