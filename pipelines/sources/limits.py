"""How much of a source may be set aside before the run stops, and what was most often wrong."""

from collections import Counter
from collections.abc import Iterator

import pandas as pd

from pipelines.sources.assembly import FELL_WITH_ANOTHER
from pipelines.sources.joining import OTHER_CONTENT
from pipelines.sources.layouts import Canonical
from selectivity.errors import SourceError
from selectivity.inspection import Result

FEW = 10
"""So many lost rows of a table, or findings, are told and stop nothing: they may be chance."""
_REMEDY = (
    "Correct the mapping file or the data; quarantine.csv says where each row stands, and "
    "ingest.quarantine_limit what may be lost."
)


def check_quarantine(joined: Canonical, source: str, limit: float) -> list[str]:
    """Stops the run when so much was refused that the mapping, not the data, must be wrong.

    The share `limit` holds for all rows, for each table, and for the inspections that found
    something: few among many rows, they could all be lost and hardly count.

    Returns:
        Warnings about shares above the limit that are not more than `FEW`.

    Raises:
        SourceError: more was refused.
    """
    refused = refused_rows(joined.quarantine)
    if refused > limit * joined.rows_read:
        raise SourceError(
            f"Source {source}: {refused} of {joined.rows_read} rows were refused, more than "
            f"ingest.quarantine_limit {limit} allows. {_most_often(joined.quarantine)}Correct the "
            "mapping file or the data; quarantine.csv says where each row stands."
        )
    warnings = []
    for lost, of, what, where in (*_tables(joined), _findings(joined)):
        if lost <= limit * of:
            continue
        told = f"source {source}: {lost} of {of} {what}, more than {limit:.0%}. {where}{_REMEDY}"
        if lost > FEW:
            raise SourceError(f"S{told[1:]}")
        warnings.append(f"warning: {told}")
    return warnings


def refused_rows(quarantine: pd.DataFrame) -> int:
    """Rows, not problems: one row may have several."""
    return len(quarantine.drop_duplicates(["file", "line"]))


def by_reason(quarantine: pd.DataFrame) -> dict[str, int]:
    """Rows per field and reason, the most frequent first."""
    rows = quarantine.drop_duplicates(["file", "line", "field", "reason"])
    return dict(Counter(_named(rows)).most_common())


def _named(quarantine: pd.DataFrame) -> list[str]:
    return [
        f"{name}: {reason}" if name else reason
        for name, reason in quarantine[["field", "reason"]].to_numpy()
    ]


def _tables(joined: Canonical) -> Iterator[tuple[int, int, str, str]]:
    """Rows refused and read of each table, that where most went wrong first.

    What an earlier source has is not lost.
    """
    read: Counter[str] = Counter()
    for table, rows in joined.files.values():
        read[table] += rows
    lost = joined.quarantine[joined.quarantine["reason"] != OTHER_CONTENT]
    tables = lost["file"].map(lambda file: joined.files[file].table)
    wrong = Counter(tables[lost["reason"] != FELL_WITH_ANOTHER])
    for table, rows in sorted(read.items(), key=lambda each: -wrong[each[0]]):
        of_it = lost[tables == table]
        yield refused_rows(of_it), rows, f"rows of table {table} were refused", _most_often(of_it)


def _findings(joined: Canonical) -> tuple[int, int, str, str]:
    kept = int((joined.inspections["result"] == Result.FINDING).sum())
    what = "inspections that found something, or may have, were lost"
    where = f"Nobody would learn what they found. {_most_often(joined.quarantine)}"
    return joined.found - kept, joined.found, what, where


def _most_often(quarantine: pd.DataFrame) -> str:
    """The most frequent cause, and the first row that it stands for."""
    causes = quarantine[quarantine["reason"] != FELL_WITH_ANOTHER]
    for reason, rows in by_reason(causes if len(causes) else quarantine).items():
        first = quarantine.iloc[_named(quarantine).index(reason)]
        value = f"{first['value']!r} in " if first["value"] else ""
        where = f"{value}{first['file']}, line {first['line']}"
        return f"Most often: {reason} ({rows} rows), first {where}. "
    return ""
