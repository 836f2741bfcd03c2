"""The rows of a CSV text, each with the line it begins on and what is wrong with it as such.

A stray quote makes one cell of all that follows, up to the next quote or the end of the file. So a
row over several lines is believed only where it has the cells of the header and its lines do not
look like rows themselves. Otherwise each of its lines is a row, and broken: none is lost unseen.
"""

import csv
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from selectivity.errors import SourceError

NOT_CLOSED = "a quote is opened and not closed in its row"
SWALLOWED = "the row stands behind a quote that was opened in a row above and not closed there"
NOT_DOUBLED = "text follows a closing quote: a quote inside a quoted cell has to be doubled"
TOO_LONG = f"a cell has more than {csv.field_size_limit():,} characters"


def composed(text: str) -> str:
    """Each letter with its marks as one character: old code pages and macOS write them apart."""
    return unicodedata.normalize("NFC", text)


class Row(NamedTuple):
    """`cells` are as many as the header has; `problem` is empty where the row is whole."""

    line: int
    cells: list[str]
    problem: str


class CsvRows:
    """Give `header` once, then `rows`. Lines without any content are passed over."""

    def __init__(self, file: Path, text: IO[str], delimiter: str) -> None:
        self._file, self._text, self._delimiter = file, text, delimiter
        self._taken: list[str] = []
        self._reader = csv.reader(self._lines(), delimiter=delimiter, strict=True)

    def header(self) -> list[str]:
        """The names of the columns; none where the file is empty.

        Raises:
            SourceError: a quote in it is not closed, or a name stands there twice.
        """
        try:
            names = next((row for row in self._reader if any(row)), [])
        except csv.Error as error:
            raise SourceError(
                f"File {self._file}, line 1: {error}. Look for a quote that is opened and not "
                "closed."
            ) from error
        names = [name.strip() for name in names]
        while names and not names[-1]:  # a spreadsheet also writes cells that were only coloured
            names.pop()
        twice = sorted({name for name in names if names.count(name) > 1})
        if not names or twice:
            again = f"names the column {twice[0]!r} twice" if any(twice) else "leaves names out"
            problem = again if twice else "has no header"
            raise SourceError(
                f"File {self._file} {problem}. Name each column once, in its first line."
            )
        return names

    def rows(self, width: int) -> Iterator[Row]:
        """All rows below the header, which has so many cells."""
        while True:
            begins = self._reader.line_num + 1
            self._taken.clear()
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield from self._broken(begins, width, str(error))
                continue
            fitting, problem = _fitted(cells, width)
            if len(self._taken) > 1 and (problem or self._are_rows(width)):
                yield from self._broken(begins, width, "")
            elif any(cells):
                yield Row(begins, fitting, problem)

    def _lines(self) -> Iterator[str]:
        for line in self._text:
            line = composed(line)
            self._taken.append(line)
            yield line

    def _are_rows(self, width: int) -> bool:
        """Whether each line of a cell over several lines has the delimiters of a whole row."""
        return width > 2 and all(line.count(self._delimiter) == width - 1 for line in self._taken)

    def _broken(self, begins: int, width: int, error: str) -> Iterator[Row]:
        """Each line as a row, with its cells as well as they can be told: ids are mostly there."""
        problem = _problem(error, lines=len(self._taken))
        for number, line in enumerate(self._taken, start=begins):
            if line.strip():
                cells = line.rstrip("\r\n").replace('"', "").split(self._delimiter)
                yield Row(number, _fitted(cells, width)[0], problem)
                problem = SWALLOWED


def _problem(error: str, *, lines: int) -> str:
    if lines == 1 and "field limit" in error:
        return TOO_LONG
    return NOT_DOUBLED if lines == 1 and "expected after" in error else NOT_CLOSED


def _fitted(row: list[str], width: int) -> tuple[list[str], str]:
    """The row cut or filled to the width of the header, and what was wrong with it."""
    if len(row) == width:
        return row, ""
    if len(row) > width and not any(row[width:]):
        return row[:width], ""
    fitted = (row + [""] * width)[:width]
    return fitted, f"the row has {len(row)} cells where the header has {width}"
