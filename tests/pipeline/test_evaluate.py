"""What a bundle is judged by: who was not inspected tells nothing, and nothing tells twice."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.evaluate import EvaluateParams, evaluate, plots
from pipelines.featurize import knowledge_of
from pipelines.judging.capacity_curve import capacity_curve
from pipelines.judging.fitting import Past, fit
from pipelines.judging.lanes import (
    duty_of_findings,
    lane_figures,
    outcome_of_declarations,
    over_capacity,
)
from pipelines.judging.replay import replay
from pipelines.judging.views import line_purged, new_lines, score_view
from pipelines.training.outcomes import UNKNOWN
from pipelines.training.periods import Periods
from selectivity.columns import Columns, Floats, take, to_columns
from selectivity.deciding.guard import OfficeCapacity
from selectivity.deciding.policy import Policy
from selectivity.histories.aggregates import duty_at_stake
from selectivity.inspection import FindingClass
from selectivity.lanes import Channel
from selectivity.metrics import (
    equal_mass_calibration_error,
    expected_calibration_error,
    wilson,
)
from tests.builders import a_declaration, an_item
from tests.bundles import a_scorecard
from tests.pasts import QUICK, a_past
from tests.spoken import WORTH_ITS_CHANCE, a_spoken_bundle, a_spoken_model, on, outcomes_of, spoken

NONE, DOCUMENTARY, PHYSICAL = FindingClass
PERIODS = Periods(
    train_from=date(2026, 1, 1),
    train_until=date(2026, 3, 2),
    calibrate_from=date(2026, 3, 2),
    calibrate_until=date(2026, 4, 1),
    evaluate_from=date(2026, 4, 1),
    evaluate_until=date(2026, 5, 1),
)


def test_a_declaration_is_as_bad_as_its_worst_item_and_clean_goods_bring_no_duty() -> None:
    two = (an_item(item_no=1), an_item(item_no=2))
    items = to_columns(
        [a_declaration(declaration_id=name, items=two) for name in ("mixed", "unseen", "clean")]
    )
    classes = np.array([NONE, PHYSICAL, UNKNOWN, UNKNOWN, NONE, NONE])
    duty = np.array([5.0, 7.0, 30.0, 40.0, 100.0, 200.0])
    lanes = outcome_of_declarations(pd.DataFrame(index=range(3)), items, classes, duty)
    assert lanes.inspected.tolist() == [True, False, True]
    assert lanes.found.tolist() == [True, False, False]
    assert lanes.physical.tolist() == [True, False, False]
    assert lanes.duty_found.tolist() == [7.0, 0.0, 0.0]


def test_yields_are_of_declarations_that_were_inspected() -> None:
    """Red: two of four inspected, one of these found something. Green: one of two, nothing."""
    plain = {"channel": Channel.MODEL, "inspected": True, "found": False, "duty_found": 0.0}
    unseen = {"inspected": False}
    rows: list[dict[str, Any]] = [
        {"lane": "RED", "found": True, "duty_found": 30.0},
        {"lane": "RED"},
        {"lane": "RED"} | unseen,
        {"lane": "RED"} | unseen,
        {"lane": "GREEN", "found": True, "duty_found": 10.0},
        {"lane": "GREEN"} | unseen,
    ]
    figures = lane_figures(pd.DataFrame([plain | row for row in rows]).assign(physical=False))
    assert (figures["declarations"], figures["inspected"]) == (6, 3)
    assert (figures["red_inspected"], figures["red_hit_rate"]) == (2, 0.5)
    assert (figures["green_inspected"], figures["green_hit_rate"]) == (1, 1.0)
    assert (figures["red_holds_found"], figures["red_holds_duty_found"]) == (0.5, 0.75)
    assert figures["red_share"] == pytest.approx(4 / 6)


def test_what_a_lane_holds_is_told_with_how_sure_that_is() -> None:
    """One large finding in red beside 60 small ones in green: by number red holds next to none of
    them for sure; by duty most, and nobody knows how much without that one."""
    large = {"lane": "RED", "duty_found": 100.0}
    small = {"lane": "GREEN", "duty_found": 1.0}
    rows = pd.DataFrame([large, *[small] * 60])
    figures = lane_figures(
        rows.assign(channel=Channel.MODEL, inspected=True, found=True, physical=False)
    )
    ends = {
        name: [figures[f"red_holds_{name}{end}"] for end in ("_low", "", "_high")]
        for name in ("found", "duty_found")
    }
    assert ends["found"] == pytest.approx([0.0029, 0.0164, 0.0872], abs=1e-3)
    low, held, high = ends["duty_found"]
    assert held == pytest.approx(100 / 160)
    assert low == 0.0  # a third of the draws are without it
    assert high > 0.8
    assert "red_holds_physical" not in figures


@pytest.mark.parametrize(("findings", "low"), [(9, 0.0), (10, wilson(10, 10).low)])
def test_of_few_findings_nobody_knows_which_share_of_the_duty_a_lane_holds(
    findings: int, low: float
) -> None:
    rows = pd.DataFrame({"lane": "RED", "found": [True] * findings + [False] * 50})
    rows["duty_found"] = rows["found"] * 5.0
    figures = lane_figures(rows.assign(channel=Channel.MODEL, inspected=True, physical=False))
    ends = [figures[f"red_holds_duty_found{end}"] for end in ("_low", "", "_high")]
    assert ends == [low, 1.0, 1.0]


@pytest.mark.parametrize(("times", "warned"), [(0.0, 0), (1.05, 0), (1.15, 1)])
def test_a_lane_may_be_a_tenth_over_its_capacity(times: float, warned: int) -> None:
    red = round(1000 * Policy().red.share * times)
    lanes = pd.DataFrame({"lane": ["RED"] * red + ["GREEN"] * (1000 - red), "reason": "RISK"})
    assert len(over_capacity(lanes, Policy())) == warned


def test_what_the_bundle_would_do_without_its_model_is_told_beside_what_it_does() -> None:
    """The model inspects the goods that are wrong, and misses wrong papers; the points table asks
    for all papers, and half of the wrong ones are found so."""
    days = [*(at / 2 for at in range(170)), *(92 + at for at in range(4))]
    items = to_columns(
        [
            a_declaration(
                declaration_id=f"D-{at}",
                accepted_at=on(day),
                items=tuple(
                    an_item(item_no=1 + no, net_mass_kg=100.0 + 2 * at + no)
                    for no in range(2 if at == 170 else 1)
                ),
            )
            for at, day in enumerate(days)
        ]
    )
    told = outcomes_of(
        *({"finding_class": at % 3, "observed_at": pd.Timestamp(on(80))} for at in range(170)),
        {"finding_class": NONE},
        {"finding_class": PHYSICAL},
        {"finding_class": NONE},
        {"row": 174, "finding_class": DOCUMENTARY},
    )
    matrix = spoken([0.0] * 171 + [0.9] + [0.0] * 3)
    metrics, lanes, _ = evaluate(
        a_spoken_bundle(scorecard=a_scorecard(red_from=100)),
        Past(items, matrix, told, PERIODS),
        QUICK,
        EvaluateParams(resamples=20),
    )
    assert lanes.lane.tolist() == ["RED", "GREEN", "GREEN", "GREEN"]
    assert lanes.inspected.tolist() == [True, True, False, True]
    served, without = metrics["lanes"], metrics["without_model"]
    assert (served["red_share"], served["green_share"]) == (0.25, 0.75)
    assert (served["red_holds_found"], served["red_holds_duty_found"]) == (0.5, 0.5)
    assert (without["yellow_share"], without["green_share"]) == (1.0, 0.0)
    assert (without["agreement"], without["found_against_model"]) == (0.0, 0.5)
    assert (metrics["all_rows"]["rows"], metrics["all_rows"]["base_rate"]) == (4, 0.5)


def test_risks_twice_too_high_are_told_and_a_class_that_nobody_found_is_left_out() -> None:
    risk = np.linspace(0.4, 0.8, 40)
    scores = np.column_stack([1 - risk, risk / 2, risk / 2])
    classes = np.array([NONE] * 28 + [DOCUMENTARY] * 12)
    figures = score_view(scores, classes, np.arange(40), resamples=20)
    assert figures["predicted_over_found"] == pytest.approx(2.0)
    assert figures["macro_auroc"] == pytest.approx(1.0)


def test_a_finding_brings_what_was_assessed_else_what_is_at_stake_up_to_the_cap() -> None:
    items = _lodged(*({"declaration_id": f"D-{at}"} for at in range(4)))
    rows, at_stake = np.array([False, True, False, True]), duty_at_stake(items)[0]
    told = outcomes_of(*({"finding_class": PHYSICAL} for _ in range(4)))
    for cap, expected in ((1e9, at_stake), (at_stake / 2, at_stake / 2)):
        bundle = a_spoken_bundle(model=a_spoken_model(duty_cap=cap))
        duty = duty_of_findings(take(items, rows), told, rows, bundle)
        assert duty.tolist() == pytest.approx([expected] * 2)
    assessed = told.assign(additional_duty=[1.0, 2.0, 3.0, 3.0])
    assert duty_of_findings(take(items, rows), assessed, rows, bundle).tolist() == [2.0, 3.0]


def test_precision_is_of_the_riskiest_twentieth_and_tenth() -> None:
    """Of forty rows the two riskiest hold a finding each, and the two after them none."""
    risk = np.linspace(0.9, 0.1, 40)
    classes = np.array([PHYSICAL, DOCUMENTARY, NONE, NONE, DOCUMENTARY] + [NONE] * 35)
    scores = np.column_stack([1 - risk, risk / 2, risk / 2])
    figures = score_view(scores, classes, np.arange(40), resamples=20)
    assert (figures["precision_at_5"], figures["precision_at_10"]) == (1.0, 0.5)
    assert figures["ece"] == expected_calibration_error(classes > 0, risk)
    assert figures["ece_equal_mass"] == equal_mass_calibration_error(classes > 0, risk)


def test_what_the_riskiest_hold_has_the_interval_of_the_same_figure_elsewhere() -> None:
    draws = np.random.default_rng(1)
    risk, groups = draws.random(900), np.repeat(np.arange(300), 3)
    found = (draws.random(900) < risk / 3).astype(np.int64)
    point = capacity_curve(risk, found, groups, resamples=50).set_index("inspected").loc[0.1]
    top = found[np.argsort(-risk)[:90]]
    assert (point.hit_rate, point.detection_rate) == (top.mean(), top.sum() / found.sum())
    assert point.detection_rate_low < point.detection_rate < point.detection_rate_high
    scores = np.column_stack([1 - risk, risk / 2, risk / 2])
    figures = score_view(scores, found, groups, resamples=50)
    assert (point.hit_rate_low, point.hit_rate_high) == (
        figures["precision_at_10_low"],
        figures["precision_at_10_high"],
    )


def test_a_share_of_all_or_of_nothing_is_not_certain_but_of_all_rows() -> None:
    """The riskiest 30 of 100 rows hold all 30 findings, so the first of them is one in any draw."""
    risk, found = np.linspace(0.9, 0.1, 100), (np.arange(100) < 30).astype(np.int64)
    curve = capacity_curve(risk, found, np.arange(100), resamples=20).set_index("inspected")
    one, five, all_caught, all_rows = (curve.loc[share] for share in (0.01, 0.05, 0.5, 1.0))
    assert (one.hit_rate, one.hit_rate_low) == (1.0, wilson(1, 1).low)
    assert (all_caught.detection_rate, all_caught.detection_rate_high) == (1.0, 1.0)
    assert all_caught.detection_rate_low == pytest.approx(wilson(30, 30).low)
    assert (all_rows.detection_rate_low, all_rows.detection_rate_high) == (1.0, 1.0)
    figures = score_view(np.column_stack([1 - risk, risk, 0 * risk]), found, np.arange(100), 20)
    assert figures["precision_at_5_low"] == five.hit_rate_low == wilson(5, 5).low


def test_of_nine_findings_nobody_knows_what_the_riskiest_hold() -> None:
    risk = np.linspace(0.9, 0.1, 100)
    for findings, told in ((9, False), (10, True)):
        found = (np.arange(100) < findings).astype(np.int64)
        ends = capacity_curve(risk, found, np.arange(100), resamples=20).filter(
            regex="_(low|high)$"
        )
        assert ends.notna().to_numpy().all() == told
        assert ends.notna().to_numpy().any() == told


def test_goods_items_of_one_declaration_are_no_witnesses_of_their_own_in_the_plot() -> None:
    found, risk = np.repeat(np.arange(60) % 3 == 0, 4).astype(np.int64), np.linspace(0.3, 0.4, 240)
    lanes = pd.DataFrame({"accepted_at": [pd.Timestamp("2026-04-01", tz="UTC")], "lane": "RED"})
    alone, together = (
        plots(risk, found, groups, lanes, resamples=20)["calibration"]
        for groups in (np.arange(240), np.repeat(np.arange(60), 4))
    )
    wider = (together.high - together.low) / (alone.high - alone.low)
    assert (wider > 1.5).all()
    pd.testing.assert_series_equal(together.observed, alone.observed)


def test_a_line_first_declared_as_the_evaluation_begins_is_new() -> None:
    last, first, second = "2026-03-31T23:59:59Z", "2026-04-01T00:00:00Z", "2026-04-02T00:00:00Z"
    items = to_columns(
        [
            a_declaration(declaration_id=name, accepted_at=day, items=(an_item(net_mass_kg=mass),))
            for name, day, mass in (
                ("old", last, 1.0),
                ("new", first, 2.0),
                ("old again", second, 1.0),
                ("new again", second, 2.0),
            )
        ]
    )
    assert new_lines(items, PERIODS.evaluate_from).tolist() == [False, True, False, True]


@pytest.mark.parametrize("part", ["train", "calibrate"])
def test_rows_that_may_not_teach_teach_neither_trees_nor_calibration(part: Any) -> None:
    past = a_past(600)
    silent = past.periods.rows(past.items, part) & (np.arange(600) % 2 == 0)
    told = past.outcomes[~silent[past.outcomes["row"].to_numpy()]]
    without = fit(replace(past, outcomes=told), QUICK)(past.matrix)
    np.testing.assert_array_equal(fit(past, QUICK, kept=~silent)(past.matrix), without)
    assert (fit(past, QUICK)(past.matrix) != without).any()


class _Purged:
    """Two importers, of whom one is always wrong, and then a third that the evaluation meets.

    The third lodged in training what it lodges again in the evaluation, and goods without a mass,
    which have no line.
    """

    def __init__(self) -> None:
        days = np.arange(480) / 4
        evaluated = days >= 90
        trained_too = (days > 30) & (days < 85) & (np.arange(480) % 8 == 0)
        self.third = evaluated | trained_too
        importers = np.where(self.third, "THIRD", np.where(np.arange(480) % 2, "BAD", "GOOD"))
        self.items = to_columns(
            [
                a_declaration(
                    declaration_id=f"D-{at}",
                    accepted_at=on(day),
                    importer_id=importer,
                    seller_id=f"SEL-{importer}",
                    items=(an_item(net_mass_kg=self._mass(at)),),
                )
                for at, (day, importer) in enumerate(zip(days, importers.tolist(), strict=True))
            ]
        )
        self.wrong = np.where(importers == "BAD", 2, 0)

    def _mass(self, at: int) -> float | None:
        if not self.third[at]:
            return 1_000.0 + at
        return None if at >= 360 and at % 3 == 0 else 1.0 + at % 8

    def probabilities(self, wrong: Any) -> Floats:
        told = outcomes_of(
            *(
                {"finding_class": int(each), "observed_at": pd.Timestamp(on(at / 4 + 1))}
                for at, each in enumerate(wrong)
            )
        )
        past = Past(self.items, spoken([0.0] * len(wrong)), told, PERIODS)
        return line_purged(past, knowledge_of(self.items), QUICK)


def test_what_was_found_in_evaluated_lines_is_not_seen_by_the_view_without_memory() -> None:
    world = _Purged()
    clean = world.probabilities(world.wrong)
    assert np.ptp(clean[:, 0]) < 1
    np.testing.assert_array_equal(world.probabilities(np.where(world.third, 2, world.wrong)), clean)
    others = np.where(world.third, world.wrong, 2 - world.wrong)
    assert (world.probabilities(others) != clean).any()


def _lodged(*fields: dict[str, Any]) -> Columns:
    return to_columns(
        [a_declaration(**{"declaration_id": f"D-{at}"} | each) for at, each in enumerate(fields)]
    )


def test_a_fact_that_the_history_never_had_is_not_missed_when_the_past_is_decided_on() -> None:
    items = _lodged({"items": (an_item(net_mass_kg=None),)})
    facts = frozenset(Policy().facts_needed)
    for known, lane in ((facts, "YELLOW"), (facts - {"net_mass_kg"}, "GREEN")):
        bundle = a_spoken_bundle(model=a_spoken_model(facts=known))
        risks = bundle.model.assess(items, spoken([0.0]))
        assert replay(items, risks, bundle).lane.tolist() == [lane]


def test_a_later_version_keeps_the_lane_of_the_earlier_when_the_past_is_decided_on() -> None:
    items = _lodged(
        {"declaration_id": "D-1"},
        {"declaration_id": "D-2", "lineage_id": "L"},
        {"declaration_id": "D-1", "version_no": 2, "accepted_at": on(90)},
        {"declaration_id": "D-3", "lineage_id": "L"},
        {"declaration_id": "D-4"},
        {"declaration_id": "D-4", "version_no": 2, "lineage_id": "L", "accepted_at": on(91)},
    )
    bundle = a_spoken_bundle()
    risks = bundle.model.assess(items, spoken([0.9, 0.9, 0.0, 0.0, 0.0, 0.0]))
    expected = ["RED", "RED", "RED", "RED", "GREEN", "RED"]  # the last goes by the stricter name
    assert replay(items, risks, bundle).lane.tolist() == expected


def test_a_full_office_gives_fewer_controls_when_the_past_is_decided_on() -> None:
    """Fifty alike in a day, where ten inspections are usual; the next day begins anew."""
    items = _lodged(*({"accepted_at": on(at // 50)} for at in range(100)))
    offices = {"OFF01": OfficeCapacity(yellow=10, red=10)}
    bundle = a_spoken_bundle(policy=WORTH_ITS_CHANCE.model_copy(update={"offices": offices}))
    lanes = replay(items, bundle.model.assess(items, spoken([0.9] * 100)), bundle).lane
    first, second = lanes[:50].tolist(), lanes[50:].tolist()
    assert first == second
    assert 10 <= first.count("RED") < 50
