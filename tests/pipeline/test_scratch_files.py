"""What a stage writes on its way troubles nobody after it, however it ends."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from pipelines.stage.files import put_in_place, scratch
from pipelines.stage.tables import read_frame, write_frame

ROOT = Path(__file__).parents[2]
WAITS = """
import sys
from pathlib import Path
from pipelines.stage.files import scratch
with scratch(Path(sys.argv[1]), ".histories-") as folder:
    (folder / "histories-of-the-engine").mkdir()
    print(folder.name, flush=True)
    sys.stdin.read()
"""
WRITES = """
import sys
from pathlib import Path
from pipelines.stage.files import put_in_place
with put_in_place(Path(sys.argv[1], "table.parquet")) as beside:
    beside.write_bytes(b"half a table")
    print(beside.name, flush=True)
    sys.stdin.read()
"""
BEFORE, AFTER = (pd.DataFrame({"risk": [number, 0.5]}) for number in (0.1, 0.2))


def test_what_a_killed_run_left_is_swept_out_and_that_of_one_alive_is_not(tmp_path: Path) -> None:
    (tmp_path / "histories.parquet").touch()
    killed, alive = (_run(tmp_path) for _ in range(2))
    names = [_first_line(process) for process in (killed, alive)]
    killed.kill()
    killed.communicate()
    assert {*names} < _names(tmp_path)

    with scratch(tmp_path, ".histories-") as folder:
        assert _names(tmp_path) == {names[1], folder.name, "histories.parquet"}
    alive.communicate("")
    assert alive.returncode == 0
    assert _names(tmp_path) == {"histories.parquet"}


def test_a_table_whose_writer_is_killed_stays_whole_and_the_next_takes_its_place(
    tmp_path: Path,
) -> None:
    file = tmp_path / "table.parquet"
    write_frame(BEFORE, file)
    killed = _run(tmp_path, WRITES)
    half = _first_line(killed)
    assert half in _names(tmp_path)
    killed.kill()
    killed.communicate()
    pd.testing.assert_frame_equal(read_frame(file), BEFORE)

    write_frame(AFTER, file)
    pd.testing.assert_frame_equal(read_frame(file), AFTER)
    assert _names(tmp_path) == {file.name}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_table_whose_writer_fails_midway_stays_whole_with_nothing_beside_it(
    tmp_path: Path, error: type[BaseException]
) -> None:
    file = tmp_path / "table.parquet"
    write_frame(BEFORE, file)

    def write_half() -> None:
        with put_in_place(file) as beside:
            beside.write_bytes(b"half a table")
            raise error

    with pytest.raises(error):
        write_half()
    pd.testing.assert_frame_equal(read_frame(file), BEFORE)
    assert _names(tmp_path) == {file.name}


def _run(place: Path, script: str = WAITS) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script, place],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
