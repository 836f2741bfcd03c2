"""Arithmetic for one number and for a million alike: NaN is "not known", and never an error.

Features and measures are written once with these. Given floats they give a float, given arrays an
array of the same shape, with the same bits either way.
"""

from math import isinf, isnan, nan, sqrt
from typing import Any

import numpy as np

Number = Any
"""A float, or an array of float64 of shape (n,)."""

Text = Any
"""A text or None, or an object array of them of shape (n,)."""


def ratio(part: Number, whole: Number) -> Number:
    """`part / whole`; NaN where the whole is zero, either is unknown, or no float can hold it."""
    if not isinstance(whole, np.ndarray):
        quotient = part / whole if whole else nan
        return nan if isinf(quotient) else quotient
    with np.errstate(over="ignore"):
        quotients = np.divide(part, whole, out=np.full(len(whole), nan), where=whole != 0)
    quotients[np.isinf(quotients)] = nan
    return quotients


def log(number: Number) -> Number:
    """Natural logarithm; NaN where the number is not above zero or not known."""
    if not isinstance(number, np.ndarray):
        return float(np.log(number)) if number > 0 else nan  # math.log differs in the last bit
    return np.log(number, out=np.full(len(number), nan), where=number > 0)


def root(number: Number) -> Number:
    """Square root; of a number below zero, which rounding may leave, that of zero."""
    if not isinstance(number, np.ndarray):
        return sqrt(number) if number > 0 else (0.0 if number <= 0 else nan)
    return np.sqrt(np.where(number < 0, 0.0, number))


def at_least(number: Number, least: float) -> Number:
    """The number where it is `least` or more, NaN elsewhere."""
    if not isinstance(number, np.ndarray):
        return number if number >= least else nan
    return np.where(number >= least, number, nan)


def where_above_zero(number: Number, other: Number) -> Number:
    """`other` where `number` is above zero, NaN elsewhere."""
    if not isinstance(number, np.ndarray):
        return other if number > 0 else nan
    return np.where(number > 0, other, nan)


def zero_if_unknown(number: Number) -> Number:
    """The number, or zero where it is not known."""
    if not isinstance(number, np.ndarray):
        return 0.0 if isnan(number) else number
    return np.where(np.isnan(number), 0.0, number)


def whole(number: Number, per_unit: int) -> Number:
    """The number in whole parts, so many per unit, zero where it is not known.

    As float64: sums of whole numbers below 2 ** 53 do not depend on their order.
    """
    if not isinstance(number, np.ndarray):
        return 0.0 if isnan(number) else float(round(number * per_unit))
    return np.rint(np.where(np.isnan(number), 0.0, number) * per_unit)


def is_known(value: Number | Text) -> Number:
    """1 where there is a number or a text, 0 elsewhere."""
    if not isinstance(value, np.ndarray):
        return 0.0 if value is None or value != value else 1.0
    missing = value == None if value.dtype == object else np.isnan(value)  # noqa: E711
    return 1.0 - missing.astype(np.float64)


def same(one: Text, other: Text) -> Number:
    """1 where two texts are equal, 0 where they differ, NaN where either is not known."""
    if not isinstance(one, np.ndarray):
        return nan if one is None or other is None else float(one == other)
    pairs = zip(one.tolist(), other.tolist(), strict=True)
    return np.array([same(*pair) for pair in pairs], dtype=np.float64)


def digits(code: Text, count: int) -> Number:
    """The first digits of a code as a number; NaN where it is not known or shorter."""
    if not isinstance(code, np.ndarray):
        return nan if code is None or len(code) < count else float(code[:count])
    return np.array([digits(each, count) for each in code.tolist()], dtype=np.float64)
