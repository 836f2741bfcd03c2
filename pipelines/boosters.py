"""Fits one booster to one question, on this machine or on a cluster."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import lightgbm as lgb
from lightgbm.basic import _safe_call
from lightgbm.libpath import _LIB

from pipelines.rows import Rows
from selectivity.columns import Floats
from selectivity.features import FEATURE_NAMES

Options = dict[str, Any]
"""LightGBM's, with `num_iterations` and `seed`."""


class Examples(NamedTuple):
    """Rows of all parts, one part after the other, and what each row came to; shape (rows,)."""

    parts: Sequence[Rows]
    answers: Floats
    weights: Floats
    """Above 0."""
    offsets: Floats | None = None
    """Raw scores the trees add to, and do not have to learn; None: they begin at the mean."""

    def dataset(self, options: Options, reference: lgb.Dataset | None = None) -> lgb.Dataset:
        """The same for LightGBM, which reads the rows once and never all into memory."""
        return lgb.Dataset(
            list(self.parts),
            self.answers,
            weight=self.weights,
            init_score=self.offsets,
            feature_name=list(FEATURE_NAMES),
            params=options,
            reference=reference,
        )


class Fit(Protocol):
    """Fits a booster to examples."""

    def __call__(self, examples: Examples, options: Options) -> lgb.Booster:
        """Fit it."""
        ...


def fit(examples: Examples, options: Options) -> lgb.Booster:
    """The `Fit` of this machine."""
    return lgb.train(options, examples.dataset(options))


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
