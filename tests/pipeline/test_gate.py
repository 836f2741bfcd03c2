"""A new bundle takes over unless it is shown to be worse than the one in force."""

import json
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer

from models.bundle import FORMAT, Bundle, Manifest, load
from models.lane_model import LaneModel
from models.pointer import read_pointer
from models.publications import history
from pipelines import gate, publish
from pipelines.judging.checks import Check, Margins, Verdict, beside, worst
from pipelines.judging.fitting import Past
from pipelines.judging.lanes import outcome_of_declarations
from pipelines.judging.new_traders import NEW_DAYS
from pipelines.judging.replay import replay
from pipelines.judging.takeover import GateParams, Judged, judge, read_decisions
from pipelines.stage.outbox import Outbox
from pipelines.training.outcomes import known_classes
from selectivity.columns import take, to_columns
from selectivity.errors import BundleError, NotEnoughDataError, ParamsError, StageFileError
from selectivity.features.declared import CODED
from selectivity.features.matrix import FEATURE_NAMES, feature_matrix, renumbered
from selectivity.histories.aggregates import VALUES
from selectivity.metrics import Interval
from tests.builders import a_declaration, an_item
from tests.bundles import a_bundle
from tests.spoken import PERIODS, a_spoken_bundle, a_spoken_model, on, outcomes_of, spoken

COUNT = 2_000
SAME = (0.25, 0.25)
QUICK = GateParams(resamples=60)


def decided(sharpness: float, *, seed: int = 1, count: int = COUNT) -> pd.DataFrame:
    """One in five with a finding; the sharper, the higher their risk. A quarter is held up."""
    found = np.random.default_rng(7).random(count) < 0.2
    noise = np.random.default_rng(seed).normal(size=count)
    risk = 1 / (1 + np.exp(-(sharpness * found + noise - 1.5)))
    order = np.argsort(np.argsort(-risk)) / count
    return pd.DataFrame(
        {
            "declaration_id": [f"D-{each}" for each in range(count)],
            "version_no": 1,
            "lane": np.select([order < 0.05, order < 0.25], ["RED", "YELLOW"], "GREEN"),
            "risk": risk,
            "inspected": True,
            "found": found,
            "new_trader": np.arange(count) % 2 == 0,
        }
    )


def verdicts(
    in_force: pd.DataFrame, new: pd.DataFrame, capacities: tuple[float, float] = SAME
) -> dict[str, Verdict]:
    checks = beside(in_force, new, capacities, Margins(), 100)
    return {check.name: check.verdict for check in checks}


def test_a_bundle_beside_itself_passes() -> None:
    assert set(verdicts(decided(1), decided(1)).values()) == {Verdict.PASS}


def test_a_sharper_bundle_passes_and_a_blunter_one_fails() -> None:
    blunt, sharp = decided(0.3), decided(2.0)
    assert set(verdicts(blunt, sharp).values()) == {Verdict.PASS}
    told = verdicts(sharp, blunt)
    assert told.pop("held up beyond the capacity") is Verdict.PASS
    assert set(told.values()) == {Verdict.FAIL}


def test_of_few_declarations_one_cannot_tell() -> None:
    told = verdicts(decided(1, count=60), decided(1, seed=2, count=60))
    assert told["AUROC"] is told["findings in red"] is Verdict.CANNOT_TELL


def test_a_figure_that_rests_on_fewer_than_ten_says_nothing() -> None:
    """One finding that leaves red is all findings there are, in every resample."""
    before = decided(1).assign(found=False)
    before.loc[:8, "found"] = True
    after = before.copy()
    before.loc[:8, "lane"], after.loc[:8, "lane"] = "RED", "GREEN"
    of_findings = ("AUROC", "mean squared error of the risks", "findings in red")
    told = verdicts(before, after)
    assert {told[name] for name in of_findings} == {Verdict.CANNOT_TELL}
    assert verdicts(before, before)["findings in red"] is Verdict.CANNOT_TELL
    for each in (before, after):
        each.loc[9, "found"] = True
    assert verdicts(before, after)["findings in red"] is Verdict.FAIL


def test_red_that_either_bundle_hardly_uses_tells_no_hit_rate() -> None:
    few = decided(1)
    red = few.index[few["lane"] == "RED"]
    few.loc[red[9:], "lane"] = "YELLOW"
    for one, other in ((few, decided(1)), (decided(1), few)):
        checks = beside(one, other, SAME, Margins(lanes=1), 100)
        told = {check.name: check.verdict for check in checks}
        assert told["hit rate of red"] is Verdict.CANNOT_TELL
        assert told["findings in red"] is Verdict.PASS


def test_what_a_bundle_gives_no_risk_counts_in_its_lanes_all_the_same() -> None:
    mute = decided(1)
    every_second = mute.index % 2 == 0
    mute.loc[every_second, ["risk", "lane"]] = np.nan, "GREEN"
    assert verdicts(mute, decided(1))["AUROC"] is Verdict.PASS
    told = verdicts(decided(1), mute)
    assert told["AUROC"] is told["mean squared error of the risks"] is Verdict.PASS
    assert told["findings in red"] is told["findings in green"] is Verdict.FAIL
    silent = verdicts(decided(1), decided(1).assign(risk=np.nan))
    assert silent["AUROC"] is Verdict.CANNOT_TELL


def test_what_was_not_inspected_counts_in_what_is_held_up_and_nowhere_else() -> None:
    """Nobody looked at every second one; half of these are red, and have no finding so far."""
    some = decided(1)
    unseen = some.index % 2 == 1
    some.loc[unseen, ["inspected", "found"]] = False
    some.loc[some.index % 4 == 1, "lane"] = "RED"
    some["new_trader"] = some.index % 3 == 0

    def told(frame: pd.DataFrame) -> dict[str, float]:
        return {each.name: each.new for each in beside(frame, frame, SAME, Margins(), 20)}

    everything, inspected = told(some), told(some[~unseen])
    held_up = float((some["lane"] != "GREEN").mean())
    assert everything.pop("held up beyond the capacity") == pytest.approx(held_up - 0.25)
    assert inspected.pop("held up beyond the capacity") != pytest.approx(held_up - 0.25)
    assert everything == inspected


@pytest.mark.parametrize("found", [False, True])
def test_where_all_is_of_one_kind_nothing_is_made_up(found: bool) -> None:
    alike = decided(1).assign(found=found, lane="GREEN", new_trader=False)
    told = verdicts(alike, alike)
    assert told["AUROC"] is told["hit rate of red"] is Verdict.CANNOT_TELL
    assert told["clean new traders held up"] is Verdict.CANNOT_TELL
    assert told["held up beyond the capacity"] is Verdict.PASS


def test_lanes_are_held_against_the_capacity_of_the_bundles_own_policy() -> None:
    more = decided(1)
    more["lane"] = more["lane"].where(more.index % 5 > 0, "YELLOW")
    name = "held up beyond the capacity"
    assert verdicts(decided(1), more)[name] is Verdict.FAIL
    assert verdicts(decided(1), more, (0.25, 0.40))[name] is Verdict.PASS


def test_up_to_the_capacity_nobody_counts_who_is_held_up() -> None:
    more = decided(1)
    more["lane"] = more["lane"].where(more.index % 20 > 0, "YELLOW")
    checks = beside(decided(1), more, (0.5, 0.5), Margins(lanes=0), 60)
    name = "held up beyond the capacity"
    (gain,) = (check.gain for check in checks if check.name == name)
    assert gain == (0, 0, 0)


def test_a_bundle_that_holds_up_new_traders_for_nothing_fails_by_that_alone() -> None:
    """Those who were held up before are released instead, so that no more are held up."""
    swapped = decided(1)
    clean_new = swapped["new_trader"] & ~swapped["found"]
    released = (swapped["lane"] == "YELLOW") & ~swapped["new_trader"] & ~swapped["found"]
    swapped.loc[released, "lane"] = "GREEN"
    green = swapped.index[clean_new & (swapped["lane"] == "GREEN")][: released.sum()]
    swapped.loc[green, "lane"] = "YELLOW"
    told = verdicts(decided(1), swapped)
    assert told.pop("clean new traders held up") is Verdict.FAIL
    assert set(told.values()) == {Verdict.PASS}


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-0.02, 0.01, Verdict.PASS),  # at most the margin worse
        (-0.021, 0.01, Verdict.CANNOT_TELL),
        (-0.021, -0.001, Verdict.FAIL),
        (-0.019, -0.001, Verdict.PASS),  # worse for sure, but by less than matters
        (float("nan"), float("nan"), Verdict.CANNOT_TELL),
    ],
)
def test_a_gain_means(low: float, high: float, expected: Verdict) -> None:
    check = Check("AUROC", 0.8, 0.8, Interval((low + high) / 2, low, high), 0.02)
    assert check.verdict is expected


def test_the_worst_check_is_the_verdict() -> None:
    good, unsure, bad = (
        Check("", 0, 0, Interval(0, *ends), 0.0) for ends in ((0, 1), (-1, 1), (-2, -1))
    )
    assert worst([good]) is worst([]) is Verdict.PASS
    assert worst([unsure, good]) is Verdict.CANNOT_TELL
    assert worst([unsure, bad, good]) is Verdict.FAIL


def test_codes_are_numbered_as_the_other_bundle_numbers_them() -> None:
    items = to_columns([a_declaration(items=(an_item(hs_code="610910"), an_item(item_no=2)))])
    histories = np.zeros((len(VALUES), 2))
    none: dict[str, dict[str, int]] = {name: {} for name in CODED}
    ours = none | {"country_of_origin": {"CN": 4}}
    theirs = none | {"country_of_origin": {"VN": 0, "CN": 1}}
    matrix = feature_matrix(items, histories, ours)
    np.testing.assert_array_equal(
        renumbered(matrix, items, theirs), feature_matrix(items, histories, theirs)
    )
    assert matrix[0, FEATURE_NAMES.index("country_of_origin")] == 4


def learnt_until(day: date, source: str = "native", **fields: Any) -> Bundle:
    """A bundle that learnt from what was known before a day."""
    periods = PERIODS.model_dump(mode="json") | {"evaluate_from": day.isoformat()}
    periods |= {"evaluate_until": "2027-01-01"}
    manifest = Manifest(
        format=FORMAT, files={}, trained_on={"periods": periods, "ingested": {"source": source}}
    )
    return a_spoken_bundle(manifest=manifest, **fields)


def past_and_decisions(bundle: Bundle, goods: int = 1) -> tuple[Past, pd.DataFrame]:
    """Sixty days of one declaration each, found wrong where the model says so; all known at once.
    The evaluation begins on the twentieth day. `goods` are the items of a declaration."""
    chances = [0.9 if day % 2 == 0 else 0.1 for day in range(60) for _ in range(goods)]
    lots = tuple(an_item(item_no=1 + at) for at in range(goods))
    items = to_columns(
        [
            a_declaration(declaration_id=f"D-{day}", accepted_at=on(day), items=lots)
            for day in range(60)
        ]
    )
    told = outcomes_of(
        *(
            {
                "finding_class": 2 if chance > 0.5 else 0,
                "observed_at": pd.Timestamp(on(at // goods + 1)),
            }
            for at, chance in enumerate(chances)
        )
    )
    periods = PERIODS.model_copy(
        update={"evaluate_until": date(2026, 3, 2), "calibrate_until": date(2026, 1, 16)}
    )
    past = Past(items, spoken(chances), told, periods)
    rows = periods.rows(items, "evaluate")
    evaluated = take(items, rows)
    decisions = replay(evaluated, bundle.model.assess(evaluated, past.matrix[rows]), bundle)
    classes = known_classes(told, len(chances))[0][rows]
    return past, outcome_of_declarations(decisions, evaluated, classes, np.zeros(rows.sum()))


def test_both_decide_on_ripe_days_that_neither_learnt_from() -> None:
    new = learnt_until(date(2026, 1, 21), digest="cd" * 32)
    past, decisions = past_and_decisions(new)
    judged = judge(new, learnt_until(date(2026, 1, 31)), past, decisions, QUICK)
    assert judged.first_day == date(2026, 1, 31)
    swapped = judge(learnt_until(date(2026, 1, 31)), new, past, decisions, QUICK)
    assert swapped.first_day == date(2026, 1, 31)
    # To noon of 2 March, when the last result came, less the five days that results take.
    assert judged.declarations == judged.inspected == len(pd.date_range("2026-01-31", "2026-02-25"))
    assert {check.verdict for check in judged.checks[:-1]} == {Verdict.PASS}
    assert judged.checks[0].new == judged.checks[0].in_force == 1.0
    assert judged.same_policy
    assert judged.content()["verdict"] == judged.verdict


def test_the_one_in_force_is_asked_in_its_own_way() -> None:
    """It takes each chance for that of the papers, and releases what the new one inspects."""
    new = learnt_until(date(2026, 1, 21), digest="cd" * 32)
    past, decisions = past_and_decisions(new)
    in_force = learnt_until(date(2026, 1, 21))
    in_force = replace(in_force, prices=in_force.prices.model_copy(update={"red": 5.0}))
    checks = {check.name: check for check in judge(new, in_force, past, decisions, QUICK).checks}
    assert (checks["findings in red"].in_force, checks["findings in red"].new) == (0.0, 1.0)
    assert checks["findings in green"].gain.value == 1.0


def test_each_sees_codes_as_it_numbers_them_and_is_held_against_its_own_capacity() -> None:
    new = learnt_until(date(2026, 1, 21), digest="cd" * 32)
    past, decisions = past_and_decisions(new)
    at = FEATURE_NAMES.index("country_of_origin")
    past.matrix[:, at] = 7
    model = a_spoken_model(codes={name: {} for name in CODED} | {"country_of_origin": {"CN": 3}})
    assess, seen = model.assess, set()

    def listening(items: Any, matrix: Any, **named: Any) -> Any:
        seen.update(matrix[:, at])
        return assess(items, matrix, **named)

    object.__setattr__(model, "assess", listening)
    wide = new.policy.model_copy(
        update={
            "red": new.policy.red.model_copy(update={"share": 0.2})
        }  # twice that of the new one
    )
    in_force = learnt_until(date(2026, 1, 21), model=model, policy=wide)
    judged = judge(new, in_force, past, decisions, QUICK)
    assert seen == {3.0}
    held_up = {check.name: check for check in judged.checks}["held up beyond the capacity"]
    assert held_up.new - held_up.in_force == pytest.approx(0.1)
    assert not judged.same_policy


def test_new_traders_are_those_known_for_less_than_so_many_days() -> None:
    """Those known for a day less; of theirs the odd ones are clean, and all of these are red."""
    new = learnt_until(date(2026, 1, 21), digest="cd" * 32)
    past, decisions = past_and_decisions(new, goods=2)
    at = FEATURE_NAMES.index("trader_known_days")
    past.matrix[:, at] = np.where(np.arange(120) // 2 % 4 < 2, NEW_DAYS, NEW_DAYS - 1)
    decisions["lane"] = ["RED" if day % 4 == 3 else "GREEN" for day in range(20, 60)]
    told = {each.name: each for each in judge(new, new, past, decisions, QUICK).checks}
    assert told["clean new traders held up"].new == 1.0
    past.items["importer_id"] = np.full(120, None)
    told = {each.name: each for each in judge(new, new, past, decisions, QUICK).checks}
    assert np.isnan(told["clean new traders held up"].new)


def test_a_model_that_takes_far_longer_fails() -> None:
    new, slow = learnt_until(date(2026, 1, 21), digest="cd" * 32), a_spoken_model()
    past, decisions = past_and_decisions(new)
    assess = slow.assess

    def twenty_times(*asked: Any, **named: Any) -> Any:
        risks = [assess(*asked, **named) for _ in range(20)]
        return risks[0]

    object.__setattr__(slow, "assess", twenty_times)
    slower = replace(new, model=slow)
    (*_, took) = judge(slower, learnt_until(date(2026, 1, 21)), past, decisions, QUICK).checks
    assert (took.name, took.verdict) == ("model time, ms", Verdict.FAIL)


def test_where_either_model_is_slow_in_some_rounds_one_cannot_tell() -> None:
    new = learnt_until(date(2026, 1, 21), digest="cd" * 32)
    past, decisions = past_and_decisions(new)

    def slow_in(rounds: range) -> LaneModel:
        model, calls = a_spoken_model(), count()
        assess = model.assess

        def slipping(*asked: Any, **named: Any) -> Any:
            slips = "starts" in named and next(calls) // len(decisions) in rounds
            for _ in range(19 * slips):
                assess(*asked, **named)
            return assess(*asked, **named)

        object.__setattr__(model, "assess", slipping)
        return model

    in_force = learnt_until(date(2026, 1, 21), model=slow_in(range(3, 6)))
    slipping = replace(new, model=slow_in(range(3)))
    (*_, took) = judge(slipping, in_force, past, decisions, QUICK).checks
    assert took.gain.low < -took.margin
    assert took.gain.high > 0.5
    assert took.verdict is Verdict.CANNOT_TELL


def test_without_days_that_neither_learnt_from_nothing_is_said() -> None:
    new = learnt_until(date(2026, 1, 21), digest="cd" * 32)
    past, decisions = past_and_decisions(new)
    with pytest.raises(NotEnoughDataError, match=r"From 2026-03-01, .*neither bundle learnt from"):
        judge(new, learnt_until(date(2026, 3, 1)), past, decisions, QUICK)
    nothing = Manifest(format=FORMAT, files={}, trained_on={"ingested": {"source": "native"}})
    with pytest.raises(NotEnoughDataError, match="does not say which days it learnt from"):
        judge(new, a_spoken_bundle(manifest=nothing), past, decisions, QUICK)
    with pytest.raises(NotEnoughDataError, match=r"The 40 declarations .* not the 39 that"):
        judge(new, learnt_until(date(2026, 1, 21)), past, decisions[1:], QUICK)
    with pytest.raises(NotEnoughDataError, match=r"not the 40 that .*Run `dvc repro evaluate`"):
        judge(new, learnt_until(date(2026, 1, 21)), past, decisions[::-1], QUICK)
    with pytest.raises(NotEnoughDataError, match=r"from the source 'kcs', the new one .* 'native'"):
        judge(new, learnt_until(date(2026, 1, 21), "kcs"), past, decisions, QUICK)


def test_what_is_not_defined_is_told_and_written(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    nothing = float("nan")
    check = Check("hit rate of red", 0.5, nothing, Interval(*[nothing] * 3), 0.05)
    judged = Judged("ab" * 32, "cd" * 32, date(2026, 1, 31), 20, 10, (check,), same_policy=True)
    gate.tell(judged, tmp_path / "gate.json")
    assert "gate: cannot tell" in capsys.readouterr().err
    (written,) = json.loads((tmp_path / "gate.json").read_text())["checks"]
    assert written["in_force"] == 0.5
    assert not {"new", "gain", "gain_low", "gain_high"} & written.keys()


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("lane", "PURPLE", "a lane in it is none of GREEN, YELLOW, RED"),
        ("lane", None, "a lane in it is none of GREEN, YELLOW, RED"),
        ("accepted_at", pd.Timestamp("2026-03-01"), "Cannot convert tz-naive"),
        ("risk", "high", "could not convert string to float"),
    ],
)
def test_what_are_no_decisions_is_told_with_the_file(
    tmp_path: Path, column: str, value: Any, told: str
) -> None:
    file = tmp_path / "decisions.parquet"
    good = decided(1, count=20).assign(accepted_at=pd.Timestamp("2026-03-01", tz="UTC"))
    good.to_parquet(file)
    assert len(read_decisions(file)) == 20
    good.assign(risk=None).to_parquet(file)
    assert read_decisions(file)["risk"].isna().all()
    for bad in (good.assign(**{column: value}), good.drop(columns=column)):
        bad.to_parquet(file)
        with pytest.raises(StageFileError, match=told if column in bad else column) as refused:
            read_decisions(file)
        assert str(file) in str(refused.value)


def without_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told of what was published."""
    monkeypatch.setattr(publish, "store_of", lambda _: None)
    monkeypatch.setattr(Outbox, "send", lambda *_: [])
    monkeypatch.setattr(publish, "tell", lambda *_: None)


@pytest.mark.parametrize(("low", "ends"), [(-2.0, True), (-0.5, False)])
def test_the_command_ends_with_1_for_what_is_worse(
    low: float, ends: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = Check("findings in red", 0.5, 0.4, Interval(-0.1, low, low + 1), 0.05)
    judged = Judged("ab" * 32, "cd" * 32, date(2026, 1, 31), 20, 10, (check,), same_policy=True)
    monkeypatch.setattr(gate, "read_and_judge", lambda **_: judged)
    outcome = pytest.raises(typer.Exit) if ends else nullcontext()
    with outcome:
        gate.main(out=tmp_path / "gate.json")
    assert (tmp_path / "gate.json").exists()


def test_the_command_judges_what_it_is_given_by_the_margins_that_are_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("bundle", "published", "evaluation", "data")
    folders, asked = {name: tmp_path / name for name in names}, list[dict[str, Any]]()
    (tmp_path / "params.yaml").write_text("gate: {slower: 2}")
    monkeypatch.setattr(gate, "read_and_judge", lambda **given: asked.append(given))
    gate.main(**folders, params=tmp_path / "params.yaml", out=tmp_path / "gate.json")
    assert asked == [{**folders, "params": GateParams(slower=2)}]
    assert not (tmp_path / "gate.json").exists()  # no other is in force


@pytest.mark.parametrize("verdict", list(Verdict))
def test_what_fails_is_published_on_demand_alone(
    verdict: Verdict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    bundle = tmp_path / "bundle"
    digest = a_bundle(bundle)
    evaluation = tmp_path / "evaluation"
    evaluation.mkdir()
    (evaluation / "verdict.json").write_text(
        f'{{"bundle": "{digest}", "against": [], "warnings": []}}'
    )
    ends = {Verdict.PASS: (0, 1), Verdict.CANNOT_TELL: (-1, 1), Verdict.FAIL: (-2, -1)}[verdict]
    check = Check("findings in red", 0.5, 0.4, Interval(-0.1, *ends), 0.05)
    judged = Judged("ab" * 32, "cd" * 32, date(2026, 1, 31), 20, 10, (check,), same_policy=False)
    monkeypatch.setattr(gate, "read_and_judge", lambda **_: judged)
    without_mlflow(monkeypatch)
    published = tmp_path / "published"

    def put_in_force(**options: Any) -> None:
        publish.main(bundle, published, by="ann.lee", evaluation=evaluation, **options)

    if verdict is Verdict.FAIL:
        with pytest.raises(BundleError, match=r"worse.*findings in red.*--despite"):
            put_in_force()
        assert not history(published)
        put_in_force(despite=True)
    else:
        put_in_force()
    assert [line.by for line in history(published)] == ["ann.lee"]
    told = capsys.readouterr().err
    assert f"gate: {verdict}: {gate.MEANS[verdict]}" in " ".join(told.split())
    assert json.loads((tmp_path / gate.REPORT).read_text())["verdict"] == verdict
    assert "their policies differ" in told


def two_bundles(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """One is in force, the other is evaluated; publishes the other."""
    monkeypatch.chdir(folder)
    without_mlflow(monkeypatch)
    evaluation, bundle, published = (folder / name for name in ("evaluation", "new", "published"))
    a_bundle(folder / "old", seed=1)
    publish.publish(folder / "old", published, by="ann.lee", at=datetime.now(UTC))
    told = {"bundle": a_bundle(bundle, seed=2), "against": [], "warnings": []}
    evaluation.mkdir()
    (evaluation / "verdict.json").write_text(json.dumps(told))
    return partial(publish.main, bundle, published, by="ann.lee", evaluation=evaluation)


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ("gate: {margins: {auroc: two}}", r"key gate\.margins\.auroc: .*Correct the value"),
        ("gate: {margin: {}}", r"key gate\.margin is not known \(did you mean 'margins'"),
        ("gate:", r"key gate: .*Correct the value"),
        ("gaet: {}", r"section 'gaet' is not known \(did you mean 'gate'"),
    ],
)
def test_margins_that_cannot_be_read_stop_a_publication(
    params: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in_force = two_bundles(tmp_path, monkeypatch)
    Path("params.yaml").write_text(params)
    with pytest.raises(ParamsError, match=told):
        put_in_force()
    assert len(history(tmp_path / "published")) == 1


@pytest.mark.parametrize("params", ["policy: {}", "gate: {}"])
def test_whoever_sets_no_margins_has_the_usual_ones(
    params: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in_force = two_bundles(tmp_path, monkeypatch)
    Path("params.yaml").write_text(params)
    asked: list[GateParams] = []
    monkeypatch.setattr(gate, "read_and_judge", lambda **given: asked.append(given["params"]))
    put_in_force()
    assert asked == [GateParams()]


def _gone(place: Path) -> None:
    shutil.rmtree(place)


def _another(place: Path) -> None:
    shutil.rmtree(place)
    a_bundle(place, seed=3)


def _older(place: Path) -> None:
    manifest = json.loads((place / "manifest.json").read_text())
    (place / "manifest.json").write_text(json.dumps(manifest | {"format": 1}))


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (_gone, "There is no bundle in"),
        (_another, "holds another bundle than"),
        (_older, "has another format than this software reads"),
        (lambda place: (place.parent / "current.json").write_text("{"), "does not name a bundle"),
    ],
)
def test_a_bundle_in_force_that_is_damaged_holds_up_no_other(
    harm: Callable[[Path], None],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    put_in_force = two_bundles(tmp_path, monkeypatch)
    pointer = read_pointer(tmp_path / "published")
    assert pointer is not None
    harm(tmp_path / "published" / pointer.bundle)
    put_in_force()
    (warning,) = (line for line in capsys.readouterr().err.splitlines() if "not compared" in line)
    assert told in warning
    now = read_pointer(tmp_path / "published")
    assert now is not None
    assert now.bundle != pointer.bundle


@pytest.mark.parametrize("key", ["against", "warnings"])
def test_a_verdict_that_lacks_something_is_told_with_its_file(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in_force = two_bundles(tmp_path, monkeypatch)
    file = tmp_path / "evaluation/verdict.json"
    verdict = json.loads(file.read_text())
    del verdict[key]
    file.write_text(json.dumps(verdict))
    with pytest.raises(StageFileError, match=rf"verdict\.json .*lacks '{key}'.*`dvc repro`"):
        put_in_force()
    assert len(history(tmp_path / "published")) == 1


def test_a_bundle_is_compared_with_another_and_by_its_own_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_bundles(tmp_path, monkeypatch)
    places = {name: tmp_path / name for name in ("published", "evaluation")}
    ask = partial(gate.read_and_judge, **places, data=tmp_path / "data", params=QUICK)
    assert ask(bundle=tmp_path / "old") is None  # it is in force
    a_bundle(tmp_path / "third", seed=3)
    with pytest.raises(ParamsError, match=r"is not of the bundle in .*third.*`dvc repro evaluate`"):
        ask(bundle=tmp_path / "third")


def test_both_are_judged_by_what_lies_in_the_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_bundles(tmp_path, monkeypatch)
    places = {name: tmp_path / name for name in ("published", "evaluation", "data")}
    moment = pd.Timestamp("2026-03-01", tz="UTC")
    decisions = decided(1, count=20).assign(accepted_at=moment)
    decisions.to_parquet(places["evaluation"] / "decisions.parquet")
    read, given = list[Path](), list[Any]()
    monkeypatch.setattr(gate, "read_past", lambda *files: read.extend(files))
    monkeypatch.setattr(gate, "judge", lambda *judged_by: given.extend(judged_by))
    gate.read_and_judge(bundle=tmp_path / "new", **places, params=QUICK)
    assert [file.relative_to(places["data"]).as_posix() for file in read] == [
        "features/features.parquet",
        "interim/prepared/items.parquet",
        "interim/prepared/periods.json",
        "interim/labelled/outcomes.parquet",
    ]
    new, in_force, _, judged_by, params = given
    assert (new.digest, in_force.digest) == (
        load(tmp_path / "new").digest,
        load(tmp_path / "old").digest,
    )
    assert judged_by["declaration_id"].tolist() == decisions["declaration_id"].tolist()
    assert params == QUICK


def test_what_cannot_be_compared_is_published_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    two_bundles(tmp_path, monkeypatch)()
    told = capsys.readouterr().err
    assert "was not compared with the one in force. data/interim/prepared/items.parquet" in told
    assert len(history(tmp_path / "published")) == 2
