"""What happened with some declarations: the goods, what was told of them, and the truth."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np

from pipelines.simulator.draws import Bools
from pipelines.simulator.shipments import Lines, Shipments
from pipelines.simulator.violations import Truth
from selectivity.columns import Ints

Arrays = TypeVar("Arrays", Shipments, Lines, Truth)


@dataclass(frozen=True)
class History:
    """What happened: `true` goods, what was `told` of them on which `route`, and what for.

    `earlier_lane` is the strictest lane of declarations of weeks before that the same goods had,
    green where there were none. `original` is the position of the version that an amendment
    replaces, -1 for a first version.
    """

    route: Shipments
    true: Lines
    told: Lines
    truth: Truth
    earlier_lane: Ints
    original: Ints

    def __len__(self) -> int:
        return len(self.route.key)

    @property
    def newest(self) -> Bools:
        """Declarations that no amendment of the same week replaces. Shape (declarations,)."""
        newest = np.ones(len(self), dtype=np.bool_)
        newest[self.original[self.original >= 0]] = False
        return newest

    @property
    def violating(self) -> Bools:
        """Declarations with a violation. Shape (declarations,)."""
        counts = np.bincount(self.told.declaration, self.truth.violating, minlength=len(self))
        violating: Bools = counts > 0
        return violating

    def take(self, rows: Ints) -> "History":
        """These declarations with their items, in this order."""
        items, owner = items_of(self.told, rows)
        return History(
            route=taken(self.route, rows),
            true=replace(taken(self.true, items), declaration=owner),
            told=replace(taken(self.told, items), declaration=owner),
            truth=taken(self.truth, items),
            earlier_lane=self.earlier_lane[rows],
            original=self.original[rows],
        )


def items_of(lines: Lines, declarations: Ints) -> tuple[Ints, Ints]:
    """The items of these declarations, one after the other: the row of each, and which of the
    declarations it is of."""
    bounds = np.searchsorted(lines.declaration, [declarations, declarations + 1])
    counts = bounds[1] - bounds[0]
    owner = np.repeat(np.arange(len(declarations)), counts)
    within = np.arange(counts.sum()) - (np.cumsum(counts) - counts)[owner]
    return within + bounds[0][owner], owner


def taken(arrays: Arrays, rows: Ints) -> Arrays:
    """The arrays with only the entries at these positions."""
    return type(arrays)(**{each.name: getattr(arrays, each.name)[rows] for each in fields(arrays)})


def joined(parts: Sequence[History]) -> History:
    """Several histories as one. `original` must already count over all of them."""
    starts = np.cumsum([0, *(len(part) for part in parts)])
    moved = list(zip(parts, starts.tolist(), strict=False))
    return History(
        route=_stacked([part.route for part in parts]),
        true=_stacked([_moved(part.true, start) for part, start in moved]),
        told=_stacked([_moved(part.told, start) for part, start in moved]),
        truth=_stacked([part.truth for part in parts]),
        earlier_lane=np.concatenate([part.earlier_lane for part in parts]),
        original=np.concatenate([part.original for part in parts]),
    )


def _moved(lines: Lines, start: int) -> Lines:
    return replace(lines, declaration=lines.declaration + start)


def _stacked(parts: Sequence[Any]) -> Any:
    names = [each.name for each in fields(parts[0])]
    return type(parts[0])(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    )
