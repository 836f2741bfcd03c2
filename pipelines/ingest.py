"""Read the source that params.yaml names, and what the service sent back, into one set of tables.

Reads   data/reference/sources/*.yaml          how each source is read
        `ingest.path`, `ingest.feedback`       its files, and those of the service
Writes  data/interim/ingested/items.parquet        one row per goods item, all versions, by time
        data/interim/ingested/inspections.parquet  one row per control
        data/interim/ingested/findings.parquet     one row per thing to correct
        data/interim/ingested/quarantine.csv       what could not be used: where, and why
        data/interim/ingested/ingest.json          metrics: rows, period, labels, input digests
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn

from models.digests import sha256_of
from pipelines.sources.assembly import FINDING, INSPECTION
from pipelines.sources.canonical import read_source, source_files
from pipelines.sources.doubts import doubts
from pipelines.sources.invented import is_simulated
from pipelines.sources.joining import join
from pipelines.sources.layouts import Canonical
from pipelines.sources.limits import by_reason, check_quarantine, refused_rows
from pipelines.sources.mappings import SourceMapping, load_mapping
from pipelines.sources.reading import Watch
from pipelines.stage.command import command, say
from pipelines.stage.files import read_json, write_json, write_text
from pipelines.stage.options import IngestedFolder, MappingsFolder, ParamsFile
from pipelines.stage.params import section
from pipelines.stage.tables import columns_from_frame, write_columns
from selectivity.errors import SourceError
from selectivity.inspection import Result

SERVICE, EXPORTED = "service", "export.json"
APART_DAYS = 90
"""Nothing was declared for so long between source and feedback: they hardly belong together."""
_FEEDBACK_UPTO = ("log_id", "decision_seq", "inspection_seq")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class IngestParams(BaseModel):
    """Section `ingest` of params.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(description="Name of a mapping file in data/reference/sources.")
    path: Path = Field(description="A file, or a folder of files.")
    feedback: Path = Field(description="Folder with what the service exported; may be empty.")
    quarantine_limit: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Share of rows that may be refused, in all, of each table, and of findings.",
    )


def far_apart(source: Canonical, feedback: Canonical, params: IngestParams) -> list[str]:
    """A line when the feedback is of another time than the source, and would be mixed in unseen."""
    first, second = source.items["accepted_at"], feedback.items["accepted_at"]
    if not len(first) or not len(second):
        return []
    days = max(second.min() - first.max(), first.min() - second.max()) / np.timedelta64(1, "D")
    if days <= APART_DAYS:
        return []
    return [
        f"warning: the feedback in {params.feedback} is of {_in_utc(second.min())[:10]} to "
        f"{_in_utc(second.max())[:10]}, {days:.0f} days away from source {params.source}, "
        f"{_in_utc(first.min())[:10]} to {_in_utc(first.max())[:10]}. If it is of another source, "
        "empty that folder and run again."
    ]


def summary(joined: Canonical, params: IngestParams, digests: Mapping[str, str]) -> dict[str, Any]:
    """What ingest.json says: how much there is of what, from when to when, from which files."""
    accepted_at = joined.items["accepted_at"]
    concluded = joined.inspections["result"].isin([Result.FINDING, Result.NO_FINDING])
    labelled = joined.inspections["declaration_id"][concluded].nunique()
    declarations = len(set(joined.items["declaration_id"]))
    return {
        "source": params.source,
        "simulated": is_simulated(params.path),
        "rows": {
            "read": joined.rows_read,
            "repeated": joined.duplicates,
            "refused": refused_rows(joined.quarantine),
        },
        "refused_by_reason": by_reason(joined.quarantine),
        "set_to_missing": dict(joined.emptied),
        "declarations": declarations,
        "goods_items": len(accepted_at),
        "inspections": len(joined.inspections),
        "findings": len(joined.findings),
        "labelled_share": labelled / declarations if declarations else 0.0,
        "period": {
            "from": _in_utc(accepted_at.min()) if declarations else None,
            "until": _in_utc(accepted_at.max()) if declarations else None,
        },
        "inputs": dict(digests),
    }


def main(params: ParamsFile, mappings: MappingsFolder, out: IngestedFolder) -> None:
    """Read the source and what the service sent back."""
    settings = section(params, "ingest", IngestParams)
    places = {settings.path: load_mapping(mappings, settings.source)}
    if settings.feedback.is_dir():
        places[settings.feedback] = load_mapping(mappings, SERVICE)
    before = _as_they_are(places, settings.feedback)
    with _progress() as watch:
        sources = [read_source(path, mapping, watch) for path, mapping in places.items()]
    for feedback in sources[1:]:
        for warning in far_apart(sources[0], feedback, settings):
            say(warning)
    joined = join(sources)
    for warning in doubts(joined):
        say(warning)
    _write_quarantine(joined.quarantine, out / "quarantine.csv")
    for warning in check_quarantine(joined, settings.source, settings.quarantine_limit):
        say(warning)
    write_columns(joined.items, out / "items.parquet")
    for name, frame, kinds in (
        ("inspections", joined.inspections, INSPECTION),
        ("findings", joined.findings, FINDING),
    ):
        write_columns(columns_from_frame(frame, kinds), out / f"{name}.parquet", kinds)
    figures = summary(joined, settings, _digests(places)) | feedback_upto(settings.feedback)
    _check_unchanged(before, _as_they_are(places, settings.feedback))
    write_json(out / "ingest.json", figures)
    rows = figures["rows"]
    say(
        f"ingest: {figures['declarations']} declarations with {figures['goods_items']} goods "
        f"items, {figures['labelled_share']:.0%} of them inspected; {rows['refused']} of "
        f"{rows['read']} rows refused, {rows['repeated']} repeated"
    )
    if figures["set_to_missing"]:
        emptied = ", ".join(f"{name} {count}" for name, count in figures["set_to_missing"].items())
        say(f"ingest: values set to missing, as the mapping says: {emptied}")


def feedback_upto(feedback: Path) -> dict[str, Any]:
    """How far of which decision log the feedback reaches, as the service exported it."""
    exported = feedback / EXPORTED
    if not exported.exists():
        return {}
    places = read_json(exported)
    return {"feedback_upto": {name: places[name] for name in _FEEDBACK_UPTO if name in places}}


def _in_utc(time: np.datetime64) -> str:
    return str(np.datetime_as_string(time, unit="s", timezone="UTC"))


def _digests(places: Mapping[Path, SourceMapping]) -> dict[str, str]:
    """SHA-256 of every file read, by its path."""
    return {file.as_posix(): sha256_of(file) for file in _files(places)}


def _files(places: Mapping[Path, SourceMapping]) -> list[Path]:
    return [
        file
        for path, mapping in places.items()
        for table in source_files(path, mapping).values()
        for file in table
    ]


def _as_they_are(places: Mapping[Path, SourceMapping], feedback: Path) -> dict[Path, object]:
    """What shows that a file was written anew, by its path."""
    exported = feedback / EXPORTED
    there = [*_files(places), *([exported] if exported.exists() else [])]
    stats = [(file, file.stat()) for file in there]
    return {file: (stat.st_ino, stat.st_size, stat.st_mtime_ns) for file, stat in stats}


def _check_unchanged(before: Mapping[Path, object], after: Mapping[Path, object]) -> None:
    """See that what was read, and how far it is said to reach, belong together.

    Raises:
        SourceError: a file was written meanwhile.
    """
    changed = sorted(file for file in {*before, *after} if before.get(file) != after.get(file))
    if changed:
        raise SourceError(
            f"{changed[0]} was written while it was read. Wait until the export or copy has come "
            "to its end, then run again."
        )


def _write_quarantine(quarantine: pd.DataFrame, file: Path) -> None:
    """As CSV in which no cell is a formula: a spreadsheet would run what begins with = + - @."""
    texts = quarantine.select_dtypes(exclude="number").columns
    safe = quarantine.copy()
    for name in texts:
        cells = safe[name].astype("str")
        safe[name] = cells.mask(cells.str.startswith(_FORMULA), "'" + cells)
    write_text(file, safe.to_csv(index=False, lineterminator="\n"))


@contextmanager
def _progress() -> Iterator[Watch]:
    """A line per thing that is being done, on a terminal only, gone when all is done."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}: {task.completed:,.0f} rows"))
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        tasks: dict[str, TaskID] = {}

        def watch(doing: str, rows: int) -> None:
            if doing not in tasks:
                tasks[doing] = bar.add_task(doing, total=None)
            bar.advance(tasks[doing], rows)

        yield watch


if __name__ == "__main__":
    command(main)
