"""Small files of the pipeline are there whole or not at all."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.stage.files import read_arrays, read_json, write_arrays, write_json, write_text

HALF_A_CHARACTER = "\ud800"
"""Cannot be written in UTF-8."""


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "figures.txt"
    write_text(file, "before")
    with pytest.raises(UnicodeEncodeError):
        write_text(file, "after" + HALF_A_CHARACTER)
    assert file.read_text(encoding="utf-8") == "before"


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_number_is_not_written_as_one(tmp_path: Path, number: float) -> None:
    file = tmp_path / "figures.json"
    write_json(file, {"auroc": 0.5})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(file, {"auroc": number})
    assert read_json(file) == {"auroc": 0.5}


def test_arrays_that_would_have_to_be_pickled_are_not_written(tmp_path: Path) -> None:
    file = tmp_path / "arrays.npz"
    write_arrays(file, {"days": np.arange(3)})
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        write_arrays(file, {"days": np.array([{}])})
    assert read_arrays(file)["days"].tolist() == [0, 1, 2]
