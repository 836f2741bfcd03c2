"""What a feature is, and what it may look at: a goods item as declared, with what was known before.

The same for one row, with floats, and for many, with arrays: see `selectivity.elementwise`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from selectivity.aggregates import DECAYED_WHOLE, EVERYTHING, FIXED_POINT, OUTCOMES, PLACE, PROFILES
from selectivity.elementwise import Number, at_least, ratio, root, where_above_zero, zero_if_unknown
from selectivity.rows import Row

CodeMaps = Mapping[str, Mapping[str, int]]
"""Per coded field, the number of each code seen in training. Codes not in it become NaN."""

PRIOR_CONTROLS = 5.0
"""How many controls the general finding rate is worth when a key's own rate is smoothed."""

FEWEST_VALUES = 5
"""Values a key needs before a deviation from them means anything."""

LEAST_SPREAD = 0.1
"""Added to the spread of logarithms, so that a key of equal values divides by something."""

LINE = "goods_line"
OF_OTHER_LINES = ("hs2", "hs4", "hs6", "origin_hs4")
"""Profiles that count what was found on *other* goods lines: the own line has its own profile.
Otherwise the heading's rate repeats the line's, and says nothing once goods are new."""


class Known(NamedTuple):
    """A goods item as declared, everything known before it, and the numbers of codes."""

    declared: Row
    values: Any
    """As features see them, in the order of `VALUES`: a list, or an array of shape (values, n)."""
    codes: CodeMaps
    general_rates: Mapping[str, Number]
    """Per finding class, how often any control found it."""

    @classmethod
    def of(cls, declared: Row, history: Any, codes: CodeMaps) -> "Known":
        """Headings without the own goods line; a line never controlled as NaN: it tells nothing."""
        values = history.copy()
        for place, line in _OF_THE_LINE:
            values[place] = values[place] - zero_if_unknown(values[line])
        controlled = values[_LINE_CONTROLLED]
        for place in _LINE_PLACES:
            values[place] = where_above_zero(controlled, values[place])
        rates = {name: ratio(values[at], values[_CONTROLLED]) for name, at in _GENERAL}
        return cls(declared, values, codes, rates)


def finding_rate(
    findings: Number, controls: Number, *, prior_rate: Number, prior_controls: float
) -> Number:
    """Finding rate per key, pulled towards the general rate where controls are few.

    Args:
        findings: controls that found something; counts.
        controls: controls known before the day of the decision; counts.
        prior_rate: finding rate over all keys, in [0, 1].
        prior_controls: how many controls the prior is worth, above 0.

    Returns:
        Rates in [0, 1]. A key never controlled gets `prior_rate`.

    Source: the m-estimate, B. Cestnik, ECAI 1990.

    >>> finding_rate(9.0, 10.0, prior_rate=0.1, prior_controls=10)
    0.5
    """
    return (findings + prior_rate * prior_controls) / (controls + prior_controls)


Compute = Callable[[Known], Number]


@dataclass(frozen=True)
class Feature:
    """A number per goods item, its unit, and what allows customs to use it."""

    name: str
    unit: str
    group: str
    """Family of features that tell of the same thing."""
    allowed_by: str
    compute: Compute
    direction: int = 0
    """1: the risk may never fall when the feature rises. 0: the data may say."""


def rate(profile: str, finding: str, over: str = "") -> Compute:
    """Finding rate of a profile's key, pulled towards the general one.

    Args:
        over: what follows the measure in the names of the values: "", "_365", "_decayed_60".
    """
    findings, controls = (PLACE[f"{profile}_{name}{over}"] for name in (finding, "controlled"))
    whole = DECAYED_WHOLE if "decayed" in over else 1

    def compute(known: Known) -> Number:
        return finding_rate(
            known.values[findings] / whole,
            known.values[controls] / whole,
            prior_rate=known.general_rates[finding],
            prior_controls=PRIOR_CONTROLS,
        )

    return compute


def share(part: str, whole: str) -> Compute:
    """One value over another, both by name."""
    above, below = PLACE[part], PLACE[whole]
    return lambda known: ratio(known.values[above], known.values[below])


def deviation(profile: str, what: str, logarithm: str) -> Compute:
    """How far a logarithm is from what is usual for a profile's key, in spreads.

    Args:
        what: "value" or "weight", as in the measures `log_value` and `log_weight`.
        logarithm: name of what is derived of the goods item itself.
    """
    count = {"value": "valued", "weight": "weighed"}[what]
    names = (count, f"log_{what}", f"log_{what}_squared")
    counted, added, squared = (PLACE[f"{profile}_{name}"] for name in names)

    def compute(known: Known) -> Number:
        n = at_least(known.values[counted], FEWEST_VALUES)
        mean = ratio(known.values[added], n) / FIXED_POINT
        square = ratio(known.values[squared], n) / FIXED_POINT**2
        return (known.declared[logarithm] - mean) / (root(square - mean * mean) + LEAST_SPREAD)

    return compute


_OF_THE_LINE = tuple(
    (PLACE[f"{profile.name}_{measure}"], PLACE[f"{LINE}_{measure}"])
    for profile in PROFILES
    if profile.name in OF_OTHER_LINES
    for measure in ("declared", "controlled", "documentary", "physical")
    if measure in profile.measures
)
_LINE_PLACES = tuple(at for name, at in PLACE.items() if name.startswith(f"{LINE}_"))
_LINE_CONTROLLED = PLACE[f"{LINE}_controlled"]
_CONTROLLED = PLACE[f"{EVERYTHING.name}_controlled"]
_GENERAL = tuple((name, PLACE[f"{EVERYTHING.name}_{name}"]) for name in OUTCOMES[1:])
