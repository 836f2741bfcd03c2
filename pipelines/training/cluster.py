"""Fits a booster on a Dask cluster: every worker reads and keeps its own part of the rows.

LightGBM's own sockets join the workers, and Dask starts them. The workers have to see the feature
table under the same path.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd

from pipelines.training.boosters import Examples, Fit, Options
from pipelines.training.rows import Rows
from selectivity.errors import ParamsError
from selectivity.features.matrix import FEATURE_NAMES

_ONLY_ALONE = {"monotone_constraints_method": "basic"}
"""LightGBM takes the closer methods on one machine only."""


@contextmanager
def fit_on(address: str) -> Iterator[Fit]:
    """The `fit` of `boosters` on the cluster whose scheduler listens at `address`."""
    try:
        from distributed import Client
    except ImportError as error:
        raise ParamsError("Dask is not installed. Install it with `make cluster`.") from error
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise ParamsError(
            f"No Dask scheduler answers at {address} ({error}). Correct --cluster."
        ) from error

    with client:
        yield partial(_fit, client)


def _fit(client: Any, examples: Examples, options: Options) -> lgb.Booster:
    import dask.array
    import dask.dataframe
    from dask import delayed

    workers = len(client.scheduler_info()["workers"])
    shares = [share for rows in examples.parts for share in rows.shares(workers)]
    frames = [delayed(_frame)(share) for share in shares]
    chunks = (tuple(len(share) for share in shares),)
    answers, weights, offsets = (
        None if each is None else dask.array.from_array(each, chunks=chunks)
        for each in examples[1:]
    )
    regressor = lgb.DaskLGBMRegressor(client=client, tree_learner="data", **_named(options))
    regressor.fit(
        dask.dataframe.from_delayed(frames, meta=_empty(), verify_meta=False),
        answers,
        sample_weight=weights,
        init_score=offsets,
    )
    booster: lgb.Booster = regressor.to_local().booster_
    return booster


def _named(options: Options) -> Options:
    """The options as scikit-learn's way to LightGBM names them."""
    left_out = ("num_iterations", "num_threads")  # Dask gives each worker its threads
    rest = {name: value for name, value in options.items() if name not in left_out}
    return rest | _ONLY_ALONE | {"n_estimators": options["num_iterations"]}


def _frame(rows: Rows) -> pd.DataFrame:
    return pd.DataFrame(np.concatenate(list(rows.blocks())), columns=list(FEATURE_NAMES))


def _empty() -> pd.DataFrame:
    return pd.DataFrame(np.empty((0, len(FEATURE_NAMES))), columns=list(FEATURE_NAMES))
