"""Folders that a stage needs while it runs do not outlive it, however it ends."""

import subprocess
import sys
from pathlib import Path

from pipelines.stage.files import scratch

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


def _run(place: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WAITS, place],
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
