"""Shows how far long work is: a bar with the time left in a terminal, nothing elsewhere."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Part = TypeVar("Part")


def shown(parts: Iterable[Part], total: int, unit: str) -> Iterator[Part]:
    """The parts, one by one, while the bar goes on."""
    console = Console(stderr=True)
    columns = (TextColumn(unit), MofNCompleteColumn(), BarColumn(), TimeRemainingColumn())
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        yield from bar.track(parts, total=total)
