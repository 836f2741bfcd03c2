"""What the world report's page is made of, and the page itself."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.reporting.page import filled


@dataclass(frozen=True)
class Table:
    """Headings, one per cell, and rows, their name first."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    folded: bool = False


@dataclass(frozen=True)
class Picture:
    """An SVG, and what it shows for who cannot see it."""

    svg: str
    alt: str


@dataclass(frozen=True)
class Part:
    """One thing to look at.

    `title` is a question or a statement, `says` what this world came to, `expect` what should be
    seen and what would be wrong; `warning` what is wrong for certain. Without a picture, `says`
    tells that there is none of it. A `wide` part has its tables beside the picture.
    """

    name: str
    title: str
    says: str
    expect: str
    picture: Picture | None = None
    tables: tuple[Table, ...] = ()
    warning: str | None = None
    wide: bool = False


@dataclass(frozen=True)
class Head:
    """What stands on top: which world this is, its numbers, and whether it is what was asked."""

    title: str
    about: str
    tiles: tuple[tuple[str, str], ...]
    verdict: str
    good: bool
    tables: tuple[Table, ...]


def page(head: Head, parts: Sequence[Part], limits: Sequence[str]) -> str:
    """The whole page. Everything but the pictures is escaped."""
    return filled("world.html.j2", head=head, parts=parts, limits=limits)


def percent(share: float, digits: int = 1) -> str:
    """A share in words."""
    return "not known" if share != share else f"{share:.{digits}%}"
