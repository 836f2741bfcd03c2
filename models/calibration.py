"""From raw class scores to probabilities that mean what they say.

Each class has a rising step curve, fitted on a later time slice than the trees. A hair of the raw
score is kept, so that the steps do not make ties of goods items the trees tell apart.
"""

from functools import cached_property
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from selectivity.columns import Floats

RAW_PART = 1e-3
"""Share of the raw score in a calibrated one: keeps the order, moves no probability visibly."""

Knots = Annotated[tuple[float, ...], Field(min_length=1)]


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
        """Both as arrays: making them takes longer than looking up a few scores."""
        return np.array(self.raw), np.array(self.calibrated)


class Calibration(BaseModel):
    """One curve per finding class, in the order of `FindingClass`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    curves: tuple[Curve, ...] = Field(min_length=3, max_length=3)

    def apply(self, raw: Floats) -> Floats:
        """Probabilities per class, shape (n, 3); rows sum to 1."""
        calibrated = RAW_PART * raw
        for at, curve in enumerate(self.curves):
            calibrated[:, at] += (1 - RAW_PART) * np.interp(raw[:, at], *curve.knots)
        rows: Floats = calibrated / calibrated.sum(axis=1, keepdims=True)
        return rows
