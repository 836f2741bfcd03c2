"""Warnings about what was read without a complaint, and was hardly meant like this."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.sources.layouts import Canonical
from selectivity.columns import Columns, Floats, Mask

MOST_NAMED = 5
"""Currencies in a warning."""
FEW = 10
"""Amounts with three decimals that may be chance."""
_SHORTENED = r"\d(?:[.,]\d+)?E\+\d+"
"""A long number as a spreadsheet shows it in a narrow column, and saves it."""


def doubts(source: Canonical) -> Iterator[str]:
    """A line for each thing that a person should look at."""
    for look in (_currencies, _short_codes, _ids, _thousandths):
        for line in look(source.items):
            yield f"warning: {line}"
    for column in source.misnamed:
        yield f"warning: {column} Name it so, in the table or under `fields` of the mapping file."


def _currencies(items: Columns) -> Iterator[str]:
    """Amounts in several currencies are compared as if they were one."""
    counts = Counter(code for code in items["currency"].tolist() if code is not None)
    if len(counts) > 1:
        named = ", ".join(
            f"{code} {count / counts.total():.0%}" for code, count in counts.most_common(MOST_NAMED)
        )
        yield (
            f"amounts are in {len(counts)} currencies ({named}), and are compared as if they "
            "were one: values, prices by weight, duties. Convert them to one before they are read."
        )


def _short_codes(items: Columns) -> Iterator[str]:
    """Codes have an even number of digits; one less has lost the zero of chapters 01 to 09."""
    codes = _told(items["hs_code"])
    odd = codes[codes.str.len() % 2 == 1]
    if len(odd):
        yield (
            f"{len(odd)} of {len(codes)} HS codes have an odd number of digits, such as "
            f"{odd.iloc[0]!r}: a spreadsheet eats a first zero, and chapter 01 becomes chapter 10. "
            "Say with `hs_digits` in the mapping file how many digits a code has."
        )


def _ids(items: Columns) -> Iterator[str]:
    """Ids whose last digits are lost stand for many at once."""
    for name in [name for name in items if name.endswith("_id") and name != "lineage_id"]:
        ids = _told(items[name])
        lost = ids[ids.str.fullmatch(_SHORTENED)]
        if len(lost):
            yield (
                f"{len(lost)} of {len(ids)} {name} are numbers that a spreadsheet shortened, such "
                f"as {lost.iloc[0]!r}: their last digits are lost. Export that column as text."
            )


def _thousandths(items: Columns) -> Iterator[str]:
    """Amounts have two decimals or none; with three, the point stood between thousands."""
    values = items["customs_value"]
    broken = values[np.isfinite(values) & (values % 1 != 0)]
    three = broken[_whole(broken * 1_000) & ~_whole(broken * 100)]
    if len(three) > FEW and len(three) > len(broken) / 2:
        yield (
            f"{len(three)} of {len(broken)} customs values with decimals have three of them, such "
            f"as {three[0]:.3f}: if the sign before them separates thousands, say so with "
            "`thousands` and `decimal` in the mapping file, or amounts are a thousandth of what "
            "they were."
        )


def _whole(values: Floats) -> Mask:
    """Whether each is a whole number, but for what a float loses."""
    return np.isclose(values, np.round(values), rtol=1e-12, atol=1e-6)


def _told(values: npt.NDArray[np.object_]) -> "pd.Series[str]":
    return pd.Series(values, dtype="str").dropna()
