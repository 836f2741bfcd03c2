"""What a family of features is worth shows when it is left out, and only then."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.ablation import Trial, ablate, markdown, of_family, trial_of_past, without, write
from pipelines.fitting import Past
from pipelines.periods import Periods
from pipelines.train import TrainParams
from selectivity.columns import to_columns
from selectivity.errors import NotEnoughDataError
from selectivity.features import FAMILIES, FEATURE_NAMES
from tests.builders import a_declaration

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAYS = 100
PARAMS = TrainParams(rounds=10, num_leaves=4, min_data_in_leaf=10, smallest_class=1)


@pytest.fixture(scope="module")
def past() -> Past:
    """A thousand inspected goods items: mostly those of a low unit price are wrong."""
    count, chance = 1_000, np.random.default_rng(3)
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
    classes = np.where(wrong, 1 + (chance.random(count) < 0.5), 0)
    outcomes = pd.DataFrame(
        {
            "row": np.arange(count),
            "observed_at": [pd.Timestamp(day + timedelta(days=1)) for day in accepted],
            "finding_class": classes,
            "weight": 1.0,
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


def test_the_family_that_tells_is_the_one_that_is_missed(past: Past, tmp_path: Path) -> None:
    families = ("importer", "price", "codes")
    table = ablate(trial_of_past(past, PARAMS), resamples=20, families=families)

    assert set(table["view"]) == {"all_rows"}  # all of one line: none is new
    assert table["family"].tolist() == list(families)
    assert table["features"].tolist() == [len(of_family(family)) for family in families]
    gains = table.set_index("family")
    assert gains["auroc"].min() > 0.85
    assert gains.loc["price", "auroc_gain"] > 0.25
    assert gains.loc["price", "verdict"] == "helps"
    assert gains["auroc_gain"].drop("price").abs().max() < 0.05

    write(table, tmp_path)
    assert pd.read_csv(tmp_path / "ablation.csv")["family"].tolist() == table["family"].tolist()
    rows = [line for line in markdown(table).splitlines() if line.startswith("| all_rows")]
    assert rows[0].split(" | ")[1] == "price"


def test_every_feature_is_left_out_once() -> None:
    left_out = [at for family in FAMILIES for at in of_family(family)]
    assert sorted(left_out) == list(range(len(FEATURE_NAMES)))


def test_only_the_columns_of_the_family_are_taken_out(past: Past) -> None:
    reduced = without(past.matrix, "price")
    others = np.delete(np.arange(len(FEATURE_NAMES)), of_family("price"))
    assert np.isnan(reduced[:, of_family("price")]).all()
    np.testing.assert_array_equal(reduced[:, others], past.matrix[:, others])
    assert not np.isnan(past.matrix).any()


def test_without_inspections_in_the_evaluation_nothing_is_judged(past: Past) -> None:
    early = past.outcomes["observed_at"] < pd.Timestamp(date(2026, 3, 1), tz="UTC")
    nothing = replace(past, outcomes=past.outcomes[early & (past.outcomes["row"] < 500)])
    with pytest.raises(NotEnoughDataError, match="evaluation_from"):
        trial_of_past(nothing, PARAMS)


def test_a_trial_is_judged_by_the_same_risks_as_long_as_nothing_is_taken_out(past: Past) -> None:
    trial: Trial = trial_of_past(past, PARAMS)
    np.testing.assert_array_equal(trial.risk(past.matrix), trial.risk(past.matrix.copy()))
