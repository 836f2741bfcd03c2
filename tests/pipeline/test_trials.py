"""Trials in worlds: the loop is closed, and only what inspections found is known."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.bundle import load
from pipelines.judging.families import ablate
from pipelines.judging.replay import replay
from pipelines.parity import differing_keys
from pipelines.simulator.draws import Table
from pipelines.simulator.figures import figures
from pipelines.simulator.store import Folder, write_weeks
from pipelines.training.outcomes import UNKNOWN
from pipelines.trials.ablation import trial_of_world
from pipelines.trials.bundle_policy import BundlePolicy, every
from pipelines.trials.journal import Journal
from pipelines.trials.learning import histories, read_recipe
from pipelines.trials.meanings import meanings
from pipelines.trials.measures import case_of, measure, naive_estimate
from pipelines.trials.memory import Memory, goods_items
from selectivity.columns import day_of, to_columns
from selectivity.deciding.risk import Risk
from selectivity.declaration import Declaration
from selectivity.histories.aggregates import PROFILES
from selectivity.histories.profiles import Profiles
from selectivity.histories.rows import rows_in
from tests.builders import NOON, a_declaration, an_item
from tests.bundles import a_bundle
from tests.pasts import QUICK
from tests.worlds import a_simulation, joined

KEY = b"trial"
PARAMS = Path(__file__).parents[2] / "params.yaml"
BUSY: Mapping[str, Any] = {"weeks": 8, "declarations": 2_000, "trade": {"traders": 120}}


def trial(
    bundle: Path, weeks: int = 4, retrain: Any = lambda memory, week: None
) -> tuple[BundlePolicy, Memory, list[dict[str, Table]]]:
    """A bundle that decides from the very first week on."""
    memory = Memory()
    policy = BundlePolicy(load(bundle), memory, draw_key=KEY, retrain=retrain)
    return policy, memory, list(a_simulation(**BUSY).weeks(weeks, policy))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    a_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = Folder.of(tmp_path_factory.mktemp("world"))
    simulation = a_simulation(**{**BUSY, "weeks": 20})
    for _ in write_weeks(folder, simulation, simulation.weeks(20)):
        pass
    return folder


def test_lanes_and_chances_are_those_of_replay(bundle: Path) -> None:
    _, _, (week,) = trial(bundle, weeks=1)
    header, given = week["declarations"], week["decisions"]
    order = np.argsort(header["accepted_at"], kind="stable")
    columns = goods_items(header, week["goods_items"], order.tolist())
    fresh = load(bundle)
    fresh.profiles.observe(rows_in(columns))
    matrix = fresh.model.features(columns, fresh.profiles.read(columns))

    again = replay(columns, fresh.model.assess(columns, matrix), fresh, draw_key=KEY)

    assert again["declaration_id"].tolist() == given["declaration_id"][order].tolist()
    assert again["lane"].tolist() == given["lane"][order].tolist()
    for lane in ("green", "yellow", "red"):
        np.testing.assert_array_equal(again[lane], given[f"propensity_{lane}"][order])
    assert len(set(again["lane"])) > 1


def test_a_version_that_names_another_lineage_keeps_its_lane_as_in_the_service(
    bundle: Path,
) -> None:
    first = a_declaration(version_no=1, lineage_id="L", items=(an_item(hs_code="930200"),))
    second = a_declaration(version_no=2, lineage_id="M", accepted_at=NOON + timedelta(days=1))
    fresh = load(bundle)

    def last_lane(*declarations: Declaration) -> str:
        columns = to_columns(declarations)
        clean = Risk([[1.0, 0.0, 0.0]], [0.0])
        lanes = replay(columns, [clean] * len(declarations), fresh, draw_key=KEY)["lane"]
        return str(lanes.iloc[-1])

    assert (last_lane(second), last_lane(first, second)) == ("GREEN", "RED")


def test_histories_of_a_policy_are_those_of_everything_it_was_told(bundle: Path) -> None:
    memory = Memory()
    policy = BundlePolicy(replace(load(bundle), profiles=Profiles()), memory, draw_key=KEY)
    weeks = list(a_simulation(**BUSY).weeks(6, policy))

    live, bulk = (
        one.snapshot() for one in (policy.bundle.profiles, histories(memory, read_recipe(PARAMS)))
    )

    assert sum(len(week["inspections"]["inspection_id"]) for week in weeks) > 100
    assert live.keys() == bulk.keys()
    for profile in PROFILES:
        assert differing_keys(profile, bulk, live) == [], profile.name


def test_a_policy_is_told_of_inspections_that_are_over_and_nothing_else(bundle: Path) -> None:
    seen: list[tuple[int, Any]] = []

    def note(memory: Memory, week: int) -> None:
        seen.append((week, memory.inspections()["observed_at"].max()))

    _, memory, weeks = trial(bundle, retrain=note)
    monday = np.datetime64("2025-01-06")
    start = a_simulation(**BUSY).world.start

    assert [week for week, _ in seen] == [0, 1, 2, 3]
    assert len(memory.inspections()) == sum(
        len(one["inspections"]["inspection_id"]) for one in weeks
    )
    assert start == monday
    for week, last in seen:
        assert last.tz_localize(None) < start + np.timedelta64(7 * (week + 1), "D")


def test_memory_keeps_every_version_and_gives_each_inspection_its_newest(bundle: Path) -> None:
    _, memory, weeks = trial(bundle)
    tables = joined(weeks)

    assert len(memory.items()["item_no"]) == len(tables["goods_items"])
    assert (memory.items()["version_no"] > 1).any()
    newest = tables["declarations"].groupby("declaration_id")["version_no"].max()
    for inspection, items in memory.known_last():
        assert set(items["declaration_id"]) == {inspection.declaration_id}
        assert set(items["version_no"]) == {newest[inspection.declaration_id]}


def test_memory_of_a_folder_is_that_of_its_weeks(world: Folder) -> None:
    of_folder, of_weeks = Memory.of(world), Memory()
    for week in a_simulation(**{**BUSY, "weeks": 20}).weeks(20):
        of_weeks.add(week)

    one, other = of_folder.items(), of_weeks.items()
    assert sorted(one["declaration_id"]) == sorted(other["declaration_id"])
    assert sorted(of_folder.inspections()["inspection_id"]) == sorted(
        of_weeks.inspections()["inspection_id"]
    )
    assert len(of_folder.findings()) == len(of_weeks.findings()) > 0


def test_retraining_comes_at_the_end_of_every_so_many_weeks_counted_from_the_first() -> None:
    asked: list[int] = []
    retrain = every(3, lambda memory, week: asked.append(week))
    for week in range(9):
        retrain(Memory(), week)

    assert asked == [3, 6, 9]


def test_a_new_bundle_decides_from_the_week_after_on(bundle: Path, tmp_path: Path) -> None:
    a_bundle(tmp_path / "new", seed=1)
    new = load(tmp_path / "new")

    policy, _, _ = trial(bundle, weeks=1, retrain=lambda memory, week: new)

    assert policy.bundle is new


def test_a_journal_counts_first_versions_and_inspections_with_fraud_once(bundle: Path) -> None:
    _, _, (week,) = trial(bundle, weeks=1)
    journal = Journal()
    journal.note(0, week)
    (row,) = journal.table().to_dict("records")
    header, truth, finding = week["declarations"], week["truth"], week["findings"]
    first = truth["version_no"] == 1
    wrong = {
        n
        for n, w in zip(truth["declaration_id"][first], truth["violating"][first], strict=True)
        if w
    }
    missed = {
        name
        for name, lane in zip(truth["declaration_id"][first], truth["lane"][first], strict=True)
        if name in wrong and lane == "GREEN"
    }

    assert (header["version_no"] > 1).any()
    assert row["declarations"] == (header["version_no"] == 1).sum()
    assert row["violating"] == len(wrong) > 0
    assert row["controlled"] == pytest.approx(1 - len(missed) / len(wrong))
    fraud = finding["inspection_id"][finding["intent"] == "FRAUD"]
    assert row["findings_of_fraud"] == len(set(fraud))


def test_models_are_taught_only_with_what_was_known_before_the_judged_weeks(world: Folder) -> None:
    case = case_of(world, read_recipe(PARAMS))
    day = day_of(case.items["accepted_at"])
    end = day[~case.taught].min()
    memory = Memory.of(world)
    seen = memory.inspections()
    early = seen["observed_at"].dt.tz_localize(None) < np.datetime64(
        date.fromordinal(date(1970, 1, 1).toordinal() + int(end))
    )
    known = set(case.items["declaration_id"][case.found != UNKNOWN])

    assert (day[case.taught] < end).all()
    assert 0.6 < case.taught.mean() < 0.9
    assert known <= set(seen["declaration_id"][early])
    assert not (case.found[~case.taught] != UNKNOWN).any()


def test_the_naive_estimate_looks_only_at_what_was_inspected_before(world: Folder) -> None:
    case = case_of(world, read_recipe(PARAMS))
    risk = np.linspace(1, 0, case.judged.sum())
    chosen = np.arange(max(1, int(0.05 * len(risk))))
    wrong, lane = case.violating[case.judged], case.lane[case.starts][case.judged]
    red = chosen[lane[chosen] == "RED"]

    found = naive_estimate(risk, case)

    assert found["new_red_lane_overlap"] == len(red) < len(chosen)
    assert found["new_red_lane_violating"] == pytest.approx(wrong[chosen].mean())
    if len(red):
        assert found["new_red_lane_violating_naive"] == pytest.approx(wrong[red].mean())


def test_every_figure_of_a_world_is_told_what_it_means(world: Folder) -> None:
    named = figures(world, scheme_from_week=9)
    named |= measure(world, read_recipe(PARAMS)._replace(train=QUICK))
    assert {name for name in named if not meanings([name])} == set()
    assert list(meanings(["ceiling_auroc", "red_share", "model_auroc"])) == [
        *("red_share", "ceiling_…", "model_…", "…_auroc"),
    ]
    assert meanings(["red_shares"]) == {}


def test_a_family_of_features_is_judged_by_the_truth_on_weeks_that_did_not_teach(
    world: Folder,
) -> None:
    recipe = read_recipe(PARAMS)._replace(train=QUICK)
    trial, case = trial_of_world(world, recipe), case_of(world, recipe)
    (view,) = trial.views
    np.testing.assert_array_equal(view.found, case.violating[case.judged])

    table = ablate(trial, resamples=20, families=("trader",))
    assert table["view"].tolist() == ["truth"]
    assert 0.4 < table["auroc"][0] < 1
    assert table["auroc_low"][0] <= table["auroc_gain"][0] <= table["auroc_high"][0]
