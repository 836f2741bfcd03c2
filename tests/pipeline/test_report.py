"""The managers' report: right numbers, said in two languages, with what they do not show."""

import ast
import html
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.bundle import verify
from pipelines.judging.lanes import lane_figures
from pipelines.report import leak_figures, main
from pipelines.reporting import charts
from pipelines.reporting.capacity import capacity
from pipelines.reporting.evidence import (
    Evidence,
    controls_of,
    one_currency,
    results_in_time,
    ripened,
)
from pipelines.reporting.lanes import lanes, per_week
from pipelines.reporting.leak import leak
from pipelines.reporting.page import page, read_words
from pipelines.reporting.quality import quality
from pipelines.reporting.reasons import reasons
from pipelines.reporting.scores import VIEWS, calibration, views
from pipelines.reporting.sections import Section, Table
from pipelines.reporting.sentences import Between, Number, Share, Speaker, say
from pipelines.reporting.unseen import unseen, weighed_rate
from pipelines.reporting.yields import yields
from pipelines.stage.files import read_json, write_json
from selectivity.errors import NotEnoughDataError
from selectivity.features.matrix import FEATURE_NAMES
from selectivity.lanes import Channel
from selectivity.metrics import Interval, wilson
from selectivity.reasons.wording import LANGUAGES
from tests.reports import (
    BINS,
    INGESTED,
    MIXED,
    MONDAY,
    PERIODS,
    VARIANT,
    VARIANTS,
    VIEW,
    a_decision,
    all_sections,
    an_evidence,
    decisions_of,
    drawn,
)

WORDS = {language: read_words(language) for language in LANGUAGES}
EN, VI = (Speaker(language, WORDS[language]) for language in ("en", "vi"))
NAN = float("nan")
NAMING = (
    "selectivity/lanes.py",
    "selectivity/deciding/integrity.py",
    "selectivity/deciding/policy.py",
    "selectivity/rules/rule_set.py",
    "pipelines/training/periods.py",
    "pipelines/judging/lanes.py",
)
"""Modules that name what the report has words for: channels, facts, layers, periods, variants."""


# numbers and words


@pytest.mark.parametrize(
    ("fact", "vietnamese", "english"),
    [
        (Number(1_234_567), "1.234.567", "1,234,567"),
        (Number(1234.5, 1), "1.234,5", "1,234.5"),
        (Share(0.0466), "4,7%", "4.7%"),
        (Share(0.00004), "< 0,1%", "< 0.1%"),
        (Share(0.99999), "> 99,9%", "> 99.9%"),
        (Share(0.0), "0%", "0%"),
        (Share(1.0), "100%", "100%"),
        (Between(Interval(0.2, 0.1, 0.305)), "10,0% đến 30,5%", "10.0% to 30.5%"),
        (Between(Interval(20, 1000, 2000), 0), "1.000 đến 2.000", "1,000 to 2,000"),
        (date(2026, 3, 2), "02/03/2026", "2026-03-02"),
        (Number(NAN), "không rõ", "not known"),
        (Share(NAN), "không rõ", "not known"),
        (Between(Interval(NAN, 0, 1)), "–", "–"),
        ("OFF{0}1", "OFF{0}1", "OFF{0}1"),
    ],
)
def test_facts_are_said_in_the_notation_of_each_language(
    fact: Any, vietnamese: str, english: str
) -> None:
    assert (VI(fact), EN(fact)) == (vietnamese, english)


def test_both_languages_have_words_for_the_same_keys_with_the_same_facts() -> None:
    facts = {
        language: {key: set(re.findall(r"{(\w+)}", text)) for key, text in words.items()}
        for language, words in WORDS.items()
    }
    assert facts["vi"] == facts["en"]
    assert all(text.strip() for words in WORDS.values() for text in words.values())


def test_all_words_are_used() -> None:
    modules = [*Path("pipelines/reporting").glob("*.py"), *map(Path, NAMING)]
    nodes = [node for module in modules for node in ast.walk(ast.parse(module.read_text("utf-8")))]
    texts = {node.value for node in nodes if isinstance(node, ast.Constant)}
    patterns = [_pattern(node) for node in nodes if isinstance(node, ast.JoinedStr)]
    page_words = re.findall(
        r'word\("(\w+)"', Path("pipelines/templates/report.html.j2").read_text("utf-8")
    )
    unused = set(WORDS["vi"]) - texts - set(page_words)
    computed = [(key, re.fullmatch(pattern, key)) for key in unused for pattern in patterns]
    unused -= {key for key, match in computed if match and texts >= set(match.groups())}
    assert unused == set()


# lanes


def test_shares_of_the_lanes_are_counted_per_declaration() -> None:
    answer = lanes(an_evidence()).answers[0]
    assert answer == say(
        "lanes.answer",
        declarations=Number(1000),
        green=Share(0.81),
        yellow=Share(0.13),
        red=Share(0.06),
    )


def test_what_the_law_demands_stands_apart_from_what_is_chosen() -> None:
    answer = lanes(an_evidence()).answers[1]
    assert answer.facts == {
        "mandatory": Share(30 / 190),
        "rule": Share(80 / 190),
        "model": Share(60 / 190),
        "random": Share(20 / 190),
        "other": Share(0.0),
    }


def test_a_lane_above_its_capacity_is_warned_of_with_who_filled_it() -> None:
    (warning,) = lanes(an_evidence()).warnings
    assert "The red lane takes 6.0% of declarations; its capacity is 5.0%." in EN(warning)
    assert "offices had put 66.7% of them there, rules and chance 33.3%" in EN(warning)


def test_a_full_office_is_not_put_down_to_rules() -> None:
    rows = decisions_of(
        (300, {}),
        (250, {"lane": "YELLOW", "channel": "CAPACITY"}),
        (50, {"lane": "YELLOW", "channel": "MODEL"}),
    )
    section = lanes(an_evidence(decisions=rows))
    assert section.answers[1].facts["other"] == Share(250 / 300)
    (warning,) = section.warnings
    assert warning.key == "lanes.over_by_model"
    assert warning.facts["by_rules"] == Share(0.0)


def test_a_small_office_is_never_shown_on_its_own() -> None:
    rows = decisions_of((30, {"office": "BIG"}), (9, {"office": "SMALL"}), (3, {"office": "TINY"}))
    cells = _cells(lanes(an_evidence(decisions=rows)), "lanes.office_caption")
    assert [row[:2] for row in cells] == [["BIG", "30"], ["2 other offices", "12"], ["All", "42"]]


def test_declarations_without_an_office_and_with_one_office_only_are_told() -> None:
    rows = decisions_of((12, {"office": None}))
    cells = _cells(lanes(an_evidence(decisions=rows)), "lanes.office_caption")
    assert [row[:2] for row in cells] == [["No office declared", "12"], ["All", "12"]]


def test_nothing_checked_is_said_and_not_divided_by() -> None:
    section = lanes(an_evidence(decisions=decisions_of((5, {}))))
    assert section.answers[1] == say("lanes.none_checked")


def test_weeks_whose_results_may_still_come_are_marked() -> None:
    evidence = an_evidence(as_of=datetime(2026, 2, 6, tzinfo=UTC))
    weeks = _cells(lanes(evidence), "lanes.week_table")
    assert [row[0] for row in weeks] == ["2026-01-05", "2026-01-12", "2026-01-19 *", "2026-01-26 *"]
    told = [EN(warning) for warning in all_sections(evidence)[0].warnings]
    assert any("2 of 4 weeks, with 49.6% of" in warning for warning in told)


def test_a_week_is_ripe_when_its_last_declaration_had_the_label_delay() -> None:
    frame = pd.DataFrame([a_decision(accepted_at=MONDAY)])
    later = pd.Timestamp(MONDAY) + pd.Timedelta(days=14)
    assert ripened(frame, later, 14).ripe.tolist() == [True]
    assert ripened(frame, later - pd.Timedelta(seconds=1), 14).ripe.tolist() == [False]


def test_a_period_without_declarations_is_refused() -> None:
    with pytest.raises(NotEnoughDataError, match="evaluation period"):
        ripened(pd.DataFrame([a_decision()]).iloc[:0], pd.Timestamp(MONDAY), 14)


# hit rates


def test_hit_rates_come_with_their_interval_and_count() -> None:
    section = yields(an_evidence())
    red = wilson(16, 40)
    assert section.answers[0] == say(
        "yields.answer", inspected=Number(40), rate=Share(0.4), ends=Between(red)
    )
    assert [answer.key for answer in section.answers] == ["yields.answer", "yields.lift"]
    assert section.answers[1].facts["times"] == Number(0.4 / (46 / 250), 1)
    table = _cells(section, "yields.lane_caption")
    assert table[2] == ["Red lane", "60", "40", "16", "16", "40.0%", "26.3% to 55.4%"]
    assert say("yields.caveat_overlap") in section.caveats


def test_what_the_model_finds_in_red_stands_beside_what_law_and_rules_find() -> None:
    red, by = {"lane": "RED", "inspected": True}, Channel.RULE
    kinds = [(7, red), (13, red | {"found": True}), (30, red | {"channel": str(by)})]
    kinds += [(10, red | {"channel": str(Channel.MANDATORY), "found": True})]
    kinds += [(50, {"inspected": True, "found": True}), (9, {"lane": "RED", "found": True})]
    section = yields(an_evidence(decisions=decisions_of(*kinds)))
    told = EN(section.answers[2])
    assert "the model asks for, 65.0% (43.3% to 81.9%) of 20 find something" in told
    assert "law and rules ask for, 25.0% (14.2% to 40.2%) of 40" in told
    holds = {row[0]: row[-1] for row in _cells(section, "yields.channel_caption")}
    assert holds["Model: red lane"] == "17.8% (10.7% to 28.1%)"  # 13 of 73, what is unknown apart


def test_a_red_lane_that_nobody_inspected_has_no_hit_rate() -> None:
    section = yields(an_evidence(decisions=decisions_of((10, {}), (5, {"lane": "RED"}))))
    assert section.answers == (say("yields.no_red"),)
    assert ["Red lane", "5", "0", "0", "0", "Not known", "–"] in _cells(
        section, "yields.lane_caption"
    )
    assert len(section.warnings) == 2  # nothing known of YELLOW and RED


def test_controls_that_found_nothing_at_all_are_said_to_have_found_nothing() -> None:
    section = yields(an_evidence(decisions=decisions_of((50, {"lane": "RED", "inspected": True}))))
    assert section.answers[1] == say("yields.nothing_found")


def test_duty_is_told_only_where_there_is_some() -> None:
    without = yields(an_evidence(controls=drawn(3, 1)))
    having = yields(an_evidence(controls=drawn(4, 1, additional_duty=500.0)))
    assert _table(without, "yields.asker_caption").headings[-1] == say("heading.interval")
    assert _cells(having, "yields.asker_caption")[0][-1] == "500 (–)"
    many = yields(an_evidence(controls=drawn(40, 1, additional_duty=500.0)))
    assert _cells(many, "yields.asker_caption")[0][-1] == "500 (500 to 500)"
    assert say("yields.caveat_duty") in having.caveats


@pytest.mark.parametrize(
    ("assessed", "heading", "caveat"),
    [(500.0, "holds_duty_found", "duty"), (0.0, "holds_duty_at_stake", "duty_at_stake")],
)
def test_duty_that_nobody_assessed_is_called_at_stake(
    assessed: float, heading: str, caveat: str
) -> None:
    section = yields(an_evidence(controls=drawn(4, 1, additional_duty=assessed)))
    headings = _table(section, "yields.holds_caption").headings
    assert headings[3] == say(f"heading.{heading}")
    assert headings[4:] == ((say("heading.duty_declaration"),) if assessed else ())
    assert say(f"yields.caveat_{caveat}") in section.caveats


@pytest.mark.parametrize(("currency", "told"), [("VND", ", VND"), (None, "")])
def test_an_amount_names_its_currency_if_it_is_one(currency: str | None, told: str) -> None:
    made = an_evidence(controls=drawn(4, 1, additional_duty=500.0), currency=currency)
    table = _table(yields(made), "yields.asker_caption")
    assert EN(table.headings[-1]) == f"additional duty per check{told}"


def test_duty_in_large_units_is_not_rounded_away() -> None:
    told = {}
    for duty in (0.5, 500.0):
        controls = drawn(40, 20, additional_duty=duty)
        told[duty] = _cells(yields(an_evidence(controls=controls)), "yields.asker_caption")[0][-1]
    assert told[0.5].startswith("0.50 (")
    assert told[500.0].startswith("500 (")


def test_duty_per_inspected_declaration_is_told_by_lane_with_its_interval() -> None:
    clean = {"lane": "RED", "inspected": True}
    found = clean | {"duty_found": 100.0, "found": True}
    rows = decisions_of((8, clean), (12, found), (30, {"duty_found": 900.0}))
    section = yields(an_evidence(decisions=rows, controls=drawn(1, 1, additional_duty=1.0)))
    green, _, red = (row[-1] for row in _cells(section, "yields.holds_caption"))
    assert green == "Not known (–)"  # of what nobody inspected nothing is known
    low, high = map(int, re.fullmatch(r"60 \((\d+) to (\d+)\)", red).groups())  # type: ignore[union-attr]
    assert 30 <= low < 50
    assert 70 < high <= 90


def test_a_currency_is_told_only_if_all_evaluated_amounts_are_in_it() -> None:
    decisions = pd.DataFrame(decisions_of((2, {})))
    keys = {"declaration_id": ["D-0", "D-1", "D-9"], "version_no": 1}

    def told(*codes: str | None) -> str | None:
        return one_currency(pd.DataFrame(keys | {"currency": codes}), decisions)

    assert told("VND", "VND", "USD") == told("VND", None, "USD") == "VND"
    assert told("VND", "USD", "VND") is None
    assert told(None, None, "VND") is None


def test_what_lanes_hold_comes_with_counts_and_intervals() -> None:
    """Of 46 declarations with a finding 10 are green and 16 red, these all physical."""
    lanes = lane_figures(an_evidence().decisions)
    section = yields(an_evidence(metrics={"lanes": lanes}))
    caption = _table(section, "yields.holds_caption").caption
    assert "(46 declarations with a violation, 16 of them physical)" in EN(caption)
    rows = _cells(section, "yields.holds_caption")
    green, physical = wilson(10, 46), wilson(16, 16)
    assert rows[0][1] == f"21.7% ({green.low:.1%} to {green.high:.1%})"
    assert rows[2][2] == f"100% ({physical.low:.1%} to 100%)"


# what we do not see


def test_the_weighed_rate_counts_each_control_for_what_it_stands_for() -> None:
    found, chance = np.array([1.0, 0, 0]), np.array([0.5, 0.1, 0.125])
    rate, effective = weighed_rate(found, chance)
    assert rate.value == pytest.approx(2 / 20)
    assert effective == pytest.approx(20**2 / (2**2 + 10**2 + 8**2))
    assert rate.low < 0.1 < rate.high


def test_equal_chances_give_the_plain_share_and_its_interval() -> None:
    rate, effective = weighed_rate(np.array([1.0, 0, 0, 0]), np.full(4, 0.2))
    assert effective == pytest.approx(4)
    assert rate == pytest.approx(wilson(1, 4))


def test_the_estimate_finds_the_truth_where_the_naive_rate_is_far_off() -> None:
    evidence, truth = _inspected_on_suspicion()
    seen = unseen(evidence)
    naive = evidence.controls.found.mean()
    assert seen.basis == "estimated"
    assert naive > 2 * truth
    assert seen.everywhere.rate.low < truth < seen.everywhere.rate.high
    assert abs(seen.everywhere.rate.value - truth) < 0.03


def test_what_is_known_of_every_declaration_is_counted() -> None:
    rows = decisions_of((90, {"inspected": True}), (10, {"inspected": True, "found": True}))
    seen = unseen(an_evidence(decisions=rows))
    assert seen.basis == "counted"
    assert seen.lanes["GREEN"].rate == wilson(10, 100)
    assert seen.leaked == wilson(10, 10)


@pytest.mark.parametrize(
    "controls",
    [
        [],
        drawn(100, 3, triggered_by=str(Channel.RULE)),
        drawn(100, 3, propensity=NAN),
        drawn(100, 3, control_type="DOCUMENT"),
        drawn(20, 3),
        drawn(100, 3, propensity=0.01),
    ],
    ids=["none", "none at random", "no chance", "documents only", "too few", "too much weight"],
)
def test_a_leak_that_cannot_be_told_is_said_to_be_unknown(controls: list[dict[str, Any]]) -> None:
    evidence = an_evidence(controls=controls)
    section = leak(evidence, unseen(evidence))
    assert section.answers[0] == say("leak.unknown")
    assert section.answers[2].facts == {"inspected": Number(110), "found": Number(10)}
    assert section.blocks == ()
    tile = all_sections(evidence)[0].blocks[0].tiles[-1]  # type: ignore[union-attr]
    assert EN(tile.value) == "cannot tell"


def test_an_estimate_names_its_interval_and_what_it_rests_on() -> None:
    evidence = an_evidence(controls=drawn(100, 4))
    section = leak(evidence, unseen(evidence))
    rate = wilson(4, 100)
    assert section.answers[0].key == "leak.estimated"
    assert EN(section.answers[0]).startswith("An estimated 4.0% of the 810 declarations")
    assert section.answers[0].facts["ends"] == Between(pytest.approx(rate))  # type: ignore[arg-type]
    assert EN(section.answers[2]).startswith(
        "Of the violations that past checks found 21.7% lie there"
    )
    assert section.answers[3].facts["drawn"] == Number(100)
    assert say("leak.caveat_estimated") in section.caveats


def test_an_estimate_of_a_period_whose_chances_were_half_written_down_is_none() -> None:
    unknown = drawn(90, 3, at=200, triggered_by=str(Channel.RULE), propensity=NAN)
    evidence = an_evidence(controls=[*drawn(100, 4), *unknown])
    seen = unseen(evidence)
    assert seen.basis == "unknown"
    assert seen.recorded == pytest.approx(100 / 190)
    told = EN(leak(evidence, seen).answers[1])
    assert told.startswith("100 inspections of goods have a recorded chance, 100 of them drawn")
    assert "of 53% of the inspections that the policy asked for the chance was recorded" in told
    officers = [control | {"triggered_by": str(Channel.OFFICER)} for control in unknown]
    assert unseen(an_evidence(controls=[*drawn(100, 4), *officers])).basis == "estimated"


def test_nothing_found_in_green_does_not_mean_that_nothing_is_there() -> None:
    green = drawn(40, 0, propensity=40 / 810)
    yellow = drawn(130, 10, at=810, propensity=1.0, lane="YELLOW")
    red = drawn(60, 20, at=940, propensity=1.0, lane="RED")
    leaked = unseen(an_evidence(controls=[*green, *yellow, *red])).leaked
    assert (leaked.value, leaked.low) == (0.0, 0.0)
    assert leaked.high > 0.5


def test_lanes_whose_rates_cannot_be_told_apart_are_something_to_watch() -> None:
    seen = unseen(an_evidence(controls=drawn(100, 4)))
    rates = {"GREEN": Interval(0.02, 0.01, 0.04), "YELLOW": Interval(0.1, 0.05, 0.2)}
    apart = {lane: replace(seen.lanes["GREEN"], rate=rate) for lane, rate in rates.items()}
    assert leak(an_evidence(), replace(seen, lanes=seen.lanes | apart)).warnings == ()
    alike = apart | {"YELLOW": replace(apart["YELLOW"], rate=Interval(0.05, 0.03, 0.08))}
    (warning,) = leak(an_evidence(), replace(seen, lanes=seen.lanes | alike)).warnings
    assert "whether the green lane is cleaner" in EN(warning)


def test_without_a_green_lane_nothing_is_released_unchecked() -> None:
    rows = decisions_of((50, {"lane": "RED", "inspected": True}))
    evidence = an_evidence(decisions=rows)
    assert leak(evidence, unseen(evidence)).answers == (say("leak.no_green"),)


# scores


def test_calibration_counts_the_groups_that_hold_their_prediction() -> None:
    section = calibration(an_evidence())
    assert section.answers[0] == say("calibration.partly", inside=Number(2), bins=Number(3))
    assert EN(section.answers[1]) == "On average 27.8% was predicted and 13.5% was found."
    assert section.warnings == (say("calibration.warning"),)
    assert calibration(an_evidence(calibration=BINS[:2])).warnings == ()


def test_errors_of_probabilities_are_told_in_bins_of_equal_width_and_of_equal_mass() -> None:
    rows = _cells(calibration(an_evidence()), "calibration.errors_caption")
    assert [row[1:4] for row in rows] == [["0.0120", "0.0090", "0.0700"]] * len(VIEWS)


def test_calibration_that_fails_where_the_risk_is_highest_is_partly_believed() -> None:
    bins = pd.concat([BINS[:1]] * 9 + [BINS[2:]], ignore_index=True)
    section = calibration(an_evidence(calibration=bins))
    assert section.answers[0] == say("calibration.partly", inside=Number(9), bins=Number(10))
    assert EN(section.answers[2]).startswith("In the group of highest risk")
    assert section.warnings == (say("calibration.warning_top"),)


def test_probabilities_of_scores_that_may_be_chance_are_not_called_believable() -> None:
    tossed = an_evidence(metrics={**an_evidence().metrics, "all_rows": {"auroc_low": 0.49}})
    assert calibration(tossed).answers[0].key == "calibration.flat"
    right = replace(tossed, calibration=BINS[:2])
    assert calibration(right).answers[0].key == "calibration.flat"
    assert calibration(right).warnings == ()
    assert say("headline.by_chance") in all_sections(tossed)[0].warnings
    assert say("headline.by_chance") not in all_sections(an_evidence())[0].warnings


def test_calibration_without_points_cannot_be_told() -> None:
    assert calibration(an_evidence(calibration=pd.DataFrame())).answers == (
        say("calibration.none"),
    )


@pytest.mark.parametrize(
    ("repeated", "told"),
    [(0.82, "much_memory"), (0.2, "some_memory"), (0.0, "little_memory"), (None, "unknown_memory")],
)
def test_scores_on_repeated_goods_are_called_a_memory_test(
    repeated: float | None, told: str
) -> None:
    section = views(an_evidence(prepared={"repetition": {"repeated_share": repeated}}))
    assert section.answers[1].key == f"views.{told}"
    assert bool(section.warnings) == (told == "much_memory")


def test_scores_without_any_finding_are_not_judged() -> None:
    nothing = {view: {"rows": 5, "base_rate": 0.0} for view in VIEWS}
    section = views(an_evidence(metrics=nothing))
    assert section.answers[0] == say("views.undefined")
    assert _cells(section, "views.table_caption")[0][3] == "Not known (–)"


def test_the_figures_on_goods_never_met_come_first() -> None:
    purged = VIEW | {"auroc": 0.6, "auroc_low": 0.58, "auroc_high": 0.62}
    metrics = {"all_rows": VIEW, "new_lines": VIEW, "line_purged": purged}
    told = EN(views(an_evidence(metrics=metrics)).answers[0])
    assert told.index("60.0%") < told.index("58.0% to 62.0%") < told.index("80.0%")


def test_where_goods_never_met_are_not_judged_the_others_are() -> None:
    metrics = {"all_rows": VIEW, "new_lines": VIEW, "line_purged": {"rows": 5, "left_out": "few"}}
    section = views(an_evidence(metrics=metrics))
    assert section.answers[0].key == "views.left_out"
    assert "80.0%" in EN(section.answers[0])
    assert _cells(section, "views.table_caption")[2][3] == "Not known (–)"


# capacity, reasons, quality


def test_more_or_less_capacity_that_changes_nothing_is_said_to_change_nothing() -> None:
    more = VARIANT | {
        "red_share": 0.06,
        "red_holds_found": 0.36,
        "red_holds_found_change": 0.06,
        "red_holds_found_change_low": 0.011,
        "red_holds_found_change_high": 0.125,
    }
    variants = dict.fromkeys(("as_served", "without_model", "red_capacity_less_20"), VARIANT)
    backtest = {"variants": variants | {"red_capacity_more_20": more}}
    answers = capacity(an_evidence(backtest=backtest)).answers
    assert [answer.key for answer in answers[:2]] == ["capacity.more", "capacity.fewer_full"]
    told = EN(answers[0])
    assert "36.0% instead of 30.0%" in told
    assert "a change of 6.0 percentage points (95% interval 1.1 to 12.5)" in told


@pytest.mark.parametrize(
    ("taken", "told"),
    [
        (1.5, ["capacity.more_full", "capacity.fewer_full"]),
        (1.0, ["capacity.more_room", "capacity.fewer_full"]),
        (0.5, ["capacity.more_room", "capacity.fewer_room"]),
    ],
)
def test_a_lane_that_stays_as_it_is_is_full_of_rules_or_has_room(
    taken: float, told: list[str]
) -> None:
    """`taken` is what the red lane holds over its capacity."""
    same = VARIANT | {"red_share": taken * an_evidence().planned["RED"]}
    backtest = {"variants": dict.fromkeys(VARIANTS, same)}
    answers = capacity(an_evidence(backtest=backtest)).answers
    assert [answer.key for answer in answers[:2]] == told


def test_of_goods_that_were_all_inspected_none_was_chosen_by_suspicion() -> None:
    whole = decisions_of((90, {"inspected": True}), (10, {"inspected": True, "found": True}))
    said = [
        say("capacity.suspicion") in capacity(each).answers
        for each in (an_evidence(), an_evidence(decisions=whole))
    ]
    assert said == [True, False]


def test_hit_rates_of_few_checks_are_not_compared() -> None:
    few = VARIANT | {"red_inspected": 29}
    variants = dict.fromkeys(VARIANTS, VARIANT)
    compared = [
        [answer.key for answer in capacity(an_evidence(backtest={"variants": each})).answers]
        for each in (variants, variants | {"without_model": few})
    ]
    assert ["capacity.without_model_red" in keys for keys in compared] == [True, False]
    lanes = [(2, {"lane": "RED", "inspected": True, "found": True}), (90, {"inspected": True})]
    answers = yields(an_evidence(decisions=decisions_of(*lanes))).answers
    assert [answer.key for answer in answers] == ["yields.answer"]


def test_what_the_riskiest_hold_is_said_with_its_interval() -> None:
    told = EN(capacity(an_evidence()).answers[2])
    assert "the riskiest 5% of these items hold 30.0% (20.0% to 40.0%)" in told
    assert "in 50.0% (40.0% to 60.0%) of them something was found" in told


def test_without_figures_on_other_capacities_that_is_said() -> None:
    section = capacity(an_evidence(backtest={}, capacity=pd.DataFrame()))
    assert section.answers == (say("capacity.none"),)


def test_rules_without_a_hit_are_named_but_not_the_fallback_rules() -> None:
    counts = {"hits": 5, "inspected": 4, "found": 1}
    hit = {"R-104": counts, "R-120": counts}
    evidence = an_evidence(backtest={"rules": hit})
    section = reasons(evidence)
    unused = str(section.answers[1].facts["names"]).split(", ")
    assert "R-121" in unused
    assert not {"R-104", "R-120", "R-901"} & set(unused)
    row = next(row for row in _cells(section, "reasons.rules_caption") if "R-104" in row[0])
    assert row[3:] == ["5", "4", "1", "25.0%", "4.6% to 69.9%"]


def test_rules_with_the_same_words_are_told_apart_by_how_often_they_are_cast() -> None:
    named = [row[0] for row in _cells(reasons(an_evidence()), "reasons.rules_caption")]
    always, drawn = (next(one for one in named if id_ in one) for id_ in ("R-403", "R-404"))
    assert drawn.endswith(", drawn for 30% of its hits")
    assert drawn.partition(", drawn")[0].split()[1:] == always.split()[1:]


def test_weeks_stand_on_the_axis_as_in_the_tables() -> None:
    weeks = per_week(an_evidence().decisions)
    for speak in (EN, VI):
        assert f">{speak(weeks.week[0].date())}" in charts.lanes_per_week(weeks, speak)


def test_weeks_without_a_declaration_leave_a_gap_in_the_picture() -> None:
    some = [a_decision(accepted_at=MONDAY + pd.Timedelta(weeks=week)) for week in (0, 1, 5)]
    weeks = per_week(an_evidence(decisions=some).decisions)
    assert charts.places_of(weeks.week).tolist() == [0, 1, 5]
    drawn = charts.lanes_per_week(weeks, EN)
    assert len(re.findall(r">2026-\d\d-\d\d", drawn)) == 2  # 0 and 1 would stand on each other


def test_reasons_are_counted_by_lane_in_words() -> None:
    section = reasons(an_evidence())
    cells = _cells(section, "reasons.reasons_caption")
    assert cells[0] == ["High risk according to the model", "0", "100", "40"]
    assert ["Goods are subject to animal or plant quarantine", "0", "30", "0"] in cells
    assert _cells(section, "reasons.signals_caption") == [
        ["Trader active for less than 365 days", "0", "20", "0"]
    ]


def test_no_stopped_declaration_gives_no_reason() -> None:
    section = reasons(an_evidence(decisions=decisions_of((5, {}))))
    assert section.answers[0] == say("reasons.none_stopped")


def test_refused_rows_and_missing_facts_are_told() -> None:
    section = quality(an_evidence(missing={"net_mass_kg": 0.4, "own_fact": 0.01}))
    assert (
        EN(section.answers[0]) == "2,000 rows were read, 10 of them refused (0.50%) and 3 repeated."
    )
    assert _cells(section, "quality.refused_by_reason_caption") == [["hs_code: not a code", "10"]]
    assert [EN(warning) for warning in section.warnings] == [
        "40.0% of goods items lack the net mass, a fact that a release needs."
    ]


def test_a_fact_that_the_history_never_had_is_not_said_to_hold_a_release_up() -> None:
    section = quality(
        an_evidence(
            missing={"net_mass_kg": 1.0, "hs_code": 1.0}, facts_known=frozenset({"hs_code"})
        )
    )
    assert [warning.key for warning in section.warnings] == [
        "quality.never_known",
        "quality.missing",
    ]


def test_a_hole_in_the_judged_days_is_something_to_watch() -> None:
    prepared = {"days": {"train": 200, "evaluate": 219}}
    prepared["days_in_holes"] = {"train": 0, "evaluate": 216}
    (warning,) = quality(an_evidence(prepared=prepared)).warnings
    assert EN(warning).startswith("On 216 of the 219 days of the evaluation nothing was accepted")


def test_facts_that_drifted_are_told_and_those_that_changed_much_warned_of() -> None:
    drifted = {
        "hs_code": Interval(0.249, 0.2, 0.3),
        "unit_value": Interval(0.25, 0.0, 0.29),
        "own_fact": Interval(NAN, NAN, NAN),
    }
    section = quality(an_evidence(drift=drifted))
    assert _cells(section, "quality.drift_caption") == [
        ["HS code", "0.249", "0.200 to 0.300"],
        ["Customs value per kilogram, over the usual one of its code", "0.250", "0.000 to 0.290"],
        ["own_fact", "Not known", "–"],
    ]
    assert [EN(warning).partition(" changed")[0] for warning in section.warnings] == [
        "The customs value per kilogram, over the usual one of its code"
    ]
    assert "(stability index 0.25 (0.00 to 0.29))" in EN(section.warnings[0])


def test_an_ingest_that_tells_nothing_leaves_a_report_that_says_so() -> None:
    parts = all_sections(an_evidence(ingested={}, prepared={}, labelled={}))
    (section,) = (part for part in parts if part.name == "quality")
    assert section.answers[0] == say("quality.not_told")
    assert "nan" not in _text(page(parts, WORDS)).lower()


def test_simulated_data_are_never_shown_as_real() -> None:
    assert say("headline.simulated") in all_sections(an_evidence())[0].warnings
    real = {**INGESTED, "simulated": False}
    assert say("headline.simulated") not in all_sections(an_evidence(ingested=real))[0].warnings


# controls


def test_controls_are_those_of_the_evaluated_version() -> None:
    items = pd.DataFrame(
        {
            "declaration_id": ["D-0", "D-1", "D-1", "D-1"],
            "version_no": [1, 1, 2, 2],
            "accepted_at": [pd.Timestamp(MONDAY)] * 4,
        }
    )
    outcomes = _outcomes(rows=[0, 2, 3], classes=[2, 0, 1])
    decisions = pd.DataFrame([a_decision(version_no=2, lane="RED")])
    (control,) = controls_of(decisions, items, outcomes).to_dict("records")
    assert (control["at"], control["lane"], control["found"]) == (0, "RED", True)
    assert control["additional_duty"] == 30.0
    assert results_in_time(items, outcomes, 9) == 0.0
    assert results_in_time(items, outcomes, 10) == 1.0
    assert np.isnan(results_in_time(items, outcomes[:0], 10))


# the page


@pytest.fixture(scope="module", params=["estimated", "unknown", "counted", "bare"])
def evidence(request: pytest.FixtureRequest) -> Evidence:
    if request.param == "estimated":
        return an_evidence(controls=drawn(100, 4, additional_duty=1234.5))
    if request.param == "unknown":
        return an_evidence(as_of=datetime(2026, 2, 6, tzinfo=UTC))
    if request.param == "counted":
        known = [(count, kind | {"inspected": True}) for count, kind in MIXED]
        return an_evidence(decisions=decisions_of(*known))
    nothing: dict[str, Any] = {
        name: {} for name in ("ingested", "prepared", "labelled", "backtest", "metrics")
    }
    tables = {"calibration": pd.DataFrame(), "capacity": pd.DataFrame()}
    return an_evidence(decisions=[a_decision()], rules=(), **nothing, **tables)


@pytest.fixture(scope="module")
def source(evidence: Evidence) -> str:
    return page(all_sections(evidence), WORDS)


def test_both_languages_have_the_same_sections_and_numbers(source: str) -> None:
    vietnamese, english = (_sections_in(source, language) for language in ("vi", "en"))
    assert list(vietnamese) == list(english)
    assert len(vietnamese) == 11
    for name, text in vietnamese.items():
        assert _digits(text) == _digits(english[name]), name


def test_every_section_says_what_it_does_not_show(evidence: Evidence) -> None:
    for section in all_sections(evidence):
        assert section.answers, section.name
        assert section.caveats, section.name


def test_the_page_needs_nothing_from_outside(source: str) -> None:
    asked = re.findall(r"""(?:src|href|action|data)\s*=\s*["']?([^"'\s>]+)""", source)
    asked += re.findall(r"url\(\s*['\"]?([^)'\"]+)", source) + re.findall(
        r"@import\s+(\S+)", source
    )
    assert all(address.startswith("#") or address == "data:," for address in asked)
    assert not re.search(r"<(script|iframe|object|embed|base|form)\b", source)
    assert len(source.encode()) < 400_000


def test_the_page_holds_no_undefined_figure(source: str) -> None:
    assert re.findall(r"\b(nan|None|inf|NaT)\b", _text(source)) == []


def test_ids_are_unique_and_references_lead_somewhere(source: str) -> None:
    ids = Counter(re.findall(r' id="([^"]+)"', source))
    assert [name for name, count in ids.items() if count > 1] == []
    referred = re.findall(r'(?:href="#|url\(#|labelledby="|for=")([^")]+)', source)
    assert set(referred) <= set(ids)


@pytest.mark.parametrize("count", [12, 13])
def test_a_list_of_files_that_is_cut_says_of_how_many(count: int) -> None:
    inputs = {f"data/raw/own/{number}.csv": "ab" for number in range(count)}
    section = quality(an_evidence(ingested={"source": "own", "inputs": inputs}))
    table = section.blocks[-1]
    assert isinstance(table, Table)
    assert len(table.rows) == 12
    assert ("the first 12 of 13" in EN(table.caption)) == (count == 13)
    assert ("ingest.json" in EN(table.caption)) == (count == 13)


def test_the_same_evidence_gives_the_same_bytes(evidence: Evidence, source: str) -> None:
    assert page(all_sections(evidence), WORDS) == source


def test_names_from_the_data_are_escaped() -> None:
    hostile = "<script>alert('1')</script>{0}$x_1$"
    rows = decisions_of((20, {"office": hostile, "reason": hostile, "signals": [hostile]}))
    source = page(all_sections(an_evidence(decisions=rows, ingested={"source": hostile})), WORDS)
    assert "<script" not in source
    assert html.escape(hostile, quote=False).split("(")[0] in source


def test_the_stage_reads_what_the_stages_before_it_wrote(bundle: Path, tmp_path: Path) -> None:
    _write_inputs(tmp_path)
    folders = ("evaluation", "backtest", "prepared", "labelled", "ingested")
    read = {name: tmp_path / name for name in folders} | {"features": tmp_path / "features.parquet"}
    main(**read, bundle=bundle, out=tmp_path / "report.html")
    text = _text((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert verify(bundle)[0][:16] in text
    assert "Of 40 declarations, 75.0% are released without checks" in text
    assert "Of 10 inspected" not in text
    assert "In 50.0% of the 10 inspected declarations in the red lane" in text
    assert read_json(tmp_path / "leak.json") == {"basis": "unknown"}


def test_what_is_not_seen_is_a_figure_to_compare_bundles_by() -> None:
    figures = leak_figures(unseen(an_evidence(controls=drawn(100, 4))))
    assert figures["basis"] == "estimated"
    assert figures["green_rate_low"] < figures["green_rate"] == 0.04 < figures["green_rate_high"]
    assert "green_holds" not in figures  # nothing was looked at elsewhere


def _write_inputs(folder: Path) -> None:
    rows = decisions_of((30, {}), (5, {"lane": "RED", "inspected": True}))
    rows += decisions_of((5, {"lane": "RED", "inspected": True, "found": True}))
    for number, row in enumerate(rows):
        row |= {"declaration_id": f"D-{number}", "row": number, "items": 1}
        del row["direction"]
    facts = an_evidence().policy.facts_needed
    items = pd.DataFrame(rows)[["declaration_id", "version_no", "accepted_at"]]
    items = items.assign(
        direction="IMPORT",
        importer_id="T-1",
        exporter_id=None,
        currency="VND",
        **{**dict.fromkeys(facts, 1.0), "hs_code": "610910", "country_of_origin": "CN"},
    )
    outcomes = _outcomes(rows=list(range(30, 40)), classes=[0] * 5 + [1] * 5)
    for name in ("evaluation/plots", "prepared", "labelled"):
        (folder / name).mkdir(parents=True)
    pd.DataFrame(rows).to_parquet(folder / "evaluation/decisions.parquet")
    items.to_parquet(folder / "prepared/items.parquet")
    unknown = pd.DataFrame(NAN, index=items.index, columns=list(FEATURE_NAMES))
    unknown.to_parquet(folder / "features.parquet")
    outcomes.to_parquet(folder / "labelled/outcomes.parquet")
    (folder / "evaluation/plots/calibration.csv").write_text("\n")
    (folder / "evaluation/plots/capacity.csv").write_text("inspected,hit_rate,detection_rate\n")
    write_json(folder / "prepared/periods.json", PERIODS.model_dump(mode="json"))
    for name in ("prepared/prepare", "labelled/label", "ingested/ingest"):
        write_json(folder / f"{name}.json", {})
    write_json(folder / "evaluation/metrics.json", {})
    write_json(folder / "backtest/backtest.json", {"variants": {}, "rules": {}})


def _outcomes(rows: list[int], classes: list[int]) -> pd.DataFrame:
    """One inspection per declaration, known ten days after."""
    known = pd.Timestamp(MONDAY) + pd.Timedelta(days=10)
    return pd.DataFrame(
        {
            "row": rows,
            "inspection_id": "I-1",
            "observed_at": [known] * len(rows),
            "finding_class": classes,
            "counts": 1,
            "additional_duty": 15.0,
            "weight": 1.0,
            "triggered_by": None,
            "propensity": NAN,
            "control_type": "FULL_PHYSICAL",
        }
    )


def _inspected_on_suspicion() -> tuple[Evidence, float]:
    """4000 declarations, a tenth suspicious; the suspicious are inspected forty times as often."""
    chance = np.random.default_rng(7)
    suspicious = chance.random(4000) < 0.1
    wrong = chance.random(4000) < np.where(suspicious, 0.4, 0.03)
    propensity = np.where(suspicious, 0.8, 0.02)
    inspected = chance.random(4000) < propensity
    by = np.where(suspicious, str(Channel.RULE), str(Channel.RANDOM))
    controls = [
        {"at": at, "found": bool(wrong[at]), "propensity": propensity[at], "triggered_by": by[at]}
        for at in np.flatnonzero(inspected).tolist()
    ]
    rows = [
        a_decision(declaration_id=f"D-{at}", inspected=bool(inspected[at])) for at in range(4000)
    ]
    plain = drawn(1, 0)[0]
    evidence = an_evidence(decisions=rows, controls=[plain | control for control in controls])
    return evidence, float(wrong.mean())


def _pattern(text: ast.JoinedStr) -> str:
    """What an f-string can become."""
    parts = (part.value if isinstance(part, ast.Constant) else None for part in text.values)
    return "".join(r"(\w+)" if part is None else re.escape(str(part)) for part in parts)


def _table(section: Section, caption: str) -> Table:
    tables = [block for block in section.blocks if isinstance(block, Table)]
    return next(table for table in tables if table.caption.key == caption)


def _cells(section: Section, caption: str) -> list[list[str]]:
    return [[EN.capital(cell) for cell in row.cells] for row in _table(section, caption).rows]


def _text(source: str) -> str:
    body = re.sub(r"<style.*?</style>", " ", source, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body)))


def _sections_in(source: str, language: str) -> dict[str, str]:
    found = re.findall(rf'<section id="{language}-(\w+)".*?</section>', source, flags=re.DOTALL)
    parts = re.findall(rf'(<section id="{language}-\w+".*?</section>)', source, flags=re.DOTALL)
    return {name: _text(part) for name, part in zip(found, parts, strict=True)}


def _digits(text: str) -> Counter[str]:
    """How often each run of digits occurs: notation and order of words differ by language."""
    return Counter(re.findall(r"\d+", text))
