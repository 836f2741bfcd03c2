"""Who may change a lane, by how much, and with whom."""

from typing import Any

import pytest
from pydantic import ValidationError

from selectivity.actor import Actor
from selectivity.lanes import Channel, Lane, Reason, Vote
from selectivity.override import (
    Held,
    OverrideAsked,
    OverrideState,
    OverrideStep,
    Refusal,
    approve,
    lane_in_force,
    request,
    strictest,
)
from selectivity.record import DecisionRecord
from selectivity.rules.rule_set import Rule
from tests.builders import NOON
from tests.logs import a_record

ALICE, BOB = Actor(id="aaaaaaaa", name="Alice"), Actor(id="bbbbbbbb", name="Bob")


def asked(to_lane: str, **fields: Any) -> OverrideAsked:
    plain = {"declaration_id": "D-1", "version_no": 1, "reason_code": "SEAL", "reason_text": "x"}
    return OverrideAsked.model_validate(plain | {"to_lane": to_lane} | fields)


def decided(
    lane: Lane, channel: Channel = Channel.MODEL, rule_id: str | None = None, cast: bool = True
) -> DecisionRecord:
    """A decision with this lane, and a vote for it by this channel or rule."""
    record = a_record()
    reason = Reason(code="RISK", rule_id=rule_id)
    vote = Vote(lane=lane, channel=channel, reason=reason, cast=cast)
    decision = record.decision.model_copy(update={"lane": lane, "votes": (vote,)})
    return record.model_copy(update={"decision": decision})


def step_for(
    record: DecisionRecord, what: OverrideAsked, *steps: OverrideStep, by: Actor = ALICE
) -> OverrideStep | Refusal:
    return request(record, steps, what, rules=RULES, by=by, at=NOON)


def made(found: OverrideStep | Refusal) -> OverrideStep:
    assert isinstance(found, OverrideStep), found
    return found


def a_rule(id_: str, layer: str) -> Rule:
    return Rule.model_validate(
        {
            "id": id_,
            "layer": layer,
            "reason_code": "IVORY",
            "lane": "RED",
            "legal_basis": ["law"],
            "valid_from": "2026-01-01",
            "owner": "unit",
            "approver": "unit",
            "always": True,
            "cases": [{"declared": {}, "hits": True}],
        }
    )


RULES = {rule.id: rule for rule in (a_rule("R-101", "prohibition"), a_rule("R-301", "selectivity"))}


def test_one_officer_raises_a_lane_at_once() -> None:
    step = made(step_for(decided(Lane.GREEN), asked("RED")))
    assert (step.state, step.from_lane, step.lane) == (
        OverrideState.IN_FORCE,
        Lane.GREEN,
        Lane.RED,
    )


def test_a_lower_lane_waits_for_a_second_person() -> None:
    record = decided(Lane.RED)
    pending = made(step_for(record, asked("GREEN")))
    approved = made(approve([pending], pending.override_id, by=BOB, at=NOON))

    assert lane_in_force(record, [pending]) is Lane.RED
    assert lane_in_force(record, [pending, approved]) is Lane.GREEN
    assert (approved.requested_by, approved.approved_by) == (ALICE, BOB)


@pytest.mark.parametrize(
    "same",
    [
        ALICE,
        Actor(id="cccccccc", name="alice"),
        Actor(id="jwt:Alice", name="Alice"),
        Actor(id=ALICE.id, name="Alice, married"),
    ],
)
def test_nobody_is_a_second_person_to_themselves(same: Actor) -> None:
    pending = made(step_for(decided(Lane.RED), asked("GREEN")))
    assert approve([pending], pending.override_id, by=same, at=NOON) is Refusal.SAME_PERSON


def test_an_approval_is_of_the_override_that_it_names() -> None:
    pending = made(step_for(decided(Lane.RED), asked("GREEN")))
    assert approve([pending], "0" * 24, by=BOB, at=NOON) is Refusal.NOT_PENDING


@pytest.mark.parametrize(
    ("channel", "rule_id"),
    [
        (Channel.MANDATORY, "R-301"),
        (Channel.RANDOM, None),
        (Channel.RULE, "R-101"),
        (Channel.RULE, "R-999"),
    ],
)
def test_nobody_lowers_what_binds(channel: Channel, rule_id: str | None) -> None:
    record = decided(Lane.RED, channel, rule_id)
    assert step_for(record, asked("YELLOW")) is Refusal.BINDING


@pytest.mark.parametrize(
    ("channel", "rule_id", "cast"),
    [
        (Channel.MODEL, None, True),
        (Channel.RULE, "R-301", True),
        (Channel.RULE, None, True),
        (Channel.FALLBACK, "R-301", True),
        (Channel.RANDOM, None, False),
    ],
)
def test_what_does_not_bind_may_be_lowered(
    channel: Channel, rule_id: str | None, cast: bool
) -> None:
    step = made(step_for(decided(Lane.RED, channel, rule_id, cast), asked("GREEN")))
    assert step.state is OverrideState.PENDING


def test_a_lane_that_binds_may_still_be_raised_and_come_back_down_to_it() -> None:
    record = decided(Lane.YELLOW, Channel.MANDATORY)
    raised = made(step_for(record, asked("RED")))
    assert made(step_for(record, asked("YELLOW"), raised)).state is OverrideState.PENDING
    assert step_for(record, asked("GREEN"), raised) is Refusal.BINDING


def test_a_lane_is_lowered_with_a_reason_in_words_only() -> None:
    unexplained = asked("GREEN", reason_text=None)
    assert step_for(decided(Lane.RED), unexplained) is Refusal.UNEXPLAINED
    assert made(step_for(decided(Lane.GREEN), asked("RED", reason_text=None)))


def test_the_same_request_again_gives_the_same_step() -> None:
    record = decided(Lane.GREEN)
    first = made(step_for(record, asked("RED")))
    again = step_for(record, asked("RED"), first)
    by_another = step_for(record, asked("RED"), first, by=BOB)

    assert again is first
    assert by_another is Refusal.SAME_LANE


def test_an_approval_holds_for_what_waits_alone() -> None:
    record = decided(Lane.YELLOW)
    pending = made(step_for(record, asked("GREEN")))
    overtaken = made(step_for(record, asked("RED"), pending, by=BOB))
    approved = made(approve([pending], pending.override_id, by=BOB, at=NOON))

    late = approve([pending, overtaken], pending.override_id, by=BOB, at=NOON)
    in_force = approve([overtaken], overtaken.override_id, by=ALICE, at=NOON)
    again = approve([pending, approved], pending.override_id, by=BOB, at=NOON)
    assert (late, in_force) == (Refusal.NOT_PENDING, Refusal.NOT_PENDING)
    assert again is approved


G, Y, R = Lane


@pytest.mark.parametrize(
    ("versions", "lane"),
    [
        ([], None),
        ([(Y, Y), (G, G)], Y),
        ([(R, R), (R, G)], G),  # lowering the newest releases it from the version before it
        ([(R, R), (R, Y), (G, G)], Y),
        ([(R, Y), (R, R)], R),  # lowering an older one does not lower what came behind it
        ([(R, R), (G, Y)], R),  # one that was raised releases nothing
        ([(R, R), (Y, G), (Y, R)], R),
    ],
)
def test_the_next_version_is_measured_by_what_held_since_the_last_release(
    versions: list[tuple[Lane, Lane]], lane: Lane | None
) -> None:
    assert strictest(Held(*each) for each in versions) is lane


@pytest.mark.parametrize(
    "wrong",
    [
        {"reason_code": "OTHER", "reason_text": None},
        {"reason_code": "BECAUSE"},
        {"to_lane": "BLUE"},
        {"to_lane": 1.5},
        {"version_no": 0},
        {"reason_text": ""},
        {"evidence_ref": "two\nlines"},
        {"approved_by": "me"},
    ],
)
def test_what_cannot_be_asked_for_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        asked(**({"to_lane": "RED"} | wrong))


@pytest.mark.parametrize(
    ("name", "other"), [("Ann", "Ann "), ("Zo\u00eb", "Zoe\u0308"), ("Ann Lee", "ANN  lee")]
)
def test_names_that_look_alike_are_no_two_persons(name: str, other: str) -> None:
    assert Actor(id="1", name=name).is_same_as(Actor(id="2", name=other))
    assert not Actor(id="1", name=name).is_same_as(Actor(id="2", name=f"{other} Minh"))


def test_a_lane_raised_and_lowered_is_raised_again_in_the_same_words() -> None:
    record = decided(Lane.GREEN)
    raised = made(step_for(record, asked("RED")))
    lowered = made(step_for(record, asked("GREEN"), raised))
    approved = made(approve([raised, lowered], lowered.override_id, by=BOB, at=NOON))
    again = made(step_for(record, asked("RED"), raised, lowered, approved))
    assert len({raised.name, lowered.name, approved.name, again.name}) == 4
    assert lane_in_force(record, [raised, lowered, approved, again]) is Lane.RED


def test_an_older_override_is_not_approved_by_who_approved_the_last() -> None:
    record = decided(Lane.RED)
    older = made(step_for(record, asked("YELLOW")))
    newer = made(step_for(record, asked("GREEN"), older))
    approved = made(approve([older, newer], newer.override_id, by=BOB, at=NOON))
    steps = [older, newer, approved]
    assert approve(steps, older.override_id, by=BOB, at=NOON) is Refusal.NOT_PENDING
