"""Two workers of a cluster learn what one machine learns. Skipped without Dask: `make cluster`."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from pipelines.train import TrainParams, train
from pipelines.training.cluster import fit_on
from pipelines.training.learnable import Labels
from pipelines.training.rows import Rows
from selectivity.errors import ParamsError
from selectivity.features.matrix import FEATURE_NAMES, FEATURES

ROWS = 6_000


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    distributed = pytest.importorskip("distributed", reason="no Dask here: `make cluster`")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit=None
    ) as cluster:
        yield cluster.scheduler_address


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::ResourceWarning")
def test_two_workers_learn_as_much_as_one_machine(scheduler: str, tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    matrix = chance.random((2 * ROWS, len(FEATURE_NAMES)))
    found = chance.random(2 * ROWS) < 0.3 * matrix[:, 0] + 0.3 * matrix[:, -1] ** 4
    known = Labels(
        np.where(found, chance.integers(1, 3, 2 * ROWS), 0),
        np.ones(2 * ROWS),
        duties=chance.exponential(10 * matrix[:, -1]),
    ).take(np.arange(2 * ROWS) < ROWS)
    file = tmp_path / "features.parquet"
    pd.DataFrame(matrix[:ROWS], columns=list(FEATURE_NAMES)).to_parquet(file, row_group_size=1_000)
    params = TrainParams(rounds=30, min_data_in_leaf=20, lambda_l2=1)

    alone = train(Rows.stored(file), known, params)
    with fit_on(scheduler) as fit:
        together = train(Rows.stored(file), known, params, fit=fit)

    one, two = (
        roc_auc_score(found[ROWS:], trees.chances(matrix[ROWS:])[:, 0])
        for trees in (alone, together)
    )
    assert two == pytest.approx(one, abs=0.01)
    assert two > 0.6
    duties = [trees.duty_given_finding(matrix[ROWS:]) for trees in (alone, together)]
    assert duties[0] is not None
    assert duties[1] is not None
    assert duties[1].mean() == pytest.approx(duties[0].mean(), rel=0.1)
    assert np.corrcoef(*duties)[0, 1] > 0.9
    rates = [at for at, feature in enumerate(FEATURES) if feature.direction > 0]
    higher = matrix[ROWS:].copy()
    higher[:, rates] += 0.5
    assert (together.chances(higher)[:, 0] >= together.chances(matrix[ROWS:])[:, 0]).all()


def test_a_scheduler_that_does_not_answer_is_named() -> None:
    with pytest.raises(ParamsError, match=r"make cluster|No Dask scheduler"), fit_on("no-address"):
        pass
