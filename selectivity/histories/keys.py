"""The key by which a goods item is known again in a profile: importer, heading, origin …"""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from selectivity.columns import Columns
from selectivity.histories.aggregates import PROFILES, Declared, Profile

Key = str | None
"""Names a history; None where a part of it is missing, so that there is no history."""

SEPARATOR = "\x1f"
"""Between the parts of a key."""

_LINE = next(profile for profile in PROFILES if profile.name == "goods_line")
LINE_FIELDS = _LINE.keys
"""What goods declared alike have in common."""


def joined(parts: Sequence[Any], profile: Profile) -> Key:
    """The key made of these parts, as they are declared; None if one that is needed is missing.

    Numbers are written as Python writes floats, so that the same number gives the same key.
    """
    texts = []
    for name, part in zip(profile.keys, parts, strict=True):
        if isinstance(part, str):
            texts.append(part)
        elif part is not None and part == part:  # not NaN
            texts.append(str(float(part) + 0.0))  # -0.0 is 0.0
        elif name in profile.may_lack:
            texts.append("")
        else:
            return None
    return SEPARATOR.join(texts)


def keys_of(declared: Declared) -> list[Key]:
    """The keys of a goods item, in the order of `PROFILES`."""
    return [key_of(declared) for key_of in _KEYS_OF]


def _key_of(profile: Profile) -> Callable[[Declared], Key]:
    """Gives the key of a row; None if a part that is needed is missing."""
    names = profile.keys
    if not names:
        return lambda row: ""
    if len(names) == 1:
        return itemgetter(names[0])
    if len(names) == 2:
        one, other = names

        def of_two(row: Declared) -> Key:
            first, second = row[one], row[other]
            return None if first is None or second is None else f"{first}{SEPARATOR}{second}"

        return of_two
    parts = itemgetter(*names)
    return lambda row: joined(parts(row), profile)


_KEYS_OF = tuple(map(_key_of, PROFILES))


def goods_line(columns: Columns) -> npt.NDArray[Any]:
    """Names goods declared alike: code, countries, duty and net mass. None without code or mass."""
    lines = np.empty(len(columns["hs_code"]), dtype=object)
    rows = zip(*(columns[name].tolist() for name in _LINE.keys), strict=True)
    lines[:] = [joined(row, _LINE) for row in rows]
    return lines
