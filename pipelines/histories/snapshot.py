"""What a bundle carries of every key, from the cells that an engine added up."""

from math import nan
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.histories.sql import key_columns
from selectivity.columns import Floats, Ints
from selectivity.histories.aggregates import Profile
from selectivity.histories.keys import joined
from selectivity.histories.snapshot import KeyArrays


def key_arrays_of(profile: Profile, cells: pa.Table, moments: pa.Table | None) -> KeyArrays:
    """Histories of all keys of a profile.

    Args:
        cells: what `cells_query` gives.
        moments: what `moments_query` gives; None where the profile does not ask for them.
    """
    starts = _starts(cells, profile)
    keys = _keys(cells.take(pa.array(starts)), profile)
    ends = np.append(starts, len(cells))
    days = cells["day"].to_numpy().astype(np.int64)
    amounts = np.column_stack([cells[name].to_numpy() for name in profile.measures])
    of_key = np.repeat(np.arange(len(keys)), np.diff(ends))
    return KeyArrays(
        keys=keys,
        first_days=days[starts].astype(np.float64),
        cell_starts=ends,
        days=days,
        last_days=_last_days(cells, days, starts[of_key]),
        sums=_running(amounts, starts, of_key),
        **_moments(moments, keys, profile),
    )


def _starts(table: pa.Table, profile: Profile) -> Ints:
    """Position of the first row of each key, in a table that is sorted by keys."""
    if len(table) == 0:
        return np.empty(0, dtype=np.int64)
    changes = np.zeros(len(table), dtype=bool)
    changes[0] = True
    for name in key_columns(profile):
        values = table[name].to_numpy()
        changes[1:] |= values[1:] != values[:-1]
    return np.flatnonzero(changes)


def _keys(table: pa.Table, profile: Profile) -> list[str]:
    if not profile.keys:
        return [""] * len(table)
    parts = [table[name].to_pylist() for name in key_columns(profile)]
    lacking = ("", -1.0)
    rows = ([None if part in lacking else part for part in row] for row in zip(*parts, strict=True))
    return [joined(row, profile) or "" for row in rows]


def _running(amounts: Ints, starts: Ints, of_key: Ints) -> Floats:
    """Sums up to each cell, anew for each key. Exact: they are whole numbers."""
    running = amounts.cumsum(axis=0)
    before = running[starts] - amounts[starts] if len(starts) else running
    sums: Floats = (running - before[of_key]).astype(np.float64)
    return sums


def _last_days(cells: pa.Table, days: Ints, first_cell: Ints) -> Floats:
    """Last day with a goods item declared, up to each cell of its key; NaN if there was none."""
    if "declared" not in cells.column_names:
        return days.astype(np.float64)
    declared = cells["declared"].to_numpy() > 0
    newest = np.maximum.accumulate(np.where(declared, np.arange(len(days)), -1))
    return np.where(newest >= first_cell, days[newest], nan)


def _moments(moments: pa.Table | None, keys: list[str], profile: Profile) -> dict[str, Any]:
    if moments is None or len(moments) == 0:
        return {
            "moment_starts": np.zeros(len(keys) + 1, dtype=np.int64),
            "moments": np.empty(0, dtype=np.int64),
        }
    starts = _starts(moments, profile)
    place = {key: at for at, key in enumerate(keys)}
    counts = np.zeros(len(keys), dtype=np.int64)
    named = _keys(moments.take(pa.array(starts)), profile)
    for key, count in zip(named, np.diff(np.append(starts, len(moments))), strict=True):
        counts[place[key]] = count
    return {
        "moment_starts": np.concatenate([[0], counts.cumsum()]),
        "moments": moments["moment"].to_numpy(),
    }
