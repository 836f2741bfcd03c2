"""Features of a goods item: one definition, for a million rows and for one.

A feature never depends on the rows beside it, nor on anything later than `accepted_at`.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from selectivity.columns import Columns, Floats, Ints
from selectivity.features.declared import CODES, DECLARED
from selectivity.features.known import LINE, CodeMaps, Formula, Known
from selectivity.features.remembered import DEVIATIONS, OF_PROFILES
from selectivity.histories.rows import as_arrays

ROWS_AT_ONCE = 4_096
"""Rows computed at a time: intermediate blocks of millions of rows would fill the memory."""

FEATURES = (*DECLARED, *CODES, *OF_PROFILES, *DEVIATIONS)
"""Every feature, in the order of the model's columns."""

FEATURE_NAMES = tuple(feature.name for feature in FEATURES)

FAMILIES = tuple(dict.fromkeys(feature.group for feature in FEATURES))
"""Every `Feature.group`. Explanations and ablations speak of these."""

_CODED = tuple(FEATURE_NAMES.index(feature.name) for feature in CODES)

LINE_FEATURES = tuple(at for at, name in enumerate(FEATURE_NAMES) if name.startswith(f"{LINE}_"))
"""Columns of the matrix that remember a goods line."""


def forget_lines(matrix: Floats) -> Floats:
    """The same goods items as if their lines had never been controlled before."""
    forgotten = matrix.copy()
    forgotten[:, LINE_FEATURES] = np.nan
    return forgotten


def renumbered(matrix: Floats, columns: Columns, codes: CodeMaps) -> Floats:
    """The same goods items as a model sees them that numbers codes otherwise; shape as before."""
    declared, nothing = as_arrays(columns), np.empty((0, len(matrix)))
    other = matrix.copy()
    for at, feature in zip(_CODED, CODES, strict=True):
        known = Known(declared, values=nothing, codes=codes, general_rates=nothing)
        other[:, [at]] = feature.formula(known, feature.of).T
    return other


def feature_matrix(columns: Columns, histories: Floats, codes: CodeMaps) -> Floats:
    """All features of many goods items, shape (n, number of features), in the order of `FEATURES`.

    Args:
        histories: everything known before each, shape (values, n).
    """
    declared = as_arrays(columns)
    matrix = np.empty((histories.shape[1], len(FEATURES)))
    for start in range(0, len(matrix), ROWS_AT_ONCE):
        some = slice(start, start + ROWS_AT_ONCE)
        part = {name: values[some] for name, values in declared.items()}
        matrix[some] = features_of(part, histories[:, some], codes)
    return matrix


def features_of(declared: Columns, histories: Floats, codes: CodeMaps) -> Floats:
    """As `feature_matrix`, of goods items that `selectivity.histories.rows` made arrays of."""
    known = Known.of(declared, histories, codes)
    numbers = np.empty((len(FEATURES), histories.shape[1]))
    for formula, columns, of in _BY_FORMULA:
        numbers[columns] = formula(known, *of)
    return np.ascontiguousarray(numbers.T)


def _by_formula() -> Iterator[tuple[Formula, Ints | int, list[Any]]]:
    """Each formula with the columns of its features, and its arguments for each of these."""
    of_formula: dict[Formula, list[int]] = defaultdict(list)
    for at, feature in enumerate(FEATURES):
        of_formula[feature.formula].append(at)
    for formula, columns in of_formula.items():
        of = list(zip(*(FEATURES[at].of for at in columns), strict=True))
        if not of and len(columns) > 1:
            raise ValueError(f"{formula.__name__} gives one feature, and is that of several")
        each = [np.array(given) if isinstance(given[0], int) else given for given in of]
        yield formula, np.array(columns) if of else columns[0], each


_BY_FORMULA = tuple(_by_formula())


def numbered(counts: Mapping[Any, int]) -> dict[str, int]:
    """Numbers for codes, by falling frequency, then by code; None is no code."""
    order = sorted((-count, code) for code, count in counts.items() if code is not None)
    return {code: number for number, (_, code) in enumerate(order)}
