"""Compute every feature of every goods item, from what was known before its day.

Reads   data/interim/prepared/items.parquet       one row per goods item, in time order
        data/interim/prepared/periods.json        which days train, calibrate and evaluate
        data/interim/labelled/outcomes.parquet    one row per inspected goods item and inspection
Writes  data/features/features.parquet            one float64 column per feature, rows as in items
        data/features/knowledge.json              code numbers, known codes, duty cap
        data/features/profiles.npz                every key's history, for the service to go on from
"""

from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from models.bundle import PROFILES_FILE
from models.feature_list import feature_list
from models.lane_model import KNOWLEDGE, Knowledge, knowledge_json
from pipelines.command import FileOption, command, say
from pipelines.files import read_json, write_arrays, write_text
from pipelines.label import as_outcomes
from pipelines.params import section
from pipelines.periods import Periods
from pipelines.rows import BLOCK
from pipelines.tables import read_columns
from selectivity.columns import ITEM, Columns, Floats, take
from selectivity.features import FEATURE_NAMES, FEATURES, code_maps, duty_at_stake, feature_matrix
from selectivity.profiles import Outcomes, history_in_bulk, snapshot_in_bulk

DECLARED_MOSTLY = 0.5
"""A field declared on at least this share of the items counts as a fact the history has."""


class FeaturizeParams(BaseModel):
    """Section `featurize` of params.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profiles_until: date | None = Field(
        default=None,
        description="First day the bundle's histories leave out; null: they hold everything known.",
    )

    def before_day(self) -> int | None:
        """The same in days since 1970."""
        return (
            None if self.profiles_until is None else (self.profiles_until - date(1970, 1, 1)).days
        )


def knowledge_of(items: Columns) -> Knowledge:
    """What these goods items teach about codes, facts and the size of duties."""
    headings = {code[:4] for code in items["hs_code"] if code is not None}
    countries = {
        country
        for field in ("country_of_origin", "country_of_export")
        for country in items[field]
        if country is not None
    }
    duties = duty_at_stake(items)
    known = duties[~np.isnan(duties)]
    cap = float(np.quantile(known, 0.99)) if len(known) else 0.0
    return Knowledge(
        feature_names=FEATURE_NAMES,
        codes=code_maps(items),
        headings=frozenset(headings),
        countries=frozenset(countries),
        facts=frozenset(name for name in ITEM if _declared(items[name]) >= DECLARED_MOSTLY),
        duty_cap=cap if cap > 0 else 1.0,
    )


def _declared(values: npt.NDArray[np.generic]) -> float:
    return float(pd.notna(values).mean()) if len(values) else 0.0


def featurize(items: Columns, outcomes: Outcomes, knowledge: Knowledge) -> Floats:
    """Feature matrix of all rows, each from what was known before its day. Pure."""
    return feature_matrix(items, history_in_bulk(items, outcomes), knowledge.codes)


def read_features(file: Path) -> Floats:
    """The feature matrix as `main` wrote it, in the order of `FEATURES`."""
    matrix: Floats = pd.read_parquet(file)[list(FEATURE_NAMES)].to_numpy(np.float64)
    return matrix


def main(
    params: FileOption,
    items: FileOption,
    periods: FileOption,
    outcomes: FileOption,
    out: FileOption,
) -> None:
    """Compute every feature of every goods item."""
    settings = section(params, "featurize", FeaturizeParams)
    feature_list(FEATURES)  # refused here, before hours of work, if no law allows one of them
    columns = read_columns(items)
    events = as_outcomes(pd.read_parquet(outcomes))
    parts = Periods.model_validate(read_json(periods))
    before = columns["accepted_at"].astype("datetime64[D]") < np.datetime64(parts.evaluate_from)
    knowledge = knowledge_of(take(columns, before))
    matrix = featurize(columns, events, knowledge)
    out.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(matrix, columns=list(FEATURE_NAMES)).to_parquet(
        out / "features.parquet", row_group_size=BLOCK
    )
    write_text(out / KNOWLEDGE, knowledge_json(knowledge))
    write_arrays(
        out / PROFILES_FILE, snapshot_in_bulk(columns, events, before_day=settings.before_day())
    )
    say(f"featurize: {matrix.shape[1]} features of {matrix.shape[0]} goods items")


if __name__ == "__main__":
    command(main)
