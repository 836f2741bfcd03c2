"""The same histories as others would compute them: in pandas by hand, and in Polars.

Both read the specification too, so that what is compared is engines and not amounts of work.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pipelines.histories.inputs import Outcomes, outcomes_table
from pipelines.histories.sql import NUMBER_KEYS, TEXT_KEYS
from selectivity.histories.aggregates import DECAY, PROFILES, Profile, Value

Array = npt.NDArray[np.float64]
FAR = 1 << 20
"""More days than there are."""


def in_pandas(items: pa.Table, outcomes: Outcomes) -> Iterator[tuple[str, Array]]:
    """Every value by name, each of shape (n,): day by day, running sums and binary search."""
    goods = items.to_pandas()
    told = outcomes_table(outcomes).to_pandas()
    keys = [*TEXT_KEYS, *NUMBER_KEYS]
    told = told.join(goods[keys], on="row")
    for profile in PROFILES:
        yield from _of_profile(profile, goods, told)


def _of_profile(
    profile: Profile, goods: pd.DataFrame, told: pd.DataFrame
) -> Iterator[tuple[str, Array]]:
    measures = list(profile.measures)
    asked, numbers = _numbered(profile, goods, told)
    events = pd.concat([goods, told], ignore_index=True).reindex(columns=["day", *measures])
    events["key"] = numbers
    events = events[events["key"] >= 0].fillna(0)
    cells = events.groupby(["key", "day"], as_index=False)[measures].sum()
    place = cells["key"].to_numpy() * FAR + cells["day"].to_numpy()
    firsts = np.searchsorted(place, asked * FAR)
    now = np.searchsorted(place, asked * FAR + goods["day"].to_numpy())
    sums = {name: np.append(0, cells[name].to_numpy().cumsum()) for name in measures}
    days = cells["day"].to_numpy()
    for value in profile.values():
        if value.kind == "today":
            found = goods.groupby([asked, goods["day"]])["moment"].rank(method="min") - 1
            yield value.name, np.where(asked < 0, np.nan, found)
        elif value.kind == "first_day":
            yield value.name, _or_nan(days, firsts, (asked >= 0) & (firsts < now))
        elif value.kind == "last_day":
            with_goods = np.where(cells["declared"] > 0, np.arange(len(cells)), -1)
            last = np.maximum.accumulate(with_goods)[np.maximum(now - 1, 0)]
            yield value.name, _or_nan(days, last, (asked >= 0) & (firsts < now) & (last >= firsts))
        else:
            found = _sum(value, sums[value.measure], place, asked, goods["day"], firsts, now)
            yield value.name, np.where(asked < 0, np.nan, found)


def _sum(
    value: Value, running: Any, place: Any, asked: Any, day: Any, firsts: Any, now: Any
) -> Any:
    if value.days is None:
        return running[now] - running[firsts]
    frames = DECAY if value.kind == "decayed" else {1: 1}
    return sum(
        weight
        * (running[now] - running[np.searchsorted(place, asked * FAR + day - value.days * times)])
        for times, weight in frames.items()
    )


def _or_nan(values: Any, at: Any, where: Any) -> Array:
    return np.where(where, values[np.clip(at, 0, len(values) - 1)].astype(float), np.nan)


def _numbered(profile: Profile, goods: pd.DataFrame, told: pd.DataFrame) -> tuple[Any, Any]:
    """A number per key, -1 without one: of the goods items, and of them and the outcomes."""
    both = pd.concat([goods[[*TEXT_KEYS, *NUMBER_KEYS]], told[[*TEXT_KEYS, *NUMBER_KEYS]]])
    if not profile.keys:
        numbers = np.zeros(len(both), dtype=np.int64)
    else:
        parts = [_part(name, profile, both) for name in profile.keys]
        frame = pd.concat(parts, axis=1)
        whole = frame.notna().all(axis=1).to_numpy()
        numbers = np.full(len(both), -1, dtype=np.int64)
        numbers[whole] = frame[whole].groupby(list(frame), sort=False).ngroup()
    return numbers[: len(goods)], numbers


def _part(name: str, profile: Profile, frame: pd.DataFrame) -> "pd.Series[Any]":
    if name.startswith("hs") and name[2:].isdigit():
        return frame["hs_code"].str[: int(name[2:])].rename(name)
    column = frame[name]
    if name in profile.may_lack:
        return column.fillna(-1.0 if name in NUMBER_KEYS else "")
    return column


def in_polars(items: pa.Table, outcomes: Outcomes) -> Iterator[tuple[str, Array]]:
    """Every value by name, each of shape (n,): lazy frames, running sums and joins on the day."""
    import polars as pl

    goods = pl.from_arrow(items)
    told = pl.from_arrow(outcomes_table(outcomes)).join(
        goods.select("row", *TEXT_KEYS, *NUMBER_KEYS), on="row"
    )
    for profile in PROFILES:
        yield from _polars_profile(pl, profile, goods, told)


def _polars_profile(
    pl: Any, profile: Profile, goods: Any, told: Any
) -> Iterator[tuple[str, Array]]:
    measures = list(profile.measures)
    keys = [f"key_{at}" for at in range(len(profile.keys))] or ["key_0"]
    parts = [_polars_part(pl, name, profile) for name in profile.keys] or [pl.lit(1)]
    named = [part.alias(key) for part, key in zip(parts, keys, strict=True)]
    asked = goods.lazy().select("row", "day", "moment", *named)
    events = pl.concat(
        [
            frame.lazy().select(
                *named,
                "day",
                *[pl.col(m) if m in frame.columns else pl.lit(0).alias(m) for m in measures],
            )
            for frame in (goods, told)
        ],
        how="vertical_relaxed",
    )
    cells = (
        events.drop_nulls(keys)
        .group_by(*keys, "day")
        .agg(pl.col(measures).sum())
        .sort(*keys, "day")
    )
    sums = [pl.col(m).cum_sum().over(keys).alias(f"upto_{m}") for m in measures]
    days = [pl.col("day").min().over(keys).alias("first")]
    if "declared" in measures:
        days.append(pl.when(pl.col("declared") > 0).then(pl.col("day")).alias("there"))
    cells = cells.with_columns(*sums, *days).collect()
    if "there" in cells.columns:
        cells = cells.with_columns(pl.col("there").forward_fill().over(keys).alias("last"))
    cells = cells.sort("day")
    asked = asked.collect()

    def before(days_back: int) -> Any:
        """The cells of each goods item's key up to the day before so many days."""
        moved = asked.with_columns((pl.col("day") - 1 - days_back).alias("upto")).sort("upto")
        return moved.join_asof(
            cells.rename({"day": "cell"}), left_on="upto", right_on="cell", by=keys
        ).sort("row")

    now = before(0)
    keyless = now.select(pl.any_horizontal(pl.col(keys).is_null())).to_series().to_numpy()
    back: dict[int, Any] = {}
    for value in profile.values():
        if value.kind == "today":
            rank = asked.select(
                (pl.col("moment").rank("min").over([*keys, "day"]) - 1).alias("so_far")
            )
            found = rank.to_series().to_numpy().astype(float)
        elif value.kind in ("first_day", "last_day"):
            name = {"first_day": "first", "last_day": "last"}[value.kind]
            found = now[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
        else:
            name = f"upto_{value.measure}"
            whole = now[name].fill_null(0).to_numpy()
            frames = DECAY if value.kind == "decayed" else {1: 1}
            found = np.zeros(len(whole)) if value.days else whole
            for times, weight in frames.items() if value.days else ():
                far = value.days * times
                back.setdefault(far, before(far))
                found = found + weight * (whole - back[far][name].fill_null(0).to_numpy())
        yield value.name, np.where(keyless, np.nan, found)


def _polars_part(pl: Any, name: str, profile: Profile) -> Any:
    if name.startswith("hs") and name[2:].isdigit():
        return pl.col("hs_code").str.slice(0, int(name[2:]))
    if name in profile.may_lack:
        return pl.col(name).fill_null(-1.0 if name in NUMBER_KEYS else "")
    return pl.col(name)
