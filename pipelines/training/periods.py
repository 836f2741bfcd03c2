"""Which days a model learns from, is calibrated on and is judged by, in that order in time."""

from datetime import date, timedelta
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from selectivity.columns import Columns, Mask

Part = Literal["train", "calibrate", "evaluate"]
PARTS: tuple[Part, ...] = ("train", "calibrate", "evaluate")


class Periods(BaseModel):
    """First days of each part; a part ends before `*_until`. Between parts lies the label delay."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train_from: date
    train_until: date
    calibrate_from: date
    calibrate_until: date
    evaluate_from: date
    evaluate_until: date

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        days = list(self.model_dump().values())
        if days != sorted(days) or any(
            getattr(self, f"{part}_from") >= getattr(self, f"{part}_until") for part in PARTS
        ):
            raise ValueError(f"the parts do not follow each other in time: {days}")
        return self

    def days_of(self, part: Part) -> tuple[date, date]:
        """The first day of this part, and the first after it."""
        return getattr(self, f"{part}_from"), getattr(self, f"{part}_until")

    def rows(self, columns: Columns, part: Part) -> Mask:
        """Which rows were accepted in this part, shape (n,)."""
        days = columns["accepted_at"].astype("datetime64[D]")
        first, after = (np.datetime64(day) for day in self.days_of(part))
        return (days >= first) & (days < after)

    def lodged_before(self, columns: Columns) -> Mask:
        """Which rows were accepted from the first day that trains up to the evaluation, (n,)."""
        days = columns["accepted_at"].astype("datetime64[D]")
        return (days >= np.datetime64(self.train_from)) & (days < np.datetime64(self.evaluate_from))

    def newest(self, columns: Columns) -> Mask:
        """Which rows were accepted in the later half of the days from the first that calibrates up
        to the evaluation; in all of these days if none was. Shape (n,)."""
        days = columns["accepted_at"].astype("datetime64[D]")
        between = (days >= np.datetime64(self.calibrate_from)) & (
            days < np.datetime64(self.evaluate_from)
        )
        half = self.evaluate_from - (self.evaluate_from - self.calibrate_from) / 2
        late = between & (days >= np.datetime64(half))
        return late if late.any() else between

    @classmethod
    def split(
        cls,
        first: date,
        last: date,
        *,
        warm_up_days: int,
        label_delay_days: int,
        calibration_share: float,
        evaluation_share: float,
        evaluation_from: date | None = None,
        evaluation_until: date | None = None,
    ) -> Self:
        """Periods from the first to the last day of the history.

        The newest days are for evaluation, the ones before for calibration. Each part ends
        `label_delay_days` before the next begins, because its last outcomes are not known earlier.
        """
        days = (last - first).days + 1
        until = evaluation_until or last + timedelta(days=1)
        evaluate = evaluation_from or until - timedelta(days=round(days * evaluation_share))
        gap = timedelta(days=label_delay_days)
        history = (evaluate - first).days
        calibrate = evaluate - gap - timedelta(days=round(history * calibration_share))
        return cls(
            train_from=first + timedelta(days=warm_up_days),
            train_until=calibrate - gap,
            calibrate_from=calibrate,
            calibrate_until=evaluate - gap,
            evaluate_from=evaluate,
            evaluate_until=until,
        )
