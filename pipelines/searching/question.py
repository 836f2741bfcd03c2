"""What a search asks: which params of `train` rank best what was found on days they did not see?

The calibration days judge: the newest before the evaluation, by outcomes known before it. Trials
are taught with what was known when those days began.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from pipelines.judging.fitting import Past, grow
from pipelines.judging.views import STATISTICS, declaration_numbers, new_lines, paired_gain
from pipelines.searching.space import SearchParams, Value
from pipelines.train import TrainParams
from pipelines.training.outcomes import UNKNOWN, known_classes
from selectivity.columns import Floats, Ints, take
from selectivity.declaration import canonical_sha256
from selectivity.errors import NotEnoughDataError
from selectivity.inspection import FindingClass
from selectivity.metrics import Interval


@dataclass(frozen=True)
class Question:
    """The past that is looked at, the params of now, and what is wanted."""

    past: Past
    now: TrainParams
    wanted: SearchParams

    @cached_property
    def judging(self) -> Ints:
        """Rows that judge: controlled, accepted in the calibration days."""
        past, first = self.past, self.past.periods.calibrate_from
        rows = past.periods.rows(past.items, "calibrate") & (self._classes != UNKNOWN)
        if self.wanted.view == "new_lines":
            rows &= new_lines(past.items, first)
        found = self._classes[rows] > FindingClass.NONE
        if found.all() or not found.any():
            raise NotEnoughDataError(
                f"Of {rows.sum()} controlled goods items accepted from {first} to "
                f"{past.periods.calibrate_until} {found.sum()} had a finding, so nothing can be "
                "judged. Make `prepare.calibration_share` larger, or bring more outcomes."
            )
        return np.flatnonzero(rows)

    @cached_property
    def _classes(self) -> Ints:
        before = self.past.periods.evaluate_from
        return known_classes(self.past.outcomes, len(self.past.matrix), before=before)[0]

    @cached_property
    def _taught(self) -> Past:
        """The past as it was known when the judging days began."""
        first = pd.Timestamp(self.past.periods.calibrate_from, tz="UTC")
        outcomes = self.past.outcomes
        return replace(self.past, outcomes=outcomes[outcomes["observed_at"] < first])

    @cached_property
    def found(self) -> Ints:
        """1 where a row that judges had a finding, else 0."""
        found: Ints = (self._classes[self.judging] > FindingClass.NONE).astype(np.int64)
        return found

    def risk(self, changes: Mapping[str, Value]) -> Floats:
        """Risk of the rows that judge, by a model trained with these changes."""
        trees = grow(self._taught, self.with_(changes))
        return trees.chances(self.past.matrix[self.judging])[:, 0]

    def with_(self, changes: Mapping[str, Value]) -> TrainParams:
        """The params of now, but for these."""
        return TrainParams.model_validate(self.now.model_dump() | dict(changes))

    def figures(self, risk: Floats) -> dict[str, float]:
        """How well these risks rank what was found."""
        return {name: statistic(self.found, risk) for name, statistic in STATISTICS.items()}

    def gain(self, one: Floats, other: Floats) -> Interval:
        """How much better the first risks are in the goal, on the same resamples."""
        groups = declaration_numbers(take(self.past.items, self.judging))
        statistic = STATISTICS[self.wanted.goal]
        return paired_gain(statistic, self.found, one, other, groups, self.wanted.resamples)


def key_of(question: Question, data: Mapping[str, str]) -> str:
    """Names a search: the same for the same data, params of now, space and goal."""
    asked = question.wanted.model_dump(mode="json", exclude={"resamples"})
    now = question.now.model_dump(mode="json", exclude={"threads", *asked["space"]})
    return canonical_sha256({"data": dict(data), "now": now, "asked": asked})[:32]
