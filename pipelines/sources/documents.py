"""Reads nested declarations and inspections, one JSON text per line, as the service takes them."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from pydantic import ValidationError

from pipelines.sources.assembly import explained
from pipelines.sources.reading import Raw, Watch, read_lines
from pipelines.sources.sifting import Table
from selectivity.declaration import Strict
from selectivity.errors import DeclarationError, InspectionError
from selectivity.inspection import Result

Model = TypeVar("Model", bound=Strict)

_FOUND = f'"{Result.FINDING}"'.encode()
"""Stands in a line about an inspection that found something, even if the line cannot be read."""


def read_documents(
    files: Sequence[Path],
    read: Callable[[bytes], Model],
    key: Callable[[Model], Hashable],
    watch: Watch,
) -> tuple[list[tuple[int, Model]], Table]:
    """The models that could be read, each with its row, and the table of all rows.

    Args:
        files: text files, one JSON text per line; empty lines are passed over.
        read: makes the model of a line, or raises the error of its kind.
        key: what two lines about the same thing have in common.
        watch: told how many lines are read.
    """
    lines = [(str(file), number, line) for file in files for number, line in read_lines(file)]
    places = pd.DataFrame([place for *place, _ in lines], columns=["file", "line"])
    table = Table(Raw(pd.DataFrame(), places))
    ids, results = (np.full(len(lines), None, dtype=object) for _ in range(2))
    kept: dict[Hashable, tuple[int, Model]] = {}
    for row, (file, _, line) in enumerate(lines):
        watch(f"Reading {Path(file).name}", 1)
        try:
            model = read(line)
        except (DeclarationError, InspectionError) as error:
            ids[row] = getattr(error, "declaration_id", None)
            results[row] = Result.FINDING if _FOUND in line else None
            for name, reason, value in _problems(error):
                table.refuse([row], name, reason, [value])
            continue
        ids[row] = getattr(model, "declaration_id", None)
        if key(model) not in kept:
            results[row] = getattr(model, "result", None)
        _keep(row, model, kept.setdefault(key(model), (row, model)), table)
    table.values["declaration_id"] = ids
    table.values["result"] = results
    return list(kept.values()), table


def _keep(row: int, model: Model, first: tuple[int, Model], table: Table) -> None:
    """Keep the first of several lines about one thing: count equal ones, refuse others."""
    if first[0] != row and first[1] == model:
        table.duplicates += 1
    elif first[0] != row:
        table.refuse([row], "", "repeats an earlier row with other content")


def _problems(error: Exception) -> Iterator[tuple[str, str, str]]:
    """Field, reason and value of everything that is wrong with a line."""
    if not isinstance(error.__cause__, ValidationError):
        yield "", str(error), ""
        return
    for detail in error.__cause__.errors(include_url=False, include_context=False):
        value = detail["input"]
        shown = str(value) if isinstance(value, str | int | float) else ""
        yield ".".join(str(step) for step in detail["loc"]), explained(detail), shown
