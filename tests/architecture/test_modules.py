"""Modules are named after what they do, say what they are for, and stay short enough to read."""

import ast
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, modules, parsed

NAMELESS = {"utils", "util", "helpers", "helper", "common", "misc", "shared", "lib"}
MOST_LINES = 300


@pytest.mark.parametrize("module", modules(), ids=str)
def test_a_module_says_what_it_is_for(module: Path) -> None:
    assert NAMELESS.isdisjoint(module.with_suffix("").parts), (
        f"{module}: name it after what it does"
    )
    assert ast.get_docstring(parsed(module)), f"{module}: begin with a docstring, what it is for"


@pytest.mark.parametrize("module", modules(), ids=str)
def test_a_module_can_be_read_in_one_go(module: Path) -> None:
    lines = len((ROOT / module).read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES, f"{module} has {lines} lines: split it"
