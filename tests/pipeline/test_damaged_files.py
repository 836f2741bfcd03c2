"""A damaged file between two stages is told with its path and what to do, whoever reads it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.lane_model import Knowledge
from pipelines import train
from pipelines.histories.inputs import items_in_parts
from pipelines.judging.fitting import read_past
from pipelines.stage.files import (
    read_arrays,
    read_as,
    read_json,
    write_arrays,
    write_json,
    write_text,
)
from pipelines.stage.tables import (
    columns_in_parts,
    read_columns,
    read_frame,
    write_columns,
    write_frame,
)
from pipelines.training.lines import days_and_lines
from pipelines.training.rows import Rows, read_features
from selectivity.errors import StageFileError
from selectivity.features.matrix import FEATURE_NAMES
from tests.pasts import a_past

COUNT = 200


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """What the stages before `train` wrote."""
    past = a_past(COUNT)
    write_columns(past.items, tmp_path / "items.parquet")
    write_frame(pd.DataFrame(past.matrix, columns=FEATURE_NAMES), tmp_path / "features.parquet")
    write_frame(past.outcomes.assign(additional_duty=0.0), tmp_path / "outcomes.parquet")
    write_text(tmp_path / "periods.json", past.periods.model_dump_json())
    (tmp_path / "params.yaml").write_text("train: {rounds: 2, smallest_class: 1}\n")
    return tmp_path


@pytest.mark.parametrize("left", [b"", b"PAR1 half of it", None], ids=["none", "bytes", "half"])
@pytest.mark.parametrize(
    "read",
    [
        read_columns,
        read_frame,
        lambda file: read_features(file, COUNT),
        lambda file: list(columns_in_parts(file, 10)),
        lambda file: list(items_in_parts(file)),
        days_and_lines,
        Rows.stored,
    ],
    ids=["columns", "frame", "features", "parts", "histories", "days", "rows"],
)
def test_a_damaged_table_is_told_with_its_path(
    made: Path, read: Callable[[Path], object], left: bytes | None
) -> None:
    file = made / "items.parquet"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2] if left is None else left)

    with pytest.raises(StageFileError, match=r"items\.parquet cannot be used: .*`dvc repro`"):
        read(file)


@pytest.mark.parametrize(
    ("left", "problem"),
    [
        ("", "Expecting value"),
        ('{"half', "Unterminated string"),
        ("[]", "there is a list where a dict stood"),
    ],
)
def test_damaged_json_is_told_with_its_path(tmp_path: Path, left: str, problem: str) -> None:
    (tmp_path / "label.json").write_text(left)

    with pytest.raises(StageFileError, match=rf"label\.json cannot be used: {problem}"):
        read_json(tmp_path / "label.json")


def test_json_of_another_version_is_told_with_its_path_and_field(tmp_path: Path) -> None:
    write_json(tmp_path / "knowledge.json", {"feature_names": []})

    with pytest.raises(StageFileError, match=r"knowledge\.json cannot be used: codes: Field req"):
        read_as(tmp_path / "knowledge.json", Knowledge)


def test_damaged_arrays_are_told_with_their_path(tmp_path: Path) -> None:
    file = tmp_path / "profiles.npz"
    write_arrays(file, {"numbers": np.arange(1_000)})
    file.write_bytes(file.read_bytes()[:-100])

    with pytest.raises(StageFileError, match=r"profiles\.npz cannot be used"):
        read_arrays(file)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("row", -1, "row is -1 in an outcome of 200 goods items"),
        ("row", COUNT, "row is 200 in an outcome of 200 goods items"),
        ("finding_class", 3, "finding_class is 3"),
        ("counts", 0, "counts is 0"),
        ("weight", np.inf, "weight is inf"),
        ("observed_at", pd.NaT, "observed_at is NaT"),
    ],
)
def test_outcomes_that_no_stage_writes_are_refused(
    made: Path, column: str, value: object, said: str
) -> None:
    _alter(made / "outcomes.parquet", lambda table: _with(table, column, value))

    with pytest.raises(StageFileError, match=rf"outcomes\.parquet cannot be used: {said}"):
        _train(made)


@pytest.mark.parametrize("name", ["features", "outcomes"])
def test_a_table_without_a_column_is_told_with_its_path(made: Path, name: str) -> None:
    _alter(made / f"{name}.parquet", lambda table: table.iloc[:, 1:])

    with pytest.raises(StageFileError, match=rf"{name}\.parquet cannot be used"):
        read_past(*(made / f for f in _FILES))


@pytest.mark.parametrize("run", ["train", "others"])
def test_features_of_other_goods_items_are_refused(made: Path, run: str) -> None:
    _alter(made / "features.parquet", lambda table: table[:-1])

    with pytest.raises(StageFileError, match="has 199 rows, and there are 200 goods items"):
        _train(made) if run == "train" else read_past(*(made / name for name in _FILES))


def test_periods_that_are_damaged_are_told_with_their_path(made: Path) -> None:
    write_json(made / "periods.json", {"train_from": "2026-01-01"})

    with pytest.raises(StageFileError, match=r"periods\.json cannot be used: train_until"):
        _train(made)


def test_a_file_that_is_not_there_is_no_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as told:
        read_columns(tmp_path / "items.parquet")
    assert told.value.filename == str(tmp_path / "items.parquet")


_FILES = ("features.parquet", "items.parquet", "periods.json", "outcomes.parquet")


def _train(made: Path) -> None:
    features, items, periods, outcomes = (made / name for name in _FILES)
    train.main(made / "params.yaml", features, items, periods, outcomes, made / "out")


def _alter(file: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    write_frame(change(pd.read_parquet(file)), file)


def _with(table: pd.DataFrame, column: str, value: object) -> pd.DataFrame:
    table.loc[3, column] = value
    return table
