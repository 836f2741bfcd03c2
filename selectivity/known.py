"""What a feature may look at: goods items as declared, with what was known of them before."""

from collections.abc import Mapping

import numpy as np

from selectivity.columns import Columns, Floats, day_of
from selectivity.profiles import MEASURES, History, unit_value

CodeMaps = Mapping[str, Mapping[str, int]]
"""Per coded field, the number of each code seen in training. Codes not in it become NaN."""

Histories = Mapping[str, History]

PRIOR_CONTROLS = 5.0
"""How many controls the general finding rate is worth when a key's own rate is smoothed."""

_PLACE = {measure: at for at, measure in enumerate(MEASURES)}
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
    line that was never controlled as NaN, because it tells nothing.
    """

    def __init__(self, columns: Columns, histories: Histories, codes: CodeMaps) -> None:
        self.columns, self.codes = columns, codes
        self.days = day_of(columns["accepted_at"])
        self.unit_value_log = np.log(unit_value(columns))
        self._amounts = {name: history.totals for name, history in histories.items()}
        self._first_day = {name: history.first_day for name, history in histories.items()}
        self._set_lines_apart()
        self._general = {finding: self._general_rate(finding) for finding in _FINDINGS}

    def _set_lines_apart(self) -> None:
        line = self._amounts[LINE]
        own = np.nan_to_num(line)
        for profile in OF_OTHER_LINES:
            self._amounts[profile] = self._amounts[profile] - own
        controlled = own[:, _PLACE["controlled"]] > 0
        self._amounts[LINE] = np.where(controlled[:, None], line, np.nan)
        self._first_day[LINE] = np.where(controlled, self._first_day[LINE], np.nan)

    def _general_rate(self, finding: str) -> Floats:
        controls = self.amount("everything", "controlled")
        nothing = np.full_like(controls, np.nan)
        return np.divide(
            self.amount("everything", finding), controls, out=nothing, where=controls > 0
        )

    def amount(self, profile: str, measure: str) -> Floats:
        """A measure of the key's history, shape (n,)."""
        return self._amounts[profile][:, _PLACE[measure]]

    def rate(self, profile: str, finding: str) -> Floats:
        """The key's finding rate, pulled towards the general one; shape (n,)."""
        return finding_rate(
            self.amount(profile, finding),
            self.amount(profile, "controlled"),
            prior_rate=self._general[finding],
            prior_controls=PRIOR_CONTROLS,
        )

    def known_days(self, profile: str) -> Floats:
        """Days since the key was first seen, shape (n,); NaN for a new one."""
        days: Floats = self.days - self._first_day[profile]
        return days
