"""Figures that managers read, each with what it needs to be believed: an interval."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from selectivity.columns import Floats, Ints


class Interval(NamedTuple):
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def read(cls, figures: Mapping[Any, Any], name: str) -> Self:
        """The figure of this name and its ends, as `named` gave them; NaN for what is not there."""
        return cls(*(float(figures.get(each, float("nan"))) for each in _names(name)))

    def named(self, name: str) -> dict[str, float]:
        """The value under this name, and the ends under the same with `_low` and `_high`."""
        return dict(zip(_names(name), self, strict=True))


def _names(name: str) -> tuple[str, str, str]:
    return name, f"{name}_low", f"{name}_high"


def wilson(found: float, of: float) -> Interval:
    """A share with its 95 % interval; (nan, 0, 1) where nothing was counted.

    Source: E. B. Wilson, Journal of the American Statistical Association 22 (1927).
    """
    if of == 0:
        return Interval(float("nan"), 0.0, 1.0)
    z, share = 1.959964, found / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * np.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    # Of nothing and of all the ends are 0 and 1, but for what floating point loses.
    low = max(0.0, float(middle - half)) if found > 0 else 0.0
    high = min(1.0, float(middle + half)) if found < of else 1.0
    return Interval(share, low, high)


def widened(drawn: Interval, of: float) -> Interval:
    """A share and its interval by `bootstrap`, where all or nothing was found as wide as Wilson's.

    Drawn anew, all stays all: of three rows as of thousands such an interval has no width.

    Args:
        of: how many the share is of.

    >>> round(widened(Interval(1.0, 1.0, 1.0), of=3).low, 2)
    0.44
    """
    if drawn.value not in (0.0, 1.0) or np.isnan(drawn.low):
        return drawn
    counted = wilson(drawn.value * of, of)
    return Interval(drawn.value, min(drawn.low, counted.low), max(drawn.high, counted.high))


def share_in_groups(found: Ints, groups: Ints) -> Interval:
    """A share of rows with its 95 % interval, where the rows of a group hang together.

    Wilson's, as if there were only so many rows as would tell as much if each stood for itself. A
    bootstrap of groups has no width where nothing was found, and too little where little was.

    Args:
        found: 1 or 0, shape (n,). groups: the number of each row's group, in any order.

    Source: E. L. Korn, B. I. Graubard, Survey Methodology 24 (1998): the effective sample size.
    """
    rows, share = len(found), float(found.mean()) if len(found) else 0.0
    _, group = np.unique(groups, return_inverse=True)
    apart = float((np.bincount(group, weights=found - share) ** 2).sum())
    effect = max(1.0, apart / (rows * share * (1 - share))) if 0 < share < 1 else 1.0
    return wilson(share * rows / effect, rows / effect)


def total_of(parts: Sequence[Interval]) -> Interval:
    """The sum of independent estimates.

    Source: G. Y. Zou, A. Donner, Statistics in Medicine 27 (2008): each part's own distances from
    its value to its ends, squared and added.
    """
    value = sum(part.value for part in parts)
    down, up = (
        float(np.sqrt(sum((part.value - part[end]) ** 2 for part in parts))) for end in (1, 2)
    )
    return Interval(value, max(0.0, value - down), value + up)


def share_of(part: Interval, rest: Interval) -> Interval:
    """The share that a number is of itself and another, both estimated independently.

    As `total_of`, on the logarithm of their ratio. Where nothing was found of one, which has no
    logarithm, both ends are taken at their worst at once: wider than 95 % needs.
    """
    if part.value + rest.value == 0 or np.isnan(part.value + rest.value):
        return Interval(float("nan"), 0.0, 1.0)
    value = part.value / (part.value + rest.value)
    if min(part.low, rest.low, part.value, rest.value) <= 0:
        low = part.low / (part.low + rest.high) if part.low > 0 else 0.0
        most = part.high + rest.low
        return Interval(value, low, part.high / most if most else 1.0)
    down = np.hypot(np.log(part.value / part.low), np.log(rest.high / rest.value))
    up = np.hypot(np.log(part.high / part.value), np.log(rest.value / rest.low))
    low, high = (ratio / (1 + ratio) for ratio in np.exp([-down, up]) * part.value / rest.value)
    return Interval(value, float(low), float(high))


FEWEST_FINDINGS = 10
"""With fewer an interval that draws rows anew says nothing: of one finding it has no width."""


def ranks(figures: Mapping[str, float]) -> bool:
    """Whether an area under the ROC curve lies above chance with its whole interval.

    Args:
        figures: with `rows`, `base_rate` and `auroc_low`; without them nobody knows.
    """
    findings = figures.get("rows", 0) * figures.get("base_rate", 0.0)
    return findings > FEWEST_FINDINGS - 0.5 and figures.get("auroc_low", 0.0) > 0.5


def precision_at(found: Ints, risk: Floats, share: float) -> float:
    """Share of findings among the riskiest `share` of rows. Ties fall in the order of the rows."""
    top = riskiest(risk, share)
    return float(found[top].mean()) if len(top) else float("nan")


def recall_at(found: Ints, risk: Floats, share: float) -> float:
    """Share of all findings that lie among the riskiest `share` of rows."""
    total = found.sum()
    return float(found[riskiest(risk, share)].sum() / total) if total else float("nan")


def riskiest(risk: Floats, share: float) -> Ints:
    """Positions of the riskiest `share` of rows, riskiest first."""
    order: Ints = np.argsort(-risk, kind="stable")
    return order[: int(len(risk) * share)]


def calibration_bins(
    found: Ints, risk: Floats, bins: int = 10, *, groups: Ints | None = None
) -> list[tuple[float, Interval, int]]:
    """Mean predicted risk, observed share with interval, and count, in bins of equal count.

    `groups` are the numbers of what rows belong to (declarations); None: each stands for itself.
    """
    groups = np.arange(len(risk)) if groups is None else groups
    parts = np.array_split(np.argsort(risk, kind="stable"), min(bins, len(risk)) or 1)
    return [
        (float(risk[part].mean()), share_in_groups(found[part], groups[part]), len(part))
        for part in parts
        if len(part)
    ]


def expected_calibration_error(found: Ints, risk: Floats, bins: int = 10) -> float:
    """Mean distance of predicted and observed share over bins of equal width, by their count.

    Where findings are rare nearly all rows fall into the lowest bin, and it says little.

    Source: M. P. Naeini, G. F. Cooper, M. Hauskrecht, AAAI 2015.
    """
    if len(risk) == 0:
        return float("nan")
    place = np.minimum((risk * bins).astype(np.int64), bins - 1)
    sums = np.bincount(place, weights=risk - found, minlength=bins)
    return float(np.abs(sums).sum() / len(risk))


def equal_mass_calibration_error(found: Ints, risk: Floats, bins: int = 10) -> float:
    """The same distance over `calibration_bins`, which hold equally many rows.

    Source: J. Nixon and others, Measuring Calibration in Deep Learning, CVPR Workshops 2019.
    """
    distances = [
        abs(predicted - seen.value) * rows
        for predicted, seen, rows in calibration_bins(found, risk, bins)
    ]
    return sum(distances) / len(risk) if distances else float("nan")


def bootstrap(
    statistic: Callable[[Ints], float], groups: Ints, *, resamples: int = 200, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of a statistic of row positions, by drawing whole groups (declarations) anew.

    Resamples in which the statistic is not defined (one class only) are left out.
    """
    rows = resampled(groups, resamples=resamples, seed=seed)
    return percentile_interval(np.array([statistic(at) for at in rows]))


def bootstrapped(
    statistic: Callable[[Ints], float], groups: Ints, *, resamples: int = 200, enough: bool = True
) -> Interval:
    """A statistic of all rows with the interval of `bootstrap`; without one where not `enough`."""
    ends = bootstrap(statistic, groups, resamples=resamples) if enough else (np.nan, np.nan)
    return Interval(statistic(np.arange(len(groups))), *ends)


def resampled(groups: Ints, *, resamples: int = 200, seed: int = 0) -> Iterator[Ints]:
    """Row positions of each resample; rows of a group stand together, and are drawn together."""
    draws = np.random.default_rng(seed)
    starts = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]]))
    sizes = np.diff(np.append(starts, len(groups)))
    for _ in range(resamples):
        yield _rows_of(draws.integers(0, len(starts), len(starts)), starts, sizes)


def percentile_interval(values: Floats) -> tuple[float, float]:
    """Ends between which 95 % of the defined values lie; NaN if those are less than half."""
    defined = values[~np.isnan(values)]
    if len(defined) < len(values) / 2:
        return float("nan"), float("nan")
    return float(np.quantile(defined, 0.025)), float(np.quantile(defined, 0.975))


def _rows_of(chosen: Ints, starts: Ints, sizes: Ints) -> Ints:
    """Positions of all rows of the chosen groups, one after another."""
    counts = sizes[chosen]
    within = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
    positions: Ints = np.repeat(starts[chosen], counts) + within
    return positions
