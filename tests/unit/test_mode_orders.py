"""Who may order which mode alone, who has to agree, and what holds when time is over."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from selectivity.actor import Actor
from selectivity.deciding.modes import Mode
from selectivity.mode_orders import (
    CLOCKS_APART,
    WAITS,
    ModeAsked,
    ModeRefusal,
    ModeStep,
    approve,
    in_force,
    order,
    standing,
    waiting,
)
from tests.builders import NOON

AN, BINH, AN_AGAIN = (
    Actor(id=id_, name=name) for id_, name in (("k1", "An"), ("k2", "Binh"), ("k3", "an"))
)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


def asked(mode: Mode, hours: float | None = 4) -> ModeAsked:
    return ModeAsked(mode=mode, hours=None if mode is Mode.NORMAL else hours, reason="a test")


def after(*orders: tuple[Mode, Actor, Actor | None]) -> list[ModeStep]:
    """The steps of these orders, one an hour, each approved at once if somebody did."""
    steps: list[ModeStep] = []
    for number, (mode, by, second) in enumerate(orders):
        at = NOON + number * HOUR
        step = order(steps, asked(mode, hours=72), by=by, at=at)
        assert isinstance(step, ModeStep)
        steps.append(step)
        if second is not None:
            agreed = approve(steps, step.order_id, by=second, at=at)
            assert isinstance(agreed, ModeStep)
            steps.append(agreed)
    return steps


ALONE = {
    (Mode.NORMAL, Mode.NO_GREEN),
    (Mode.NORMAL, Mode.MANUAL),
    (Mode.RULES_ONLY, Mode.NO_GREEN),
    (Mode.RULES_ONLY, Mode.MANUAL),
    (Mode.NO_GREEN, Mode.MANUAL),
}


@pytest.mark.parametrize("before", Mode)
@pytest.mark.parametrize("wanted", Mode)
def test_one_person_tightens_and_everything_else_takes_two(before: Mode, wanted: Mode) -> None:
    second = BINH if before is Mode.RULES_ONLY else None
    steps = [] if before is Mode.NORMAL else after((before, AN, second))
    step = order(steps, asked(wanted), by=AN, at=NOON + HOUR)
    if before is wanted is Mode.NORMAL:
        assert step is ModeRefusal.SAME_MODE
        return
    assert isinstance(step, ModeStep)
    assert step.needs_second == ((before, wanted) not in ALONE)
    holds = standing(in_force([*steps, step]), NOON + HOUR).mode
    assert holds is (before if step.needs_second else wanted)


def test_whoever_ordered_cannot_approve_not_even_under_another_id() -> None:
    steps = after((Mode.NO_GREEN, AN, None), (Mode.NORMAL, AN, None))
    id_ = steps[-1].order_id
    for same in (AN, AN_AGAIN):
        assert approve(steps, id_, by=same, at=NOON + HOUR) is ModeRefusal.SAME_PERSON
    agreed = approve(steps, id_, by=BINH, at=NOON + HOUR)
    assert isinstance(agreed, ModeStep)
    assert standing(in_force([*steps, agreed]), NOON + HOUR).mode is Mode.NORMAL
    assert approve([*steps, agreed], id_, by=BINH, at=NOON + HOUR) == agreed


@pytest.mark.parametrize("second", [None, BINH])
def test_an_approval_is_of_the_order_that_it_names(second: Actor | None) -> None:
    steps = after((Mode.RULES_ONLY, AN, second))
    assert approve(steps, "0" * 24, by=BINH, at=NOON) is ModeRefusal.NOT_PENDING


def test_an_order_waits_for_hours_and_no_longer() -> None:
    steps = after((Mode.RULES_ONLY, AN, None))
    id_ = steps[0].order_id
    assert waiting(steps, NOON + WAITS) == steps[0]
    late = NOON + WAITS + timedelta(seconds=1)
    assert waiting(steps, late) is None
    assert approve(steps, id_, by=BINH, at=late) is ModeRefusal.NOT_PENDING


def test_a_tightening_ends_what_waits() -> None:
    steps = after((Mode.RULES_ONLY, AN, None), (Mode.MANUAL, BINH, None))
    refused = approve(steps, steps[0].order_id, by=BINH, at=NOON + HOUR)
    assert refused is ModeRefusal.NOT_PENDING


@pytest.mark.parametrize("mode", [Mode.RULES_ONLY, Mode.NO_GREEN, Mode.MANUAL])
def test_when_the_time_is_over_nothing_is_released(mode: Mode) -> None:
    (*_, last) = after((mode, AN, BINH if mode is Mode.RULES_ONLY else None))
    end = last.until
    assert end == NOON + timedelta(hours=72)
    assert standing(last, end - timedelta(seconds=1)) == (mode, last, False)
    assert standing(last, end) == (Mode.NO_GREEN, last, True)


@pytest.mark.parametrize(
    ("mode", "holds", "overdue"),
    [
        (Mode.RULES_ONLY, Mode.NO_GREEN, True),
        (Mode.NO_GREEN, Mode.NO_GREEN, True),
        (Mode.MANUAL, Mode.MANUAL, False),  # stricter than what would hold afterwards
    ],
)
def test_an_order_of_a_time_to_come_relaxes_nothing_when_the_clock_is_right_again(
    mode: Mode, holds: Mode, overdue: bool
) -> None:
    """It was given while the clock was a year ahead, and would hold for a year and some hours."""
    (*_, last) = after((mode, AN, BINH if mode is Mode.RULES_ONLY else None))
    assert standing(last, NOON - CLOCKS_APART) == (mode, last, False)  # of another service
    assert standing(last, NOON - CLOCKS_APART - SECOND) == (holds, last, overdue)


def test_an_order_of_a_time_to_come_waits_for_nobody() -> None:
    steps = after((Mode.RULES_ONLY, AN, None))
    before = NOON - CLOCKS_APART
    assert waiting(steps, before) == steps[0]
    assert waiting(steps, before - SECOND) is None
    refused = approve(steps, steps[0].order_id, by=BINH, at=before - SECOND)
    assert refused is ModeRefusal.NOT_PENDING


def test_the_time_counts_from_the_approval() -> None:
    steps = after((Mode.RULES_ONLY, AN, None))
    assert steps[0].until is None
    agreed = approve(steps, steps[0].order_id, by=BINH, at=NOON + HOUR)
    assert isinstance(agreed, ModeStep)
    assert agreed.until == NOON + 73 * HOUR


def test_the_same_order_again_is_the_one_that_waits() -> None:
    steps = after((Mode.RULES_ONLY, AN, None))
    assert order(steps, steps[0].asked, by=AN, at=NOON + HOUR) is steps[0]
    other = order(steps, steps[0].asked, by=BINH, at=NOON + HOUR)
    assert isinstance(other, ModeStep)
    assert other.order_id != steps[0].order_id


@pytest.mark.parametrize(
    "content",
    [
        {"mode": "NORMAL", "hours": 4, "reason": "x"},
        {"mode": "NO_GREEN", "reason": "x"},
        {"mode": "NO_GREEN", "hours": 73, "reason": "x"},
        {"mode": "NO_GREEN", "hours": 0, "reason": "x"},
        {"mode": "NO_GREEN", "hours": 4},
        {"mode": "ALL_GREEN", "hours": 4, "reason": "x"},
    ],
)
def test_an_order_says_which_mode_how_long_and_why(content: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ModeAsked.model_validate(content)


def test_the_same_order_given_again_later_is_another_one() -> None:
    steps = after((Mode.NO_GREEN, AN, None), (Mode.NORMAL, AN, BINH), (Mode.NO_GREEN, AN, None))
    assert len({step.name for step in steps}) == len(steps)


def unseen(mode: Mode, *, hours: float = 4) -> ModeStep:
    """An order that was given where nobody saw those of others."""
    step = order([], asked(mode, hours), by=BINH, at=NOON)
    assert isinstance(step, ModeStep)
    return step


@pytest.mark.parametrize(
    ("before", "brought", "holds"),
    [
        ([(Mode.NO_GREEN, AN, None)], unseen(Mode.MANUAL), Mode.MANUAL),
        ([(Mode.MANUAL, AN, None)], unseen(Mode.NO_GREEN), Mode.MANUAL),
        ([(Mode.RULES_ONLY, AN, BINH)], unseen(Mode.NO_GREEN), Mode.NO_GREEN),
        ([(Mode.MANUAL, AN, None), (Mode.NORMAL, AN, BINH)], unseen(Mode.NO_GREEN), Mode.NO_GREEN),
    ],
)
def test_an_order_that_comes_behind_those_it_did_not_see_tightens_and_never_relaxes(
    before: list[tuple[Mode, Actor, Actor | None]], brought: ModeStep, holds: Mode
) -> None:
    steps = [*after(*before), brought]
    assert standing(in_force(steps), NOON + HOUR).mode is holds
    relaxed = after((Mode.NO_GREEN, AN, None), (Mode.NORMAL, AN, BINH))[1:]
    assert standing(in_force([*steps, *relaxed]), NOON + HOUR).mode is Mode.NORMAL


def test_of_two_orders_of_one_mode_the_one_that_lasts_longer_holds() -> None:
    short, long = unseen(Mode.MANUAL, hours=1), unseen(Mode.MANUAL, hours=8)
    assert in_force([short, long]) is in_force([long, short]) is long


def test_the_same_order_given_at_two_services_is_two_orders() -> None:
    here = unseen(Mode.NO_GREEN)
    there = order([], here.asked, by=BINH, at=NOON + SECOND)
    assert isinstance(there, ModeStep)
    assert here.name != there.name
