"""Arithmetic for one number and for a million alike: NaN is "not known", and never an error.

Measures, and what is derived for them, are written once with these. Given floats they give a float,
given arrays an array of the same shape, with the same bits either way.
"""

from math import isinf, isnan, nan
from typing import Any

import numpy as np

Number = Any
"""A float, or an array of float64 of any shape."""

Text = Any
"""A text or None, or an object array of them of shape (n,)."""


def ratio(part: Number, whole: Number) -> Number:
    """`part / whole`; NaN where the whole is zero, either is unknown, or no float can hold it."""
    if not isinstance(whole, np.ndarray):
        quotient = part / whole if whole else nan
        return nan if isinf(quotient) else quotient
    with np.errstate(all="ignore"):
        quotients = np.divide(part, whole)
    return np.where(np.isfinite(quotients), quotients, nan)


def log(number: Number) -> Number:
    """Natural logarithm; NaN where the number is not above zero or not known."""
    if not isinstance(number, np.ndarray):
        return float(np.log(number)) if number > 0 else nan  # math.log differs in the last bit
    return np.log(number, out=np.full(number.shape, nan), where=number > 0)


def where_above_zero(number: Number, other: Number) -> Number:
    """`other` where `number` is above zero, NaN elsewhere."""
    if not isinstance(number, np.ndarray):
        return other if number > 0 else nan
    return np.where(number > 0, other, nan)


def whole(number: Number, per_unit: int) -> Number:
    """The number in whole parts, so many per unit, zero where it is not known.

    As float64: sums of whole numbers below 2 ** 53 do not depend on their order.
    """
    if not isinstance(number, np.ndarray):
        return 0.0 if isnan(number) else float(round(number * per_unit))
    return np.rint(np.where(np.isnan(number), 0.0, number) * per_unit)


def one_if_known(value: Number | Text) -> Number:
    """1 where there is a number or a text, 0 elsewhere."""
    if not isinstance(value, np.ndarray):
        return 0.0 if value is None or value != value else 1.0
    missing = value == None if value.dtype == object else np.isnan(value)  # noqa: E711
    return 1.0 - missing.astype(np.float64)
