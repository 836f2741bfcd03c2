"""What a family of features is worth shows when it is left out, and only then."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.ablation import families_of, main, markdown, write
from pipelines.judging.families import FIGURES, ablate, of_family, trial_of_past, without
from pipelines.judging.fitting import Past
from selectivity.errors import NotEnoughDataError, ParamsError
from selectivity.features.matrix import FAMILIES, FEATURE_NAMES
from tests.pasts import QUICK, a_past


@pytest.fixture(scope="module")
def past() -> Past:
    return a_past()


def test_the_family_that_tells_is_the_one_that_is_missed(past: Past, tmp_path: Path) -> None:
    families = ("trader", "price", "codes")
    table = ablate(trial_of_past(past, QUICK), resamples=20, families=families)

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
    assert rows[0].count(" to ") == len(FIGURES)


def test_a_family_that_there_is_not_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    nowhere = tmp_path / "features.parquet"
    with pytest.raises(ParamsError, match=r"'prices' \(did you mean 'price'\?\).*amounts, duty"):
        main(features=nowhere, family=["trader", "prices"])
    assert families_of(["price", "trader", "price"]) == ("price", "trader")
    assert families_of(None) == FAMILIES


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
        trial_of_past(nothing, QUICK)


def test_a_trial_is_judged_by_the_same_risks_as_long_as_nothing_is_taken_out(past: Past) -> None:
    trial = trial_of_past(past, QUICK)
    np.testing.assert_array_equal(trial.risk(past.matrix), trial.risk(past.matrix.copy()))
