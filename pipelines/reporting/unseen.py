"""What was released and nobody looked at: estimated from controls whose chance is known.

Controls pick the suspicious, so what they find says little about the rest. Where the chance of
each control was recorded and chance alone could pick any declaration, a control that had the
chance p stands for 1 / p declarations, and the weighted rate holds for all of them. Where the
chances do not add up to all declarations, the honest answer is that it cannot be told.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from pipelines.reporting.evidence import Evidence
from selectivity.columns import Floats
from selectivity.labelling import GOODS_CONTROLS, NO_VERDICT
from selectivity.lanes import LANES, Channel
from selectivity.metrics import Interval, share_of, total_of, wilson

Basis = Literal["counted", "estimated", "unknown"]

NEARLY_ALL = 0.99
"""Share inspected from which findings are counted, not estimated."""
LEAST_EFFECTIVE = 20.0
"""Controls of equal weight that an estimate needs at least."""
MOSTLY_RECORDED = 0.9
"""Share of goods controls whose chance has to be known: a period of which half the chances were
written down is half unseen."""
SUPPORT = (0.8, 1.25)
"""The weights must add up to about the number of declarations."""

_NOTHING = Interval(float("nan"), 0.0, 1.0)


@dataclass(frozen=True)
class Rate:
    """How often goods controls would find something in a group of declarations."""

    declarations: int
    controls: int
    effective: float
    rate: Interval

    @property
    def findings(self) -> Interval:
        """The rate as a number of declarations of the group."""
        return Interval(*(self.declarations * end for end in self.rate))


@dataclass(frozen=True)
class Unseen:
    """Rates per lane and over all, and the share of all violations that lies in GREEN.

    `support` is the number of declarations that the controls stand for, over how many there are;
    `recorded` is the share of goods controls whose chance was recorded.
    """

    basis: Basis
    lanes: dict[str, Rate]
    everywhere: Rate
    leaked: Interval
    drawn: int
    support: float
    recorded: float


def unseen(evidence: Evidence) -> Unseen:
    """Counted where all were inspected, else estimated, else unknown."""
    if evidence.decisions.inspected.mean() >= NEARLY_ALL:
        inspected = evidence.decisions[evidence.decisions.inspected]
        return _summed("counted", evidence, inspected.assign(chance=1.0))
    weighed = weighed_declarations(evidence.controls)
    stands = _stands_for_all(weighed, len(evidence.decisions))
    known = stands and recorded_share(evidence.controls) >= MOSTLY_RECORDED
    return _summed("estimated" if known else "unknown", evidence, weighed)


def recorded_share(controls: pd.DataFrame) -> float:
    """Share of goods controls by policy or chance whose chance was recorded; NaN without any.

    An officer's own choice has none, and what is opened after an image follows from that: these do
    not count.
    """
    goods = controls[controls.control_type.isin(GOODS_CONTROLS)]
    imaged = controls["at"][controls.control_type.isin(NO_VERDICT)]
    asked = goods[(goods.triggered_by != Channel.OFFICER) & ~goods["at"].isin(imaged)]
    return float(asked.propensity.notna().mean())


def weighed_declarations(controls: pd.DataFrame) -> pd.DataFrame:
    """Declarations whose goods were examined at a known `chance`: lane, found, drawn.

    All such controls count, not only those drawn at random: the recorded chance is that of the
    control, whoever asked for it in the end.
    """
    known = controls[controls.control_type.isin(GOODS_CONTROLS) & controls.propensity.notna()]
    known = known.assign(drawn=known.triggered_by == Channel.RANDOM)
    return known.groupby("at").agg(
        lane=("lane", "first"),
        found=("found", "any"),
        chance=("propensity", "max"),
        drawn=("drawn", "any"),
    )


def weighed_rate(found: Floats, chance: Floats) -> tuple[Interval, float]:
    """Rate over the population with its interval, and the number of controls of equal weight.

    Args:
        found: 1 where the control found something, else 0; shape (n,).
        chance: of each control, in (0, 1]; shape (n,).

    Source: J. Hájek's ratio form of the Horvitz-Thompson estimate; its interval is Wilson's on
    L. Kish's effective number, which stays honest where nothing was found.
    """
    if len(chance) == 0:
        return _NOTHING, 0.0
    weight = 1 / chance
    effective = float(weight.sum() ** 2 / (weight**2).sum())
    rate = float((weight * found).sum() / weight.sum())
    return wilson(rate * effective, effective), effective


def _stands_for_all(weighed: pd.DataFrame, declarations: int) -> bool:
    if weighed.empty or not weighed.drawn.any():
        return False
    weight = 1 / weighed.chance.to_numpy()
    _, effective = weighed_rate(weight * 0, weighed.chance.to_numpy())
    spread = 3 * np.sqrt((weight**2 * (1 - weighed.chance)).sum())
    low, high = (share * declarations for share in SUPPORT)
    fits = weight.sum() + spread >= low and weight.sum() - spread <= high
    return bool(fits and effective >= LEAST_EFFECTIVE)


def _summed(basis: Basis, evidence: Evidence, weighed: pd.DataFrame) -> Unseen:
    total = len(evidence.decisions)
    return Unseen(
        basis=basis,
        lanes={
            lane: _rate(weighed[weighed.lane == lane], len(evidence.of_lane(lane)))
            for lane in LANES
        },
        everywhere=_rate(weighed, total),
        leaked=_leaked(basis, evidence, weighed),
        drawn=int(weighed.get("drawn", pd.Series(dtype=bool)).sum()),
        support=float((1 / weighed.chance).sum() / total),
        recorded=recorded_share(evidence.controls),
    )


def _rate(weighed: pd.DataFrame, declarations: int) -> Rate:
    found, chance = weighed.found.to_numpy(np.float64), weighed.chance.to_numpy(np.float64)
    rate, effective = weighed_rate(found, chance)
    return Rate(declarations, len(weighed), effective, rate)


def _leaked(basis: Basis, evidence: Evidence, weighed: pd.DataFrame) -> Interval:
    """Share of all violations that lies in GREEN.

    Estimated from the number in each lane, so that a lane in which few were looked at and nothing
    was found is not taken for one without violations.
    """
    if basis == "unknown":
        return _NOTHING
    if basis == "counted":
        found = weighed[weighed.found]
        return wilson(float((found.lane == "GREEN").sum()), len(found))
    number = {
        lane: _rate(weighed[weighed.lane == lane], len(evidence.of_lane(lane))).findings
        for lane in LANES
    }
    if not len(evidence.of_lane("GREEN")):
        return Interval(0.0, 0.0, 0.0)
    others = [number[lane] for lane in LANES if lane != "GREEN" and len(evidence.of_lane(lane))]
    return share_of(number["GREEN"], total_of(others)) if others else _NOTHING
