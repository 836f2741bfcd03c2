"""How the administration of old chose what to look at, before there was a model.

Mandatory rules come first, then a noisy score of what the law lets it weigh, then a random share,
and last officers, who see what no declaration shows.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from pipelines.simulator.draws import Bools, Streams, Texts, blanked
from pipelines.simulator.forms import registered_days
from pipelines.simulator.shipments import Lines, Shipments, duty_percent
from pipelines.simulator.violations import Truth
from pipelines.simulator.world import NEW_TRADER_DAYS, PRIORITY, World
from selectivity.columns import Floats, Ints
from selectivity.lanes import Channel, Lane

UNREACHABLE = 1e6
OFFICER_NOSE = 5.0
"""How much likelier officers escalate what is in fact false, beyond what the policy sees."""


@dataclass(frozen=True)
class LegacyPolicy:
    """Numbers of the selection policy of old. Shares are of all declarations but for
    `mandatory_yellow_share`, which is of the yellow ones."""

    red_share: float
    yellow_share: float
    random_share: float
    mandatory_yellow_share: float
    officer_share: float
    sharpness: float
    noise: float


@dataclass(frozen=True)
class Selection:
    """One entry per declaration. `propensity` has the chance of green, yellow and red under the
    policy, before officers; `channel` names a `Channel`, None for green."""

    lane: Ints
    channel: Texts
    propensity: Floats


def select(
    world: World,
    shipments: Shipments,
    told: Lines,
    truth: Truth,
    streams: Streams,
    *,
    policy: LegacyPolicy,
) -> Selection:
    """Mandatory rules, then a noisy score, then the random share, then officers."""
    by_law = _mandatory(world, shipments, told, policy, streams("single-window"))
    score = policy.sharpness * _score(world, shipments, told, truth)
    score[world.traders.kind[shipments.trader] == PRIORITY] = -10 * UNREACHABLE
    noisy = score + streams("legacy-score").normal(0, policy.noise, len(score))
    thresholds = _thresholds(noisy, by_law, shipments.week, policy)
    ruled = (noisy > thresholds[0]).astype(np.int64) + (noisy > thresholds[1])
    drawn = streams("legacy-random").random(len(score)) < policy.random_share
    proposed = np.where(drawn, Lane.RED, np.maximum(by_law, ruled))
    wrong = np.bincount(told.declaration, truth.violating, minlength=len(score)) > 0
    raised = _raised(proposed, wrong, policy, streams("officers"))
    lane = np.where(raised, Lane.RED, proposed)
    channel = np.select(
        [raised, drawn & (np.maximum(by_law, ruled) < Lane.RED), ruled > by_law],
        [Channel.OFFICER, Channel.RANDOM, Channel.RULE],
        Channel.MANDATORY,
    )
    propensity = _propensity(score, thresholds, by_law, policy)
    return Selection(lane, blanked(channel, lane == Lane.GREEN), propensity)


def _mandatory(
    world: World,
    shipments: Shipments,
    told: Lines,
    policy: LegacyPolicy,
    random: np.random.Generator,
) -> Ints:
    """Lane by law: red for dangerous goods, yellow where a paper could not be verified."""
    goods, imported = world.goods, shipments.is_import[told.declaration]
    n = len(shipments.trader)
    strict = goods.under("arms", "endangered", "explosive", "waste")[told.code] & imported
    watched = goods.under("food", "licence", "quality", "quarantine")[told.code] & imported
    red = np.bincount(told.declaration, strict, minlength=n) > 0
    candidates = np.bincount(told.declaration, watched, minlength=n) > 0
    wanted = policy.yellow_share * policy.mandatory_yellow_share * n
    unverified = random.random(n) < wanted / max(1, candidates.sum())
    return np.where(red, Lane.RED, np.where(candidates & unverified, Lane.YELLOW, Lane.GREEN))


def _score(world: World, shipments: Shipments, told: Lines, truth: Truth) -> Floats:
    """What the risk unit looks at: duty, new traders, low prices, and its own knowledge."""
    first = np.flatnonzero(told.item_no == 1)
    duty = duty_percent(world, shipments, told) / 100
    price = np.log(told.value / told.net_mass_kg / world.goods.usd_per_kg[told.code])
    price_z = price / world.goods.spread[told.code]
    risk = -np.expm1(np.add.reduceat(np.log1p(-truth.risk), first))
    score: Floats = (
        0.55 * np.log1p(10 * np.maximum.reduceat(duty, first))
        + 0.5 * (registered_days(world, shipments) < NEW_TRADER_DAYS)
        - 0.25 * np.clip(np.minimum.reduceat(price_z, first), -4, 4)
        + 0.35 * np.log(risk / risk.mean() + 0.2)
    )
    return score


def _thresholds(noisy: Floats, by_law: Ints, week: Ints, policy: LegacyPolicy) -> Floats:
    """Scores each declaration had to beat to turn yellow, and red: the week's places are filled."""
    red_share = policy.red_share - policy.random_share - policy.officer_share
    any_share = red_share + policy.yellow_share + policy.officer_share
    thresholds = np.full((2, len(noisy)), UNREACHABLE)
    for number in np.unique(week):
        here = week == number
        red_places = red_share * here.sum() - (by_law[here] == Lane.RED).sum()
        any_places = any_share * here.sum() - (by_law[here] > Lane.GREEN).sum()
        for row, rows, places in (
            (1, here & (by_law < Lane.RED), red_places),
            (0, here & (by_law == Lane.GREEN), any_places),
        ):
            thresholds[row, rows] = _to_beat(noisy[rows], round(max(0.0, places)))
    thresholds[0] = thresholds.min(axis=0)
    return thresholds


def _to_beat(scores: Floats, places: int) -> Floats:
    """What each score had to exceed among all others to be one of the highest `places`."""
    if places == 0:
        return np.full(len(scores), UNREACHABLE)
    if places >= len(scores):
        return np.full(len(scores), -UNREACHABLE)
    last_in, first_out = -np.sort(-scores)[places - 1 : places + 1]
    to_beat: Floats = np.where(scores > first_out, first_out, last_in)
    return to_beat


def _propensity(score: Floats, thresholds: Floats, by_law: Ints, policy: LegacyPolicy) -> Floats:
    """Chance of green, yellow and red given all but the draws. Rows sum to 1."""
    ruled = np.vectorize(NormalDist().cdf)((score - thresholds) / policy.noise)
    red = np.where(by_law == Lane.RED, 1.0, 1 - (1 - ruled[1]) * (1 - policy.random_share))
    no_yellow = np.where(by_law > Lane.GREEN, 0.0, 1 - ruled[0])
    green = no_yellow * (1 - policy.random_share)
    return np.column_stack([green, 1 - green - red, red])


def _raised(lane: Ints, wrong: Bools, policy: LegacyPolicy, random: np.random.Generator) -> Bools:
    """Yellow declarations that an officer sends to red, on what only an officer sees."""
    weight = np.where(lane == Lane.YELLOW, 1 + OFFICER_NOSE * wrong, 0.0)
    chance = policy.officer_share * len(lane) * weight / max(weight.sum(), 1e-9)
    raised: Bools = random.random(len(lane)) < chance
    return raised
