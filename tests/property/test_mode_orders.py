"""No order of one person makes milder what others ordered, wherever among them it comes."""

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from selectivity.actor import Actor
from selectivity.deciding.modes import STRICTNESS, Mode
from selectivity.mode_orders import (
    MOST_HOURS,
    ModeAsked,
    ModeStep,
    approve,
    in_force,
    order,
    standing,
)
from tests.builders import NOON

AN, BINH = Actor(id="k1", name="An"), Actor(id="k2", name="Binh")
ASKS = [ModeAsked(mode=Mode.NORMAL, reason="a test")] + [
    ModeAsked(mode=mode, hours=hours, reason="a test")
    for mode in (Mode.RULES_ONLY, Mode.NO_GREEN, Mode.MANUAL)
    for hours in (0.1, 1, 3, 8)
]
minutes = st.integers(0, 6 * 60).map(lambda number: timedelta(minutes=number))
orders = st.lists(st.tuples(minutes, st.sampled_from(ASKS), st.booleans()), max_size=6)
ALL_OVER = timedelta(hours=MOST_HOURS + 12)


def kept(given_: list[tuple[timedelta, ModeAsked, bool]]) -> list[ModeStep]:
    """The steps that these orders come to in one log, some of them approved at once."""
    steps: list[ModeStep] = []
    for after, asked, agreed in sorted(given_, key=lambda each: each[0]):
        step = order(steps, asked, by=AN, at=NOON + after)
        if isinstance(step, ModeStep) and (not steps or step is not steps[-1]):
            steps.append(step)
            if step.needs_second and agreed:
                second = approve(steps, step.order_id, by=BINH, at=NOON + after)
                assert isinstance(second, ModeStep)
                steps.append(second)
    return steps


def severity(steps: list[ModeStep], after: timedelta) -> int:
    return STRICTNESS[standing(in_force(steps), NOON + after).mode]


@given(orders)
def test_in_one_log_the_last_order_in_force_holds(
    given_: list[tuple[timedelta, ModeAsked, bool]],
) -> None:
    steps = kept(given_)
    last = next((step for step in reversed(steps) if step.holds), None)
    assert in_force(steps) == last


@given(there=orders, here=orders, later=st.lists(minutes, min_size=1, max_size=4))
def test_what_was_ordered_out_of_sight_only_tightens_when_it_comes_into_the_log(
    there: list[tuple[timedelta, ModeAsked, bool]],
    here: list[tuple[timedelta, ModeAsked, bool]],
    later: list[timedelta],
) -> None:
    log, spooled = kept(there), [step for step in kept(here) if step.tightens]
    drained = [[*log, *spooled[:number]] for number in range(len(spooled) + 1)]
    end = max((step.at for step in [*log, *spooled]), default=NOON) - NOON
    for moment in [*(end + each for each in later), ALL_OVER]:
        for before, after in pairwise(drained):
            alone = severity(after[-1:], moment)
            assert severity(after, moment) == max(severity(before, moment), alone)
