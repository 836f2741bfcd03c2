"""Whoever follows a link on one of our pages gets there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.pages import PAGES, anchors
from tests.architecture.tree import ROOT


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link, file, anchor in _links(ROOT / page):
        assert file.exists(), f"{page}: {link}"
        assert not anchor or anchor in anchors(file), f"{page}: {link}"


def test_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("[a](other.md#b) [c](#d) [e](https://f.example/g) `[h](i)`\n")
    assert [link for link, _, _ in _links(page)] == ["other.md#b", "#d"]


def _links(page: Path) -> Iterator[tuple[str, Path, str]]:
    """Each link to a page of ours: as it is written, the file, and the heading in it."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if not link.startswith(("http:", "https:", "mailto:")):
            file, _, anchor = link.partition("#")
            yield link, (page.parent / file) if file else page, anchor
