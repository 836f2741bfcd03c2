"""Killed at any moment, by several at once: what is in the file is one whole chain."""

import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from serving.log.chain_check import walk
from serving.log.decision_log import DecisionLog
from serving.log.reader import LogReader
from serving.storage.file import open_to_read
from tests.command_line import lanes
from tests.fault.test_killed import load_on
from tests.logs import a_record, kept
from tests.services import ROOT, a_process


def a_writer(file: Path, name: str, told: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.log_writer", str(file), name]
    with told.open("wb") as stream:
        return subprocess.Popen(command, cwd=ROOT, env=os.environ, stdout=stream)


@pytest.mark.parametrize("seed", range(3))
def test_two_killed_writers_leave_one_whole_chain(tmp_path: Path, seed: int) -> None:
    moment = random.Random(seed)
    file = tmp_path / "state" / "decisions.sqlite"
    DecisionLog(file).close()
    told = [tmp_path / name for name in "ab"]
    writers = [a_writer(file, each.name, each) for each in told]
    try:
        end = time.monotonic() + 30
        while any(each.read_bytes().count(b"\n") < 20 for each in told):
            assert time.monotonic() < end, "the writers did not come to it"
            time.sleep(0.02)
        time.sleep(moment.uniform(0, 0.2))
    finally:
        for writer in moment.sample(writers, 2):
            writer.kill()
            writer.wait()
    found = walk(open_to_read(file))
    kept_ids = {record.declaration_id for _, record in LogReader(file).records()}

    assert found.problems == []
    assert found.head.no == found.decisions == len(kept_ids)
    for each in told:
        said = each.read_text().splitlines()[:-1]  # the last line may have been cut
        assert kept_ids >= set(said)
    log = DecisionLog(file)
    assert kept(log, a_record())[0].no == found.head.no + 1
    log.close()


def test_a_killed_service_leaves_a_log_that_verifies(tmp_path: Path, bundle: Path) -> None:
    often = {"bundle": bundle, "checkpoint_records": 20}
    for cycle in range(2):
        with a_process(tmp_path, **often) as (process, url), load_on(url, f"V{cycle}"):
            time.sleep(1.5)
            process.kill()
        ended = lanes(tmp_path, "verify")
        assert ended.exit_code == 0, ended.stderr
    vouched = re.search(r"vouched for by (\d+) checkpoints", ended.stdout)
    assert vouched is not None
    assert int(vouched[1]) > 2  # more than one at each start
