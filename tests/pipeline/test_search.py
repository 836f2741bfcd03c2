"""A search sees nothing of the evaluation, goes on where it was, and says what it found."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest

from models.tracking_store import TrackingStore
from pipelines.search import best_of, experiment, gained, main, search, summary, wanted_trials
from pipelines.searching.question import Question, key_of
from pipelines.searching.space import SearchParams, Value
from pipelines.searching.study import FIGURES, USED, Teller, as_told, finished, open_study
from pipelines.stage.outbox import Outbox, Sent
from pipelines.stage.params import section, write_values
from pipelines.train import TrainParams
from selectivity.columns import Floats
from selectivity.errors import NotEnoughDataError, ParamsError
from tests.pasts import QUICK, a_past, stored
from tests.runs import MLFLOW_WARNS

pytestmark = MLFLOW_WARNS
SPACE = {"num_leaves": {"low": 2, "high": 6}, "lambda_l2": [0.0, 5.0]}
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def question() -> Question:
    wanted = SearchParams.model_validate({"space": SPACE, "resamples": 20})
    return Question(a_past(), QUICK, wanted)


class Interrupting:
    """Presses Ctrl-C after so many trials."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, study: optuna.Study, trial: Any) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_an_interrupted_search_goes_on_where_it_was(question: Question, tmp_path: Path) -> None:
    search(open_study(tmp_path, question), question, Interrupting(2), trials=3)
    assert len(finished(open_study(tmp_path, question))) == 2

    study = open_study(tmp_path, question)
    search(study, question, Interrupting(0), trials=3)
    search(study, question, Interrupting(0), trials=3)  # there are three: nothing is left to do
    used = [trial.user_attrs[USED] for trial in finished(study)]
    assert len(used) == 3
    assert len({str(each) for each in used}) > 1
    assert used[2] != used[0]  # it goes on with another seed
    assert all(2 <= each["num_leaves"] <= 6 and each["lambda_l2"] in (0, 5) for each in used)
    assert study.best_value == max(trial.user_attrs[FIGURES]["auroc"] for trial in finished(study))
    assert study.best_value > 0.8
    assert best_of(study, 1, above=0.0) == [study.best_trial.user_attrs[USED]]
    gain, now = gained(study, question)
    assert gain.low <= gain.value <= gain.high
    assert "best of 3 trials: auroc 0." in summary(study, question, gain, now)
    assert ("dvc exp run" in summary(study, question, gain, now)) == (gain.value > 0)


def test_what_is_worse_than_the_params_of_now_is_neither_recommended_nor_queued(
    question: Question, tmp_path: Path
) -> None:
    silent = question.wanted.model_copy(update={"space": {"rounds": [1]}})
    worse = replace(question, wanted=silent)
    study = open_study(tmp_path, worse)
    search(study, worse, Interrupting(0), trials=2)
    gain, now = gained(study, worse)
    told = summary(study, worse, gain, now)
    assert gain.value < 0
    assert "No trial ranks better than the params of now" in told
    assert "dvc exp run" not in told
    assert best_of(study, 3, above=worse.figures(now)["auroc"]) == []
    assert len(best_of(study, 3, above=0.0)) >= 1


def test_of_trials_that_are_better_each_is_taken_once_and_the_best_first() -> None:
    study = optuna.create_study(direction="maximize")
    for value, leaves in ((0.5, 2), (0.6, 3), (0.6, 3), (0.7, 4), (0.4, 5)):
        used = {USED: {"num_leaves": leaves}, FIGURES: {"auroc": value}}
        study.add_trial(optuna.trial.create_trial(value=value, user_attrs=used))
    taken = best_of(study, 3, above=0.5)
    assert [each["num_leaves"] for each in taken] == [4, 3]
    assert best_of(study, 1, above=0.5) == taken[:1]


@pytest.mark.parametrize(
    ("space", "written"), [("rounds: [40, 60]", True), ("feature_fraction: [0.01, 0.02]", False)]
)
def test_the_command_takes_the_best_of_the_trials_there_are_if_they_are_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, space: str, written: bool
) -> None:
    given = stored(a_past(400), tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("dvc.py").write_text("import sys; print(*sys.argv[1:], file=open('queued.txt', 'a'))\n")
    now = "train:\n  rounds: 10\n  smallest_class: 1\n  lambda_l2: 20.0\n"
    params = Path("params.yaml")
    params.write_text(f"{now}search: {{resamples: 20, space: {{{space}}}}}\n")
    options: dict[str, Any] = {"params": params, **given}
    main(trials=2, **options)
    main(queued=3, **options)
    main(apply=True, **options)
    (folder,) = Path("state/search").iterdir()
    assert len(pd.read_csv(folder / "trials.csv")) == 2
    queued = Path("queued.txt").read_text().splitlines() if written else []
    assert Path("queued.txt").exists() == written
    assert len(queued) == len(set(queued)) <= 2
    assert all(line.startswith("exp run --queue -S train.rounds=") for line in queued)
    assert ("rounds: 10\n" in params.read_text()) == (not written)


@pytest.mark.parametrize(
    ("asked", "made", "only_taken", "in_all"),
    [(None, 7, False, 50), (None, 7, True, 7), (None, 0, True, 50), (9, 7, True, 9)],
)
def test_who_takes_the_best_takes_it_from_the_trials_there_are(
    asked: int | None, made: int, only_taken: bool, in_all: int
) -> None:
    assert wanted_trials(asked, made, only_taken=only_taken) == in_all


@pytest.fixture
def two_trials(question: Question, tmp_path: Path) -> optuna.Study:
    study = open_study(tmp_path / "study", question)
    search(study, question, Interrupting(0), trials=2)
    return study


def test_mlflow_is_told_of_every_trial_and_of_the_best(
    question: Question, two_trials: optuna.Study
) -> None:
    told = as_told(two_trials, question, "k1")
    trials = finished(two_trials)
    assert (told.key, told.tags, told.metrics["trials"]) == ("k1", {"kind": "search"}, 2.0)
    assert told.metrics["best.auroc"] == max(each.metrics["auroc"] for each in told.trials)
    assert told.params["search.goal"] == "auroc"
    assert [each.params for each in told.trials] == [
        {f"train.{name}": str(value) for name, value in trial.user_attrs[USED].items()}
        for trial in trials
    ]
    assert told.begun == told.trials[0].begun
    assert all(each.begun < each.ended for each in told.trials)


def test_how_far_a_search_is_and_how_long_it_takes_is_said_after_each_trial(
    question: Question,
    two_trials: optuna.Study,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = iter([1000.0, 1300.0, 1420.0])
    monkeypatch.setattr("pipelines.searching.study.time.monotonic", lambda: next(clock))
    sent: list[int] = []

    def send(outbox: Outbox, store: TrackingStore) -> Sent:
        (waiting,) = outbox.searches()
        sent.append(waiting.stat().st_size)
        return Sent(problems=["MLflow does not answer."])

    monkeypatch.setattr(Outbox, "send", send)
    teller = Teller(
        question, "k1", total=5, root=tmp_path, store=TrackingStore("sqlite:///none.db")
    )
    for trial in finished(two_trials):
        teller(two_trials, trial)
    said = capsys.readouterr().err.splitlines()
    best = f"best {two_trials.best_value:.4f}"
    assert [line.rpartition("about ")[2] for line in said if "trial" in line] == [
        "15 min left",  # 300 s for one trial, three to go
        "10 min left",  # 420 s for two
    ]
    assert all("trial 2 of 5: auroc" in line and best in line for line in said if "trial" in line)
    assert said.count("warning: MLflow does not answer.") == 1
    assert len(sent) == 1  # the first time it does not answer, it waits for the end


def test_a_trial_that_broke_off_is_none_of_those_that_are_told(
    question: Question, two_trials: optuna.Study
) -> None:
    two_trials.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL))
    assert len(finished(two_trials)) == 2
    assert len(as_told(two_trials, question, "k1").trials) == 2


@pytest.mark.parametrize("finding_class", [0, 2])
def test_days_on_which_all_or_nothing_was_found_cannot_judge(
    question: Question, finding_class: int
) -> None:
    past = question.past
    alike = replace(past, outcomes=past.outcomes.assign(finding_class=finding_class))
    with pytest.raises(NotEnoughDataError, match="so nothing can be judged"):
        _ = replace(question, past=alike).judging


class Broken(Question):
    """Ctrl-C is pressed while it trains."""

    def risk(self, changes: Mapping[str, Value]) -> Floats:
        raise KeyboardInterrupt


def test_a_trial_that_is_interrupted_prints_no_traceback(
    question: Question, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Broken(question.past, question.now, question.wanted)
    study = open_study(tmp_path, question)
    logger = logging.getLogger("optuna")
    logger.addHandler(caplog.handler)
    search(study, broken, Interrupting(0), trials=1)
    logger.removeHandler(caplog.handler)
    assert not finished(study)
    assert not caplog.records


def test_nothing_of_the_evaluation_and_nothing_late_moves_a_trial(question: Question) -> None:
    past = question.past
    begins = pd.Timestamp(past.periods.evaluate_from, tz="UTC")
    later = begins + timedelta(days=1)
    news = past.outcomes.assign(
        inspection_id="I-" + past.outcomes["inspection_id"], finding_class=2, observed_at=later
    )
    lies = pd.concat([past.outcomes, news], ignore_index=True)
    nonsense = np.where(past.periods.rows(past.items, "evaluate")[:, None], 9.0, past.matrix)
    other = replace(question, past=replace(past, outcomes=lies, matrix=nonsense))

    assert (past.periods.rows(past.items, "calibrate")[question.judging]).all()
    np.testing.assert_array_equal(other.found, question.found)
    np.testing.assert_array_equal(other.risk({}), question.risk({}))


@pytest.mark.parametrize("hours", [0, 24])
def test_a_trial_learns_only_what_was_known_when_the_judging_days_began(
    question: Question, hours: int
) -> None:
    past, first = question.past, pd.Timestamp(question.past.periods.calibrate_from, tz="UTC")
    taught = past.periods.rows(past.items, "train")[past.outcomes["row"].to_numpy()]
    too_late = past.outcomes["observed_at"].where(~taught, first + timedelta(hours=hours))
    with pytest.raises(NotEnoughDataError):
        replace(
            question, past=replace(past, outcomes=past.outcomes.assign(observed_at=too_late))
        ).risk({})


def test_goods_lines_that_were_met_before_do_not_judge_where_new_ones_are_asked_for(
    question: Question,
) -> None:
    new = question.wanted.model_copy(update={"view": "new_lines"})
    with pytest.raises(NotEnoughDataError, match="Of 0 controlled goods items"):
        replace(question, wanted=new).found  # noqa: B018  # all goods here are alike


def test_other_data_another_space_or_another_goal_make_another_search(question: Question) -> None:
    key = key_of(question, {"items": "a"})
    wider = question.wanted.model_copy(update={"space": {"num_leaves": (2, 9)}})
    goal = question.wanted.model_copy(update={"goal": "auprc"})
    others = [
        key_of(question, {"items": "b"}),
        key_of(replace(question, wanted=wider), {"items": "a"}),
        key_of(replace(question, wanted=goal), {"items": "a"}),
        key_of(replace(question, now=QUICK.model_copy(update={"rounds": 11})), {"items": "a"}),
    ]
    seed = question.wanted.model_copy(update={"seed": 1})
    others.append(key_of(replace(question, wanted=seed), {"items": "a"}))
    assert len({key, *others}) == 6
    finer = question.wanted.model_copy(update={"resamples": 21})  # of the interval alone
    assert key_of(replace(question, wanted=finer), {"items": "a"}) == key
    tried = replace(question, now=QUICK.model_copy(update={"num_leaves": 6}))
    assert key_of(tried, {"items": "a"}) == key  # what is searched may be applied and searched on


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"num_leafs": [2, 3]}, "did you mean 'num_leaves'"),
        ({"num_leaves": [1]}, "greater than or equal to 2"),
        ({"num_leaves": {"low": 9, "high": 4}}, "`low` has to be below `high`"),
        ({"num_leaves": {"low": 4, "high": 4}}, "`low` has to be below `high`"),
        ({"lambda_l2": {"low": 0, "high": 4, "log": True}}, "logarithm"),
        ({}, "at least 1"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(
    space: dict[str, Any], said: str, tmp_path: Path
) -> None:
    params = tmp_path / "params.yaml"
    params.write_text(f"search:\n  space: {space}\n".replace("True", "true"))
    with pytest.raises(ParamsError, match=said):
        section(params, "search", SearchParams)


def test_the_best_is_said_as_an_experiment_of_dvc() -> None:
    words = experiment({"num_leaves": 6, "forget_lines": False, "lambda_l2": 0.5})
    assert " ".join(words) == (
        "dvc exp run -S train.num_leaves=6 -S train.forget_lines=false -S train.lambda_l2=0.5"
    )


def test_applying_changes_values_and_nothing_else(tmp_path: Path) -> None:
    before = (ROOT / "params.yaml").read_text(encoding="utf-8")
    file = tmp_path / "params.yaml"
    file.write_text(before, encoding="utf-8")
    write_values(file, "train", {"num_leaves": 16, "lambda_l2": 7.5, "forget_lines": False})

    applied = section(file, "train", TrainParams)
    assert (applied.num_leaves, applied.lambda_l2, applied.forget_lines) == (16, 7.5, False)
    changed = [
        (old, new)
        for old, new in zip(
            before.splitlines(), file.read_text(encoding="utf-8").splitlines(), strict=True
        )
        if old != new
    ]
    assert len(changed) == 3
    assert all(old.partition("#")[2] == new.partition("#")[2] for old, new in changed)


@pytest.mark.parametrize("heading", ["train:", "train:  # of the trees"])
def test_a_section_at_the_top_or_with_a_comment_is_written_into(
    tmp_path: Path, heading: str
) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(f"{heading}\n  bags: 1\nother:\n  bags: 1\n")
    write_values(file, "train", {"bags": 2})
    assert file.read_text() == f"{heading}\n  bags: 2\nother:\n  bags: 1\n"


def test_a_file_with_the_line_ends_of_windows_keeps_them(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_bytes(b"train:\r\n  bags: 1\r\n  rounds: 5  # few\r\nother:\r\n  bags: 1\r\n")
    write_values(file, "train", {"bags": 12, "rounds": 50})
    assert file.read_bytes() == (
        b"train:\r\n  bags: 12\r\n  rounds: 50 # few\r\nother:\r\n  bags: 1\r\n"
    )


def test_a_value_without_a_line_of_its_own_is_named(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text("train: {num_leaves: 8}\n")
    with pytest.raises(ParamsError, match=r"Write it there yourself: num_leaves: 16"):
        write_values(file, "train", {"num_leaves": 16})
    assert file.read_text() == "train: {num_leaves: 8}\n"
