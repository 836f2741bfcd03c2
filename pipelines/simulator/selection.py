"""How the administration of old chose what to look at, before there was a model.

Mandatory rules come first, then a noisy score of what the law lets it weigh, which fills the
places each office has that week, then a random share.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from pipelines.simulator.capacity import Calendar
from pipelines.simulator.draws import Bools, Draws, Table, Texts, WeekStreams, blanked, texts
from pipelines.simulator.history import History
from pipelines.simulator.shipments import duty_percent
from pipelines.simulator.world import NEW_TRADER_DAYS, PRIORITY, World
from selectivity.columns import Floats, Ints, day_of
from selectivity.lanes import Channel, Lane

UNREACHABLE = 1e6


@dataclass(frozen=True)
class Selection:
    """One entry per declaration. `propensity` has the chance of green, yellow and red under the
    policy, before officers; `channel` names a `Channel`, None for green; `random` is the chance of
    a draw, which alone makes it red on channel RANDOM."""

    lane: Ints
    channel: Texts
    propensity: Floats
    random: float

    @property
    def drawn_alone(self) -> Floats:
        """Chance of red because of the draw, and of nothing else."""
        red = self.propensity[:, Lane.RED]
        otherwise = 1 - (1 - red) / (1 - self.random) if self.random < 1 else np.zeros(len(red))
        return self.random * (1 - np.clip(otherwise, 0, 1))


def legacy_selection(
    world: World,
    calendar: Calendar,
    history: History,
    score: Floats,
    week: int,
    streams: WeekStreams,
) -> Selection:
    """Lanes of one week under the policy of old. `score` is the risk unit's, one per declaration.

    Amendments follow the version they replace, and lodging goods anew never lowers their lane.
    """
    policy = world.settings.selection
    by_law = np.maximum(_mandatory(world, history, streams("single-window")), history.earlier_lane)
    score = np.where(
        world.traders.kind[history.route.trader] == PRIORITY,
        -10 * UNREACHABLE,
        policy.sharpness * score,
    )
    noisy = score + streams("legacy-score").normal(0, policy.noise, len(score))
    first = history.original < 0
    thresholds = np.full((2, len(noisy)), UNREACHABLE)
    thresholds[:, first] = _thresholds(
        noisy[first],
        by_law[first],
        history.route.office[first],
        _places(world, calendar, history.route.office[first], week),
    )
    ruled = (noisy > thresholds[0]).astype(np.int64) + (noisy > thresholds[1])
    drawn = streams("legacy-random").random(len(score)) < policy.random
    lane = np.where(drawn, Lane.RED, np.maximum(by_law, ruled))
    chosen = np.maximum(by_law, ruled)
    channel = np.select(
        [drawn & (chosen < Lane.RED), ruled > by_law],
        [Channel.RANDOM, Channel.RULE],
        Channel.MANDATORY,
    ).astype(object)
    propensity = _propensity(score, thresholds, by_law, policy.noise, policy.random)
    followed = np.where(first, np.arange(len(first)), history.original)
    lane, channel, propensity = lane[followed], channel[followed], propensity[followed]
    return Selection(lane, blanked(channel, lane == Lane.GREEN), propensity, policy.random)


def risk_unit_score(world: World, history: History, registered_on: Floats) -> Floats:
    """What the risk unit looks at: duty, new traders, low prices, and its own knowledge.

    Args:
        registered_on: of each trader, days since 1970; shape (traders,).
    """
    route, told = history.route, history.told
    first = np.flatnonzero(np.diff(told.declaration, prepend=-1))
    duty = duty_percent(world, route, told) / 100
    price = np.log(told.value / told.net_mass_kg / world.goods.usd_per_kg[told.code])
    price_z = price / world.goods.spread[told.code]
    risk = -np.expm1(np.add.reduceat(np.log1p(-history.truth.risk), first))
    age = day_of(route.accepted_at) - registered_on[route.trader]
    score: Floats = (
        0.55 * np.log1p(10 * np.maximum.reduceat(duty, first))
        + 0.5 * (age < NEW_TRADER_DAYS)
        - 0.25 * np.clip(np.minimum.reduceat(price_z, first), -4, 4)
        + 0.35 * np.log(risk / world.settings.fraud.violating_share + 0.2)
    )
    return score


def _mandatory(world: World, history: History, random: Draws) -> Ints:
    """Lane by law: red for dangerous goods, yellow where a paper could not be verified."""
    goods, policy, told = world.goods, world.settings.selection, history.told
    n, imported = len(history), history.route.is_import[told.declaration]
    strict = goods.under("arms", "endangered", "explosive", "waste")[told.code] & imported
    watched = goods.under("food", "licence", "quality", "quarantine")[told.code] & imported
    dangerous = np.bincount(told.declaration, strict, minlength=n) > 0
    papers = np.bincount(told.declaration, watched, minlength=n) > 0
    uniforms = random.random(n)
    red = dangerous & (uniforms < _rate(policy.red * policy.mandatory_red, dangerous))
    yellow = papers & (uniforms < _rate(policy.yellow * policy.mandatory_yellow, papers))
    return np.where(red, Lane.RED, np.where(yellow, Lane.YELLOW, Lane.GREEN)).astype(np.int64)


def _rate(wanted: float, candidates: Bools) -> float:
    return float(min(1.0, wanted * len(candidates) / max(1, candidates.sum())))


def _places(world: World, calendar: Calendar, office: Ints, week: int) -> Floats:
    """Places that the score can fill in each office: RED, and YELLOW or RED; shape (offices, 2).

    The wanted share of what came, as far as the staff of the week can take it; what the random
    share and officers will send to red is kept free.
    """
    policy = world.settings.selection
    came = np.bincount(office, minlength=len(calendar.wanted))
    places = np.minimum(came[:, None] * calendar.wanted, calendar.of_week(week))
    moved_on = np.minimum(policy.officer_up * came, places[:, 1])
    red = np.maximum(places[:, 1] - moved_on - policy.random * came, 0)
    return np.column_stack([red, red + places[:, 0] + moved_on])


def _thresholds(noisy: Floats, by_law: Ints, office: Ints, places: Floats) -> Floats:
    """Scores each declaration had to beat to turn yellow, and red, to fill its office's places."""
    thresholds = np.full((2, len(noisy)), UNREACHABLE)
    for number in np.unique(office):
        here = office == number
        red = places[number, 0] - (by_law[here] == Lane.RED).sum()
        any_control = places[number, 1] - (by_law[here] > Lane.GREEN).sum()
        for row, rows, free in (
            (1, here & (by_law < Lane.RED), red),
            (0, here & (by_law == Lane.GREEN), any_control),
        ):
            thresholds[row, rows] = _to_beat(noisy[rows], round(max(0.0, free)))
    thresholds[0] = thresholds.min(axis=0)
    return thresholds


def _to_beat(scores: Floats, places: int) -> Floats:
    """What each score had to exceed among all others to be one of the highest `places`."""
    if places == 0:
        return np.full(len(scores), UNREACHABLE)
    if places >= len(scores):
        return np.full(len(scores), -100 * UNREACHABLE)
    last_in, first_out = -np.sort(-scores)[places - 1 : places + 1]
    to_beat: Floats = np.where(scores > first_out, first_out, last_in)
    return to_beat


def _propensity(
    score: Floats, thresholds: Floats, by_law: Ints, noise: float, random: float
) -> Floats:
    """Chance of green, yellow and red given all but the draws. Rows sum to 1."""
    ruled = ndtr((score - thresholds) / noise)
    red = np.where(by_law == Lane.RED, 1.0, 1 - (1 - ruled[1]) * (1 - random))
    no_yellow = np.where(by_law > Lane.GREEN, 0.0, 1 - ruled[0])
    green = no_yellow * (1 - random)
    return np.column_stack([green, 1 - green - red, red])


def decision_table(history: History, names: Texts, proposed: Selection, *, recorded: bool) -> Table:
    """Lanes as they were given, before officers; chances where somebody wrote them down."""
    chances = np.where(recorded, proposed.propensity, np.nan)
    return {
        "declaration_id": names,
        "version_no": history.route.version.astype(np.float64),
        "decided_at": history.route.accepted_at,
        "lane": texts(each.name for each in Lane)[proposed.lane],
        "channel": proposed.channel,
        "propensity_green": chances[:, Lane.GREEN],
        "propensity_yellow": chances[:, Lane.YELLOW],
        "propensity_red": chances[:, Lane.RED],
    }
