"""The points table made by the pipeline, and the lanes of a world in every degraded state."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.bundle import SCORECARD, Bundle
from pipelines.evaluate import points_catch_too_little
from pipelines.points import FALLING, Controlled, ScorecardParams, fit
from pipelines.prepare import in_time_order
from pipelines.scorecard import lane_points
from pipelines.simulator.schema import TABLES as KINDS
from pipelines.tables import columns_from_frame
from pipelines.trials.learning import learn, read_recipe
from pipelines.trials.memory import REMEMBERED, Memory
from selectivity.columns import each_declaration, take
from selectivity.decision import LaneDecision, Source
from selectivity.errors import NotEnoughDataError
from selectivity.guard import LIMITS, OfficeCapacity
from selectivity.lanes import Lane
from selectivity.modes import Mode
from selectivity.office_loads import OfficeLoads
from selectivity.policy import Policy, decide
from selectivity.risk import Risk
from selectivity.scorecard import Scorecard
from tests.builders import a_declaration, an_item
from tests.worlds import a_world

PARAMS = Path(__file__).parents[2] / "params.yaml"
TODAY = date(2025, 5, 26)
GREEN_BELOW_NORMAL = 0.25


class Days:
    """A bundle learnt in a small world, and the declarations of the weeks after it."""

    def __init__(self, folder: Path) -> None:
        world, memory = a_world("small"), Memory()
        memory.add(
            {name: dict(columns_from_frame(world[name], KINDS[name])) for name in REMEMBERED}
        )
        recipe = read_recipe(PARAMS)
        shorter = recipe.train.model_copy(update={"rounds": 30, "smallest_class": 1})
        self.folder = folder
        self.bundle = learn(memory, recipe._replace(train=shorter), TODAY, folder)
        items = in_time_order(memory.items())
        columns = take(items, items["accepted_at"].astype("datetime64[D]") >= np.datetime64(TODAY))
        model = self.bundle.model
        matrix = model.features(columns, self.bundle.profiles.read(columns))
        self.declarations = list(each_declaration(columns))
        self.risks: Sequence[Risk | None] = model.assess(columns, matrix)

    def lanes(self, *, risks: Sequence[Risk | None] | None = None, **options: Any) -> list[Any]:
        """Decisions on all of them, in order; options replace what `decide` is given."""
        bundle: Bundle = self.bundle
        given: Any = {
            "rules": bundle.rules,
            "policy": bundle.policy,
            "prices": bundle.prices,
            "draw_key": b"key",
            "facts_known": bundle.model.knowledge.facts,
        } | options
        with_points = given.pop("points", True)
        loads, decisions = OfficeLoads(), []
        for declaration, risk in zip(self.declarations, risks or self.risks, strict=True):
            place = (declaration.declaration_office, declaration.accepted_at)
            scored = bundle.scorecard.judge(declaration) if with_points else None
            decision = decide(declaration, risk=risk, scored=scored, load=loads.of(*place), **given)
            loads.count(*place, decision)
            decisions.append(decision)
        return decisions


def shares(decisions: Sequence[LaneDecision]) -> dict[Lane, float]:
    counts = Counter(decision.lane for decision in decisions)
    return {lane: counts[lane] / len(decisions) for lane in Lane}


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Days:
    return Days(tmp_path_factory.mktemp("days") / "bundle")


@pytest.fixture(scope="module")
def normal(days: Days) -> dict[Lane, float]:
    decisions = days.lanes()
    assert {decision.source for decision in decisions} == {Source.MODEL}
    assert len(decisions) > 1_000
    return shares(decisions)


STATES: Mapping[str, tuple[Source, str, dict[str, Any]]] = {
    "no usable model": (Source.SCORECARD, "MODEL_ERROR", {"fallback_cause": "MODEL_ERROR"}),
    "no model and no points": (Source.FALLBACK, "NO_MODEL", {"points": False}),
    "rules only": (Source.SCORECARD, "MODE_RULES_ONLY", {"mode": Mode.RULES_ONLY}),
    "by people": (Source.SCORECARD, "MODE_MANUAL", {"mode": Mode.MANUAL}),
}


@pytest.mark.parametrize("state", ["no usable model", "rules only"])
def test_the_points_table_keeps_the_lanes_near_their_normal_shares(
    days: Days, normal: dict[Lane, float], state: str
) -> None:
    source, cause, options = STATES[state]
    decisions = days.lanes(risks=[None] * len(days.risks), **options)
    assert {decision.source for decision in decisions} == {source}
    assert {decision.fallback_cause for decision in decisions} == {cause}
    now = shares(decisions)
    assert normal[Lane.GREEN] - GREEN_BELOW_NORMAL <= now[Lane.GREEN]
    assert now[Lane.RED] <= LIMITS[Lane.RED] * max(normal[Lane.RED], days.bundle.policy.red.share)
    assert now[Lane.YELLOW] <= LIMITS[Lane.YELLOW] * normal[Lane.YELLOW]


@pytest.mark.parametrize("state", ["no model and no points", "by people"])
def test_without_points_nothing_is_all_red_and_every_lane_says_why(days: Days, state: str) -> None:
    source, cause, options = STATES[state]
    decisions = days.lanes(risks=[None] * len(days.risks), **options)
    assert {(each.source, each.fallback_cause) for each in decisions} == {(source, cause)}
    now = shares(decisions)
    assert now[Lane.RED] < 0.2
    green = [
        declaration
        for declaration, decision in zip(days.declarations, decisions, strict=True)
        if decision.lane is Lane.GREEN
    ]
    assert (state == "by people") == (not green)
    assert all((each.importer_compliance_level or 5) < 5 for each in green)


def test_no_green_keeps_the_reds_of_the_model_and_releases_nothing(
    days: Days, normal: dict[Lane, float]
) -> None:
    now = shares(days.lanes(mode=Mode.NO_GREEN))
    assert now[Lane.GREEN] == 0
    assert now[Lane.RED] == normal[Lane.RED]


def test_the_guard_holds_every_office_within_its_day_when_all_is_risk(days: Days) -> None:
    policy: Policy = days.bundle.policy.model_copy(
        update={
            "offices": {
                str(office): OfficeCapacity(yellow=4, red=2)
                for office in {each.declaration_office for each in days.declarations}
            }
        }
    )
    storm = [
        Risk(np.tile([0.1, 0.3, 0.6], (len(each.items), 1)), np.zeros(len(each.items)))
        for each in days.declarations
    ]
    per_day: Counter[Any] = Counter()
    for declaration, decision in zip(
        days.declarations, days.lanes(risks=storm, policy=policy), strict=True
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


def test_a_table_that_catches_too_little_is_warned_of() -> None:
    assert points_catch_too_little({"without_model": {"found_against_model": 0.8}}) == []
    (line,) = points_catch_too_little({"without_model": {"found_against_model": 0.31}})
    assert "31%" in line
