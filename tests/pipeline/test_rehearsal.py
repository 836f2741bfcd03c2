"""Trees that decide know the newest days; those that curves are fitted after have not seen them."""

from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from models.calibration import Calibration
from models.lane_model import LaneModel
from models.rules_files import read_rules
from models.trees import DUTY, REHEARSAL, Trees
from pipelines import calibrate, train
from pipelines.calibrate import calibrated
from pipelines.featurize import knowledge_of
from pipelines.judging.fitting import Past, grow, learn
from pipelines.stage.files import read_as, write_text
from pipelines.train import TrainParams
from selectivity.columns import Mask, take
from selectivity.deciding.capacity import Prices
from selectivity.errors import BundleError, NotEnoughDataError
from tests.pasts import QUICK, a_past, stored
from tests.spoken import WORTH_ITS_CHANCE


def turned(past: Past, first: date, after: date) -> Past:
    """The same past, but in these days wrong is what was right, and the other way round."""
    days = past.items["accepted_at"].astype("datetime64[D]")[past.outcomes["row"].to_numpy()]
    those = (days >= np.datetime64(first)) & (days < np.datetime64(after))
    classes = past.outcomes["finding_class"]
    turned = np.where(those, (classes == 0).astype(int), classes)
    return replace(past, outcomes=past.outcomes.assign(finding_class=turned))


def test_trees_that_decide_learn_from_the_days_that_calibrate_and_the_rehearsal_does_not() -> None:
    past = a_past()
    days = past.periods.calibrate_from, past.periods.calibrate_until
    as_it_was, other = (learn(each, QUICK) for each in (past, turned(past, *days)))
    assert as_it_was.rehearsal.texts() == other.rehearsal.texts() == grow(past, QUICK).texts()
    assert as_it_was.trees.texts() != other.trees.texts()


def test_nothing_of_the_evaluation_is_learnt() -> None:
    past = a_past()
    days = past.periods.evaluate_from, past.periods.evaluate_until
    as_it_was, other = (learn(each, QUICK) for each in (past, turned(past, *days)))
    assert as_it_was.trees.texts() == other.trees.texts()
    assert as_it_was.calibration == other.calibration


def test_curves_come_from_the_rehearsal() -> None:
    """Trees that know the outcomes of these days would need no curve to turn them down."""
    past = a_past()
    learnt = learn(past, QUICK)
    use = past.periods.rows(past.items, "calibrate")
    of_each = [
        calibrated(trees, past.matrix, use, past.outcomes, past.periods)
        for trees in (learnt.rehearsal, learnt.trees)
    ]
    assert learnt.calibration == of_each[0] != of_each[1]


def test_without_a_second_training_the_rehearsal_decides() -> None:
    learnt = learn(a_past(), QUICK.model_copy(update={"refit": False}))
    assert learnt.trees is learnt.rehearsal


def test_curves_and_prices_of_the_stage_are_those_of_their_trees_and_days(tmp_path: Path) -> None:
    """Curves come from the rehearsal in the days that calibrate, prices from the trees that decide
    in the newest days."""
    past = a_past(400)
    given, learnt = stored(past, tmp_path), learn(past, QUICK)
    for folder, trees in (("trees", learnt.trees), (f"trees/{REHEARSAL}", learnt.rehearsal)):
        for name, text in trees.texts().items():
            write_text(tmp_path / folder / name, text)
    known = knowledge_of(past.items)
    write_text(tmp_path / "knowledge.json", known.model_dump_json())
    rules = "bundle: {rules: [data/reference/rules/vietnam.yaml]}"
    policy = f"policy: {WORTH_ITS_CHANCE.model_dump_json()}"
    write_text(tmp_path / "params.yaml", f"{rules}\n{policy}\n")
    make = partial(
        calibrate.main,
        params=tmp_path / "params.yaml",
        trees=tmp_path / "trees",
        knowledge=tmp_path / "knowledge.json",
        out=tmp_path / "out",
        **given,
    )
    make()

    def prices_by(trees: Trees, days: Mask) -> Prices:
        return calibrate.prices_of(
            take(past.items, days),
            LaneModel(trees, learnt.calibration, known),
            past.matrix[days],
            read_rules([Path("data/reference/rules/vietnam.yaml")]),
            WORTH_ITS_CHANCE,
        )

    newest, slice_ = past.periods.newest(past.items), past.periods.rows(past.items, "calibrate")
    prices = read_as(tmp_path / "out/prices.json", Prices)
    assert read_as(tmp_path / "out/calibration.json", Calibration) == learnt.calibration
    assert prices == prices_by(learnt.trees, newest)
    assert prices != prices_by(learnt.rehearsal, newest)
    assert prices != prices_by(learnt.trees, slice_)
    for place in (tmp_path / "trees", tmp_path / "trees" / REHEARSAL):
        content = (place / DUTY).read_text(encoding="utf-8")
        write_text(place / DUTY, "")
        with pytest.raises(BundleError, match=rf"{place.name}/{DUTY} is empty"):
            make()
        write_text(place / DUTY, content)


def test_the_stage_writes_what_was_learnt(tmp_path: Path) -> None:
    past = a_past(400)
    given = stored(past, tmp_path)
    for refit in (True, False):
        settings = TrainParams(rounds=2, smallest_class=1, refit=refit)
        write_text(
            tmp_path / "params.yaml",
            f"train: {{rounds: 2, smallest_class: 1, refit: {str(refit).lower()}}}\n",
        )
        out = tmp_path / f"trees-{refit}"
        train.main(
            params=tmp_path / "params.yaml",
            out=out,
            **given,
        )
        learnt = learn(past, settings)
        assert Trees.load(out / REHEARSAL).texts() == learnt.rehearsal.texts()
        assert Trees.load(out).texts() == learnt.trees.texts()


def test_training_days_with_too_few_findings_are_named_though_later_days_have_enough(
    tmp_path: Path,
) -> None:
    past = a_past(400)
    days = past.items["accepted_at"].astype("datetime64[D]")[past.outcomes["row"].to_numpy()]
    late = days >= np.datetime64(past.periods.calibrate_from)
    found = past.outcomes["finding_class"].where(late, 0)
    given = stored(replace(past, outcomes=past.outcomes.assign(finding_class=found)), tmp_path)
    write_text(tmp_path / "params.yaml", "train: {rounds: 2, smallest_class: 1}\n")
    with pytest.raises(NotEnoughDataError, match="for the rehearsal on the training days alone"):
        train.main(params=tmp_path / "params.yaml", out=tmp_path / "trees", **given)
