"""Trees that decide know the newest days; those that curves are fitted after have not seen them."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from models.trees import REHEARSAL, Trees
from pipelines import train
from pipelines.calibrate import calibrated
from pipelines.judging.fitting import Past, grow, learn
from pipelines.stage.files import write_text
from pipelines.stage.tables import write_columns, write_frame
from pipelines.train import TrainParams
from selectivity.features import FEATURE_NAMES
from tests.pasts import QUICK, a_past


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


def test_the_stage_writes_what_was_learnt(tmp_path: Path) -> None:
    past = a_past(400)
    write_columns(past.items, tmp_path / "items.parquet")
    write_frame(pd.DataFrame(past.matrix, columns=FEATURE_NAMES), tmp_path / "features.parquet")
    write_frame(past.outcomes.assign(additional_duty=0.0), tmp_path / "outcomes.parquet")
    write_text(tmp_path / "periods.json", past.periods.model_dump_json())
    for refit in (True, False):
        settings = TrainParams(rounds=2, smallest_class=1, refit=refit)
        write_text(
            tmp_path / "params.yaml",
            f"train: {{rounds: 2, smallest_class: 1, refit: {str(refit).lower()}}}\n",
        )
        out = tmp_path / f"trees-{refit}"
        train.main(
            params=tmp_path / "params.yaml",
            features=tmp_path / "features.parquet",
            items=tmp_path / "items.parquet",
            periods=tmp_path / "periods.json",
            outcomes=tmp_path / "outcomes.parquet",
            out=out,
        )
        learnt = learn(past, settings)
        assert Trees.load(out / REHEARSAL).texts() == learnt.rehearsal.texts()
        assert Trees.load(out).texts() == learnt.trees.texts()
