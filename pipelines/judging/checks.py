"""A new bundle beside the one in force, on the same declarations: is it at least as good?

Each check is a gain with its 95 % interval. It passes if the new bundle is at most a margin worse,
with that confidence. It fails if the new one is shown to be worse, and may be by more than the
margin. Between the two one cannot tell: there are too few findings for a verdict. So it is where a
figure rests on fewer than ten declarations: drawn anew, these few always say the same.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from pipelines.stage.areas import auroc
from pipelines.stage.tables import KEY
from selectivity.columns import Floats, Ints, Mask
from selectivity.lanes import Lane
from selectivity.metrics import FEWEST_FINDINGS, Interval, bootstrapped


class Margins(BaseModel):
    """How much worse a new bundle may be and still pass."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    auroc: float = Field(default=0.02, ge=0, le=1)
    brier: float = Field(default=0.002, ge=0, le=1, description="Mean squared error of the risks.")
    lanes: float = Field(
        default=0.05, ge=0, le=1, description="Hit rate of red, shares of findings, of held up."
    )


class Verdict(StrEnum):
    """Of a check, and of all of them together: the worst that any of them came to."""

    PASS = "pass"
    CANNOT_TELL = "cannot tell"
    FAIL = "FAIL"


class Check(NamedTuple):
    """One figure of both bundles."""

    name: str
    in_force: float
    new: float
    gain: Interval
    """Above zero the new one is better."""
    margin: float

    @property
    def verdict(self) -> Verdict:
        """What the gain comes to."""
        if self.gain.low >= -self.margin:
            return Verdict.PASS
        return Verdict.FAIL if self.gain.high < 0 else Verdict.CANNOT_TELL


def worst(checks: Sequence[Check]) -> Verdict:
    """The verdict on all of them."""
    order = list(Verdict)
    return max((check.verdict for check in checks), key=order.index, default=Verdict.PASS)


class _Decisions(NamedTuple):
    """Lanes and risks by one bundle, shape (n,)."""

    lane: Ints
    risk: Floats
    capacity: float
    """Share of declarations that its policy has controls for."""

    def at(self, rows: Ints) -> "_Decisions":
        return self._replace(lane=self.lane[rows], risk=self.risk[rows])


class _Outcomes(NamedTuple):
    """What is known of the same declarations, shape (n,)."""

    inspected: Mask
    found: Mask
    new_trader: Mask
    scored: Mask
    """Both bundles have a risk for it."""

    def at(self, rows: Ints) -> "_Outcomes":
        return _Outcomes(*(each[rows] for each in self))


Figure = Callable[[_Decisions, _Outcomes], float]
Rows = Callable[[_Decisions, _Outcomes], Mask]


class _Criterion(NamedTuple):
    """A figure by which two bundles are compared."""

    name: str
    figure: Figure
    of: Rows
    """The declarations that it rests on."""
    sign: int
    """-1: less is better."""
    margin: str
    """Which of the `Margins`."""

    def gain(self, before: _Decisions, after: _Decisions, outcomes: _Outcomes, rows: Ints) -> float:
        """How much better the second bundle is on these rows, by this figure."""
        known = outcomes.at(rows)
        return self.sign * (
            self.figure(after.at(rows), known) - self.figure(before.at(rows), known)
        )


def _all(decisions: _Decisions, _: _Outcomes) -> Mask:
    return np.ones(len(decisions.lane), dtype=bool)


def _findings(_: _Decisions, outcomes: _Outcomes) -> Mask:
    return outcomes.inspected & outcomes.found


def _scored_findings(_: _Decisions, outcomes: _Outcomes) -> Mask:
    return outcomes.inspected & outcomes.scored & outcomes.found


def _inspected_red(decisions: _Decisions, outcomes: _Outcomes) -> Mask:
    mask: Mask = outcomes.inspected & (decisions.lane == Lane.RED)
    return mask


def _clean_new(_: _Decisions, outcomes: _Outcomes) -> Mask:
    return outcomes.inspected & ~outcomes.found & outcomes.new_trader


def _auroc(decisions: _Decisions, outcomes: _Outcomes) -> float:
    use = outcomes.inspected & outcomes.scored
    return auroc(outcomes.found[use].astype(np.int64), decisions.risk[use])


def _brier(decisions: _Decisions, outcomes: _Outcomes) -> float:
    return _mean(((decisions.risk - outcomes.found) ** 2)[outcomes.inspected & outcomes.scored])


def red_hit_rate(lane: Ints, found: Mask) -> float:
    """Findings among the inspected declarations in red; NaN without any."""
    return _mean(found[lane == Lane.RED])


def found_in_red(lane: Ints, found: Mask) -> float:
    """Share of the findings that are in red; NaN without any."""
    return _mean(lane[found] == Lane.RED)


def let_go(lane: Ints, found: Mask) -> float:
    """Share of the findings that are in green; NaN without any."""
    return _mean(lane[found] == Lane.GREEN)


def _of_inspected(figure: Callable[[Ints, Mask], float]) -> Figure:
    return lambda decisions, outcomes: figure(
        decisions.lane[outcomes.inspected], outcomes.found[outcomes.inspected]
    )


def _beyond_capacity(decisions: _Decisions, outcomes: _Outcomes) -> float:
    held_up = _mean(decisions.lane > Lane.GREEN)
    return max(held_up - decisions.capacity, 0.0)  # up to the capacity nobody is wronged


def _new_held_up(decisions: _Decisions, outcomes: _Outcomes) -> float:
    return _mean((decisions.lane > Lane.GREEN)[_clean_new(decisions, outcomes)])


def _mean(values: Mask | Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")


CRITERIA = (
    _Criterion("AUROC", _auroc, _scored_findings, 1, "auroc"),
    _Criterion("mean squared error of the risks", _brier, _scored_findings, -1, "brier"),
    _Criterion("hit rate of red", _of_inspected(red_hit_rate), _inspected_red, 1, "lanes"),
    _Criterion("findings in red", _of_inspected(found_in_red), _findings, 1, "lanes"),
    _Criterion("findings in green", _of_inspected(let_go), _findings, -1, "lanes"),
    _Criterion("held up beyond the capacity", _beyond_capacity, _all, -1, "lanes"),
    _Criterion("clean new traders held up", _new_held_up, _clean_new, -1, "lanes"),
)
"""The last one is of declarations of new traders in which controls found nothing."""


def beside(
    in_force: pd.DataFrame,
    new: pd.DataFrame,
    capacities: tuple[float, float],
    margins: Margins,
    resamples: int,
) -> Iterator[Check]:
    """A check per figure, of the declarations that both decided on. Pure.

    Args:
        in_force: lane and risk that the bundle in force gives, with the declaration's key.
        new: the same of the new one, with `inspected`, `found` and `new_trader`.
        capacities: share of declarations that the policy of each has controls for.
    """
    both = in_force[[*KEY, "lane", "risk"]].merge(new, on=KEY, suffixes=("_in_force", ""))
    before, after = (
        _Decisions(
            both[f"lane{end}"].map(Lane.__getitem__).to_numpy(np.int64),
            both[f"risk{end}"].to_numpy(np.float64),
            capacity,
        )
        for end, capacity in zip(("_in_force", ""), capacities, strict=True)
    )
    outcomes = _Outcomes(
        inspected=both["inspected"].to_numpy(bool),
        found=both["found"].to_numpy(bool),
        new_trader=both["new_trader"].to_numpy(bool),
        scored=np.isfinite(before.risk) & np.isfinite(after.risk),
    )
    everyone = np.arange(len(both))
    for criterion in CRITERIA:
        gain = partial(criterion.gain, before, after, outcomes)
        fewest = min(criterion.of(each, outcomes).sum() for each in (before, after))
        enough = fewest >= FEWEST_FINDINGS
        yield Check(
            criterion.name,
            criterion.figure(before, outcomes),
            criterion.figure(after, outcomes),
            bootstrapped(gain, everyone, resamples=resamples, enough=enough),
            getattr(margins, criterion.margin),
        )
