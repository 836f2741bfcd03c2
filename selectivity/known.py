"""What a feature may look at: goods items as declared, with what was known of them before."""

from collections.abc import Mapping

import numpy as np

from selectivity.columns import Columns, Floats, day_of
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
    line that was never controlled as NaN, because it tells nothing. What is computed of histories
    is computed for all profiles together: for one declaration the calls cost more than the sums.
    """

    def __init__(self, columns: Columns, histories: Histories, codes: CodeMaps) -> None:
        self.columns, self.codes = columns, codes
        self.days = day_of(columns["accepted_at"])
        self.unit_value_log = np.log(unit_value(columns))
        self._totals, first_day = _with_lines_apart(histories)
        self._known_days = self.days - first_day
        self._rates = {finding: self._finding_rates(finding) for finding in _FINDINGS}
        self._deviations = self._value_deviations()

    def amount(self, profile: str, measure: str) -> Floats:
        """A measure of the key's history, shape (n,)."""
        amounts: Floats = self._totals[PLACE[profile], :, _MEASURE[measure]]
        return amounts

    def rate(self, profile: str, finding: str) -> Floats:
        """The key's finding rate, pulled towards the general one; shape (n,)."""
        rates: Floats = self._rates[finding][PLACE[profile]]
        return rates

    def known_days(self, profile: str) -> Floats:
        """Days since the key was first seen, shape (n,); NaN for a new one."""
        days: Floats = self._known_days[PLACE[profile]]
        return days

    def value_deviation(self, profile: str) -> Floats:
        """How far the unit value is from what is usual for the key, in spreads; shape (n,)."""
        return self._deviations[profile]

    def _all(self, measure: str) -> Floats:
        amounts: Floats = self._totals[:, :, _MEASURE[measure]]
        return amounts

    def _finding_rates(self, finding: str) -> Floats:
        controls = self.amount("everything", "controlled")
        general = np.full_like(controls, np.nan)
        np.divide(self.amount("everything", finding), controls, out=general, where=controls > 0)
        return finding_rate(
            self._all(finding),
            self._all("controlled"),
            prior_rate=general,
            prior_controls=PRIOR_CONTROLS,
        )

    def _value_deviations(self) -> Mapping[str, Floats]:
        valued, log_value, squared = self._totals[_OF_OTHERS][:, :, _VALUES].transpose(2, 0, 1)
        n = np.where(valued >= FEWEST_VALUES, valued, np.nan)
        mean = log_value / n
        spread = np.sqrt(np.maximum(squared / n - mean * mean, 0.0)) / FIXED_POINT
        deviations = (self.unit_value_log - mean / FIXED_POINT) / (spread + LEAST_SPREAD)
        return dict(zip(OF_OTHER_LINES, deviations, strict=True))


_OF_OTHERS = [PLACE[profile] for profile in OF_OTHER_LINES]
_VALUES = [_MEASURE[measure] for measure in ("valued", "log_value", "log_value_squared")]


def _with_lines_apart(histories: Histories) -> Histories:
    totals, first_day = histories.totals.copy(), histories.first_day.copy()
    own = totals[PLACE[LINE]]
    never = ~(own[:, _MEASURE["controlled"]] > 0)
    totals[_OF_OTHERS] -= np.where(np.isnan(own), 0.0, own)
    own[never] = np.nan
    first_day[PLACE[LINE], never] = np.nan
    return Histories(totals, first_day)
