"""A new bundle beside the one in force, on the same declarations: is it at least as good?

Each check is a gain with its 95 % interval. It passes if the new bundle is at most a margin worse,
with that confidence. It fails if the new one is shown to be worse, and may be by more than the
margin. Between the two one cannot tell: there are too few findings for a verdict.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from pipelines.stage.areas import auroc
from selectivity.columns import Floats, Ints, Mask
from selectivity.lanes import Lane
from selectivity.metrics import Interval, bootstrap

KEY = ["declaration_id", "version_no"]


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


class _Given(NamedTuple):
    """Lanes and risks that one bundle gave, shape (n,)."""

    lane: Ints
    risk: Floats
    capacity: float
    """Share of declarations that its policy has controls for."""

    def at(self, rows: Ints) -> "_Given":
        return self._replace(lane=self.lane[rows], risk=self.risk[rows])


class _Found(NamedTuple):
    """What is known of the same declarations, shape (n,)."""

    known: Mask
    found: Mask
    new_trader: Mask

    def at(self, rows: Ints) -> "_Found":
        return _Found(*(each[rows] for each in self))


Figure = Callable[[_Given, _Found], float]


class _Asked(NamedTuple):
    name: str
    figure: Figure
    sign: int
    """-1: less is better."""
    margin: str
    """Which of the `Margins`."""


def _auroc(given: _Given, told: _Found) -> float:
    return auroc(told.found[told.known].astype(np.int64), given.risk[told.known])


def _brier(given: _Given, told: _Found) -> float:
    return _mean(((given.risk - told.found) ** 2)[told.known])


def _hit_rate(given: _Given, told: _Found) -> float:
    return _mean(told.found[told.known & (given.lane == Lane.RED)])


def _in_red(given: _Given, told: _Found) -> float:
    return _mean((given.lane == Lane.RED)[told.known & told.found])


def _in_green(given: _Given, told: _Found) -> float:
    return _mean((given.lane == Lane.GREEN)[told.known & told.found])


def _beyond_capacity(given: _Given, told: _Found) -> float:
    return _mean(given.lane > Lane.GREEN) - given.capacity


def _new_held_up(given: _Given, told: _Found) -> float:
    clean = told.known & ~told.found & told.new_trader
    return _mean((given.lane > Lane.GREEN)[clean])


def _mean(values: Mask | Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")


ASKED = (
    _Asked("AUROC", _auroc, 1, "auroc"),
    _Asked("mean squared error of the risks", _brier, -1, "brier"),
    _Asked("hit rate of red", _hit_rate, 1, "lanes"),
    _Asked("findings in red", _in_red, 1, "lanes"),
    _Asked("findings in green", _in_green, -1, "lanes"),
    _Asked("held up beyond the capacity", _beyond_capacity, -1, "lanes"),
    _Asked("clean new traders held up", _new_held_up, -1, "lanes"),
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
    one, other = (
        _Given(
            both[f"lane{end}"].map(Lane.__getitem__).to_numpy(np.int64),
            both[f"risk{end}"].to_numpy(np.float64),
            capacity,
        )
        for end, capacity in zip(("_in_force", ""), capacities, strict=True)
    )
    scored = np.isfinite(one.risk) & np.isfinite(other.risk)
    told = _Found(
        known=both["inspected"].to_numpy(bool) & scored,
        found=both["found"].to_numpy(bool),
        new_trader=both["new_trader"].to_numpy(bool),
    )
    everyone = np.arange(len(both))
    for asked in ASKED:
        gain = partial(_gain, asked, one, other, told)
        yield Check(
            asked.name,
            asked.figure(one, told),
            asked.figure(other, told),
            Interval(gain(everyone), *bootstrap(gain, everyone, resamples=resamples)),
            getattr(margins, asked.margin),
        )


def _gain(asked: _Asked, one: _Given, other: _Given, told: _Found, rows: Ints) -> float:
    found = told.at(rows)
    return asked.sign * (asked.figure(other.at(rows), found) - asked.figure(one.at(rows), found))
