"""What is usual for goods like these, in numbers that an officer can check in the files."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from selectivity.columns import Columns, Floats
from selectivity.known import FEWEST_VALUES
from selectivity.profile_keys import EVERYTHING
from selectivity.profiles import FIXED_POINT, MEASURES, PLACE, Histories, unit_value

_MEASURE = {measure: at for at, measure in enumerate(MEASURES)}


class Background(NamedTuple):
    """What was known about each goods item on its day. NaN where nothing was; shape (n,) each."""

    controls: Mapping[str, Floats]
    """Controls of goods items of the same key, by profile: importer, hs4 …"""
    findings: Mapping[str, Floats]
    """Those of them that found something."""
    general_rate: Floats
    """Findings per control, over everything."""
    unit_value: Floats
    """Declared, currency per kilogram."""
    usual_unit_value: Floats
    """Geometric mean for the same origin and heading; NaN with few of them."""


def background(columns: Columns, histories: Histories) -> Background:
    """What is behind the features of these goods items."""
    controls = {name: _measure(histories, name, "controlled") for name in PLACE}
    findings = {
        name: _measure(histories, name, "documentary") + _measure(histories, name, "physical")
        for name in PLACE
    }
    all_controls, all_findings = controls[EVERYTHING.name], findings[EVERYTHING.name]
    return Background(
        controls=controls,
        findings=findings,
        general_rate=all_findings / np.where(all_controls > 0, all_controls, np.nan),
        unit_value=unit_value(columns),
        usual_unit_value=_usual_unit_value(histories),
    )


def _usual_unit_value(histories: Histories) -> Floats:
    valued = _measure(histories, "origin_hs4", "valued")
    logs = _measure(histories, "origin_hs4", "log_value")
    mean = logs / np.where(valued >= FEWEST_VALUES, valued, np.nan) / FIXED_POINT
    usual: Floats = np.exp(mean)
    return usual


def _measure(histories: Histories, profile: str, measure: str) -> Floats:
    return histories.of(profile).totals[:, _MEASURE[measure]]
