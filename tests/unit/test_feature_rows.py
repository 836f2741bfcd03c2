"""Rows of a file and rows of a matrix are the same rows."""

import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.train import TrainParams, train
from pipelines.training.boosters import Examples, fit
from pipelines.training.learnable import Labels
from pipelines.training.rows import BLOCK, Rows
from selectivity.columns import Floats
from selectivity.features.matrix import FEATURE_NAMES, LINE_FEATURES

COUNT = 1_000


@pytest.fixture(scope="module")
def matrix() -> Floats:
    chance = np.random.default_rng(0)
    numbers: Floats = chance.random((COUNT, len(FEATURE_NAMES)))
    numbers[chance.random(numbers.shape) < 0.1] = np.nan
    return numbers


@pytest.fixture(scope="module")
def file(matrix: Floats, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table with its columns in another order, in row groups of 64."""
    path = tmp_path_factory.mktemp("rows") / "features.parquet"
    table = pd.DataFrame(matrix, columns=list(FEATURE_NAMES))
    table[sorted(FEATURE_NAMES)].to_parquet(path, row_group_size=64)
    return path


def test_a_file_gives_the_rows_of_the_matrix(file: Path, matrix: Floats) -> None:
    kept = np.random.default_rng(1).random(COUNT) < 0.3
    stored, held = (rows.chosen(kept) for rows in (Rows.stored(file), Rows.of(matrix)))
    assert len(stored) == len(held) == kept.sum()
    for rows in (stored, held):
        np.testing.assert_array_equal(np.concatenate(list(rows.blocks())), matrix[kept])
        np.testing.assert_array_equal(rows[5], matrix[kept][5])
        np.testing.assert_array_equal(rows[3:9], matrix[kept][3:9])
        np.testing.assert_array_equal(rows[[7, 2]], matrix[kept][[7, 2]])


def test_a_mask_of_chosen_rows_speaks_of_the_chosen(matrix: Floats) -> None:
    first, second = np.arange(COUNT) % 2 == 0, np.arange(COUNT // 2) < 10
    np.testing.assert_array_equal(Rows.of(matrix).chosen(first).chosen(second)[:10], matrix[:20:2])


def test_forgotten_rows_remember_all_but_the_line(file: Path, matrix: Floats) -> None:
    forgotten, others = Rows.stored(file).forgotten()[:COUNT], np.ones(len(FEATURE_NAMES), bool)
    others[list(LINE_FEATURES)] = False
    assert np.isnan(forgotten[:, ~others]).all()
    np.testing.assert_array_equal(forgotten[:, others], matrix[:, others])


def test_what_remembers_a_line_is_what_its_name_says() -> None:
    assert [FEATURE_NAMES[at] for at in LINE_FEATURES] == [
        "goods_line_declared",
        "goods_line_controlled",
        "goods_line_documentary_rate",
        "goods_line_physical_rate",
        "goods_line_known_days",
    ]


def test_shares_are_all_of_the_rows_and_none_is_empty(matrix: Floats) -> None:
    shares = Rows.of(matrix[:7]).shares(3)
    np.testing.assert_array_equal(np.concatenate([share[:7] for share in shares]), matrix[:7])
    assert len(Rows.of(matrix[:2]).shares(5)) == 2


def test_a_file_larger_than_a_block_is_read_in_blocks() -> None:
    asked: list[int] = []

    def read(positions: "np.typing.NDArray[np.int64]") -> Floats:
        asked.append(len(positions))
        return np.repeat(positions[:, None].astype(np.float64), 2, axis=1)

    rows = Rows(read, np.arange(BLOCK + 10))
    assert [rows[at][0] for at in (0, 1, BLOCK - 1, BLOCK, BLOCK + 9)] == [
        0, 1, BLOCK - 1, BLOCK, BLOCK + 9
    ]  # fmt: skip
    assert asked == [BLOCK, 10]


def test_a_file_teaches_what_the_matrix_teaches(file: Path, matrix: Floats) -> None:
    chance = np.random.default_rng(2)
    known = Labels(chance.integers(0, 3, COUNT), chance.random(COUNT) + 0.5, chance.random(COUNT))
    params = TrainParams(rounds=5)
    assert (
        train(Rows.stored(file), known, params).texts()
        == train(Rows.of(matrix), known, params).texts()
    )


def test_numbers_of_half_the_size_can_be_learnt_from(matrix: Floats, tmp_path: Path) -> None:
    half = matrix.astype(np.float32)
    table = pd.DataFrame(half, columns=list(FEATURE_NAMES))
    table.to_parquet(tmp_path / "half.parquet")
    chance = np.random.default_rng(3)
    labels, params = Labels(chance.integers(0, 3, COUNT), np.ones(COUNT)), TrainParams(rounds=3)
    stored = train(Rows.stored(tmp_path / "half.parquet"), labels, params)
    assert stored.texts() == train(Rows.of(half.astype(np.float64)), labels, params).texts()


def test_a_feature_that_no_row_knows_is_left_out_however_many_rows_there_are(
    matrix: Floats,
) -> None:
    """LightGBM takes it in where there are 20 times more rows than it samples."""
    unknown = matrix.copy()
    unknown[:, 3] = np.nan
    examples = Examples([Rows.of(unknown)], np.arange(COUNT) % 2.0, np.ones(COUNT))
    options = {"objective": "binary", "bin_construct_sample_cnt": 40, "verbosity": -1}
    booster = fit(examples, options | {"num_iterations": 1})
    assert booster.dump_model()["feature_infos"].keys() == {*FEATURE_NAMES} - {FEATURE_NAMES[3]}


def test_of_a_file_read_to_its_end_nothing_stays_in_memory(file: Path) -> None:
    rows = Rows.stored(file)
    tracemalloc.start()
    try:
        assert rows[5].any()
        assert sum(len(block) for block in rows.blocks()) == COUNT
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 16 * len(FEATURE_NAMES) * 8
