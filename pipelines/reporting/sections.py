"""What a section of the report is made of: question, answers, tables and charts, caveats."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from pipelines.reporting.sentences import Between, Fact, Number, Sentence, Share, Speaker

NUMBERS = (Number, Share, Between)


@dataclass(frozen=True)
class Row:
    """Cells of a row, its name first. `lane` colours it, `marked` says its numbers are unripe."""

    cells: tuple[Fact, ...]
    lane: str | None = None
    marked: bool = False


@dataclass(frozen=True)
class Table:
    """Headings, one per cell, and rows. A `folded` one is opened by who wants the numbers."""

    caption: Sentence
    headings: tuple[Sentence, ...]
    rows: tuple[Row, ...]
    folded: bool = False

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold nothing but numbers, and stand to the right."""
        columns = zip(*(row.cells for row in self.rows), strict=True)
        kinds = tuple(all(isinstance(cell, NUMBERS) for cell in column) for column in columns)
        return kinds or (False,) * len(self.headings)


@dataclass(frozen=True)
class Chart:
    """A picture, drawn anew for each language. `seen` tells what it shows to who cannot see it."""

    name: str
    caption: Sentence
    seen: Sentence
    draw: Callable[[Speaker], str]


@dataclass(frozen=True)
class Tile:
    """One number that stands out: what it is, the number, and what it is to be held against."""

    label: Fact
    value: Fact
    note: Sentence
    lane: str | None = None


@dataclass(frozen=True)
class Tiles:
    """Several of them in a row."""

    tiles: tuple[Tile, ...]


Block: TypeAlias = Table | Chart | Tiles


@dataclass(frozen=True)
class Section:
    """One question with its answers, the first of which also stands in the summary."""

    name: str
    answers: tuple[Sentence, ...]
    blocks: tuple[Block, ...]
    caveats: tuple[Sentence, ...]
    warnings: tuple[Sentence, ...] = ()

    @property
    def question(self) -> Sentence:
        """What this section is about."""
        return Sentence(f"{self.name}.question")
