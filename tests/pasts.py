"""A small past to train on, in which one thing tells what is wrong."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.judging.fitting import Past
from pipelines.stage.files import write_text
from pipelines.stage.tables import write_columns, write_frame
from pipelines.train import TrainParams
from pipelines.training.periods import Periods
from selectivity.columns import to_columns
from selectivity.features.matrix import FEATURE_NAMES
from tests.builders import a_declaration

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAYS = 100
QUICK = TrainParams(rounds=10, num_leaves=4, min_data_in_leaf=10, smallest_class=1)


def a_past(count: int = 1_000) -> Past:
    """So many inspected goods items: mostly those of a low unit price are wrong."""
    chance = np.random.default_rng(3)
    accepted = [START + timedelta(days=at * DAYS // count) for at in range(count)]
    items = to_columns(
        [
            a_declaration(declaration_id=f"D-{at}", accepted_at=day)
            for at, day in enumerate(accepted)
        ]
    )
    matrix = chance.normal(size=(count, len(FEATURE_NAMES)))
    cheap = matrix[:, FEATURE_NAMES.index("hs6_value_deviation")] < -1
    wrong = chance.random(count) < np.where(cheap, 0.8, 0.02)
    outcomes = pd.DataFrame(
        {
            "row": np.arange(count),
            "inspection_id": [f"I-{at}" for at in range(count)],
            "observed_at": [pd.Timestamp(day + timedelta(days=1)) for day in accepted],
            "finding_class": np.where(wrong, 1 + (chance.random(count) < 0.5), 0),
            "weight": 1.0,
            "counts": 1,
        }
    )
    periods = Periods.split(
        START.date(),
        START.date() + timedelta(days=DAYS - 1),
        warm_up_days=0,
        label_delay_days=3,
        calibration_share=0.2,
        evaluation_share=0.3,
    )
    return Past(items, matrix, outcomes, periods)


def stored(past: Past, folder: Path) -> dict[str, Path]:
    """The files that stages read it from, by the names of their options."""
    names = ("items.parquet", "features.parquet", "outcomes.parquet", "periods.json")
    items, features, outcomes, periods = files = [folder / name for name in names]
    write_columns(past.items, items)
    write_frame(pd.DataFrame(past.matrix, columns=FEATURE_NAMES), features)
    write_frame(past.outcomes.assign(additional_duty=0.0), outcomes)
    write_text(periods, past.periods.model_dump_json())
    return {file.stem: file for file in files}
