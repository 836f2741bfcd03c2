"""Fits one booster to one question, on this machine or on a cluster."""

from collections.abc import Sequence
from typing import Any, Protocol

import lightgbm as lgb
from lightgbm.basic import _safe_call
from lightgbm.libpath import _LIB

from pipelines.rows import Rows
from selectivity.columns import Floats
from selectivity.features import FEATURE_NAMES

Options = dict[str, Any]


class Fit(Protocol):
    """Fits a booster to the rows of all parts, one after the other."""

    def __call__(
        self, parts: Sequence[Rows], answers: Floats, weights: Floats, options: Options
    ) -> lgb.Booster:
        """Fit it.

        Args:
            answers: what each row came to, shape (rows of all parts,).
            weights: above 0, of the same shape.
            options: LightGBM's, with `num_iterations` and `seed`.
        """
        ...


def fit(parts: Sequence[Rows], answers: Floats, weights: Floats, options: Options) -> lgb.Booster:
    """The `Fit` of this machine. The rows are read once and never all in memory."""
    data = lgb.Dataset(
        list(parts), answers, weight=weights, feature_name=list(FEATURE_NAMES), params=options
    )
    return lgb.train(options, data)


def mean(boosters: Sequence[lgb.Booster]) -> lgb.Booster:
    """One booster whose raw score is the mean of the raw scores of these."""
    merged, *others = [lgb.Booster(model_str=each.model_to_string()) for each in boosters]
    for other in others:
        _safe_call(_LIB.LGBM_BoosterMerge(merged._handle, other._handle))
    for tree, about in enumerate(merged.dump_model()["tree_info"]):
        for leaf in range(about["num_leaves"]):
            merged.set_leaf_output(tree, leaf, merged.get_leaf_output(tree, leaf) / len(boosters))
    return lgb.Booster(model_str=merged.model_to_string())


def rounds_until_no_better(
    early: tuple[Sequence[Rows], Floats, Floats],
    late: tuple[Sequence[Rows], Floats, Floats],
    options: Options,
) -> int:
    """How many rounds on the early rows explain the late ones best."""
    data = lgb.Dataset(list(early[0]), early[1], weight=early[2], params=options)
    judge = lgb.Dataset(list(late[0]), late[1], weight=late[2], reference=data, params=options)
    patience = max(20, options["num_iterations"] // 10)
    booster = lgb.train(
        options,
        data,
        valid_sets=[judge],
        callbacks=[lgb.early_stopping(patience, verbose=False)],
    )
    return max(1, booster.best_iteration)
