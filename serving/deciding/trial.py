"""Loads a bundle in a process of its own before the service does, and decides with it once.

A damaged model file does not raise, it kills or hangs the process that reads it.

    python -m serving.deciding.trial FOLDER DIGEST
"""

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from selectivity.declaration import Declaration
from selectivity.errors import BundleError, SelectivityError
from serving.deciding.predictor import Predictor
from serving.deciding.published import load_whole
from serving.http.examples import A_DECLARATION
from serving.same_code import command, environment

SECONDS = 60
REFUSED = 30
"""Exit code of a process that told why on its last line; one that was killed has another."""


def try_out(folder: Path, digest: str) -> None:
    """Return if the bundle with this digest can be used.

    Raises:
        BundleError: it is altered, it cannot decide, or it killed or hung the process.
    """
    trial = command("serving.deciding.trial", str(folder), digest)
    try:
        done = subprocess.run(trial, env=environment(), capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise BundleError(_useless(folder, f"was not loaded within {SECONDS} s")) from error
    if done.returncode == REFUSED:
        raise BundleError(last_line(done.stderr))
    if done.returncode:
        raise BundleError(_useless(folder, f"ended its trial with code {done.returncode}"))


def decide_once(folder: Path, digest: str) -> None:
    """Load the bundle and decide on an example.

    Raises:
        SelectivityError: it cannot be loaded, or its model gives nothing usable.
    """
    predictor = Predictor.of_bundle(load_whole(folder, digest), draw_key=bytes(32))
    example = Declaration.model_validate_json(json.dumps(A_DECLARATION))
    record = predictor.decide(example, earlier_lane=None, now=datetime.now(UTC))
    if record.decision.fallback_cause is not None:
        raise BundleError(_useless(folder, f"gives no lane ({record.decision.fallback_cause})"))


def last_line(said: bytes) -> str:
    """What a process that refused said it refused for; warnings may stand in front of it."""
    return said.decode(errors="replace").strip().rpartition("\n")[2]


def _useless(folder: Path, problem: str) -> str:
    return f"The bundle in {folder} {problem}. Publish another one."


if __name__ == "__main__":
    signal.alarm(2 * SECONDS)  # ends it by itself where who began it was killed meanwhile
    try:
        decide_once(Path(sys.argv[1]), sys.argv[2])
    except SelectivityError as error:
        print(error, file=sys.stderr)
        sys.exit(REFUSED)
