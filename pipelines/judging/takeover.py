"""A new bundle and the one in force decide on the same declarations, and are put side by side.

Judged are declarations that neither bundle has learnt from and whose results have had time to come
in.
"""

import statistics
import time
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from models.bundle import Bundle
from pipelines.judging.checks import Check, Margins, Verdict, beside, worst
from pipelines.judging.fitting import Past
from pipelines.judging.new_traders import PARTIES, is_named, is_new
from pipelines.judging.replay import replay
from pipelines.stage.files import reading, without_nan
from pipelines.stage.tables import KEY, read_frame
from pipelines.training.periods import Periods
from selectivity.columns import Columns, Floats, first_rows, take
from selectivity.errors import NotEnoughDataError
from selectivity.features.matrix import FEATURE_NAMES, renumbered
from selectivity.lanes import Lane
from selectivity.metrics import Interval

MOST_TIMED = 200
"""Declarations that both models are timed on."""
ROUNDS = 9
SLIPS = 2
"""Rounds at either end that say nothing: something else ran on the machine."""
_KNOWN_DAYS = FEATURE_NAMES.index("trader_known_days")


class GateParams(BaseModel):
    """Section `gate` of params.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resamples: int = Field(default=400, ge=20, le=10_000, description="For the 95 % intervals.")
    margins: Margins = Margins()
    slower: float = Field(
        default=3.0, ge=1, le=100, description="Model time over that of the bundle in force."
    )


@dataclass(frozen=True)
class Judged:
    """What a new bundle came to beside the one in force."""

    new: str
    in_force: str
    first_day: date
    declarations: int
    inspected: int
    checks: tuple[Check, ...]
    same_policy: bool

    @property
    def verdict(self) -> Verdict:
        """Of all checks together."""
        return worst(self.checks)

    def content(self) -> dict[str, Any]:
        """As it is written."""
        return {
            "bundle": self.new,
            "in_force": self.in_force,
            "from": self.first_day.isoformat(),
            "declarations": self.declarations,
            "inspected": self.inspected,
            "same_policy": self.same_policy,
            "verdict": self.verdict,
            "checks": [
                without_nan(
                    {
                        "name": check.name,
                        "in_force": check.in_force,
                        "new": check.new,
                        "gain": check.gain.value,
                        "gain_low": check.gain.low,
                        "gain_high": check.gain.high,
                        "margin": check.margin,
                        "verdict": check.verdict,
                    }
                )
                for check in self.checks
            ],
        }


def judge(
    new: Bundle, in_force: Bundle, past: Past, decisions: pd.DataFrame, params: GateParams
) -> Judged:
    """Put the new bundle beside the one in force.

    Args:
        decisions: what `evaluate` wrote of the new bundle.

    Raises:
        NotEnoughDataError: there is no declaration that both can be judged by.
    """
    if _source(new) != _source(in_force):
        raise NotEnoughDataError(
            f"The bundle in force learnt from the source {_source(in_force)!r}, the new one from "
            f"{_source(new)!r}: neither is made for the declarations of the other."
        )
    first_day = max(past.periods.evaluate_from, _learnt_until(in_force), _learnt_until(new))
    rows = past.periods.rows(past.items, "evaluate")
    evaluated, matrix = take(past.items, rows), past.matrix[rows]
    seen = renumbered(matrix, evaluated, in_force.model.knowledge.codes)
    before = replay(evaluated, in_force.model.assess(evaluated, seen), in_force)
    starts = first_rows(evaluated)
    if not np.array_equal(decisions[KEY].to_numpy(), before[KEY].to_numpy()):
        raise NotEnoughDataError(
            f"The {len(starts)} declarations of the evaluation are not the {len(decisions)} that "
            "the new bundle decided on, or not in their order. Run `dvc repro evaluate`."
        )
    named = is_named({name: evaluated[name][starts] for name in PARTIES})
    decided = decisions.assign(new_trader=is_new(matrix[starts, _KNOWN_DAYS], named))
    accepted = decided["accepted_at"]
    use = (accepted >= pd.Timestamp(first_day, tz="UTC")) & (accepted <= _ripe_until(past))
    decided = decided[use]
    if not decided["inspected"].any():
        raise NotEnoughDataError(
            f"From {first_day}, the first day that neither bundle learnt from, to "
            f"{_ripe_until(past):%Y-%m-%d}, the last whose results have had time to come in, no "
            "declaration was inspected. Bring newer data to compare them by."
        )
    return Judged(
        new=new.digest,
        in_force=in_force.digest,
        first_day=first_day,
        declarations=len(decided),
        inspected=int(decided["inspected"].sum()),
        checks=(
            *beside(
                before,
                decided,
                (_capacity(in_force), _capacity(new)),
                params.margins,
                params.resamples,
            ),
            _time(new, in_force, evaluated, (seen, matrix), params.slower),
        ),
        same_policy=new.policy == in_force.policy,
    )


def read_decisions(file: Path) -> pd.DataFrame:
    """What `evaluate` wrote of each declaration, as far as it is needed here.

    Raises:
        StageFileError: they are no decisions.
    """
    decisions = read_frame(file, (*KEY, "accepted_at", "lane", "risk", "inspected", "found"))
    with reading(file):
        accepted, risk = decisions["accepted_at"].dt.tz_convert("UTC"), decisions["risk"]
        if not decisions["lane"].isin(Lane.__members__).all():
            raise ValueError(f"a lane in it is none of {', '.join(Lane.__members__)}")
        return decisions.assign(accepted_at=accepted, risk=risk.to_numpy(np.float64))


def _capacity(bundle: Bundle) -> float:
    return bundle.policy.yellow.share + bundle.policy.red.share


def _source(bundle: Bundle) -> Any:
    return bundle.manifest.trained_on.get("ingested", {}).get("source")


def _learnt_until(bundle: Bundle) -> date:
    """The first day of which it learnt nothing."""
    try:
        return Periods.model_validate(bundle.manifest.trained_on["periods"]).evaluate_from
    except (KeyError, ValueError) as error:
        raise NotEnoughDataError(
            f"Bundle {bundle.digest[:16]} does not say which days it learnt from, so nobody knows "
            "by which it can be judged."
        ) from error


def _ripe_until(past: Past) -> pd.Timestamp:
    """Until then declarations were accepted whose results have had time to come in."""
    delay = past.periods.evaluate_from - past.periods.calibrate_until
    newest = pd.Timestamp(past.items["accepted_at"].max(), tz="UTC")
    known: pd.Timestamp = max(newest, *past.outcomes["observed_at"].nlargest(1))
    return known - delay


def _time(
    new: Bundle, in_force: Bundle, items: Columns, matrices: tuple[Floats, Floats], slower: float
) -> Check:
    """Milliseconds of the models for one declaration, several rounds in turns."""
    starts = [*first_rows(items).tolist(), len(matrices[0])][: MOST_TIMED + 1]
    alone = [take(items, np.arange(start, stop)) for start, stop in pairwise(starts)]
    costs: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        spent = []
        for bundle, matrix in zip((in_force, new), matrices, strict=True):
            begun = time.perf_counter()
            for columns, (start, stop) in zip(alone, pairwise(starts), strict=True):
                bundle.model.assess(columns, matrix[start:stop], starts=[0])
            spent.append((time.perf_counter() - begun) / len(alone) * 1_000)
        costs.append((spent[0], spent[1]))
    gains = sorted(1 - other / one for one, other in costs)
    before, after = (statistics.median(each) for each in zip(*costs, strict=True))
    gain = Interval(statistics.median(gains), gains[SLIPS], gains[-1 - SLIPS])
    return Check("model time, ms", before, after, gain, slower - 1)
