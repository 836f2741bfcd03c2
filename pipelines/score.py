"""Score a table of declarations in a source's own columns with a bundle, as the service would.

    python -m pipelines.score --source kcs --in new.csv --out scored.csv

One row comes out per row that goes in, in the same order. A row that cannot be read says why in
`status`, with its declaration: it has no probabilities and no lane, and that is not GREEN.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
import typer

from models.bundle import Bundle, load
from pipelines.judging.replay import replay
from pipelines.sources.layouts import Canonical, from_flat
from pipelines.sources.mappings import FieldSource, SourceMapping, load_mapping
from pipelines.sources.reading import Raw, Watch, expect_columns, raw_of_frame, read_raw, unwatched
from pipelines.stage.command import command, say
from pipelines.stage.files import put_in_place
from pipelines.stage.options import BundleFolder, MappingsFolder
from selectivity.columns import KINDS, Columns, Ints, first_rows, take, time_order
from selectivity.deciding.office_loads import OfficeLoads
from selectivity.errors import SourceError
from selectivity.inspection import FindingClass
from selectivity.lanes import LANES, Lane

SCORED, REPEATED = "scored", "repeats an earlier row"
PROBABILITIES = tuple(f"p_{finding_class.name.lower()}" for finding_class in FindingClass)
_OF_DECLARATION = ("risk", "lane", "channel")
_NOTHING = pd.DataFrame(
    {name: pd.Series(dtype="float64") for name in (*PROBABILITIES, "risk")}
    | {name: pd.Series(dtype="str") for name in ("lane", "channel", "status")}
)
_ROWS_AT_ONCE = 10_000


def score(
    frame: pd.DataFrame,
    bundle: Bundle,
    mapping: SourceMapping,
    *,
    watch: Watch = unwatched,
    rows_at_once: int = _ROWS_AT_ONCE,
) -> pd.DataFrame:
    """Probabilities per goods item, risk, lane and channel per declaration, status per row.

    Args:
        frame: one row per goods item; a source of another layout than `flat` is taken in columns
            named as our fields.
        watch: told how many more rows are scored.

    Raises:
        SourceError: a column that the mapping names is absent.
    """
    raw = raw_of_frame(frame, "the table")
    return score_rows(raw, bundle, mapping, watch=watch, rows_at_once=rows_at_once)


def score_rows(
    raw: Raw,
    bundle: Bundle,
    mapping: SourceMapping,
    *,
    watch: Watch = unwatched,
    rows_at_once: int = _ROWS_AT_ONCE,
) -> pd.DataFrame:
    """Scores rows as they were read from a file, unreadable ones among them: see `score`."""
    flat = in_one_table(mapping, tuple(raw.cells.columns))
    expect_columns(raw.cells, flat.columns, file="the table", source=mapping.name)
    counted = Raw(raw.cells, pd.DataFrame({"file": "", "line": range(len(raw.cells))}), raw.broken)
    known = from_flat(counted, flat, labels=False, watch=unwatched)
    order = time_order(known.items)  # in which lineages tighten and offices fill up
    items, numbers = take(known.items, order), known.rows[order]
    parts, so_far = [_NOTHING], _SoFar({}, OfficeLoads())
    for rows in _whole_declarations(items, rows_at_once):
        lanes = _lanes(take(items, rows), bundle, so_far)
        parts.append(lanes.set_axis(numbers[rows]))
        watch("Scoring", len(rows))
    scored = pd.concat(parts).reindex(range(len(raw.cells)))
    return scored.assign(status=scored["status"].fillna(_why_not(known)).fillna(REPEATED))


def _why_not(known: Canonical) -> "pd.Series[str]":
    """What is wrong with each row that was set aside; values stay out of it."""
    problems = known.quarantine.drop_duplicates("line").set_index("line").astype("str")
    return (problems["field"] + ": " + problems["reason"]).str.removeprefix(": ")


def in_one_table(mapping: SourceMapping, columns: tuple[str, ...] = tuple(KINDS)) -> SourceMapping:
    """The mapping itself if it is flat, else one that reads those of `columns` that are fields."""
    if mapping.layout == "flat":
        return mapping
    named = {"declaration_id", "accepted_at", *columns} - set(mapping.constants)
    fields = {name: FieldSource(column=name) for name in KINDS if name in named}
    return mapping.model_copy(update={"layout": "flat", "fields": fields, "labels": None})


def _whole_declarations(items: Columns, rows_at_once: int) -> Iterator[Ints]:
    """Positions of about so many rows at a time; a declaration is never cut in two."""
    starts, rows = first_rows(items), len(items["item_no"])
    wanted = np.searchsorted(starts, np.arange(0, rows, rows_at_once), side="right") - 1
    for begin, end in pairwise([*np.unique(starts[wanted]), rows]):
        yield np.arange(begin, end)


class _SoFar(NamedTuple):
    """What the lanes of a table go by besides its rows; kept up to date."""

    strictest: dict[str, Lane]
    loads: OfficeLoads


def _lanes(items: Columns, bundle: Bundle, so_far: _SoFar) -> pd.DataFrame:
    matrix = bundle.model.features(items, bundle.profiles.read(items))
    risks = bundle.model.assess(items, matrix)
    decisions = replay(items, risks, bundle, **so_far._asdict())
    scored = pd.DataFrame(
        [row for risk in risks for row in risk.probabilities], columns=list(PROBABILITIES)
    )
    of_item = np.repeat(np.arange(len(decisions)), decisions["items"])
    for name in _OF_DECLARATION:
        scored[name] = decisions[name].to_numpy()[of_item]
    return scored.assign(status=SCORED)


def main(
    source: Annotated[str, typer.Option(help="Whose columns: a mapping, for example kcs.")],
    table: Annotated[Path, typer.Option("--in", help="CSV or Parquet, one row per goods item.")],
    out: Annotated[Path, typer.Option(help="File to write, .csv or .parquet.")],
    bundle: BundleFolder = Path("models/artifacts/bundle"),
    mappings: MappingsFolder = Path("data/reference/sources"),
) -> None:
    """Give every row of a table its probabilities, and its declaration a lane."""
    mapping = load_mapping(mappings, source)
    loaded = load(bundle)
    raw = read_raw([table], mapping, needed={})
    _check_new(raw.cells)
    scored = score_rows(raw, loaded, mapping, watch=Progress(len(raw.cells)))
    result = pd.concat([raw.cells.reset_index(drop=True), scored], axis=1)
    with put_in_place(out) as beside:
        write = result.to_parquet if out.suffix == ".parquet" else result.to_csv
        write(beside, index=False)
    _tell(scored, out)


def _check_new(cells: pd.DataFrame) -> None:
    """A column of ours would stand there twice.

    Raises:
        SourceError: the table has one, from an earlier scoring or of its own.
    """
    if there := [name for name in _NOTHING.columns if name in cells.columns]:
        raise SourceError(
            f"The table has {', '.join(there)} already, which scoring adds. Leave them out if it "
            "was scored before, else rename them."
        )


class Progress:
    """Says how far the scoring is."""

    def __init__(self, rows: int) -> None:
        self.rows, self.done = rows, 0

    def __call__(self, doing: str, rows: int) -> None:
        """Tell that this many more rows are done."""
        self.done += rows
        say(f"score: {self.done} of {self.rows} rows")


def _tell(scored: pd.DataFrame, out: Path) -> None:
    lanes = scored["lane"].value_counts()
    told = ", ".join(f"{lane} {lanes.get(lane, 0)}" for lane in LANES)
    say(f"score: {out} holds {len(scored)} rows: {told}, without a lane {scored.lane.isna().sum()}")
    problems = scored.loc[scored["status"] != SCORED, "status"].value_counts()
    for problem, rows in problems.head(5).items():
        say(f"  {rows} rows: {problem}")


if __name__ == "__main__":
    command(main)
