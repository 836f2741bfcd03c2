"""The pages that people read: where they are, and how a heading in them is linked to."""

import re
from pathlib import Path

from tests.architecture.tree import ROOT, kept_files

PAGES = [path for path in kept_files() if path.suffix == ".md"]
GUIDES = [ROOT / name for name in ("README.md", "pipelines/README.md", "serving/README.md")]


def in_project(file: Path) -> str:
    """Where a file lies, seen from the root."""
    return str(file.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """What links to the headings of a page end in."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return {_anchor(heading) for heading in re.findall(r"^#+ +(.+)$", text, re.MULTILINE)}


def _anchor(heading: str) -> str:
    words = re.sub(r"[^\w\s-]", "", heading.lower())
    return words.strip().replace(" ", "-")
