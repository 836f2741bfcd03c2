"""What is kept in git is text that could be shown to anyone and read on any machine."""

import json
import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, kept_files

MOST_BINARY_BYTES = 200_000
PICKLES = {".pkl", ".pickle", ".joblib", ".dill", ".pt", ".pth"}
FORBIDDEN = {
    "a package index": r"pypi\.org|pythonhosted\.org|deb\.debian\.org|://[^\s'\"]*/simple\b",
    "an index setting": r"^\s*(?:extra-)?index-url\s*=|find-links\s*=|trusted-host\s*=",
    "a path of one machine": r"(?<![\w.<>$}-])/(?:root|work|farm|home/[a-z]\w*|Users/\w+)/\w"
    r"|/tmp/\w+_jobs|\.py[e]nv",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a cloud key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{35}\b",
    "an access token": r"\b(?:ghp|gho|ghs|glpat|xox[bp]|sk)[-_][A-Za-z0-9]{20,}",
    "a password": r"://[^\s/:@{}$<>]+:[^\s/:@{}$<>]{4,}@",
    "an unfinished merge": r"^(?:<{7}|>{7})(?: |$)",
}
FILES = kept_files()


def test_there_are_files_to_look_at() -> None:
    assert len(FILES) > 30


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_kept_file_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what], re.MULTILINE)
    found = [
        f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}"
        for path in FILES
        if (text := _text(path)) is not None
        for match in pattern.finditer(text)
    ]
    assert not found, f"{what}:\n" + "\n".join(found)


def test_nothing_is_kept_as_a_pickle() -> None:
    named = [path for path in FILES if path.suffix in PICKLES]
    hidden = [
        path for path in FILES if (ROOT / path).read_bytes()[:2] in (b"\x80\x04", b"\x80\x05")
    ]
    assert not named + hidden, "a pickle runs when it is read; keep text, Parquet or npz"


def test_large_binaries_belong_to_dvc() -> None:
    large = [
        f"{path}: {size:,} bytes"
        for path in FILES
        if _text(path) is None and (size := (ROOT / path).stat().st_size) > MOST_BINARY_BYTES
    ]
    assert not large, "\n".join(large)


def test_notebooks_are_kept_without_outputs() -> None:
    for path in FILES:
        if path.suffix == ".ipynb":
            cells = json.loads((ROOT / path).read_text(encoding="utf-8"))["cells"]
            assert not any(cell.get("outputs") for cell in cells), f"{path}: clear its outputs"


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a package index", "see https://" + "pypi" + ".org/project/x"),
        ("an index setting", "extra-index-url" + " = https://mirror.example/x"),
        ("a path of one machine", "open('" + "/home" + "/ann/model')"),
        ("a private key", "-----BEGIN " + "PRIVATE KEY-----"),
        ("a cloud key", "AKIA" + "ABCDEFGHIJKLMNOP"),
        ("an access token", "ghp_" + "a" * 36),
        ("a password", "postgresql://ann:" + "secret@db/x"),
        ("an unfinished merge", "one\n" + "<" * 7 + " HEAD\ntwo"),
    ],
)
def test_the_patterns_see_what_they_are_for(what: str, text: str) -> None:
    assert re.search(FORBIDDEN[what], text, re.MULTILINE)


def _text(path: Path) -> str | None:
    content = (ROOT / path).read_bytes()
    return None if b"\0" in content[:8_000] else content.decode("utf-8", errors="replace")
