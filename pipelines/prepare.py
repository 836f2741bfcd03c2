"""Order the goods items in time, set the periods, and tell how often goods repeat.

Reads   data/interim/ingested/items.parquet     one row per goods item, as accepted
Writes  data/interim/prepared/items.parquet     the same rows in time order
        data/interim/prepared/periods.json      which days train, calibrate and evaluate
        data/interim/prepared/prepare.json      metrics: rows per part, repetition of goods lines
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pipelines.stage.command import command, say
from pipelines.stage.files import write_json
from pipelines.stage.options import IngestedItemsFile, ParamsFile, PreparedFolder
from pipelines.stage.params import section
from pipelines.stage.tables import read_columns, write_columns
from pipelines.training.periods import PARTS, Part, Periods
from selectivity.columns import Columns, day_of, in_time_order
from selectivity.errors import NotEnoughDataError
from selectivity.histories.keys import goods_line

HOLE_DAYS = 30
"""Longer than any feast: no administration is closed for so long."""


class PrepareParams(BaseModel):
    """Section `prepare` of params.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    split: str = "time"
    warm_up_days: int = Field(
        default=14, ge=0, le=36_500, description="First days, kept as history only."
    )
    label_delay_days: int = Field(default=14, ge=0, le=36_500, description="Gap between the parts.")
    calibration_share: float = Field(default=0.2, gt=0, lt=0.9)
    evaluation_share: float = Field(default=0.2, gt=0, lt=0.9)
    evaluation_from: date | None = None
    evaluation_until: date | None = Field(default=None, description="First day after.")

    @field_validator("split")
    @classmethod
    def _only_by_time(cls, split: str) -> str:
        if split != "time":
            raise ValueError(
                "the only split is `time`: a random one lets the model see the days it is judged "
                "by and reports scores that no service will ever reach"
            )
        return split


def prepare(items: Columns, params: PrepareParams) -> tuple[Columns, Periods]:
    """Rows in time order and the periods. Pure.

    Raises:
        NotEnoughDataError: the history is too short to be split in this way.
    """
    if len(items["item_no"]) == 0:
        raise NotEnoughDataError("There are no goods items. Check `ingest.path` and its mapping.")
    ordered = in_time_order(items)
    days = ordered["accepted_at"].astype("datetime64[D]")
    if params.evaluation_until is None:
        _check_no_lonely_end(days)
    try:
        options = params.model_dump(exclude={"split"})
        periods = Periods.split(days[0].item(), days[-1].item(), **options)
    except ValidationError as error:
        raise NotEnoughDataError(
            f"The history from {days[0]} to {days[-1]} is too short to be split by these params. "
            "Bring more days, or lower `prepare.warm_up_days`, `prepare.label_delay_days` or the "
            "shares, or set `prepare.evaluation_from` and `prepare.evaluation_until`."
        ) from error
    _check_each_part_has_days(days, periods)
    return ordered, periods


def _check_each_part_has_days(days: "np.typing.NDArray[np.datetime64]", periods: Periods) -> None:
    """Periods are parts of the calendar; one wrong year, or months that are missing, may leave
    nothing in one of them."""
    for part in PARTS:
        first, until = (np.datetime64(day) for day in periods.days_of(part))
        if not ((first <= days) & (days < until)).any():
            before, after = days[days < first], days[days >= until]
            raise NotEnoughDataError(
                f"No goods item was accepted in the days to {part} on, {first} to {until - 1}: the "
                f"last before is of {before[-1] if len(before) else 'no day'}, the next of "
                f"{after[0] if len(after) else 'no day'}. Bring what is missing, correct a date "
                "that is wrong at the source, or set `prepare.evaluation_from` and "
                "`prepare.evaluation_until`."
            )


class Hole(NamedTuple):
    """Days in a row on which nothing was accepted, and how many of them lie in each part."""

    first: date
    last: date
    inside: Mapping[Part, int]


def holes(days: "np.typing.NDArray[np.datetime64]", periods: Periods) -> Iterator[Hole]:
    """Stretches of more than `HOLE_DAYS` without a goods item between the first and the last."""
    there = np.unique(days)
    for at in np.flatnonzero(np.diff(there) > np.timedelta64(HOLE_DAYS, "D")):
        first, until = (there[at] + 1).item(), there[at + 1].item()
        inside = {part: _shared_days((first, until), periods.days_of(part)) for part in PARTS}
        yield Hole(first, until - timedelta(days=1), inside)


def _shared_days(one: tuple[date, date], other: tuple[date, date]) -> int:
    """How many days lie in both; the second of a pair lies in neither."""
    return max(0, (min(one[1], other[1]) - max(one[0], other[0])).days)


def _warning_of(hole: Hole, whole: Mapping[Part, int]) -> str:
    shares = [f"{n} of the {whole[part]} days to {part} on" for part, n in hole.inside.items() if n]
    return (
        f"warning: nothing was accepted from {hole.first} to {hole.last}"
        f"{': ' * bool(shares)}{', '.join(shares)}. If something is missing, bring it; if not, "
        "`prepare.evaluation_from` and the shares say which days are judged."
    )


def _check_no_lonely_end(days: "np.typing.NDArray[np.datetime64]") -> None:
    """A single wrong year would make decades of nothing the period that everything is judged by."""
    newest, most = days[-1], days[int(len(days) * 0.99)]
    if (newest - most) > (most - days[0]):
        raise NotEnoughDataError(
            f"99 of 100 goods items were accepted by {most}, but the newest is of {newest}. "
            "Correct that date at the source, or set `prepare.evaluation_from` and "
            "`prepare.evaluation_until`."
        )


def repetition(items: Columns, periods: Periods) -> dict[str, float | None]:
    """How many evaluated goods lines stood in the history before: a memory test shows here.

    `repeated_share` is None where no evaluated row declares what a goods line is told by.
    """
    lines = goods_line(items)
    evaluated = periods.rows(items, "evaluate")
    before = day_of(items["accepted_at"]) < day_of(np.array([periods.evaluate_from], "M8[D]"))[0]
    seen = set(lines[before]) - {None}
    repeated = np.array([line in seen for line in lines[evaluated]], dtype=bool)
    return {
        "distinct_lines": len(set(lines) - {None}),
        "rows_with_line": int(sum(line is not None for line in lines)),
        "evaluated_rows": int(evaluated.sum()),
        "repeated_share": float(repeated.mean()) if set(lines[evaluated]) - {None} else None,
    }


def main(params: ParamsFile, items: IngestedItemsFile, out: PreparedFolder) -> None:
    """Order goods items in time and set the periods."""
    settings = section(params, "prepare", PrepareParams)
    ordered, periods = prepare(read_columns(items), settings)
    whole = {part: _shared_days(periods.days_of(part), periods.days_of(part)) for part in PARTS}
    found = list(holes(ordered["accepted_at"].astype("datetime64[D]"), periods))
    for hole in found:
        say(_warning_of(hole, whole))
    empty = {part: sum(hole.inside[part] for hole in found) for part in PARTS}
    repeats = repetition(ordered, periods)
    write_columns(ordered, out / "items.parquet")
    write_json(out / "periods.json", periods.model_dump(mode="json"))
    write_json(
        out / "prepare.json",
        {
            "rows": _rows(ordered, periods),
            "days": whole,
            "days_in_holes": empty,
            "repetition": repeats,
        },
    )
    repeated = repeats["repeated_share"]
    share = "nobody can tell how many" if repeated is None else f"{repeated:.0%}"
    say(
        f"prepare: training {periods.train_from} to {periods.train_until}, evaluation "
        f"{periods.evaluate_from} to {periods.evaluate_until}; "
        f"{share} of the evaluated rows repeat an earlier goods line"
    )


def _rows(items: Columns, periods: Periods) -> dict[str, Any]:
    return {part: int(periods.rows(items, part).sum()) for part in PARTS}


if __name__ == "__main__":
    command(main)
