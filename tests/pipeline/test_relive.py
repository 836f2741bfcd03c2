"""A history relived: only what was chosen is known, and knowing it pays."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from pipelines.histories.engine import history_in_bulk
from pipelines.judging.weekly import By, Choice, History, ModelRecipe, Week, model_of_week, relive
from pipelines.label import LabelParams
from pipelines.prepare import PrepareParams
from pipelines.relive import main, summary
from pipelines.sources.assembly import FINDING, INSPECTION
from pipelines.stage.files import read_json
from pipelines.stage.tables import columns_from_frame, write_columns
from pipelines.train import TrainParams
from pipelines.training.outcomes import as_outcomes
from selectivity.columns import Columns, to_columns
from selectivity.deciding.policy import Policy
from selectivity.errors import NotEnoughDataError
from tests.builders import a_declaration, an_item

START = datetime(2026, 1, 5, tzinfo=UTC)
WEEKS, A_WEEK = 8, 140
TRADERS, WRONG = 40, 6
"""The goods of so many of the traders are never what they are declared to be."""
RECIPE = ModelRecipe(
    prepare=PrepareParams(warm_up_days=0, label_delay_days=1, calibration_share=0.2),
    label=LabelParams(),
    train=TrainParams(rounds=15, num_leaves=4, min_data_in_leaf=10, smallest_class=5),
    policy=Policy(),
)
CHOICE = Choice(share=0.2, weeks_known=3, retrain_every=2)


def trader(number: int) -> int:
    return number * 7 % TRADERS


def a_history(**telling: Iterable[int]) -> History:
    return History(*tables(**telling), RECIPE)


def tables(
    *, lies: Iterable[int] = (), without: Iterable[int] = ()
) -> tuple[Columns, pd.DataFrame, pd.DataFrame]:
    """Goods items, inspections, findings. `lies` are declarations of which the opposite is told;
    `without` were not inspected."""
    lies, without = set(lies), set(without)
    items = [
        a_declaration(
            declaration_id=f"D-{number:04d}",
            accepted_at=START + timedelta(days=7 * number / A_WEEK),
            importer_id=f"IMP{trader(number)}",
            items=(an_item(customs_value=1_000.0 + 10 * (number % 97)),),
        )
        for number in range(WEEKS * A_WEEK)
    ]
    inspected = [(number, each) for number, each in enumerate(items) if number not in without]
    found = {number: (trader(number) < WRONG) != (number in lies) for number, _ in inspected}
    inspections = [
        {
            "inspection_id": f"I-{number:04d}",
            "declaration_id": each.declaration_id,
            "control_type": "FULL_PHYSICAL",
            "result": "FINDING" if found[number] else "NO_FINDING",
            "observed_at": each.accepted_at + timedelta(days=1),
        }
        for number, each in inspected
    ]
    findings = [
        {
            "inspection_id": f"I-{number:04d}",
            "item_no": 1,
            "mechanism": "PROHIBITED_RESTRICTED" if number % 2 else "UNDERVALUATION",
        }
        for number, wrong in found.items()
        if wrong
    ]
    return to_columns(items), _frame(inspections, INSPECTION), _frame(findings, FINDING)


def _frame(rows: list[dict[str, Any]], kinds: Any) -> pd.DataFrame:
    frame = pd.DataFrame(rows).reindex(columns=list(kinds))
    if "observed_at" in kinds:
        frame["observed_at"] = pd.to_datetime(frame["observed_at"], utc=True)
    return frame


def lived(history: History, choice: Choice = CHOICE) -> list[Week]:
    return list(relive(history, choice))


def test_what_was_never_chosen_teaches_nothing() -> None:
    history = a_history()
    weeks = lived(history)
    never = np.flatnonzero(~history.known)
    assert len(never) > WEEKS * A_WEEK / 3
    assert history.known.sum() == 3 * A_WEEK + sum(each.chosen for each in weeks)

    other = a_history(lies=never.tolist())
    again = lived(other)
    np.testing.assert_array_equal(other.known, history.known)
    assert [each.found for each in again] == [each.found for each in weeks]
    assert [each.found_there for each in again] != [each.found_there for each in weeks]


def test_what_was_chosen_pays() -> None:
    by_model = summary(pd.DataFrame(lived(a_history())))
    by_chance = summary(pd.DataFrame(lived(a_history(), Choice(0.2, random=1.0, weeks_known=3))))
    assert by_model["precision"] > 0.6
    assert by_chance["precision"] < 0.3
    assert by_model["findings_share"] > 2 * by_chance["findings_share"]
    assert by_model["precision_low"] < by_model["precision"] < by_model["precision_high"]


def test_every_week_has_its_places_and_chance_its_share_of_them() -> None:
    weeks = lived(a_history(without=range(3 * A_WEEK, 8 * A_WEEK, 2)), Choice(0.2, random=0.25))
    there = A_WEEK // 2
    assert [each.declarations for each in weeks] == [A_WEEK] + [there] * 5
    assert [each.chosen for each in weeks][1:] == [there // 5] * 5
    assert [each.by_chance for each in weeks][-1] == round(there / 5 * 0.25)
    assert weeks[0].first_day == (START + timedelta(days=14)).date()


def test_what_chance_chose_weighs_as_much_as_it_stands_for() -> None:
    history = a_history()
    history.tell(np.array([0, 1]), np.array([1.0, 0.125]))
    assert history.told(10)["weight"].tolist() == [1.0, 8.0]
    history.tell(np.array([2]), np.array([0.001]))
    assert history.told(10)["weight"].tolist()[-1] == RECIPE.label.highest_weight


def test_the_most_that_could_be_found_is_of_as_many_inspections() -> None:
    history = a_history()  # of these three the first and the last are wrong
    week = history.week_of(0, np.array([0, 1, 6]), np.array([1, 6]), by_chance=0)
    assert (week.found, week.found_there) == (1, 2)
    assert week.duty_found == history.duty[6]
    one = history.week_of(0, np.array([0, 1, 6]), np.array([0]), by_chance=0)
    assert one.duty_there == max(history.duty[0], history.duty[6]) > one.duty_found


def test_of_goods_nothing_is_known_before_their_week() -> None:
    items, inspections, findings = tables()
    later = items["accepted_at"] >= np.datetime64((START + timedelta(days=21)).date())
    codes = np.where(later, "870323", items["hs_code"])
    history = History(items | {"hs_code": codes}, inspections, findings, RECIPE)
    history.tell(np.arange(3 * A_WEEK), np.ones(3 * A_WEEK))
    there, of_week = history.until(3)
    outcomes = history.told(len(of_week))
    known = history_in_bulk(there, as_outcomes(outcomes))
    model = model_of_week(history, 3, there, known, outcomes)
    assert "8703" not in model.knowledge.headings
    assert len(model.knowledge.headings) == 1


def test_by_benefit_more_duty_is_found() -> None:
    by_chance, by_benefit = (
        summary(pd.DataFrame(lived(a_history(), Choice(0.05, by=by, weeks_known=3)))) for by in By
    )
    assert by_benefit["duty_share_of_best"] > by_chance["duty_share_of_best"]


def test_until_there_is_enough_to_train_on_chance_chooses_and_says_why() -> None:
    told: list[str] = []
    first, *_, last = relive(a_history(), Choice(0.2, weeks_known=0), told.append)
    assert (first.by_chance, last.by_chance) == (first.chosen, 0)
    assert len(told) == 1
    assert "chance chooses" in told[0]


def test_without_a_week_to_relive_it_says_so() -> None:
    with pytest.raises(NotEnoughDataError, match="8 weeks, so none is left"):
        lived(a_history(), Choice(weeks_known=8))


def test_the_command_writes_a_row_per_week_and_what_they_come_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items, inspections, findings = tables(without=range(0, WEEKS * A_WEEK, 10))
    write_columns(items, tmp_path / "items.parquet")
    for name, frame, kinds in (
        ("inspections", inspections, INSPECTION),
        ("findings", findings, FINDING),
    ):
        write_columns(columns_from_frame(frame, kinds), tmp_path / f"{name}.parquet", kinds)
    params = tmp_path / "params.yaml"
    params.write_text(
        yaml.safe_dump(
            {
                name: getattr(RECIPE, name).model_dump(mode="json", exclude_defaults=True)
                for name in RECIPE._fields
            }
        )
    )
    out = tmp_path / "relived"
    main(params, tmp_path, share=0.2, weeks_known=3, retrain_every=2, out=out)

    weeks, told = pd.read_csv(out / "weeks.csv"), read_json(out / "summary.json")
    assert len(weeks) == WEEKS - 3
    assert told["all"] == told["last_13_weeks"]
    assert told["all"]["chosen"] == weeks["chosen"].sum()
    said = capsys.readouterr()
    assert "90% of the declarations were inspected" in said.err
    assert f"precision {told['all']['precision']:.3f} (" in said.out
