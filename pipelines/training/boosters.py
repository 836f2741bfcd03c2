"""Fits one booster to one question, on this machine or on a cluster."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from lightgbm.basic import _safe_call
from lightgbm.libpath import _LIB

from models.memory import give_back_memory
from pipelines.training.rows import Numbers, Rows
from selectivity.columns import Floats
from selectivity.features.matrix import FEATURE_NAMES

Options = dict[str, Any]
"""LightGBM's, with `num_iterations` and `seed`."""


class Examples(NamedTuple):
    """Rows of all parts, one part after the other, and what each row came to; shape (rows,)."""

    parts: Sequence[Rows]
    answers: Numbers
    weights: Numbers
    """Above 0."""
    offsets: Floats | None = None
    """Raw scores the trees add to, and do not have to learn; None: they begin at the mean."""

    def dataset(self, options: Options, reference: lgb.Dataset | None = None) -> lgb.Dataset:
        """A data set for LightGBM, which reads the rows once and never holds all in memory."""
        return _Binned(
            list(self.parts),
            self.answers,
            weight=self.weights,
            init_score=self.offsets,
            feature_name=list(FEATURE_NAMES),
            params=options,
            reference=reference,
        )

    def twice(self) -> "Examples":
        """Every example two times: as it is, and as if its goods line were new."""
        return Examples(
            [*self.parts, *(rows.forgotten() for rows in self.parts)],
            np.tile(self.answers, 2),
            np.tile(self.weights, 2),
            None if self.offsets is None else np.tile(self.offsets, 2),
        )


class _Binned(lgb.Dataset):
    """Leaves out what none of the sampled rows knows, whatever the number of rows.

    LightGBM does so itself up to four million; beyond, it would keep a byte a row for each such
    feature, and draw them among those a tree may use.
    """

    def _init_from_sample(
        self,
        sample_data: list[Floats],
        sample_indices: list[npt.NDArray[np.int32]],
        sample_cnt: int,
        total_nrow: int,
    ) -> lgb.Dataset:
        for at, values in enumerate(sample_data):
            if len(values) == sample_cnt and np.isnan(values).all():
                sample_data[at], sample_indices[at] = values[:0], sample_indices[at][:0]
        return super()._init_from_sample(sample_data, sample_indices, sample_cnt, total_nrow)


class Fit(Protocol):
    """Fits a booster to examples."""

    def __call__(self, examples: Examples, options: Options) -> lgb.Booster:
        """Fit it."""
        ...


def fit(examples: Examples, options: Options) -> lgb.Booster:
    """The `Fit` of this machine.

    Peaks while it trains: a byte a number, 50 bytes a row for gradients, scores and whose leaf it
    is in, and what the caller holds.
    """
    data = examples.dataset(options).construct()
    data.label = data.weight = data.init_score = None  # copies of what it holds within
    pa.default_memory_pool().release_unused()
    give_back_memory()  # of the sample by which it placed its bins
    return lgb.train(options, data)


def constant(chance: float) -> lgb.Booster:
    """A booster that gives every row this chance, for a question that too few rows answer."""
    rows = np.zeros((2, len(FEATURE_NAMES)))
    data = lgb.Dataset(rows, [0, 1], weight=[1 - chance, chance], feature_name=list(FEATURE_NAMES))
    # All rows are alike, so that nothing can be split and the mean is left.
    booster = lgb.train({"objective": "binary", "num_threads": 1, "verbosity": -1}, data, 1)
    return lgb.Booster(model_str=booster.model_to_string())


def mean(boosters: Sequence[lgb.Booster]) -> lgb.Booster:
    """One booster whose raw score is the mean of the raw scores of these."""
    merged, *others = [lgb.Booster(model_str=each.model_to_string()) for each in boosters]
    for other in others:
        _safe_call(_LIB.LGBM_BoosterMerge(merged._handle, other._handle))
    for tree, about in enumerate(merged.dump_model()["tree_info"]):
        for leaf in range(about["num_leaves"]):
            merged.set_leaf_output(tree, leaf, merged.get_leaf_output(tree, leaf) / len(boosters))
    return lgb.Booster(model_str=merged.model_to_string())


def rounds_until_no_better(early: Examples, late: Examples, options: Options) -> int:
    """How many rounds on the early rows explain the late ones best."""
    data = early.dataset(options)
    judge = late.dataset(options, reference=data)
    patience = max(20, options["num_iterations"] // 10)
    booster = lgb.train(
        options,
        data,
        valid_sets=[judge],
        callbacks=[lgb.early_stopping(patience, verbose=False)],
    )
    return max(1, booster.best_iteration)
