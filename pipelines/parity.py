"""Hold the features of training against those the service would have computed, one by one.

Reads   data/interim/prepared/items.parquet       one row per goods item, in time order
        data/interim/labelled/outcomes.parquet    one row per inspected goods item and inspection
        data/features/…                           features.parquet, knowledge.json, profiles.npz
Writes  data/reports/parity.json                  metrics: what was compared, what differs

The stream is folded as the service folds it: every declaration and every outcome at its moment, and
each goods item is read before it is counted. One value that differs by a bit fails the stage, and
without it no bundle is made.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq

from models.bundle import PROFILES_FILE
from models.lane_model import KNOWLEDGE, Knowledge
from pipelines.featurize import FeaturizeParams
from pipelines.stage.command import command, say
from pipelines.stage.files import read_arrays, read_as, reading, write_json
from pipelines.stage.options import FeaturesFolder, ItemsFile, OutcomesFile, ParamsFile, ParityFile
from pipelines.stage.params import section
from pipelines.stage.tables import columns_in_parts, count_rows, expect_rows
from pipelines.training.outcomes import read_outcomes
from selectivity.columns import Columns, Floats
from selectivity.errors import ParityError
from selectivity.features.matrix import FEATURE_NAMES, features_of
from selectivity.histories.aggregates import PROFILES, VALUES, Profile
from selectivity.histories.key_history import kind_of
from selectivity.histories.profiles import Profiles
from selectivity.histories.rows import A_DAY, Row, arrays_of, rows_in
from selectivity.histories.snapshot import KeyArrays

Arrays = Mapping[str, npt.NDArray[Any]]

MOST_NAMED = 5
"""Differences that an error names."""


class OutcomeAt(NamedTuple):
    """What became known of the goods item at a position, and when: day and microseconds."""

    row: int
    day: int
    moment: int
    finding_class: int
    counts: int


class Fold:
    """The service's histories, fed with goods items and outcomes at their moments."""

    def __init__(self, outcomes: pd.DataFrame, *, before_day: int | None) -> None:
        """With `before_day`, `snapshot` keeps what was known before that day."""
        self.profiles = Profiles()
        self._outcomes, self._next = _in_time_order(outcomes), 0
        self._rows: dict[int, Row] = {}
        self._awaited = {outcome.row for outcome in self._outcomes}
        self._before_day = before_day
        self._kept: Arrays | None = None

    def values(self, at: int, row: Row) -> list[float]:
        """What is known before the goods item at this position; then it is counted."""
        self._learn(row["moment"])
        self._keep(row["day"])
        known = self.profiles.values(row)
        self.profiles.observe([row])
        if at in self._awaited:
            self._rows[at] = row
        return known

    def snapshot(self) -> Arrays:
        """What a bundle carries, after the last goods item and the last outcome."""
        self._learn(None)
        return self._kept or self.profiles.snapshot()

    def _learn(self, until: int | None) -> None:
        """Outcomes up to a moment; a goods item comes before what is found in it."""
        while self._next < len(self._outcomes):
            outcome = self._outcomes[self._next]
            if (until is not None and outcome.moment > until) or outcome.row not in self._rows:
                return
            self._keep(outcome.day)
            row = self._rows[outcome.row]
            self.profiles.learn(row, outcome.day, outcome.finding_class, count=outcome.counts)
            self._next += 1

    def _keep(self, day: int) -> None:
        if self._kept is None and self._before_day is not None and day >= self._before_day:
            self._kept = self.profiles.snapshot()


def _in_time_order(outcomes: pd.DataFrame) -> list[OutcomeAt]:
    moments = outcomes["observed_at"].astype("datetime64[us, UTC]").astype(np.int64).to_numpy()
    order = np.argsort(moments, kind="stable")
    days = moments // A_DAY
    columns = (
        outcomes["row"].to_numpy(np.int64),
        days,
        moments,
        outcomes["finding_class"].to_numpy(np.int64),
        outcomes["counts"].to_numpy(np.int64),
    )
    parts = (column[order].tolist() for column in columns)
    return [OutcomeAt(*each) for each in zip(*parts, strict=True)]


class Difference(NamedTuple):
    """A value that is not the same."""

    declaration_id: str
    item_no: int
    feature: str
    bulk: float
    fold: float

    def __str__(self) -> str:
        return (
            f"declaration {self.declaration_id!r}, goods item {self.item_no}, {self.feature}: "
            f"{self.bulk!r} in bulk, {self.fold!r} as it came"
        )


def differences(columns: Columns, bulk: Floats, fold: Floats) -> Iterator[Difference]:
    """Values of the same goods items, shape (n, number of features), that are not the same bits.

    NaN is the same as NaN.
    """
    same = (bulk == fold) | (np.isnan(bulk) & np.isnan(fold))
    for row, feature in np.argwhere(~same).tolist():
        yield Difference(
            declaration_id=columns["declaration_id"][row],
            item_no=int(columns["item_no"][row]),
            feature=FEATURE_NAMES[feature],
            bulk=float(bulk[row, feature]),
            fold=float(fold[row, feature]),
        )


def differing_keys(profile: Profile, bulk: Arrays, fold: Arrays) -> list[str]:
    """Keys of a profile that two snapshots tell different histories of."""
    one, other = _histories(profile, bulk), _histories(profile, fold)
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))


def _histories(profile: Profile, arrays: Arrays) -> dict[str, str]:
    all_keys = KeyArrays.of_arrays(profile, arrays)
    parts = ("first_day", "days", "sums", "moments", *(["last_days"] if profile.last_day else []))
    kind = kind_of(profile)
    packed = all_keys.packed()
    known = (packed.unpack(at, kind) for at in range(len(all_keys.keys)))
    # Written out, because a day that is not known is no number, and equals nothing.
    written = (repr([getattr(each, part) for part in parts]) for each in known)
    return dict(zip(all_keys.keys, written, strict=True))


def main(
    params: ParamsFile,
    items: ItemsFile,
    outcomes: OutcomesFile,
    features: FeaturesFolder,
    out: ParityFile,
) -> None:
    """Hold the features of training against those the service would have computed."""
    settings = section(params, "featurize", FeaturizeParams)
    knowledge = read_as(features / KNOWLEDGE, Knowledge)
    fold = Fold(read_outcomes(outcomes, count_rows(items)), before_day=settings.before_day())
    rows, found, differing = 0, list[str](), 0
    for columns, bulk in _parts(items, features / "features.parquet", settings.rows_at_once):
        came = rows_in(columns)
        known = [fold.values(at, row) for at, row in enumerate(came, start=rows)]
        rows += len(came)
        values = np.array(known, dtype=np.float64).reshape(-1, len(VALUES))
        live = features_of(arrays_of(came), values.T, knowledge.codes)
        for difference in differences(columns, bulk, live):
            differing += 1
            found += [str(difference)] if len(found) < MOST_NAMED else []
        say(f"parity: {rows:,} goods items, {differing} differences")
    bulk_keys, live_keys = read_arrays(features / PROFILES_FILE), fold.snapshot()
    keys = 0
    for profile in PROFILES:
        wrong = differing_keys(profile, bulk_keys, live_keys)
        keys += len(wrong)
        found += [f"history of {profile.name} {key!r}" for key in wrong[:MOST_NAMED]]
    _refuse(found, differing, keys)
    write_json(
        out,
        {
            "goods_items": rows,
            "values": rows * len(FEATURE_NAMES),
            "keys": sum(len(bulk_keys[f"{profile.name}.first_days"]) for profile in PROFILES),
            "differing_values": differing,
            "differing_keys": keys,
        },
    )


def _parts(items: Path, features: Path, rows_at_once: int) -> Iterator[tuple[Columns, Floats]]:
    expect_rows(features, count_rows(features), count_rows(items))
    with reading(features), pq.ParquetFile(features) as file:
        batches = file.iter_batches(rows_at_once, columns=list(FEATURE_NAMES))
        for columns, batch in zip(columns_in_parts(items, rows_at_once), batches, strict=True):
            yield columns, np.column_stack([batch[name].to_numpy() for name in FEATURE_NAMES])


def _refuse(found: list[str], values: int, keys: int) -> None:
    if found:
        raise ParityError(
            f"{values} values and {keys} histories of training are not those of the service, so "
            f"no bundle is made. The first: {'; '.join(found)}. One of pipelines/histories and "
            "selectivity/histories/profiles.py reads selectivity/histories/aggregates.py wrongly: "
            "mend it there."
        )


if __name__ == "__main__":
    command(main)
