"""What a feature may look at: goods items as declared, with what was known of them before."""

from collections.abc import Mapping

import numpy as np

from selectivity.columns import Columns, Floats, day_of
from selectivity.profile_keys import EVERYTHING
from selectivity.profiles import FIXED_POINT, MEASURES, PLACE, Histories, unit_value

CodeMaps = Mapping[str, Mapping[str, int]]
"""Per coded field, the number of each code seen in training. Codes not in it become NaN."""

PRIOR_CONTROLS = 5.0
"""How many controls the general finding rate is worth when a key's own rate is smoothed."""

FEWEST_VALUES = 5
"""Unit values a key needs before a deviation from them means anything."""

LEAST_SPREAD = 0.1
"""Added to the spread of log unit values, so that a key of equal ones divides by something."""

_MEASURE = {measure: at for at, measure in enumerate(MEASURES)}
_FINDINGS = ("documentary", "physical")

LINE = "goods_line"
OF_OTHER_LINES = ("hs4", "hs6", "origin_hs4")
"""Profiles that count what was found on *other* goods lines: the own line has its own profile.
Otherwise the heading's rate repeats the line's, and says nothing once goods are new."""


def finding_rate(
    findings: Floats, controls: Floats, *, prior_rate: Floats | float, prior_controls: float
) -> Floats:
    """Finding rate per key, pulled towards the general rate where controls are few.

    Args:
        findings: controls that found something; shape (k,), counts.
        controls: controls known before the day of the decision; shape (k,), counts.
        prior_rate: finding rate over all keys, in [0, 1].
        prior_controls: how many controls the prior is worth, above 0.

    Returns:
        Rates in [0, 1], shape (k,). A key never controlled gets `prior_rate`.

    Source: the m-estimate, B. Cestnik, ECAI 1990.

    >>> finding_rate(np.array([0.0, 9]), np.array([0.0, 10]), prior_rate=0.1, prior_controls=10)
    array([0.1, 0.5])
    """
    rate: Floats = (findings + prior_rate * prior_controls) / (controls + prior_controls)
    return rate


class Known:
    """What a feature may look at: the rows as declared, their histories, the code numbers.

    Histories are seen here as features use them: headings without the own goods line, and a goods
    line that was never controlled as NaN, because it tells nothing. They come for all profiles
    together, in the order of `PROFILES`.
    """

    def __init__(self, columns: Columns, histories: Histories, codes: CodeMaps) -> None:
        self.columns, self.codes = columns, codes
        self.days = day_of(columns["accepted_at"])
        self.unit_value_log: Floats = np.log(unit_value(columns))
        self._totals, self._first_day = _with_lines_apart(histories)

    def measure(self, name: str) -> Floats:
        """A measure of each key's history, shape (profiles, n)."""
        amounts: Floats = self._totals[:, :, _MEASURE[name]]
        return amounts

    def rates(self, finding: str) -> Floats:
        """Each key's finding rate, pulled towards the general one; shape (profiles, n)."""
        findings, controls = self.measure(finding), self.measure("controlled")
        everywhere = PLACE[EVERYTHING.name]
        controlled = np.where(controls[everywhere] > 0, controls[everywhere], np.nan)
        return finding_rate(
            findings,
            controls,
            prior_rate=findings[everywhere] / controlled,
            prior_controls=PRIOR_CONTROLS,
        )

    @property
    def known_days(self) -> Floats:
        """Days since each key was first seen, shape (profiles, n); NaN for a new one."""
        days: Floats = self.days - self._first_day
        return days

    @property
    def value_deviations(self) -> Floats:
        """How far the unit value is from what is usual for the keys of `OF_OTHER_LINES`, in
        spreads; shape (number of them, n)."""
        valued, log_value, squared = (self.measure(name)[_OF_OTHERS] for name in _VALUES)
        n = np.where(valued >= FEWEST_VALUES, valued, np.nan)
        mean = log_value / n
        spread = np.sqrt(np.maximum(squared / n - mean * mean, 0.0)) / FIXED_POINT
        deviations: Floats = (self.unit_value_log - mean / FIXED_POINT) / (spread + LEAST_SPREAD)
        return deviations


_VALUES = ("valued", "log_value", "log_value_squared")
_OF_OTHERS = np.array([PLACE[profile] for profile in OF_OTHER_LINES])


def _with_lines_apart(histories: Histories) -> Histories:
    totals, first_day = histories.totals.copy(), histories.first_day.copy()
    line, line_first_day = totals[PLACE[LINE]], first_day[PLACE[LINE]]
    own = np.where(np.isnan(line), 0.0, line)
    for place in _OF_OTHERS:
        totals[place] -= own
    never_controlled = own[:, _MEASURE["controlled"]] == 0
    line[never_controlled] = np.nan
    line_first_day[never_controlled] = np.nan
    return Histories(totals, first_day)
