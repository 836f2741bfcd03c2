"""Which bundles were put in force so far, by whom, when and why: a line each in `history.jsonl`.

It lies beside the pointer (`models.pointer`), which alone says what is in force: a line of a
publication that was begun and never came into force does not count.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from models.bundle import verify
from models.durable import write_durably
from models.pointer import NAME, POINTER, Pointer, read_pointer
from selectivity.declaration import problems
from selectivity.errors import BundleError

HISTORY = "history.jsonl"
PREVIOUS = "previous"
MOST_NAMED = 5
"""How many of the newest bundles an error names."""


class Publication(BaseModel):
    """One line of the history."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    bundle: str
    by: str
    at: AwareDatetime
    note: str = ""
    rollback: bool = False


def earlier(published: Path, name: str) -> Path:
    """Folder of a bundle published before: `previous`, or the first digits of its name.

    Raises:
        BundleError: there is none, or several begin so.
    """
    if name == PREVIOUS:
        found = set(not_taken_back(history(published))[:-1][-1:])
    else:
        found = {line.bundle for line in history(published) if line.bundle.startswith(name)}
    if len(found) != 1:
        raise BundleError(
            f"{'More than one bundle' if found else 'No bundle'} published before fits {name!r}. "
            + _those_there_are(published)
        )
    return published / found.pop()


def _those_there_are(published: Path) -> str:
    """The newest that may be named instead, each once; not the one in force."""
    lines, current = history(published), pointer_unless_damaged(published)
    if not lines:
        return "Nothing was published yet."
    in_force = current.bundle if current else None
    others = {line.bundle: line.version for line in lines if line.bundle != in_force}
    if not others:
        return f"{in_force} is in force and the first: there is nothing to go back to."
    newest = sorted(others.items(), key=lambda pair: pair[1])[-MOST_NAMED:]
    named = ", ".join(f"{bundle} (version {version})" for bundle, version in newest)
    return f"Name one of these: {named}; `python -m pipelines.publish --list` shows all."


def not_taken_back(lines: Sequence[Publication]) -> list[str]:
    """Names of the bundles in force one after the other, less those that were rolled back.

    A rollback takes out what came into force after the bundle that it goes back to.
    """
    names: list[str] = []
    for line in lines:
        while line.rollback and line.bundle in names and names[-1] != line.bundle:
            names.pop()
        names += [line.bundle] * (not names or names[-1] != line.bundle)
    return names


def history(published: Path) -> list[Publication]:
    """Every publication, oldest first; not one that was begun and never came into force.

    Raises:
        BundleError: some line of the history cannot be read.
    """
    file, current = published / HISTORY, pointer_unless_damaged(published)
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    whole = text[: text.rfind("\n") + 1]  # a line that was cut short was being written
    try:
        lines = [Publication.model_validate_json(line) for line in whole.splitlines()]
        return [line for line in lines if current is None or line.version <= current.version]
    except ValidationError as error:
        raise BundleError(
            f"{file} has a line that is no publication: {problems(error)}. Correct that line."
        ) from error


def how_to_choose(published: Path) -> str | None:
    """What to do where no pointer says which bundle is in force; None if there is no whole one.

    None is chosen here: the newest may have been taken back, or never have come into force.
    """
    if not (names := _whole_ones(published)):
        return None
    newest, shown = names[-1], ", ".join(names[-MOST_NAMED:])
    return (
        f"Whole bundles lie there, the last one published last: {shown}. Bring {POINTER} from "
        "where it was published, or put one in force: `python -m pipelines.publish --bundle "
        f"{published / newest} --published {published} --by YOUR.NAME`."
    )


def _whole_ones(published: Path) -> list[str]:
    """Names of bundles that are as they were sealed, in the order in which they were published."""
    try:
        order = {line.bundle: line.version for line in history(published)}
    except (BundleError, OSError, UnicodeDecodeError):
        order = {}
    there = [each for each in published.glob("*") if re.fullmatch(NAME, each.name)]
    return sorted(filter(None, map(_name_if_whole, there)), key=lambda each: order.get(each, 0))


def _name_if_whole(folder: Path) -> str | None:
    try:
        return folder.name if verify(folder)[0].startswith(folder.name) else None
    except BundleError:
        return None


def pointer_unless_damaged(published: Path) -> Pointer | None:
    """The pointer; None if there is none or it is damaged: publishing writes it anew."""
    try:
        return read_pointer(published)
    except BundleError:
        return None


def remember(published: Path, lines: Sequence[Publication]) -> None:
    """Write the history before the pointer moves, so that it always has what is in force."""
    text = "".join(line.model_dump_json() + "\n" for line in lines)
    write_durably(published / HISTORY, text)
