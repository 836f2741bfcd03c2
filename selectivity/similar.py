"""What somebody probably meant by a name that is not known."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel

LONGEST = 64
"""Characters of a name that is looked at; no name of ours is longer."""
LIKENESS = 0.7
"""Of 1; with less, hs_code would be taken for type_code."""


def closest(name: str, known: Iterable[str], *, likeness: float = LIKENESS) -> str | None:
    """The known name that comes close to this one, if any does.

    >>> closest("Importer", ["exporter_name", "importer_id"])
    'importer_id'
    """
    if len(name) > LONGEST:
        return None
    by_lower = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=likeness)
    return by_lower[close[0]] if close else None


def meant_at(model: type[BaseModel], path: Sequence[int | str]) -> str | None:
    """The field that was probably meant by the last step of a path into this model, if any."""
    *outer, name = path
    models = [model]
    for step in outer:
        if isinstance(step, str):
            found = [each.model_fields[step] for each in models if step in each.model_fields]
            models = [inner for field in found for inner in _models_in(field.annotation)]
    return closest(str(name), (field for each in models for field in each.model_fields))


def meant_in_many(most: int) -> Callable[[type[BaseModel], Sequence[int | str]], str | None]:
    """As `meant_at`, for who reads many contents, since looking costs more than reading: what was
    found for a name is remembered, and after so many different names none is looked for any more.
    """
    found: dict[tuple[type[BaseModel], tuple[str, ...]], str | None] = {}

    def meant(model: type[BaseModel], path: Sequence[int | str]) -> str | None:
        key = model, tuple(step for step in path if isinstance(step, str))
        if key not in found and len(found) < most:
            found[key] = meant_at(model, path)
        return found.get(key)

    return meant


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Models that an annotation names, such as that of the items of a tuple."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
