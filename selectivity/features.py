"""Features of a goods item: one definition, for a million rows and for one.

A feature never depends on the rows beside it, nor on anything later than `accepted_at`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from selectivity.columns import Columns, Floats
from selectivity.declared_features import CODES, DECLARED
from selectivity.history_features import DEVIATIONS, OF_PROFILES
from selectivity.known import LINE, CodeMaps, Known
from selectivity.rows import Row, as_arrays

FEATURES = (*DECLARED, *CODES, *OF_PROFILES, *DEVIATIONS)
"""Every feature, in the order of the model's columns."""

_COMPUTE = tuple(feature.compute for feature in FEATURES)

FEATURE_NAMES = tuple(feature.name for feature in FEATURES)

FAMILIES = tuple(dict.fromkeys(feature.group for feature in FEATURES))
"""Every `Feature.group`. Explanations and ablations speak of these."""

LINE_FEATURES = tuple(at for at, name in enumerate(FEATURE_NAMES) if name.startswith(f"{LINE}_"))
"""Columns of the matrix that remember a goods line."""


def forget_lines(matrix: Floats) -> Floats:
    """The same goods items as if their lines had never been controlled before."""
    forgotten = matrix.copy()
    forgotten[:, LINE_FEATURES] = np.nan
    return forgotten


def feature_row(row: Row, history: Sequence[float], codes: CodeMaps) -> list[float]:
    """All features of one goods item, in the order of `FEATURES`.

    Args:
        history: everything known before it, in the order of `selectivity.aggregates.VALUES`.
    """
    known = Known.of(row, list(history), codes)
    return [compute(known) for compute in _COMPUTE]


def feature_matrix(columns: Columns, histories: Floats, codes: CodeMaps) -> Floats:
    """All features of all rows, shape (n, number of features), in the order of `FEATURES`.

    Args:
        histories: everything known before each row, shape (values, n).
    """
    known = Known.of(as_arrays(columns), histories, codes)
    matrix = np.empty((len(columns["item_no"]), len(FEATURES)))
    for at, compute in enumerate(_COMPUTE):
        matrix[:, at] = compute(known)
    return matrix


def numbered(counts: Mapping[Any, int]) -> dict[str, int]:
    """Numbers for codes, by falling frequency, then by code; None is no code."""
    order = sorted((-count, code) for code, count in counts.items() if code is not None)
    return {code: number for number, (_, code) in enumerate(order)}
