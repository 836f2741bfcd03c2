"""From inspections to a trained model: the mistakes that look brilliant are not possible."""

import json
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from models.calibration import Calibration
from models.rules_files import read_rules
from models.trees import duty_in_reach
from pipelines.bundle import BundleParams, check_known, check_words, checked
from pipelines.calibrate import calibrate, calibrated, duty_factor, prices_of
from pipelines.evaluate import no_better_than_chance
from pipelines.judging.fitting import Past, learn
from pipelines.judging.lanes import lane_figures, over_capacity
from pipelines.label import LabelParams, label, unheard_of
from pipelines.prepare import PrepareParams, holes, prepare, repetition
from pipelines.prepare import main as prepare_stage
from pipelines.stage.tables import write_columns
from pipelines.train import TrainParams, remarks, train
from pipelines.training.boosters import Examples, Options, constant, fit, mean
from pipelines.training.learnable import Labels
from pipelines.training.lines import line_numbers, line_weights
from pipelines.training.outcomes import UNKNOWN, as_outcomes, known_classes, known_duties
from pipelines.training.periods import Periods
from pipelines.training.rows import Rows
from selectivity.columns import Columns, Floats, each_declaration, to_columns
from selectivity.deciding.policy import Policy, decide
from selectivity.deciding.risk import Risk
from selectivity.errors import NotEnoughDataError, ParamsError, RulesError
from selectivity.features.matrix import FEATURE_NAMES, LINE_FEATURES, forget_lines
from selectivity.inspection import FindingClass
from selectivity.lanes import Channel, Lane
from selectivity.rules.rule_set import RuleSet
from tests.builders import a_declaration, an_item
from tests.bundles import NO_DRAWS, RULE_FILES

AT_STAKE, VALUE = map(FEATURE_NAMES.index, ("duty_at_stake_log", "customs_value_log"))

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
PERIODS = Periods.split(
    date(2026, 1, 1),
    date(2026, 4, 10),
    warm_up_days=5,
    label_delay_days=7,
    calibration_share=0.2,
    evaluation_share=0.2,
)


def items_on(days: list[int], **fields: Any) -> Columns:
    return to_columns(
        [
            a_declaration(
                declaration_id=f"D-{at}", accepted_at=START + timedelta(days=day), **fields
            )
            for at, day in enumerate(days)
        ]
    )


def controls(*rows: dict[str, Any]) -> pd.DataFrame:
    plain = {
        "control_type": "FULL_PHYSICAL",
        "corrects": None,
        "triggered_by": None,
        "propensity": np.nan,
        "result": "NO_FINDING",
    }
    return pd.DataFrame([{"inspection_id": f"I-{at}"} | plain | row for at, row in enumerate(rows)])


def found(*rows: dict[str, Any]) -> pd.DataFrame:
    plain = {"item_no": np.nan, "mechanism": "QUANTITY", "additional_duty": 10.0}
    columns = ["inspection_id", "item_no", "mechanism", "additional_duty"]
    return pd.DataFrame([plain | row for row in rows], columns=columns)


def at(day: int) -> pd.Timestamp:
    return pd.Timestamp(START + timedelta(days=day))


def test_a_declaration_nobody_inspected_gets_no_outcome() -> None:
    items = items_on([0, 1])
    table = label(
        items, controls({"declaration_id": "D-0", "observed_at": at(2)}), found(), LabelParams()
    )
    classes, weights = known_classes(table, 2)
    assert classes.tolist() == [FindingClass.NONE, UNKNOWN]
    assert weights.tolist() == [1.0, 0.0]


def test_training_on_a_declaration_nobody_inspected_is_refused() -> None:
    matrix = np.zeros((2, len(FEATURE_NAMES)))
    with pytest.raises(ValueError, match="never inspected"):
        train(Rows.of(matrix), Labels(np.array([0, UNKNOWN]), np.ones(2)), TrainParams())


@pytest.mark.parametrize("result", ["INCONCLUSIVE", "CANCELLED"])
def test_a_control_without_a_result_teaches_nothing(result: str) -> None:
    control = controls({"declaration_id": "D-0", "observed_at": at(2), "result": result})
    assert label(items_on([0]), control, found(), LabelParams()).empty


def test_verdicts_that_speak_on_nothing_are_counted() -> None:
    control = controls(
        {"declaration_id": "D-0", "observed_at": at(2)},
        {"declaration_id": "D-9", "observed_at": at(2)},  # there is no such declaration
        {"declaration_id": "D-0", "observed_at": at(-1)},  # accepted after the result
        {"declaration_id": "D-0", "observed_at": at(2), "result": "FINDING"},  # in another item
        {"declaration_id": "D-0", "observed_at": at(2), "result": "CANCELLED"},
        {"declaration_id": "D-0", "observed_at": at(2), "control_type": "SCAN"},
    )
    other = found({"inspection_id": "I-3", "item_no": 7})
    table = label(items_on([0]), control, other, LabelParams())
    assert table["inspection_id"].tolist() == ["I-0"]
    assert unheard_of(control, table) == 3


def test_an_outcome_is_not_used_before_it_was_known() -> None:
    control = controls(
        {"declaration_id": "D-0", "observed_at": at(50), "result": "FINDING"},
        {"declaration_id": "D-0", "observed_at": at(3)},
    )
    table = label(items_on([0]), control, found({"inspection_id": "I-0"}), LabelParams())
    early, late = START + timedelta(days=10), START + timedelta(days=60)
    assert known_classes(table, 1, before=early.date())[0].tolist() == [FindingClass.NONE]
    assert known_classes(table, 1, before=late.date())[0].tolist() == [FindingClass.PHYSICAL]
    assert known_classes(table, 1, before=START.date())[0].tolist() == [UNKNOWN]


def test_what_was_corrected_holds_until_then_and_no_longer() -> None:
    control = controls(
        {"declaration_id": "D-0", "observed_at": at(3), "result": "FINDING"},
        {"declaration_id": "D-0", "observed_at": at(20), "corrects": "I-0"},
        {"declaration_id": "D-1", "observed_at": at(4)},
        {"declaration_id": "D-1", "observed_at": at(9), "corrects": "I-2", "result": "CANCELLED"},
    )
    table = label(items_on([0, 1]), control, found({"inspection_id": "I-0"}), LabelParams())
    spoken = [
        known_classes(table, 2, before=(START + timedelta(days=day)).date())[0].tolist()
        for day in (8, 15, 30)
    ]
    assert spoken == [
        [FindingClass.PHYSICAL, FindingClass.NONE],
        [FindingClass.PHYSICAL, UNKNOWN],
        [FindingClass.NONE, UNKNOWN],
    ]
    told = as_outcomes(table)
    assert [told.counts[told.rows == row].sum() for row in (0, 1)] == [1, 0]


@pytest.mark.parametrize("first", [3, 20])
def test_a_correction_of_a_correction_takes_back_each_once(first: int) -> None:
    control = controls(
        {"declaration_id": "D-0", "observed_at": at(first), "result": "FINDING"},
        {"declaration_id": "D-0", "observed_at": at(10), "corrects": "I-0"},
        {"declaration_id": "D-0", "observed_at": at(11), "corrects": "I-0", "result": "CANCELLED"},
        {"declaration_id": "D-0", "observed_at": at(12), "corrects": "I-1", "result": "CANCELLED"},
    )
    table = label(items_on([0]), control, found({"inspection_id": "I-0"}), LabelParams())
    assert known_classes(table, 1)[0].tolist() == [UNKNOWN]
    taken_back = table[table["counts"] < 0].set_index("inspection_id")["observed_at"]
    assert taken_back.to_dict() == {"I-0": at(max(first, 10)), "I-1": at(12)}


def test_a_control_of_another_declaration_corrects_nothing() -> None:
    control = controls(
        {"declaration_id": "D-0", "observed_at": at(3), "result": "FINDING"},
        {"declaration_id": "D-1", "observed_at": at(9), "corrects": "I-0", "result": "CANCELLED"},
    )
    table = label(items_on([0, 1]), control, found({"inspection_id": "I-0"}), LabelParams())
    assert known_classes(table, 2)[0].tolist() == [FindingClass.PHYSICAL, UNKNOWN]


@pytest.mark.parametrize(("day", "rows"), [(-1, []), (0, [0]), (3, [0]), (5, [1]), (9, [1])])
def test_an_inspection_speaks_on_the_newest_version_that_was_there(
    day: int, rows: list[int]
) -> None:
    versions = to_columns(
        [
            a_declaration(version_no=number, accepted_at=START + timedelta(days=accepted))
            for number, accepted in ((1, 0), (2, 5))
        ]
    )
    control = controls({"declaration_id": "D-1", "observed_at": at(day)})
    assert label(versions, control, found(), LabelParams())["row"].tolist() == rows


def test_what_is_taken_back_as_it_is_said_was_said_first() -> None:
    control = controls(
        {"declaration_id": "D-0", "observed_at": at(20), "result": "FINDING"},
        {"declaration_id": "D-0", "observed_at": at(10), "corrects": "I-0", "result": "CANCELLED"},
    )
    table = label(items_on([0]), control, found({"inspection_id": "I-0"}), LabelParams())
    assert table["observed_at"].tolist() == [at(20), at(20)]
    assert table["counts"].tolist() == [1, -1]


def test_a_finding_stays_with_its_goods_item() -> None:
    two = (an_item(item_no=3), an_item(item_no=5))
    items = to_columns([a_declaration(accepted_at=START, items=two)])
    control = controls({"declaration_id": "D-1", "observed_at": at(1), "result": "FINDING"})
    table = label(items, control, found({"inspection_id": "I-0", "item_no": 5}), LabelParams())
    assert known_classes(table, 2)[0].tolist() == [FindingClass.NONE, FindingClass.PHYSICAL]


def test_duty_on_no_goods_item_in_particular_is_counted_once() -> None:
    two = (an_item(item_no=3), an_item(item_no=5))
    items = to_columns([a_declaration(accepted_at=START, items=two)])
    control = controls({"declaration_id": "D-1", "observed_at": at(1), "result": "FINDING"})
    findings = found(
        {"inspection_id": "I-0"},
        {"inspection_id": "I-0", "item_no": 5, "additional_duty": 4.0},
    )
    table = label(items, control, findings, LabelParams()).set_index("row")
    assert table["finding_class"].to_dict() == {0: FindingClass.PHYSICAL, 1: FindingClass.PHYSICAL}
    assert table["additional_duty"].to_dict() == {0: 10.0, 1: 4.0}


def test_a_control_made_with_a_small_chance_weighs_more_up_to_the_cap() -> None:
    control = controls(
        {"declaration_id": "D-0", "observed_at": at(1), "propensity": 0.25},
        {"declaration_id": "D-1", "observed_at": at(2), "propensity": 0.001},
    )
    table = label(items_on([0, 0]), control, found(), LabelParams(highest_weight=20))
    assert known_classes(table, 2)[1].tolist() == [4.0, 20.0]


def test_a_random_split_is_refused_and_told_why() -> None:
    with pytest.raises(ValidationError, match="only split is `time`"):
        PrepareParams(split="random")


def test_the_parts_follow_each_other_with_the_label_delay_between() -> None:
    assert (PERIODS.calibrate_from - PERIODS.train_until).days == 7
    assert (PERIODS.evaluate_from - PERIODS.calibrate_until).days == 7
    assert PERIODS.train_from == date(2026, 1, 6)
    assert PERIODS.evaluate_until == date(2026, 4, 11)


def test_a_part_ends_before_the_day_it_is_until() -> None:
    days = [(PERIODS.train_until - START.date()).days + more for more in (-1, 0)]
    assert PERIODS.rows(items_on(days), "train").tolist() == [True, False]


def test_what_was_lodged_before_the_evaluation_begins_after_the_warm_up() -> None:
    ends = (PERIODS.train_from, PERIODS.evaluate_from)
    days = [(day - START.date()).days + more for day in ends for more in (-1, 0)]
    assert PERIODS.lodged_before(items_on(days)).tolist() == [False, True, True, False]


def test_the_newest_days_are_the_later_half_of_those_after_training() -> None:
    half = (PERIODS.evaluate_from - PERIODS.calibrate_from).days // 2
    last = (PERIODS.evaluate_from - START.date()).days
    days = [last - half - 2, last - half, last - 1, last]
    assert PERIODS.newest(items_on(days)).tolist() == [False, True, True, False]
    assert PERIODS.newest(items_on([last - half - 2, last])).tolist() == [True, False]


def test_shares_of_the_history_count_its_first_and_its_last_day() -> None:
    ten_days = Periods.split(
        date(2026, 1, 1),
        date(2026, 1, 10),
        warm_up_days=0,
        label_delay_days=0,
        calibration_share=0.2,
        evaluation_share=0.5,
    )
    assert ten_days.evaluate_from == date(2026, 1, 6)
    assert ten_days.calibrate_from == date(2026, 1, 5)


def test_a_part_without_a_day_is_refused() -> None:
    days = PERIODS.model_dump() | {"calibrate_from": PERIODS.calibrate_until}
    with pytest.raises(ValidationError, match="do not follow each other"):
        Periods.model_validate(days)


def test_a_history_too_short_to_split_says_what_to_do() -> None:
    with pytest.raises(NotEnoughDataError, match="Bring more days"):
        prepare(items_on([0, 1, 2]), PrepareParams())


def test_one_wrong_year_does_not_become_the_evaluation() -> None:
    mistyped = [*range(100), 60_000]
    with pytest.raises(NotEnoughDataError, match="the newest is of 2190"):
        prepare(items_on(mistyped), PrepareParams())
    cut = PrepareParams(
        warm_up_days=0, evaluation_from=date(2026, 3, 20), evaluation_until=date(2026, 4, 11)
    )
    assert prepare(items_on(mistyped), cut)[1].evaluate_until == date(2026, 4, 11)


def test_a_history_that_became_rarer_is_no_wrong_year() -> None:
    """Half of it is of the first days, and the rest of three times as many."""
    days = [at // 8 for at in range(200)] + [25 + at * 3 // 8 for at in range(200)]
    assert prepare(items_on(days), PrepareParams())[1].evaluate_until == date(2026, 4, 11)


def test_what_the_model_chose_is_judged_apart_from_law_and_chance() -> None:
    """Of four in red three found something; of the two that the model asked for, both."""
    channels = [Channel.MODEL, Channel.MODEL, Channel.MANDATORY, Channel.RANDOM]
    lanes = pd.DataFrame({"lane": "RED", "channel": channels, "found": [True, True, True, False]})
    figures = lane_figures(lanes.assign(inspected=True, physical=False, duty_found=0.0))
    assert (figures["red_hit_rate"], figures["red_by_model_hit_rate"]) == (0.75, 1.0)
    assert (figures["red_inspected"], figures["red_by_model_inspected"]) == (4, 2)


def test_a_lane_fuller_than_its_capacity_is_warned_of() -> None:
    full = pd.DataFrame({"lane": ["RED"] * 84 + ["YELLOW"] * 300 + ["GREEN"] * 616})
    full["reason"] = ["ARMS"] * 60 + ["RISK"] * 940
    (warning,) = over_capacity(full, Policy())
    assert "red took 8.4% of the declarations" in warning
    assert "60 of 84 have the reason ARMS" in warning


def test_prices_are_fitted_on_the_lanes_that_are_given() -> None:
    """Were hold-ups forgotten where prices are fitted, red would be emptier than its capacity; were
    they forgotten where lanes are given, fuller."""
    chances = np.random.default_rng(0).dirichlet([6, 3, 1], size=400)
    items = items_on(list(range(400)))
    model: Any = SimpleNamespace(
        probabilities=lambda matrix: matrix,
        duty_share=lambda items, matrix: np.zeros(len(matrix)),
        knowledge=SimpleNamespace(facts=frozenset()),
    )
    prices = prices_of(items, model, chances, RuleSet([]), NO_DRAWS)
    assert min(prices.yellow, prices.red) > 0
    lanes = [
        decide(
            each,
            risk=Risk(chances[[at]].tolist(), [0.0]),
            rules=RuleSet([]),
            policy=NO_DRAWS,
            prices=prices,
            draw_key=b"key",
            facts_known=frozenset(),
        ).lane
        for at, each in enumerate(each_declaration(items))
    ]
    assert lanes.count(Lane.RED) / 400 == pytest.approx(NO_DRAWS.red.share, abs=1 / 400)
    assert lanes.count(Lane.YELLOW) / 400 == pytest.approx(NO_DRAWS.yellow.share, abs=1 / 400)


@pytest.mark.parametrize(
    "view",
    [
        {"rows": 100, "base_rate": 0.1},
        {"rows": 100, "base_rate": 0.1, "auroc_low": 0.5},
        {"rows": 118, "base_rate": 1 / 118, "auroc_low": 0.981},  # of one finding
        {"rows": 100, "base_rate": 0.09, "auroc_low": 0.9},
    ],
)
def test_scores_that_may_be_chance_are_warned_of(view: dict[str, float]) -> None:
    (warning,) = no_better_than_chance({"all_rows": view})
    assert "cannot be told from chance" in warning
    good = {"rows": 100, "base_rate": 0.1, "auroc_low": 0.51}
    assert no_better_than_chance({"all_rows": good}) == []


def test_a_rule_without_words_stays_out_of_the_bundle() -> None:
    rules = read_rules([RULE_FILES[0]])
    check_words(rules)
    nameless = rules.rules[0].model_copy(update={"reason_code": "NOBODY_KNOWS"})
    with pytest.raises(RulesError, match="NOBODY_KNOWS has no words"):
        check_words(RuleSet([nameless]))


@pytest.mark.parametrize("upto", [{}, {"decision_seq": 7}])
def test_a_bundle_never_says_it_knows_feedback_that_it_leaves_out(upto: dict[str, int]) -> None:
    check_known(None, upto)
    with pytest.raises(ParamsError, match="profiles_until") if upto else nullcontext():
        check_known(date(2026, 3, 1), upto)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": " "}, "id is empty"),
        ({"yellow": {"share": 0.6}, "red": {"share": 0.6}}, "more than all declarations"),
        ({"random": {"red": 0.2}}, "random takes more than can be checked"),
        ({"value": {"finding": {"documentary": 0, "physical": 0}, "duty": 0}}, "worth nothing"),
        ({"without_model": "GREEN"}, "GREEN releases what nobody looked at"),
    ],
)
def test_a_policy_that_contradicts_itself_is_refused(changes: dict[str, Any], said: str) -> None:
    plain = Policy().model_dump(mode="json")
    mixed = {
        name: plain[name] | value if isinstance(value, dict) else value
        for name, value in changes.items()
    }
    policy = Policy.model_validate(plain | mixed)
    assert checked(Policy()) == Policy()
    with pytest.raises(ParamsError, match=said):
        checked(policy)


def test_rules_lie_where_a_change_is_seen(tmp_path: Path) -> None:
    outside = tmp_path / "own.yaml"
    outside.write_text(RULE_FILES[0].read_text(encoding="utf-8"), encoding="utf-8")
    assert BundleParams(rules=(RULE_FILES[0],)).read_rules().rules
    with pytest.raises(ParamsError, match=r"bundle\.rules names .*own\.yaml.*Put it into data/ref"):
        BundleParams(rules=(RULE_FILES[0], outside)).read_rules()


def test_one_date_long_before_all_others_is_told_instead_of_leaving_nothing_to_learn() -> None:
    days = [-9_000, *range(420)]
    with pytest.raises(
        NotEnoughDataError, match=r"days to train on.*last before is of 2001-.*next of 2026"
    ):
        prepare(items_on(days), PrepareParams())


@pytest.mark.parametrize(("gone", "part"), [((240, 320), "calibrate"), ((319, 405), "evaluate")])
def test_months_that_are_missing_are_told_before_anything_is_learnt(
    gone: tuple[int, int], part: str
) -> None:
    """Of 400 days the last 80 are judged, and the 64 that end two weeks before calibrate."""
    there = [day for day in range(400) if not gone[0] <= day < gone[1]]
    asked = PrepareParams(evaluation_from=date(2026, 11, 17), evaluation_until=date(2027, 2, 5))
    with pytest.raises(NotEnoughDataError, match=rf"to {part} on.* the last before is of 2026"):
        prepare(items_on(there), asked)


def test_a_hole_is_told_with_the_days_of_each_part_that_it_takes() -> None:
    there = [*range(100), *range(140, 400)]
    days, periods = prepare(items_on(there), PrepareParams())
    when = days["accepted_at"].astype("datetime64[D]")

    (hole,) = holes(when, periods)

    first = START.date() + timedelta(days=100)
    assert (hole.first, hole.last) == (first, first + timedelta(days=39))
    assert hole.inside == {"train": 40, "calibrate": 0, "evaluate": 0}
    assert not list(holes(when[100:], periods))


def test_a_hole_is_told_in_the_line_and_in_the_figures_of_the_stage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_columns(items_on([*range(100), *range(140, 400)]), tmp_path / "items.parquet")
    (tmp_path / "params.yaml").write_text("prepare: {}\n")
    prepare_stage(
        params=tmp_path / "params.yaml", items=tmp_path / "items.parquet", out=tmp_path / "out"
    )

    assert ": 40 of the 214 days to train on. If something" in capsys.readouterr().err
    figures = json.loads((tmp_path / "out/prepare.json").read_text())
    assert (figures["days"]["train"], figures["days_in_holes"]["train"]) == (214, 40)


def test_goods_that_nothing_tells_apart_are_not_said_to_be_new() -> None:
    first = (PERIODS.evaluate_from - START.date()).days
    items = items_on([first - 1, first], items=(an_item(net_mass_kg=None),))
    assert repetition(items, PERIODS)["repeated_share"] is None


def test_rows_are_put_in_time_order_and_repetition_is_seen() -> None:
    items = items_on([99, 0, 98, 50, 70])
    ordered, periods = prepare(
        items, PrepareParams(warm_up_days=0, label_delay_days=7, evaluation_share=0.1)
    )
    assert ordered["declaration_id"].tolist() == ["D-1", "D-3", "D-4", "D-2", "D-0"]
    assert repetition(ordered, periods)["repeated_share"] == 1.0


def test_goods_that_repeat_within_the_evaluation_alone_do_not_repeat_the_history() -> None:
    first = (PERIODS.evaluate_from - START.date()).days
    assert repetition(items_on([first, first]), PERIODS)["repeated_share"] == 0
    assert repetition(items_on([first - 1, first, first]), PERIODS)["repeated_share"] == 1


def test_only_outcomes_known_before_the_evaluation_are_trained_on() -> None:
    chance = np.random.default_rng(0)
    days = sorted(chance.integers(5, 80, size=600).tolist())
    items = items_on(days)
    matrix = chance.normal(size=(600, len(FEATURE_NAMES)))
    classes = chance.integers(0, 3, size=600)
    rows = [
        {
            "inspection_id": f"I-{row}",
            "row": row,
            "counts": 1,
            "weight": 1.0,
            "finding_class": value,
            "observed_at": at(days[row] + 1),
        }
        for row, value in enumerate(classes)
    ]
    told = pd.DataFrame(rows)
    early = told.row % 2 == 0
    late = told.assign(
        observed_at=told.observed_at.where(early, at(400)),
        finding_class=told.finding_class.where(early, 0),
    )
    settings = TrainParams(rounds=5, smallest_class=1, min_data_in_leaf=5)
    only_early, with_late = (
        learn(Past(items, matrix, outcomes, PERIODS), settings) for outcomes in (told[early], late)
    )
    assert only_early.rehearsal.texts() == with_late.rehearsal.texts()
    assert only_early.trees.texts() == with_late.trees.texts()


def test_the_same_rows_give_the_same_trees() -> None:
    chance = np.random.default_rng(0)
    matrix = chance.normal(size=(300, len(FEATURE_NAMES)))
    classes = chance.integers(0, 3, size=300)
    settings = TrainParams(rounds=5, min_data_in_leaf=5)
    known = Labels(classes, np.ones(300))
    first, second = (train(Rows.of(matrix), known, settings) for _ in range(2))
    assert first.texts() == second.texts()


@pytest.mark.parametrize(("clean", "found"), [(30, 19), (19, 30)])
def test_an_answer_too_rare_to_learn_is_refused(clean: int, found: int) -> None:
    matrix = np.zeros((clean + found, len(FEATURE_NAMES)))
    known = Labels(np.repeat([0, 1, 2], [clean, found - 9, 9]), np.ones(clean + found))
    with pytest.raises(NotEnoughDataError, match="Only 19 controlled goods items with"):
        train(Rows.of(matrix), known, TrainParams())


def test_as_many_as_are_needed_are_enough() -> None:
    known = Labels(np.repeat([0, 1, 2], [20, 10, 10]), np.ones(40))
    trees = train(Rows.of(np.zeros((40, len(FEATURE_NAMES)))), known, TrainParams(rounds=1))
    assert trees.finding.num_trees() == 1


@pytest.mark.parametrize("bags", [1, 3])
def test_every_bag_is_drawn_by_a_seed_of_its_own(bags: int) -> None:
    seeds = []

    def watched(examples: Examples, options: Options) -> lgb.Booster:
        seeds.append(options["seed"])
        return fit(examples, options)

    known = Labels(np.repeat([0, 1], [30, 30]), np.ones(60))
    params = TrainParams(rounds=1, seed=7, bags=bags)
    train(Rows.of(np.zeros((60, len(FEATURE_NAMES)))), known, params, fit=watched)
    assert seeds == [7, 8, 9][:bags]


def test_the_mean_of_boosters_is_that_of_their_raw_scores() -> None:
    """A chance of 1 in 5 is as far from even as one of 4 in 5."""
    row = np.zeros((1, len(FEATURE_NAMES)))
    assert mean([constant(0.2), constant(0.8)]).predict(row) == pytest.approx([0.5])
    assert mean([constant(0.2)] * 3).predict(row) == pytest.approx([0.2])


@pytest.mark.parametrize(("documentary", "physical"), [(60, 0), (60, 19), (0, 60), (19, 60)])
def test_where_too_few_findings_are_of_a_kind_their_share_stands_for_what_each_is(
    documentary: int, physical: int
) -> None:
    chance = np.random.default_rng(0)
    classes = np.repeat([0, 1, 2], [200, documentary, physical])
    matrix = chance.normal(size=(len(classes), len(FEATURE_NAMES)))
    matrix[:, 0] += 3 * (classes > 0)
    known = Labels(classes, np.ones(len(classes)))
    params = TrainParams(rounds=20, min_data_in_leaf=5, feature_fraction=1.0)
    trees = train(Rows.of(matrix), known, params)
    finding, gravity = trees.chances(matrix).T
    share = (physical + 1) / (physical + documentary + 2)
    np.testing.assert_allclose(gravity, share)
    assert finding[classes > 0].mean() > finding[classes == 0].mean() + 0.2

    calibration = calibrate(trees.chances(matrix), classes, np.ones(len(classes)))
    probabilities = calibration.apply(trees.chances(matrix))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    expected = physical / (physical + documentary)
    found = probabilities[:, 1:].sum(axis=1)
    np.testing.assert_allclose(probabilities[:, 2] / found, expected, atol=0.03)


def test_what_is_learnt_otherwise_than_the_params_ask_is_told() -> None:
    matrix, _, labels = some_duties(600)  # a third of them without a finding
    findings, rows = int((labels.classes > 0).sum()), Rows.of(matrix)

    def told(known: Labels, leaf: int, **params: Any) -> list[str]:
        settings = TrainParams(rounds=2, min_data_in_leaf=leaf, **params)
        return remarks(train(rows, known, settings), known, settings)

    assert told(labels, findings // 10) == []
    (of_findings,) = told(labels, findings // 10 + 1)
    assert f"learnt from {findings} findings need {findings // 10} of them, not the" in of_findings
    assert [line.partition(" need")[0] for line in told(labels, 61)] == [
        "leaves learnt from 600 goods items",
        f"leaves learnt from {findings} findings",
    ]
    papers = labels._replace(classes=np.minimum(labels.classes, 1))
    for known, lines in ((papers, 3), (papers._replace(duties=None), 2)):
        assert told(known, 61)[0].startswith("0 of ")
        assert len(told(known, 61)) == lines  # nothing is learnt from findings without duty


def test_a_line_declared_often_weighs_less_a_row() -> None:
    items = items_on([0, 1, 2, 3])
    alone = to_columns([a_declaration(items=(an_item(hs_code="870323"),))])
    both = {name: np.concatenate([items[name], alone[name]]) for name in items}
    assert line_weights(line_numbers(both), 0.5).tolist() == [0.5, 0.5, 0.5, 0.5, 1.0]


def test_forgetting_lines_forgets_nothing_else() -> None:
    matrix = np.ones((2, len(FEATURE_NAMES)))
    forgotten = forget_lines(matrix)
    assert np.isnan(forgotten[:, LINE_FEATURES]).all()
    assert np.isnan(forgotten).sum() == 2 * len(LINE_FEATURES)
    assert not np.isnan(matrix).any()


def test_calibration_turns_scores_into_observed_shares() -> None:
    chance = np.random.default_rng(0)
    true = chance.random(20_000) * 0.5
    classes = (chance.random(20_000) < true).astype(np.int64)
    overconfident = np.column_stack([true**0.5, np.zeros(20_000)])
    calibrated = calibrate(overconfident, classes, np.ones(20_000)).apply(overconfident)
    top = true > 0.4
    assert calibrated[top, 1].mean() == pytest.approx(classes[top].mean(), abs=0.02)
    assert abs(overconfident[top, 0].mean() - classes[top].mean()) > 0.15


def _outcomes(classes: list[int], days: list[int]) -> pd.DataFrame:
    """One control of each row, what it found, and on which day that became known."""
    return pd.DataFrame(
        {
            "inspection_id": [f"I-{row}" for row in range(len(classes))],
            "row": range(len(classes)),
            "counts": 1,
            "weight": 1.0,
            "finding_class": classes,
            "observed_at": [at(day) for day in days],
            "additional_duty": 0.0,
        }
    )


def test_calibration_looks_at_the_controlled_rows_it_is_given_and_at_no_later_outcome() -> None:
    chance = np.random.default_rng(0)
    matrix, classes = chance.normal(size=(900, len(FEATURE_NAMES))), chance.integers(0, 2, 900)
    classes[600:750] = 1  # of another slice
    settings = TrainParams(rounds=5, smallest_class=1, min_data_in_leaf=5)
    trees = train(Rows.of(matrix), Labels(np.arange(900) % 3, np.ones(900)), settings)
    use = np.arange(900) < 600
    evaluation = (PERIODS.evaluate_from - START.date()).days
    days = [evaluation - 10] * 750 + [evaluation + 1] * 150  # the last are known too late
    found = classes[:400].tolist() + [2] * 200 + classes[600:].tolist()
    known_in_time = [evaluation - 10] * 400 + [evaluation + 1] * 200 + days[600:]
    told = calibrated(trees, matrix, use, _outcomes(found, known_in_time), PERIODS)
    share = told.apply(trees.chances(matrix[:400]))[:, 1:].sum(axis=1).mean()
    assert share == pytest.approx(classes[:400].mean(), abs=0.02)


def test_with_few_findings_the_curve_is_smooth_and_keeps_the_order() -> None:
    chance = np.random.default_rng(0)
    raw = np.column_stack([chance.random(300), chance.random(300)])
    classes = np.where(chance.random(300) < raw[:, 0] * 0.3, 1, 0)
    finding = calibrate(raw, classes, np.ones(300)).finding
    assert len(set(finding.calibrated)) > 100
    assert finding.at(raw[:, 0]).mean() == pytest.approx((classes > 0).mean(), abs=0.01)


def test_the_order_in_which_a_processor_adds_up_leaves_the_smooth_curve_as_it_is() -> None:
    chance = np.random.default_rng(0)
    raw, weights = chance.random((300, 2)), chance.uniform(1, 20, 300)
    classes = np.where(chance.random(300) < raw[:, 0] * 0.3, 1, 0)
    finding = calibrate(raw, classes, weights).finding
    for _ in range(5):
        order = chance.permutation(300)
        assert calibrate(raw[order], classes[order], weights[order]).finding == finding


def test_scores_that_speak_against_the_findings_are_not_turned_around() -> None:
    chance = np.random.default_rng(0)
    raw = np.column_stack([chance.random(300), chance.random(300)])
    classes = np.where(chance.random(300) < 0.3 * (1 - raw[:, 0]), 2, 0)
    finding = calibrate(raw, classes, np.ones(300)).finding
    assert np.ptp(finding.calibrated) == 0


def test_a_slice_without_findings_leaves_the_scores_as_they_are() -> None:
    raw = np.full((5, 2), 0.2)
    calibration = calibrate(raw, np.zeros(5, dtype=np.int64), np.ones(5))
    assert calibration == Calibration()


def test_expected_duty_comes_to_the_duty_found_and_few_findings_move_it_little() -> None:
    expected, found_duty = np.full(10_000, 100.0), np.full(10_000, 200.0)
    assert duty_factor(expected, found_duty) == pytest.approx(2.0, abs=0.01)
    assert duty_factor(expected[:2], found_duty[:2]) == pytest.approx(24 / 22)
    assert duty_factor(expected[:0], found_duty[:0]) == 1.0


def test_additional_duty_is_capped_and_the_highest_of_a_goods_item_counts() -> None:
    table = pd.DataFrame(
        {
            "inspection_id": [f"I-{number}" for number in range(102)],
            "row": [0, 0, *range(1, 101)],
            "counts": 1,
            "additional_duty": [3.0, 5.0, *[10.0] * 99, 1_000.0],
            "observed_at": at(0),
        }
    )
    duties = known_duties(table, 103)
    assert duties is not None
    assert (duties[0], duties[1], duties[102]) == (5.0, 10.0, 0.0)
    assert duties[100] == 10.0
    assert known_duties(table.assign(additional_duty=0.0), 103) is None
    assert known_duties(table, 103, before=START.date()) is None


def test_additional_duty_is_capped_by_what_findings_brought_and_not_by_clean_goods() -> None:
    """Of 400 goods items three brought 10, 20 and 1000; halfway from 20 to 1000 lie 98 of 100."""
    told = _outcomes([1, 1, 1] + [0] * 397, [0] * 400)
    told.loc[:2, "additional_duty"] = [10.0, 20.0, 1_000.0]
    duties = known_duties(told, 400)
    assert duties is not None
    assert duties[:4].tolist() == pytest.approx([10.0, 20.0, 20 + 0.98 * 980, 0.0])


def some_duties(rows: int) -> tuple[Floats, Floats, Labels]:
    """Features, expected duty and labels: one half brings what is at stake, the other twice it."""
    chance = np.random.default_rng(0)
    matrix = chance.random((rows, len(FEATURE_NAMES)))
    stake = np.exp(chance.normal(6, 2, rows))
    matrix[:, AT_STAKE], matrix[:, VALUE] = np.log1p(stake), np.log(10 * stake)
    expected = stake * np.where(matrix[:, -1] < 0.5, 1, 2)
    duties = expected * chance.gamma(4, 0.25, rows)
    return matrix, expected, Labels(chance.integers(0, 3, rows), np.ones(rows), duties=duties)


def test_where_amounts_are_known_trees_learn_how_many_times_the_duty_in_reach_they_are() -> None:
    matrix, expected, labels = some_duties(900)
    trees = train(Rows.of(matrix), labels, TrainParams(rounds=100, lambda_l2=1))
    told = trees.duty_given_finding(matrix)
    assert told is not None
    assert np.median(np.abs(told / expected - 1)) < 0.2
    silent = train(Rows.of(matrix), labels._replace(duties=None), TrainParams(rounds=2))
    assert silent.duty_given_finding(matrix) is None


def test_amounts_that_are_all_zero_are_no_amounts() -> None:
    matrix, _, labels = some_duties(300)
    nothing = labels._replace(duties=np.zeros(300))
    assert train(Rows.of(matrix), nothing, TrainParams(rounds=2)).duty is None


def test_goods_declared_free_of_duty_are_not_taken_to_be_free() -> None:
    matrix = np.full((4, len(FEATURE_NAMES)), np.nan)
    matrix[0, [AT_STAKE, VALUE]] = 0.0, np.log(5_000)
    matrix[1, [AT_STAKE, VALUE]] = np.log1p(500), np.log(5_000)
    matrix[2, VALUE] = np.log(5_000)  # no rate is declared
    np.testing.assert_allclose(np.exp(duty_in_reach(matrix)), [50, 501, 50, 1])


def test_the_number_of_rounds_is_chosen_by_later_days() -> None:
    chance = np.random.default_rng(0)
    matrix, days = chance.random((3_000, len(FEATURE_NAMES))), np.arange(3_000) // 30
    found = chance.random(3_000) < 0.2  # nothing to learn: the first rounds are the best
    known = Labels(
        np.where(found, chance.integers(1, 3, 3_000), 0),
        np.ones(3_000),
        days=np.datetime64("2026-01-01") + days,
    )
    params = TrainParams(rounds=60, stop_share=0.3, min_data_in_leaf=10, lambda_l2=0)
    stopped = train(Rows.of(matrix), known, params)
    assert stopped.finding.num_trees() < 20
    full = train(Rows.of(matrix), known, params.model_copy(update={"stop_share": 0.0}))
    assert full.finding.num_trees() == 60


def test_days_whose_outcomes_come_late_do_not_choose_the_number_of_rounds() -> None:
    """They teach the trees all the same: only what is learnt to choose leaves them out."""
    chance = np.random.default_rng(0)
    matrix, days = chance.random((2_000, len(FEATURE_NAMES))), np.arange(2_000) // 20
    risen = chance.random(2_000) < matrix[:, 0] / 2
    gap = (days > 55) & (days < 69)
    params = TrainParams(
        rounds=60, stop_share=0.3, min_data_in_leaf=10, lambda_l2=0, feature_fraction=1.0
    )
    chosen = [
        train(
            Rows.of(matrix),
            Labels(
                np.where(each, 1, 0),
                np.ones(2_000),
                days=np.datetime64("2026-01-01") + days,
            ),
            params,
        ).finding.num_trees()
        for each in (risen, np.where(gap, ~risen, risen))
    ]
    assert chosen[0] == chosen[1]
    assert 1 < chosen[0] < 60
