"""Points per fact of a goods item, from what controls found: the fit behind the points table.

Points never fall where the law of the field says that risk rises, and absence counts most: a
logistic regression on steps that can only go up.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field
from scipy.optimize import minimize

from selectivity.columns import Columns, Floats
from selectivity.deciding.scorecard import FACTS, Band, FactPoints, UsualValue, UsualValues
from selectivity.declaration import Declaration, GoodsItem
from selectivity.errors import NotEnoughDataError

MEASURED: Mapping[str, tuple[float, ...]] = {
    "importer_compliance_level": (2, 3, 4, 5),
    "importer_risk_level": (2, 4, 6, 8),
    "importer_registered_days": (180, 365, 1825),
    "duty_rate_percent": (5, 15),
    "unit_value_deviation": (-3, -2, -1.5, -1),
}
"""Where the lines of a measured fact end."""
FALLING = ("importer_registered_days", "unit_value_deviation")
"""Facts of which less means more risk: young traders, goods declared below what is usual."""
SPREAD_OF_FEW = 0.2
"""Added to the spread of log unit values, so that a code of equal ones divides by something."""


class ScorecardParams(BaseModel):
    """Section `scorecard` of params.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    points_to_double: int = Field(default=10, ge=2, le=100, description="Points that double odds.")
    penalty: float = Field(
        default=3.0, gt=0, le=1e6, description="Holds back steps few rows speak for."
    )
    prior_controls: float = Field(
        default=200.0, gt=0, le=1e9, description="Pulls rates of codes together."
    )
    groups: int = Field(default=4, ge=2, le=9, description="Lines for headings and for origins.")
    fewest_values: int = Field(default=20, ge=5, description="Unit values that make one usual.")


class Controlled(NamedTuple):
    """Goods items that were controlled, each with what was found and how much it counts."""

    items: Sequence[tuple[Declaration, GoodsItem]]
    found: Floats
    weights: Floats


def usual_values(items: Columns, fewest: int) -> dict[str, UsualValue]:
    """Median and spread of unit values per HS code of 6 and of 4 digits."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(items["customs_value"]) - np.log(items["net_mass_kg"])
    known = pd.DataFrame({"code": items["hs_code"], "log": logs})[np.isfinite(logs)].dropna()
    usual: dict[str, UsualValue] = {}
    for digits in (4, 6):
        long_enough = known[known.code.str.len() >= digits]
        by_code = long_enough.groupby(long_enough.code.str[:digits]).log
        for code, size, median, spread in by_code.agg(["size", "median", "std"]).itertuples():
            if size >= fewest:
                value = float(f"{np.exp(median):.4g}")
                usual[code] = UsualValue(unit_value=value, spread=round(spread + SPREAD_OF_FEW, 3))
    return dict(sorted(usual.items()))


def fit(controlled: Controlled, usual: UsualValues, params: ScorecardParams) -> list[FactPoints]:
    """The lines of every fact that tells something. Pure.

    Raises:
        NotEnoughDataError: all controls found something, or none did, or no fact tells which.
    """
    if not 0 < controlled.found.sum() < len(controlled.found):
        raise NotEnoughDataError(
            "The controls of the training period found nothing, or always something, so there is "
            "nothing to make points of. Bring a longer history."
        )
    ranked = [_ranked(name, controlled, usual, params) for name in FACTS]
    ranks = np.array(
        [[fact.of(*pair, usual) for fact in ranked] for pair in controlled.items], dtype=np.int64
    )
    tops = [fact.missing for fact in ranked]
    steps = np.hstack([ranks[:, [at]] >= np.arange(1, top + 1) for at, top in enumerate(tops)])
    heights = _heights(steps.astype(np.float64), controlled, params.penalty)
    per_point = np.log(2) / params.points_to_double
    starts = np.cumsum([0, *tops])
    lines = [
        _with_points(fact, np.rint(heights[start : start + top].cumsum() / per_point))
        for fact, start, top in zip(ranked, starts, tops, strict=False)
    ]
    telling = [fact for fact in lines if fact.missing > 0]
    if not telling:
        raise NotEnoughDataError(
            "Nothing that is declared tells where findings are, so no points table can be made. "
            "Bring a longer history or more fields, or lower `scorecard.penalty`."
        )
    return telling


def _ranked(
    name: str, controlled: Controlled, usual: UsualValues, params: ScorecardParams
) -> FactPoints:
    """The lines of a fact, whose points are as yet only their order by risk, from 0."""
    if name in MEASURED:
        count = len(MEASURED[name])
        ranks = range(count, -1, -1) if name in FALLING else range(count + 1)
        edges = (*MEASURED[name], None)
        bands = [Band(below=edge, points=rank) for edge, rank in zip(edges, ranks, strict=True)]
        return FactPoints(fact=name, bands=tuple(bands), missing=count)
    groups = _groups(name, controlled, usual, params)
    bands = [Band(codes=codes, points=rank) for rank, codes in enumerate(groups)]
    return FactPoints(fact=name, bands=tuple(bands), missing=len(bands) - 1)


def _groups(
    name: str, controlled: Controlled, usual: UsualValues, params: ScorecardParams
) -> list[tuple[str, ...]]:
    """The codes of a fact by rising finding rate, in groups of about as many controls."""
    rows = pd.DataFrame(
        {
            "code": [FACTS[name].value(*pair, usual) for pair in controlled.items],
            "found": controlled.found * controlled.weights,
            "controls": controlled.weights,
        }
    )
    codes = rows.groupby("code").sum()  # what was not declared is in no group
    general = rows.found.sum() / rows.controls.sum()
    prior = params.prior_controls
    codes["rate"] = (codes.found + general * prior) / (codes.controls + prior)
    codes = codes.sort_values(["rate", "controls"], kind="stable")
    middle = (codes.controls.cumsum() - codes.controls / 2) / codes.controls.sum()
    group = (
        (middle * params.groups).astype(int) if len(codes) > params.groups else range(len(codes))
    )
    found = codes.groupby(np.asarray(group)).groups
    return [tuple(sorted(map(str, found[at]))) for at in sorted(set(group))] or [()]


def _heights(steps: Floats, controlled: Controlled, penalty: float) -> Floats:
    """Heights of the steps, none below 0, of the likeliest logistic curve with a ridge penalty."""
    weights = controlled.weights * len(controlled.weights) / controlled.weights.sum()

    def loss(heights: Floats) -> tuple[float, Floats]:
        odds = heights[0] + steps @ heights[1:]
        value = float((weights * (np.logaddexp(0, odds) - controlled.found * odds)).sum())
        residual = weights * (1 / (1 + np.exp(-odds)) - controlled.found)
        gradient = np.concatenate([[residual.sum()], steps.T @ residual + penalty * heights[1:]])
        return value + penalty / 2 * float(heights[1:] @ heights[1:]), gradient

    share = float((weights * controlled.found).mean())
    start = np.concatenate([[np.log(share / (1 - share))], np.zeros(steps.shape[1])])
    bounds = [(None, None), *[(0, None)] * steps.shape[1]]
    fitted: Floats = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    return fitted[1:]


def _with_points(ranked: FactPoints, above_lowest: Floats) -> FactPoints:
    """The lines with their points; neighbours that count the same become one line."""
    by_rank = [0, *above_lowest.astype(int).tolist()]
    bands: list[Band] = []
    for band in ranked.bands:
        points = by_rank[band.points]
        if bands and bands[-1].points == points:
            codes = band.codes and tuple(sorted((bands[-1].codes or ()) + band.codes))
            bands[-1] = Band(codes=codes, below=band.below, points=points)
        else:
            bands.append(band.model_copy(update={"points": points}))
    return FactPoints(fact=ranked.fact, bands=tuple(bands), missing=max(by_rank))
