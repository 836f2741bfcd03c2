"""From raw scores of the trees to probabilities that mean what they say.

Each question has a rising curve, fitted on a later time slice than the trees. A hair of the raw
score is kept, so that the steps do not make ties of goods items the trees tell apart. Nothing
here turns an order around: a higher raw chance of a finding is a higher chance of a finding.
"""

from functools import cached_property
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from selectivity.columns import Floats

RAW_PART = 1e-3
"""Share of the raw score in a calibrated one: keeps the order, moves no probability visibly."""

Chance = Annotated[float, Field(ge=0, le=1)]  # NaN is no such number
Knots = Annotated[tuple[Chance, ...], Field(min_length=1)]


class Curve(BaseModel):
    """Calibrated probability at some raw scores, linear in between, flat outside."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    raw: Knots
    calibrated: Knots

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if len(self.raw) != len(self.calibrated):
            raise ValueError("raw and calibrated need the same number of knots")
        if (np.diff(self.raw) < 0).any() or (np.diff(self.calibrated) < 0).any():
            raise ValueError("knots have to rise")
        return self

    @cached_property
    def knots(self) -> tuple[Floats, Floats]:
        """`raw` and `calibrated` as arrays, made once: that takes longer than a few look-ups."""
        return np.array(self.raw), np.array(self.calibrated)

    def at(self, raw: Floats) -> Floats:
        """Calibrated probabilities, in the order of the raw ones. Shape (n,)."""
        calibrated: Floats = RAW_PART * raw + (1 - RAW_PART) * np.interp(raw, *self.knots)
        return calibrated


AS_IT_IS = Curve(raw=(0.0, 1.0), calibrated=(0.0, 1.0))


class Calibration(BaseModel):
    """A curve for the chance of a finding, and one for the chance that a finding is physical."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    finding: Curve = AS_IT_IS
    physical: Curve = AS_IT_IS
    duty: float = Field(
        default=1.0,
        gt=0,
        allow_inf_nan=False,
        description="Duty found over duty that the trees expected, on the later slice.",
    )

    def apply(self, chances: Floats) -> Floats:
        """Probabilities per class, shape (n, 3), from raw chances, shape (n, 2); rows sum to 1."""
        finding = self.finding.at(chances[:, 0])
        physical = finding * self.physical.at(chances[:, 1])
        return np.column_stack([1 - finding, finding - physical, physical])
