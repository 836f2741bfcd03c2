"""A bundle whose word is known beforehand: its trees say what stands in the feature matrix."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from models.bundle import FORMAT, Bundle, Manifest
from models.calibration import Calibration
from models.lane_model import Knowledge, LaneModel
from pipelines.training.periods import Periods
from selectivity.columns import Floats
from selectivity.deciding.capacity import ControlPolicy, PerClass, Prices, ValuePolicy
from selectivity.deciding.policy import Policy
from selectivity.deciding.random_stratum import RandomPolicy
from selectivity.features.matrix import FEATURE_NAMES
from selectivity.histories.profiles import Profiles
from selectivity.rules.rule_set import RuleSet
from tests.bundles import a_scorecard

START = datetime(2026, 1, 1, 12, tzinfo=UTC)

PERIODS = Periods(
    train_from=date(2026, 1, 1),
    train_until=date(2026, 1, 11),
    calibrate_from=date(2026, 1, 11),
    calibrate_until=date(2026, 1, 21),
    evaluate_from=date(2026, 1, 21),
    evaluate_until=date(2026, 1, 31),
)
"""Ten days each to train, to calibrate and to evaluate, the first that of START."""

WORTH_ITS_CHANCE = Policy(
    id="test",
    random=RandomPolicy(yellow=0, red=0),
    yellow=ControlPolicy(share=0.3, cost=0, detects=PerClass(documentary=0.5, physical=0)),
    red=ControlPolicy(share=0.1, cost=0, detects=PerClass(documentary=0, physical=1)),
    value=ValuePolicy(finding=PerClass(documentary=1, physical=1), duty=0),
)
"""A goods inspection is worth the chance of a physical finding, a documents check half that of a
documentary one."""


class _Spoken:
    """Says column 0 as the chance of a finding, 1 as that of a physical one, 2 as its duty."""

    def chances(self, matrix: Floats) -> Floats:
        return matrix[:, :2]

    def duty_given_finding(self, matrix: Floats) -> Floats | None:
        return None if np.isnan(matrix[:, 2]).all() else matrix[:, 2].copy()


def spoken(
    finding: Sequence[float], physical: float = 1.0, duties: Sequence[float] | None = None
) -> Floats:
    """A matrix that says these chances of a finding, and of a finding that is physical."""
    matrix = np.full((len(finding), len(FEATURE_NAMES)), np.nan)
    matrix[:, 0], matrix[:, 1] = finding, physical
    if duties is not None:
        matrix[:, 2] = duties
    return matrix


def a_spoken_model(calibration: Calibration | None = None, **known: Any) -> LaneModel:
    """It has seen cotton T-shirts from China, and knows all facts that a policy needs."""
    plain: dict[str, Any] = {
        "feature_names": FEATURE_NAMES,
        "codes": {},
        "headings": frozenset({"6109"}),
        "countries": frozenset({"CN"}),
        "facts": frozenset(Policy().facts_needed),
        "duty_cap": 1_000.0,
    }
    trees: Any = _Spoken()
    return LaneModel(trees, calibration or Calibration(), Knowledge(**plain | known))


def a_spoken_bundle(**fields: Any) -> Bundle:
    """Without rules, and with a price of red that only sure findings are worth."""
    plain: dict[str, Any] = {
        "digest": "ab" * 32,
        "manifest": Manifest(format=FORMAT, files={}, trained_on={}),
        "model": a_spoken_model(),
        "profiles": Profiles(),
        "rules": RuleSet([]),
        "policy": WORTH_ITS_CHANCE,
        "prices": Prices(yellow=1.0, red=0.5),
        "scorecard": a_scorecard(),
    }
    return Bundle(**plain | fields)


def on(day: float) -> datetime:
    """So many days after noon of 1 January 2026."""
    return START + timedelta(days=day)


def outcomes_of(*rows: Mapping[str, Any]) -> pd.DataFrame:
    """Outcomes of goods items: of the row of the same number, known on the tenth day, clean."""
    plain = {
        "observed_at": pd.Timestamp(on(10)),
        "finding_class": 0,
        "counts": 1,
        "weight": 1.0,
    }
    return pd.DataFrame(
        [{"row": at, "inspection_id": f"I-{at}"} | plain | row for at, row in enumerate(rows)]
    )
