"""What a feature is, and what it may look at: goods items as declared, with what was known before.

All of it is arrays with a column per goods item, be it one or a million. Most features are one of a
few formulas over different values, and all of one formula are worked out together: from some ten
goods items on that costs less than asking for each number, for hundreds a tenth.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from selectivity.columns import Columns, Floats, Ints
from selectivity.elementwise import ratio, where_above_zero
from selectivity.histories.aggregates import (
    COUNT,
    DECAYED_WHOLE,
    EVERYTHING,
    FIXED_POINT,
    OUTCOMES,
    PLACE,
    PROFILES,
)

CodeMaps = Mapping[str, Mapping[str, int]]
"""Per coded field, the number of each code seen in training. Codes not in it become NaN."""

PRIOR_CONTROLS = 5.0
"""How many controls the general finding rate is worth when a key's own rate is smoothed."""

FEWEST_VALUES = 5
"""Values a key needs before what is usual of them means anything."""

LEAST_SPREAD = 0.1
"""Added to the spread of logarithms, so that a key of equal values divides by something."""

FINDINGS = OUTCOMES[1:]
"""Kinds of finding, in the order of `Known.general_rates`."""

LINE = "goods_line"
OF_OTHER_LINES = ("hs2", "hs4", "hs6", "origin_hs4")
"""Profiles that count what was found on *other* goods lines: the own line has its own profile.
Otherwise the heading's rate repeats the line's, and says nothing once goods are new."""


class Known(NamedTuple):
    """Goods items as declared, everything known before them, and the numbers of codes."""

    declared: Columns
    """Fields and what is derived from them by name, shape (n,); see `histories.rows`."""
    values: Floats
    """As features see them, in the order of `VALUES`; shape (values, n)."""
    codes: CodeMaps
    general_rates: Floats
    """How often any control found a documentary or a physical finding; shape (2, n)."""

    @classmethod
    def of(cls, declared: Columns, history: Floats, codes: CodeMaps) -> "Known":
        """Headings without the own goods line; a line never controlled as NaN: it tells nothing."""
        values = history.copy()
        of_line = values[_OF_THE_LINE]
        values[_OF_HEADINGS] -= np.where(np.isnan(of_line), 0.0, of_line)
        values[_LINE_PLACES] = where_above_zero(values[_LINE_CONTROLLED], values[_LINE_PLACES])
        return cls(declared, values, codes, ratio(values[_FOUND], values[_CONTROLLED]))

    def numbers(self, names: Sequence[str]) -> Floats:
        """Some fields, shape (names, n)."""
        return np.array([self.declared[name] for name in names], dtype=np.float64)


def finding_rate(
    findings: Floats, controls: Floats, *, prior_rate: Floats, prior_controls: float
) -> Floats:
    """Finding rate per key, pulled towards the general rate where controls are few.

    Args:
        findings: controls that found something; counts.
        controls: controls known before the day of the decision; counts.
        prior_rate: finding rate over all keys, in [0, 1].
        prior_controls: how many controls the prior is worth, above 0.

    Returns:
        Rates in [0, 1]. A key never controlled gets `prior_rate`.

    Source: the m-estimate, B. Cestnik, ECAI 1990.

    >>> findings, controls, usual = np.array([[9.0], [10.0], [0.1]])
    >>> finding_rate(findings, controls, prior_rate=usual, prior_controls=10)
    array([0.5])
    """
    return (findings + prior_rate * prior_controls) / (controls + prior_controls)


Formula = Callable[..., Floats]
"""Given what is `Known` and, one after the other, what each of k features is `of`, gives their
numbers, shape (k, n). One that needs nothing besides what is known gives one feature, shape (n,).
"""


@dataclass(frozen=True)
class Feature:
    """A number per goods item, its unit, and what allows customs to use it."""

    name: str
    unit: str
    group: str
    """Family of features that tell of the same thing."""
    allowed_by: str
    formula: Formula
    of: tuple[int | str, ...] = ()
    """What the formula is given: places of values, names of fields, a number of digits or of a
    finding class."""
    direction: int = 0
    """1: the risk may never fall when the feature rises. 0: the data may say."""


def value(known: Known, places: Ints) -> Floats:
    """Values as they are."""
    return known.values[places]


def days_since(known: Known, places: Ints) -> Floats:
    """Days from those that values name."""
    return known.declared["day"] - known.values[places]


def rate(known: Known, findings: Ints, controls: Ints, finding: Ints) -> Floats:
    """Finding rate of a profile's key, pulled towards the general one of this class."""
    return _rate(known, known.values[findings], known.values[controls], finding)


def decayed_rate(known: Known, findings: Ints, controls: Ints, finding: Ints) -> Floats:
    """Like `rate`, of sums in which older findings and controls count less."""
    values, whole = known.values, DECAYED_WHOLE
    return _rate(known, values[findings] / whole, values[controls] / whole, finding)


def _rate(known: Known, findings: Floats, controls: Floats, finding: Ints) -> Floats:
    return finding_rate(
        findings,
        controls,
        prior_rate=known.general_rates[finding],
        prior_controls=PRIOR_CONTROLS,
    )


def share(known: Known, part: Ints, whole: Ints) -> Floats:
    """One value over another."""
    return ratio(known.values[part], known.values[whole])  # type: ignore[no-any-return]


def share_of_many(known: Known, part: Ints, whole: Ints) -> Floats:
    """One count over another; NaN where the other is too small to say what is usual."""
    counted = known.values[whole]
    return ratio(known.values[part], np.where(counted >= FEWEST_VALUES, counted, np.nan))  # type: ignore[no-any-return]


def deviation(
    known: Known, count: Ints, added: Ints, squared: Ints, logarithms: Sequence[str]
) -> Floats:
    """How far a logarithm is from what is usual for a profile's key, in spreads.

    Args:
        logarithms: names of what is derived of the goods items themselves.
    """
    counted = known.values[count]
    n = np.where(counted >= FEWEST_VALUES, counted, np.nan)
    mean, square = ratio(known.values[np.array((added, squared))], n)
    mean, square = mean / FIXED_POINT, square / FIXED_POINT**2
    spread = np.sqrt(np.maximum(square - mean * mean, 0.0))  # rounding may leave less than zero
    return (known.numbers(logarithms) - mean) / (spread + LEAST_SPREAD)  # type: ignore[no-any-return]


_OF_HEADINGS, _OF_THE_LINE = (
    np.array(
        [
            PLACE[f"{name or profile.name}_{measure}"]
            for profile in PROFILES
            if profile.name in OF_OTHER_LINES
            for measure in (*COUNT, *OUTCOMES)
            if measure in profile.measures
        ]
    )
    for name in ("", LINE)
)
_LINE_PLACES = np.array([at for name, at in PLACE.items() if name.startswith(f"{LINE}_")])
_LINE_CONTROLLED = PLACE[f"{LINE}_controlled"]
_CONTROLLED = PLACE[f"{EVERYTHING.name}_controlled"]
_FOUND = np.array([PLACE[f"{EVERYTHING.name}_{name}"] for name in FINDINGS])
