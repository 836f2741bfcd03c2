"""The guard of an office's capacity: what it may touch, and how far."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.rules_files import read_rules
from selectivity.deciding.capacity import Prices
from selectivity.deciding.decision import LaneDecision
from selectivity.deciding.guard import LIMITS, OfficeCapacity, guard
from selectivity.deciding.modes import Mode
from selectivity.deciding.office_loads import MOST_DAYS, OfficeLoads
from selectivity.deciding.policy import Policy, decide
from selectivity.deciding.random_stratum import RandomPolicy
from selectivity.deciding.risk import Risk
from selectivity.deciding.scorecard import Scored
from selectivity.lanes import Channel, Lane, Reason, Vote
from selectivity.rules.rule_set import RuleSet
from tests.builders import NOON, a_declaration, an_item
from tests.bundles import NO_DRAWS, RULE_FILES

RULES = read_rules(RULE_FILES)
NORMAL = OfficeCapacity(yellow=20, red=8)
GUARDED = NO_DRAWS.model_copy(update={"offices": {"OFF01": NORMAL}})


class _Office:
    """An office that got so much, and where a vote stands among others."""

    def __init__(self, taken: int, rank: float = 0.5) -> None:
        self._taken, self._rank = taken, rank

    def taken(self, lane: Lane) -> int:
        return self._taken

    def rank(self, vote: Vote) -> float:
        return self._rank


def a_vote(lane: Lane, channel: Channel = Channel.MODEL) -> Vote:
    return Vote(lane=lane, channel=channel, reason=Reason(code="RISK", facts={"net_benefit": 1.0}))


def kept(lane: Lane, taken: int, rank: float, *, may_release: bool = True) -> bool:
    votes, room = guard([a_vote(lane)], NORMAL, _Office(taken, rank), may_release=may_release)
    assert room is not None
    assert room.kept == (votes == [a_vote(lane)])
    return room.kept


lanes = st.sampled_from([Lane.YELLOW, Lane.RED])
counts, ranks = st.integers(0, 60), st.floats(0, 1)


@given(st.lists(st.tuples(lanes, st.sampled_from(list(Channel))), max_size=5), counts, ranks)
def test_the_guard_lowers_votes_of_model_and_fallback_alone_and_by_one_step(
    asked: list[tuple[Lane, Channel]], taken: int, rank: float
) -> None:
    before = [a_vote(*each) for each in asked]
    after, _ = guard(before, NORMAL, _Office(taken, rank), may_release=True)
    bound = [vote for vote in before if vote.channel not in (Channel.MODEL, Channel.FALLBACK)]
    assert [vote for vote in after if vote in bound and vote.cast] == bound
    highest = max((vote.lane for vote in before), default=Lane.GREEN)
    assert max((vote.lane for vote in after if vote.cast), default=Lane.GREEN) >= highest - 1


@given(lanes, counts, ranks, ranks)
def test_who_stands_higher_keeps_the_lane_if_anyone_does(
    lane: Lane, taken: int, one: float, other: float
) -> None:
    assert kept(lane, taken, min(one, other)) <= kept(lane, taken, max(one, other))


@given(lanes, counts, counts, ranks)
def test_the_fuller_the_lane_the_fewer_keep_it(
    lane: Lane, one: int, other: int, rank: float
) -> None:
    assert kept(lane, max(one, other), rank) <= kept(lane, min(one, other), rank)


@given(lanes, ranks)
def test_within_a_normal_day_nothing_is_touched(lane: Lane, rank: float) -> None:
    assert kept(lane, int(NORMAL.normal(lane)) - 1, rank)


@given(ranks)
def test_at_the_limit_no_more_are_inspected(rank: float) -> None:
    assert not kept(Lane.RED, int(NORMAL.red * LIMITS[Lane.RED]), rank)


@given(counts, st.floats(0.5, 1))
def test_the_upper_half_keeps_its_check_of_documents_however_full(taken: int, rank: float) -> None:
    assert kept(Lane.YELLOW, taken, rank)


@given(counts, ranks)
def test_without_leave_to_release_yellow_stays(taken: int, rank: float) -> None:
    assert kept(Lane.YELLOW, taken, rank, may_release=False)


def test_what_was_lowered_says_of_which_goods_item_and_how_full_the_lane_was() -> None:
    reason = Reason(code="RISK", item_no=2, facts={"net_benefit": 1.0})
    asked = Vote(lane=Lane.RED, channel=Channel.MODEL, reason=reason)
    (wanted, lowered), _ = guard([asked], NORMAL, _Office(12, 0.25), may_release=True)
    assert (wanted.lane, wanted.cast) == (Lane.RED, False)
    assert (lowered.lane, lowered.channel) == (Lane.YELLOW, Channel.CAPACITY)
    facts = {"lane": "RED", "taken": 12, "normal": 8.0, "limit": 10.0, "rank": 0.25}
    assert lowered.reason == Reason(code="CAPACITY", item_no=2, facts=facts)


def test_what_was_not_cast_is_not_lowered() -> None:
    not_drawn = a_vote(Lane.RED, Channel.FALLBACK).model_copy(update={"cast": False})
    votes, room = guard(
        [not_drawn, a_vote(Lane.YELLOW, Channel.FALLBACK)],
        NORMAL,
        _Office(100, 0.0),
        may_release=True,
    )
    assert room is not None
    assert room.lane is Lane.YELLOW
    assert votes[0] == not_drawn


def a_day(policy: Policy, risks: Sequence[Risk | None], **options: object) -> list[LaneDecision]:
    """One office's day, declaration by declaration, each counted before the next."""
    loads, decisions = OfficeLoads(), []
    for number, risk in enumerate(risks):
        declaration = a_declaration(declaration_id=f"D-{number}", **options)
        scored = None if risk else Scored(lane=Lane.RED, points=60 + number % 40, item_no=1)
        decision = decide(
            declaration,
            risk=risk,
            rules=RULES,
            policy=policy,
            prices=Prices(),
            draw_key=b"key",
            scored=scored,
            load=loads.of("OFF01", NOON),
        )
        loads.count("OFF01", NOON, decision)
        decisions.append(decision)
    return decisions


def risky(physical: float) -> Risk:
    return Risk([[1 - physical, 0.0, physical]], [0.0])


def test_a_day_of_nothing_but_risk_does_not_flood_the_office() -> None:
    chance = np.random.default_rng(5)
    risks = [risky(float(each)) for each in chance.uniform(0.3, 0.9, 200)]
    decisions = a_day(GUARDED, risks)
    red = [decision for decision in decisions if decision.lane is Lane.RED]
    assert 8 < len(red) <= 1.25 * NORMAL.red
    assert all(decision.lane >= Lane.YELLOW for decision in decisions)
    lowered = [decision for decision in decisions if decision.channel is Channel.CAPACITY]
    assert len(lowered) == 200 - len(red)
    assert {decision.reasons[0].code for decision in lowered} == {"CAPACITY"}
    assert all(decision.propensities.red == 0 for decision in lowered)
    without_guard = a_day(NO_DRAWS, risks)
    assert all(decision.lane is Lane.RED for decision in without_guard)


def test_without_a_model_the_guard_releases_nobody_who_is_not_trusted() -> None:
    none: list[Risk | None] = [None] * 60
    lanes_of = {
        level: {decision.lane for decision in a_day(GUARDED, none, importer_compliance_level=level)}
        for level in (1, 5, None)
    }
    assert lanes_of[5] == lanes_of[None] == {Lane.YELLOW, Lane.RED}


@pytest.mark.parametrize(
    ("level", "risk", "lane"),
    [
        *((level, None, Lane.GREEN) for level in (1, 2)),
        *((level, None, Lane.YELLOW) for level in (3, None)),
        *((level, Risk([[0.5, 0.5, 0.0]], [0.0]), Lane.GREEN) for level in (1, 3, None)),
    ],
)
def test_a_full_office_releases_whom_it_trusts_and_with_a_model_anybody(
    level: int | None, risk: Risk | None, lane: Lane
) -> None:
    decision = decide(
        a_declaration(importer_compliance_level=level),
        risk=risk,
        rules=RuleSet([]),
        policy=GUARDED,
        prices=Prices(red=10),
        draw_key=b"key",
        scored=Scored(lane=Lane.YELLOW, points=30, item_no=1),
        load=_Office(10_000, 0.0),
    )
    assert decision.room is not None
    assert decision.room.lane is Lane.YELLOW
    assert decision.lane is lane


@pytest.mark.parametrize("office", ["OFF02", None])
def test_an_office_without_a_normal_day_is_not_guarded(office: str | None) -> None:
    (decision,) = a_day(GUARDED, [risky(0.9)], declaration_office=office)
    assert decision.room is None


@pytest.mark.parametrize("mode", [Mode.NO_GREEN, Mode.MANUAL])
def test_a_mode_without_greens_has_none_whatever_the_capacity(mode: Mode) -> None:
    decision = decide(
        a_declaration(importer_compliance_level=1),
        risk=risky(0.0),
        rules=RULES,
        policy=GUARDED,
        prices=Prices(),
        draw_key=b"key",
        mode=mode,
        load=_Office(10_000, 0.0),
    )
    assert (decision.lane, decision.channel) == (Lane.YELLOW, Channel.OFFICER)
    assert decision.mode is mode


def test_law_and_draws_stand_above_a_full_office() -> None:
    ivory = a_declaration(items=(an_item(hs_code="050710"),))
    drawn = GUARDED.model_copy(update={"random": RandomPolicy(yellow=0.5, red=0.5)})
    for declaration, policy, channel in (
        (ivory, GUARDED, Channel.MANDATORY),
        (a_declaration(), drawn, Channel.RANDOM),
    ):
        keys = [bytes([number]) for number in range(20)]
        decisions = [
            decide(
                declaration,
                risk=risky(0.9),
                rules=RULES,
                policy=policy,
                prices=Prices(),
                draw_key=key,
                load=_Office(10_000),
            )
            for key in keys
        ]
        red = [each for each in decisions if each.lane is Lane.RED]
        assert red
        assert all(channel in {vote.channel for vote in each.votes if vote.cast} for each in red)


@given(st.lists(st.tuples(lanes, st.floats(0, 1)), max_size=40), st.data())
@settings(deadline=None, max_examples=30)
def test_what_is_taken_back_was_never_counted(
    asked: list[tuple[Lane, float]], data: st.DataObject
) -> None:
    decisions = [
        LaneDecision.of(
            [
                Vote(
                    lane=lane,
                    channel=Channel.MODEL,
                    reason=Reason(code="RISK", facts={"net_benefit": worth}),
                )
            ]
        )
        for lane, worth in asked
    ]
    gone = data.draw(st.sets(st.sampled_from(range(len(asked))))) if asked else set()
    loads, others = OfficeLoads(), OfficeLoads()
    for at, decision in enumerate(decisions):
        loads.count("OFF01", NOON, decision)
        if at not in gone:
            others.count("OFF01", NOON, decision)
    for at in gone:
        loads.of("OFF01", NOON).take_back(decisions[at])
    probe = a_vote(Lane.RED)
    left, right = loads.of("OFF01", NOON), others.of("OFF01", NOON)
    assert left.taken(Lane.RED) == right.taken(Lane.RED)
    assert left.rank(probe) == right.rank(probe)


def test_a_decision_that_comes_by_several_ways_counts_once() -> None:
    loads, red = OfficeLoads(), LaneDecision.of([a_vote(Lane.RED)])
    load = loads.of("OFF01", NOON)
    take_back, _, not_counted = (
        loads.count("OFF01", NOON, red, key=key) for key in ("D-1", "D-2", "D-1")
    )
    assert load.taken(Lane.RED) == 2
    not_counted()
    assert load.taken(Lane.RED) == 2
    take_back()
    assert load.taken(Lane.RED) == 1
    loads.count("OFF01", NOON, red, key="D-1")  # it was not kept, and comes again
    assert load.taken(Lane.RED) == 2


def test_who_cannot_be_told_from_others_stands_in_the_middle() -> None:
    loads = OfficeLoads()
    worthless = Vote(lane=Lane.RED, channel=Channel.MODEL, reason=Reason(code="FALLBACK"))
    assert loads.of("OFF01", NOON).rank(a_vote(Lane.RED)) == 0.5  # the first of the day
    loads.count("OFF01", NOON, LaneDecision.of([a_vote(Lane.RED)]))
    assert loads.of("OFF01", NOON).rank(worthless) == 0.5
    assert loads.of("OFF01", NOON).rank(a_vote(Lane.RED)) == 0.5  # of two alike


def test_a_clock_that_jumps_ahead_and_back_lets_the_guard_go_on_where_it_was() -> None:
    loads, red = OfficeLoads(), LaneDecision.of([a_vote(Lane.RED)])
    for days_ahead in (0, 400, 0, 401, 0):
        loads.count("OFF01", NOON + timedelta(days=days_ahead), red)
    assert loads.of("OFF01", NOON).taken(Lane.RED) == 3
    loads.of("OFF01", NOON).take_back(red)
    assert loads.of("OFF01", NOON).taken(Lane.RED) == 2


@given(st.lists(st.integers(-1_000, 1_000), min_size=1, max_size=60))
def test_however_the_clock_jumps_only_the_last_few_days_are_kept(days: list[int]) -> None:
    loads, red = OfficeLoads(), LaneDecision.of([a_vote(Lane.RED)])
    for day in days:
        loads.count("OFF01", NOON + timedelta(days=day), red)
    latest_first = dict.fromkeys(reversed(days))
    taken = [loads.of("OFF01", NOON + timedelta(days=day)).taken(Lane.RED) for day in latest_first]
    assert all(taken[:MOST_DAYS])
    assert not any(taken[MOST_DAYS:])
