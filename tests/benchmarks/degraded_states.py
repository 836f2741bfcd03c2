"""Lanes of 100,000 declarations in every degraded state, against those of a normal day.

python -m tests.benchmarks.degraded_states                       # some minutes
python -m tests.benchmarks.degraded_states --declarations 20000 --preset high_t

A model is learnt in a simulated world; what is declared afterwards is decided on in every state.
Violations are those of the world's truth, so that nothing depends on who was inspected. Ends with 1
if a state leaves its limits.
"""

import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Annotated, NamedTuple

import numpy as np
import typer

from pipelines.trials.learning import read_recipe
from selectivity.columns import Ints, first_rows
from selectivity.deciding.capacity import PerClass
from selectivity.deciding.decision import LaneDecision
from selectivity.deciding.guard import OfficeCapacity
from selectivity.deciding.policy import Policy
from selectivity.inspection import Mechanism
from selectivity.lanes import Channel, Lane
from tests.days import STATES, Days, outside_limits
from tests.worlds import KEY, a_world

LEARNT_FROM = 0.4
"""Share of a world's weeks that come before the days decided on."""
LEAST_CAUGHT = 0.6
GUARDED = ("no usable model", "no model and no points", "rules only")
"""States that keep the shares of lanes near those of a normal day, and catch enough."""


class Mix(NamedTuple):
    """What a state made of the same declarations."""

    shares: Mapping[Lane, float]
    caught: float
    """Share of the violations that the controls of these lanes are expected to find."""
    causes: Mapping[str, int]
    microseconds: float


def mix(decisions: Iterable[LaneDecision], classes: Ints, policy: Policy) -> Mix:
    """Count decisions as they come. `classes` has the worst finding there is to make in each."""
    began = perf_counter()
    lanes, causes = [], Counter[str]()
    for decision in decisions:
        lanes.append(int(decision.lane))
        causes[f"{decision.source}/{decision.fallback_cause}"] += 1
    seconds = perf_counter() - began
    got = np.array(lanes)
    shares = {lane: float((got == lane).mean()) for lane in Lane}
    found = [PerClass(documentary=0, physical=0), policy.yellow.detects, policy.red.detects]
    chance = np.array([[0.0, each.documentary, each.physical] for each in found])
    caught = chance[got, classes].sum() / (classes > 0).sum()
    return Mix(shares, float(caught), causes, seconds / len(got) * 1e6)


def breaches(state: str, now: Mix, normal: Mix, policy: Policy) -> list[str]:
    """What is outside its limits in this state."""
    if state not in GUARDED:
        return []
    too_little = now.caught < LEAST_CAUGHT * normal.caught
    return (
        outside_limits(now.shares, normal.shares, policy) + ["it catches too little"] * too_little
    )


def a_row(state: str, now: Mix, normal: Mix, policy: Policy) -> str:
    """A line of the table."""
    green, yellow, red = (f"{now.shares[lane]:.1%}" for lane in Lane)
    wrong = "; ".join(breaches(state, now, normal, policy))
    causes = ", ".join(now.causes)
    return (
        f"| {state} | {green} | {yellow} | {red} | {now.caught:.1%} "
        f"| {now.caught / normal.caught:.0%} | {now.microseconds:.0f} | {causes} | {wrong} |"
    )


def days_of(preset: str, declarations: int, folder: Path) -> tuple[Days, Ints]:
    """Days with so many declarations, and the worst finding there is to make in each."""
    whole = round(declarations / (1 - LEARNT_FROM))
    world = a_world(preset, declarations=whole)
    first, last = (getattr(world["declarations"].lodged_at, end)() for end in ("min", "max"))
    today = (first + (last - first) * LEARNT_FROM).date()
    days = Days(world, today, read_recipe(Path("params.yaml")), folder)
    truth = world["truth"]
    named = truth.mechanism.notna()
    kinds = [int(Mechanism(each).finding_class) for each in truth.mechanism[named]]
    truth = truth.assign(kind=0)
    truth.loc[named, "kind"] = kinds
    worst = truth.groupby(KEY, sort=False).kind.max()
    rows = first_rows(days.columns)
    keys = zip(*(days.columns[name][rows].tolist() for name in KEY), strict=True)
    return days, worst.loc[list(keys)].to_numpy()


def offices_of(days: Days) -> dict[str, OfficeCapacity]:
    """What every office takes on a day as the policy has it, from the declarations it gets."""
    lodged = Counter(str(each.declaration_office) for each in days.declarations())
    count = len(np.unique(days.columns["accepted_at"].astype("datetime64[D]")))
    policy = days.bundle.policy
    return {
        office: OfficeCapacity(
            yellow=max(1, number / count * policy.yellow.share),
            red=max(1, number / count * policy.red.share),
        )
        for office, number in lodged.items()
    }


def storm(days: Days, offices: Mapping[str, OfficeCapacity], *, guarded: bool) -> float:
    """Most reds that the model alone asked of an office on a day, in times of its normal day, when
    capacity costs nothing and the model asks for far more than there is."""
    policy = days.bundle.policy.model_copy(update={"offices": offices if guarded else {}})
    free = days.bundle.prices.model_copy(update={"yellow": 0.0, "red": 0.0})
    reds: Counter[tuple[str, date]] = Counter()
    decisions = days.decisions(policy=policy, prices=free)
    for declaration, decision in zip(days.declarations(), decisions, strict=True):
        asked = {vote.channel for vote in decision.votes if vote.cast and vote.lane is Lane.RED}
        if asked == {Channel.MODEL}:
            reds[str(declaration.declaration_office), declaration.accepted_at.date()] += 1
    return max(number / offices[office].red for (office, _), number in reds.items())


def main(
    declarations: Annotated[int, typer.Option(help="How many are decided on.")] = 100_000,
    preset: Annotated[str, typer.Option(help="Kind of world.")] = "base",
) -> None:
    """Print the table, state by state."""
    with tempfile.TemporaryDirectory() as place:
        days, classes = days_of(preset, declarations, Path(place) / "bundle")
    policy = days.bundle.policy
    normal = mix(days.decisions(), classes, policy)
    print(f"{len(classes)} declarations, {(classes > 0).mean():.1%} of them violating\n")
    print("| state | green | yellow | red | caught | of the model's | µs | cause | |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    print(a_row("normal", normal, normal, policy), flush=True)
    wrong = []
    for state, options in STATES.items():
        now = mix(days.decisions(**options), classes, policy)
        wrong += breaches(state, now, normal, policy)
        print(a_row(state, now, normal, policy), flush=True)
    offices = offices_of(days)
    held, free = (storm(days, offices, guarded=guarded) for guarded in (True, False))
    print(f"\nreds of an office in a storm: {held:.2f} times a normal day; unguarded {free:.2f}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    typer.run(main)
