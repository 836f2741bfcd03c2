"""The points table made by the pipeline, and the lanes of a world in every degraded state."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.bundle import SCORECARD
from pipelines.judging.without_model import against_model, points_catch_too_little
from pipelines.scorecard import lane_points, scorecard
from pipelines.training.points import FALLING, Controlled, ScorecardParams, fit
from pipelines.trials.learning import read_recipe
from selectivity.columns import to_columns
from selectivity.deciding.decision import LaneDecision, Source
from selectivity.deciding.guard import LIMITS, OfficeCapacity
from selectivity.deciding.policy import Policy
from selectivity.deciding.risk import Risk
from selectivity.deciding.scorecard import Scorecard
from selectivity.errors import NotEnoughDataError
from selectivity.lanes import Lane
from selectivity.rules.rule_set import RuleSet
from tests.builders import a_declaration, an_item
from tests.days import STATES, Days, outside_limits
from tests.pasts import a_past
from tests.worlds import a_world

PARAMS = Path(__file__).parents[2] / "params.yaml"
TODAY = date(2025, 5, 26)


def shares(decisions: Sequence[LaneDecision]) -> dict[Lane, float]:
    counts = Counter(decision.lane for decision in decisions)
    return {lane: counts[lane] / len(decisions) for lane in Lane}


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Days:
    recipe = read_recipe(PARAMS)
    shorter = recipe.train.model_copy(update={"rounds": 30, "smallest_class": 1})
    folder = tmp_path_factory.mktemp("days") / "bundle"
    return Days(a_world("small"), TODAY, recipe._replace(train=shorter), folder)


@pytest.fixture(scope="module")
def normal(days: Days) -> dict[Lane, float]:
    decisions = list(days.decisions())
    assert {decision.source for decision in decisions} == {Source.MODEL}
    assert len(decisions) > 1_000
    return shares(decisions)


SPEAKS: Mapping[str, tuple[Source, str]] = {
    "no usable model": (Source.SCORECARD, "MODEL_ERROR"),
    "no model and no points": (Source.FALLBACK, "NO_MODEL"),
    "rules only": (Source.SCORECARD, "MODE_RULES_ONLY"),
    "by people": (Source.SCORECARD, "MODE_MANUAL"),
}
"""What every decision says of a state, and the cause it gives."""


@pytest.mark.parametrize("state", ["no usable model", "rules only"])
def test_the_points_table_keeps_the_lanes_near_their_normal_shares(
    days: Days, normal: dict[Lane, float], state: str
) -> None:
    decisions = list(days.decisions(**STATES[state]))
    assert {(each.source, each.fallback_cause) for each in decisions} == {SPEAKS[state]}
    assert outside_limits(shares(decisions), normal, days.bundle.policy) == []


@pytest.mark.parametrize("state", ["no model and no points", "by people"])
def test_without_points_nothing_is_all_red_and_every_lane_says_why(days: Days, state: str) -> None:
    decisions = list(days.decisions(**STATES[state]))
    assert {(each.source, each.fallback_cause) for each in decisions} == {SPEAKS[state]}
    now = shares(decisions)
    assert now[Lane.RED] < 0.2
    green = [
        declaration
        for declaration, decision in zip(days.declarations(), decisions, strict=True)
        if decision.lane is Lane.GREEN
    ]
    assert (state == "by people") == (not green)
    assert all((each.importer_compliance_level or 5) < 5 for each in green)


def test_no_green_keeps_the_reds_of_the_model_and_releases_nothing(
    days: Days, normal: dict[Lane, float]
) -> None:
    now = shares(list(days.decisions(**STATES["no green"])))
    assert now[Lane.GREEN] == 0
    assert now[Lane.RED] == normal[Lane.RED]


def test_the_guard_holds_every_office_within_its_day_when_all_is_risk(days: Days) -> None:
    policy: Policy = days.bundle.policy.model_copy(
        update={
            "offices": {
                str(office): OfficeCapacity(yellow=4, red=2)
                for office in {each.declaration_office for each in days.declarations()}
            }
        }
    )
    storm = [
        Risk([[0.1, 0.3, 0.6]] * len(each.items), [0.0] * len(each.items))
        for each in days.declarations()
    ]
    per_day: Counter[Any] = Counter()
    for declaration, decision in zip(
        days.declarations(), days.decisions(risks=storm, policy=policy), strict=True
    ):
        asked = {vote.channel for vote in decision.votes if vote.cast and vote.lane is Lane.RED}
        if asked == {"MODEL"}:
            per_day[declaration.declaration_office, declaration.accepted_at.date()] += 1
    assert max(per_day.values()) <= LIMITS[Lane.RED] * 2 + 1


def test_the_table_is_a_file_that_a_person_can_read(days: Days) -> None:
    table = days.bundle.scorecard
    lines = sum(len(fact.bands) + 1 for fact in table.facts)
    assert 5 <= lines <= 45
    for fact in table.facts:
        points = [band.points for band in fact.bands]
        if fact.bands[0].codes is None:
            assert points == sorted(points, reverse=fact.fact in FALLING), fact.fact
        assert fact.missing == max(points)
    written = (days.folder / SCORECARD).read_text(encoding="utf-8").splitlines()
    assert sum('"points"' in line for line in written) == lines - len(table.facts)
    assert Scorecard.model_validate_json("".join(written)) == table


def test_points_find_the_fact_that_tells() -> None:
    """Traders of level 5 have findings and nobody else has: their line gets the most points."""
    chance = np.random.default_rng(3)
    levels = chance.integers(1, 6, 2_000)
    pairs = [
        (a_declaration(importer_compliance_level=int(level)), an_item(hs_code=code))
        for level, code in zip(levels, chance.choice(["610910", "870323"], 2_000), strict=True)
    ]
    found = (chance.random(2_000) < np.where(levels == 5, 0.4, 0.02)).astype(np.float64)
    facts = fit(Controlled(pairs, found, np.ones(2_000)), {}, ScorecardParams())
    best = max(facts, key=lambda fact: fact.missing)
    assert best.fact == "importer_compliance_level"
    assert best.points(5) > 20 > best.points(4)


@pytest.mark.parametrize("found", [0.0, 1.0])
def test_controls_that_all_ended_alike_teach_nothing(found: float) -> None:
    pairs = [(a_declaration(), an_item())] * 3
    with pytest.raises(NotEnoughDataError, match="Bring a longer history"):
        fit(Controlled(pairs, np.full(3, found), np.ones(3)), {}, ScorecardParams())


def test_lanes_begin_where_the_capacity_is_met() -> None:
    points = np.arange(1, 1_001)
    least = np.zeros(1_000, dtype=np.int64)
    policy = Policy()
    yellow, red = lane_points(points, least, policy)
    assert (points >= red).mean() <= policy.red.share - 3 * policy.random.red
    assert (points >= yellow).mean() == pytest.approx(0.37)
    ruled = least.copy()
    ruled[:200] = Lane.YELLOW
    assert lane_points(points, ruled, policy)[0] > yellow


def test_a_fact_that_the_source_never_has_takes_no_capacity_from_points() -> None:
    """No decision asks for it, so nothing is checked for want of it."""
    chance = np.random.default_rng(3)
    levels, past = chance.integers(1, 6, 1_000).tolist(), a_past(1_000)
    moments = past.items["accepted_at"].astype(object)
    lodged = [
        a_declaration(
            declaration_id=f"D-{at}",
            accepted_at=moment.replace(tzinfo=UTC),
            importer_compliance_level=level,
            items=(an_item(customs_value=None),),
        )
        for at, (moment, level) in enumerate(zip(moments, levels, strict=True))
    ]
    wrong = (chance.random(1_000) < np.where(np.array(levels) == 5, 0.4, 0.02)).astype(np.int64)
    outcomes = past.outcomes.assign(finding_class=wrong)
    asked = (to_columns(lodged), outcomes, past.periods, RuleSet([]), Policy(), ScorecardParams())
    needed = frozenset(Policy().facts_needed)
    never, sometimes = (scorecard(*asked, facts) for facts in (needed - {"customs_value"}, needed))
    assert never.facts == sometimes.facts
    assert never.yellow_from > 1
    assert sometimes.yellow_from == sometimes.red_from  # all are checked, so points need not ask


def test_what_points_catch_is_weighed_by_what_a_control_finds() -> None:
    found = {"inspected": True, "found": True, "duty_found": 1.0}
    lanes = pd.DataFrame([{"lane": "RED", "physical": True} | found])
    without = lanes.assign(lane="YELLOW")
    policy = Policy()
    figures = against_model(without, lanes, policy)
    expected = policy.yellow.detects.physical / policy.red.detects.physical
    assert figures["found_against_model"] == pytest.approx(expected)
    assert figures["agreement"] == 0
    assert against_model(lanes, lanes, policy)["found_against_model"] == 1


def test_a_table_that_catches_too_little_is_warned_of() -> None:
    assert points_catch_too_little({"found_against_model": 0.8}) == []
    (line,) = points_catch_too_little({"found_against_model": 0.31})
    assert "31%" in line
