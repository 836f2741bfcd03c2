"""The histories are kept, or it is told, whatever becomes of who keeps them and of the code."""

import asyncio
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from serving.deciding import keep_histories
from serving.deciding.assign import assign
from serving.deciding.histories_file import ENDING
from serving.deciding.keep_histories import HistoriesKeeper, Task
from serving.deciding.trial import try_out
from serving.log.decision_log import DecisionLog
from serving.start import assemble
from tests.builders import a_declaration
from tests.service.test_histories import fold, trader_history
from tests.service.test_kept_histories import kept_upto
from tests.services import (
    KEY,
    ROOT,
    a_process,
    a_service,
    bearer,
    eventually,
    keeping_histories,
    lodged,
    settings_in,
)


def lodge(url: str, first: int, count: int) -> None:
    """Lodge so many declarations."""
    for number in range(first, first + count):
        content = lodged(declaration_id=f"D-{number}")
        assert httpx.post(f"{url}/v1/lanes", json=content, headers=bearer(KEY)).status_code == 200


def events(folder: Path) -> list[dict[str, Any]]:
    """What the service said in its log."""
    lines = (folder / "service.log").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def test_a_running_service_keeps_them_and_starts_from_there_after_it_was_killed(
    tmp_path: Path, bundle: Path
) -> None:
    often = keeping_histories(5) | {"bundle": bundle}
    with a_process(tmp_path, **often) as (process, url):
        lodge(url, 0, 6)
        eventually(lambda: "histories kept" in [each["event"] for each in events(tmp_path)])
        lodge(url, 6, 3)
        process.send_signal(signal.SIGKILL)
    (told,) = [each for each in events(tmp_path) if each["event"] == "histories kept"]
    assert 5 <= told["no"] <= 6
    parts = fold(tmp_path, [], **often)
    assert kept_upto(parts) == told["no"]
    assert trader_history(parts)["declared"] == 9


def test_a_folder_that_cannot_be_written_is_told(
    tmp_path: Path, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings_in(tmp_path, bundle=bundle).state.mkdir(mode=0o700)
    settings_in(tmp_path).histories_folder.write_text("in the way")
    often = keeping_histories(3) | {"bundle": bundle}
    with a_service(tmp_path, **often) as client:
        lodge(str(client.base_url), 0, 4)
        eventually(lambda: "histories not kept" in caplog.messages)
    (told,) = [each for each in caplog.records if each.message == "histories not kept"]
    assert told.__dict__["cause"].startswith("[Errno 17] File exists")


def test_what_could_not_be_kept_is_tried_again_when_as_many_records_came(
    tmp_path: Path, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    often = keeping_histories(3) | {"bundle": bundle}
    parts, tried = assemble(settings_in(tmp_path, **often)), []

    async def no_room(task: Task) -> int:
        tried.append(parts.predictor.known_upto)
        raise BlockingIOError("no room for a process")

    async def go_on() -> None:
        keeping = asyncio.create_task(HistoriesKeeper(parts, no_room).follow())
        for number in range(7):
            await assign(a_declaration(declaration_id=f"D-{number}"), parts)
            await asyncio.sleep(0.25)  # it looks twice meanwhile
        keeping.cancel()

    asyncio.run(go_on())
    parts.log.close()
    assert tried == [3, 6]
    assert caplog.messages.count("histories not kept") == 2


def _no_more_processes(*_: Any, **__: Any) -> None:
    raise OSError(errno.EMFILE, "Too many open files")


def _hung(_: list[str], **pipes: Any) -> "subprocess.Popen[bytes]":
    return REAL([sys.executable, "-c", "import time; time.sleep(600)"], **pipes)


def _talkative(_: list[str], **pipes: Any) -> "subprocess.Popen[bytes]":
    return REAL([sys.executable, "-c", "print('as you wish')"], **pipes)


REAL = subprocess.Popen


@pytest.mark.parametrize("child", [_no_more_processes, _hung, _talkative])
def test_where_nobody_keeps_them_it_is_told_and_tried_again_later(
    tmp_path: Path,
    bundle: Path,
    child: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    often = keeping_histories(2) | {"bundle": bundle}
    with a_service(tmp_path, **often) as client:
        with monkeypatch.context() as patch:
            patch.setattr(subprocess, "Popen", child)
            patch.setattr(keep_histories, "SECONDS", 0.2)
            lodge(str(client.base_url), 0, 2)
            eventually(lambda: "histories not kept" in caplog.messages)
        lodge(str(client.base_url), 2, 2)
        eventually(lambda: list(settings_in(tmp_path).histories_folder.glob(f"*{ENDING}")))
    assert kept_upto(fold(tmp_path, [], bundle=bundle)) == 4


def test_processes_beside_a_service_run_its_code_wherever_it_was_started(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = fold(tmp_path, [a_declaration()], bundle=bundle)
    (tmp_path / "numpy.py").write_text("raise SystemExit('not the one that is meant')")
    monkeypatch.chdir(tmp_path)
    assert parts.predictor.bundle is not None
    digest = parts.predictor.bundle.digest
    try_out(bundle, digest)
    task = keep_histories._task(digest, parts.predictor.draw_key, parts.settings)
    assert asyncio.run(keep_histories.keep_beside(task)) == 1


def test_nobody_is_set_to_keep_them_while_the_log_is_away(tmp_path: Path, bundle: Path) -> None:
    parts = fold(tmp_path, [], bundle=bundle, **keeping_histories(1))
    keeper, predictor = HistoriesKeeper(parts), parts.predictor
    predictor.known_upto = 1
    for spooling in (False, True):
        parts.log = cast(DecisionLog, SimpleNamespace(spooling=spooling))
        assert keeper._due(predictor) is not spooling


def test_they_are_kept_at_most_so_often(tmp_path: Path, bundle: Path) -> None:
    of_before = fold(tmp_path, [a_declaration()], bundle=bundle, histories_records=1)
    for seconds, due in ((0, True), (60, False)):
        again = of_before.settings.model_copy(update={"histories_seconds": seconds})
        parts = replace(of_before, settings=again)
        assert HistoriesKeeper(parts)._due(parts.predictor) is due


def _software_of(code: Path, *, beside: str = "", altered: str = "", begun: str = "") -> str:
    """What the copy of the code in this folder, and the one in it, says of itself after `begun` and
    the alteration.
    """
    say = (
        "from pathlib import Path\n"
        "from serving.deciding.histories_file import HistoriesFile, software\n"
        f"{begun}\n"
        f"with Path({altered or 'beside.txt'!r}).open('a') as code: code.write('\\n')\n"
        "print(software())"
    )
    done = subprocess.run(
        [sys.executable, "-c", say],
        cwd=code,
        env=os.environ | {"PYTHONPATH": f"{code}{os.pathsep}{code / beside}"},
        capture_output=True,
        check=True,
    )
    return done.stdout.decode()


def test_other_code_between_log_and_histories_is_other_software(tmp_path: Path) -> None:
    for name in ("models", "selectivity", "serving"):
        only_code = shutil.ignore_patterns("__pycache__", "artifacts")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=only_code)
    (tmp_path / "selectivity/.#edited.py").symlink_to("nowhere")
    before = _software_of(tmp_path)
    for name in (
        *("serving/deciding/predictor.py", "serving/deciding/lessons.py"),
        *("serving/log/kept_texts.py", "selectivity/labelling.py"),
    ):
        after = _software_of(tmp_path, altered=name)
        assert after not in (before, "")
        before = after
    # Wherever its parts are installed.
    (tmp_path / "a").mkdir()
    (tmp_path / "serving").rename(tmp_path / "a/serving")
    assert _software_of(tmp_path, beside="a") == before
    (tmp_path / "a/serving").rename(tmp_path / "serving")
    # What runs is told from what an upgrade put in its place meanwhile.
    begun = "HistoriesFile(Path(), b'', often=1)"
    assert _software_of(tmp_path, altered="serving/log/reader.py", begun=begun) == before
