"""A disk that is full is told with the file that did not fit, and what was there stays whole."""

import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipelines.histories.engine import DuckDB
from pipelines.histories.inputs import Outcomes
from pipelines.stage.files import copy_file, write_arrays, write_text
from pipelines.stage.tables import write_frame, write_table
from selectivity.columns import to_columns
from tests.builders import a_declaration

ROOT = Path(__file__).parents[2]
NUMBERS = np.random.default_rng(1).random(10_000)
ROOM = 8_000


@contextmanager
def no_room_for_more_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    "write",
    [
        lambda file: write_text(file, "x" * 80_000),
        lambda file: write_arrays(file, {"numbers": NUMBERS}),
        lambda file: write_frame(pd.DataFrame({"numbers": NUMBERS}), file),
        lambda file: write_table(pa.table({"numbers": NUMBERS}), file),
    ],
    ids=["text", "arrays", "frame", "table"],
)
def test_what_is_written_comes_whole_or_stays_as_it_was(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    file = tmp_path / "file"
    file.write_text("as it was")

    with no_room_for_more_than(ROOM), pytest.raises(OSError, match="too large") as told:
        write(file)
    assert str(told.value.filename).startswith(str(file))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert file.read_text() == "as it was"


def test_of_a_copy_the_place_is_told_and_not_the_original(tmp_path: Path) -> None:
    (tmp_path / "original").write_bytes(b"x" * 80_000)

    with no_room_for_more_than(ROOM), pytest.raises(OSError, match="too large") as told:
        copy_file(tmp_path / "original", tmp_path / "copy")
    assert told.value.filename == str(tmp_path / "copy")


def test_histories_that_do_not_fit_on_the_disk_are_told_with_their_folder(tmp_path: Path) -> None:
    none = np.empty(0, dtype=np.int64)
    with DuckDB(spill=tmp_path) as engine:
        engine.take(to_columns([a_declaration()]), Outcomes(none, none, none, none))
        with no_room_for_more_than(100), pytest.raises(OSError, match="too large") as told:
            engine.write_values(tmp_path / "values")
    assert str(told.value.filename).startswith(str(tmp_path / "histories-"))


def test_an_error_without_a_file_is_told_with_what_ran(tmp_path: Path) -> None:
    stage = "from errno import EFBIG\nfrom pipelines.stage.command import typed\n"
    stage += "def main(): raise OSError(EFBIG, 'File too large')\ntyped(main)\n"
    (tmp_path / "stage.py").write_text(stage)
    done = subprocess.run(
        [sys.executable, tmp_path / "stage.py"],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == (
        "error: what stage.py writes cannot be read or written (File too large). Correct the path, "
        "its rights, or make room.\n"
    )
