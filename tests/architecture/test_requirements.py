"""The same packages everywhere: pinned, with hashes, and from no named index."""

import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT

LOCKS = sorted(path.name for path in (ROOT / "requirements").glob("*.txt"))
HASH = r" \\\n    --hash=sha256:[0-9a-f]{64}"
PIN = re.compile(rf"([a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==([^\s;]+)(?: ;[^\\]+)?(?:{HASH})+")


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_with_hashes_and_no_address(lock: str) -> None:
    text = _text(lock)
    assert _pins(lock), f"requirements/{lock} is empty"
    assert not PIN.sub("", text).strip(), "run `make lock`: some line is no pin with hashes"
    assert "://" not in text


@pytest.mark.parametrize("lock", ["serving.txt", "build.txt", "cluster.txt"])
def test_the_locks_agree_on_every_version(lock: str) -> None:
    everything = _pins("all.txt")
    differing = {
        name: (version, everything[name])
        for name, version in _pins(lock).items()
        if everything.get(name, version) != version
    }
    assert not differing, f"requirements/{lock} against all.txt: {differing}; run `make lock`"


def test_the_service_installs_a_part_of_what_training_installs() -> None:
    assert _pins("serving.txt").keys() < _pins("all.txt").keys()


def _text(lock: str) -> str:
    return Path(ROOT, "requirements", lock).read_text(encoding="utf-8")


def _pins(lock: str) -> dict[str, str]:
    return {match[1]: match[2] for match in PIN.finditer(_text(lock))}
