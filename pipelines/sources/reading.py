"""Reads the files of a source as they are: every cell a text, every row with its file and line."""

import codecs
import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.sources.csv_rows import CsvRows, composed
from pipelines.sources.mappings import SourceMapping
from pipelines.stage.params import similar
from selectivity.errors import SourceError

Watch = Callable[[str, int], None]
"""Told what is being done and how many more rows of it are done."""

_ROWS_AT_ONCE = 20_000
_WIDE = ("utf-16", "utf16", "utf-32", "utf32")
_SEPARATORS = (";", "\t", "|", ",")
_NOT_OPTIONAL = ("fields.declaration_id", "fields.accepted_at", "fields.item_no", "labels")
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How files of Excel begin, new ones (as any ZIP archive does) and old ones."""
_DAMAGED = (OSError, EOFError, zlib.error, pa.ArrowException)


@dataclass(frozen=True)
class Raw:
    """The rows of one or several files with the same columns.

    `places` says where each row stands: `file`, and `line` as a text editor counts it (the header
    is line 1; in Parquet, the number of the row). `broken` holds what is wrong with a row as such.
    """

    cells: pd.DataFrame
    places: pd.DataFrame
    broken: dict[int, str] = field(default_factory=dict)


def unwatched(doing: str, rows: int) -> None:
    """Nobody wants to know."""


def raw_of_frame(frame: pd.DataFrame, file: str) -> Raw:
    """A frame that somebody else read, as if its header had been line 1 of `file`."""
    places = pd.DataFrame({"file": file, "line": np.arange(len(frame)) + 2})
    return Raw(frame.reset_index(drop=True), places)


def find_files(path: Path, patterns: Sequence[str], source: str) -> list[Path]:
    """`path` itself, or what in the folder `path` fits one of the patterns, in order of name."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise SourceError(
            f"Source {source}: there is no file or folder {path}. Correct `ingest.path`, "
            "or bring the data (`dvc pull`)."
        )
    return sorted({file for pattern in patterns for file in path.glob(pattern) if file.is_file()})


def read_raw(
    files: Sequence[Path],
    mapping: SourceMapping,
    *,
    needed: Mapping[str, str],
    or_ours: bool = False,
    watch: Watch = unwatched,
) -> Raw:
    """All rows of the files, one below the other. No files give no rows.

    Raises:
        SourceError: a file is damaged, or lacks a column of `needed` (see `expect_columns`).
    """
    raws = [_read_one(file, mapping, watch) for file in files]
    for file, raw in zip(files, raws, strict=True):
        expect_columns(raw.cells, needed, file=str(file), source=mapping.name, or_ours=or_ours)
    if not raws:
        return Raw(pd.DataFrame(), pd.DataFrame({"file": [], "line": []}))
    starts = np.cumsum([0, *(len(raw.cells) for raw in raws)])
    return Raw(
        pd.concat([raw.cells for raw in raws], ignore_index=True),
        pd.concat([raw.places for raw in raws], ignore_index=True),
        {
            int(start) + row: problem
            for start, raw in zip(starts, raws, strict=False)
            for row, problem in raw.broken.items()
        },
    )


def expect_columns(
    frame: pd.DataFrame,
    needed: Mapping[str, str],
    *,
    file: str,
    source: str,
    or_ours: bool = False,
) -> None:
    """Refuses a frame without a column of `needed`, which says what key of the mapping names it.

    With `or_ours` a column may also have the name of our field.
    """
    there = [str(column) for column in frame.columns]
    for column, key in needed.items():
        if column not in there and not (or_ours and key.removeprefix("fields.") in there):
            raise SourceError(
                f"Source {source}: {file} has no column {column!r}{similar(column, there)}. "
                f"It has: {', '.join(there) or 'none'}. {_remedy(key, there)}"
            )


def _remedy(key: str, there: Sequence[str]) -> str:
    """What to do about a column that is absent from those that are there."""
    if there and there[0].startswith("sep="):
        return "Delete its first line, which only Excel understands."
    separators = [mark for mark in _SEPARATORS if mark in "".join(there)]
    if len(there) == 1 and separators:
        return f"Its cells look to be separated by {separators[0]!r}: say so with `delimiter`."
    if len(there) == 1:
        return "Name the columns in its first line: delete what stands above the names."
    if not key:
        return "Give it in this table, under this name."
    or_not = "" if key in _NOT_OPTIONAL else ", or leave it out if the source does not tell it"
    return f"Correct the key {key} in the mapping file{or_not}."


def read_lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a text file that hold something, each with its number."""
    try:
        with _opened(file) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, line
    except _DAMAGED as error:
        raise _unreadable(file, error) from error


def _opened(file: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(file)) if file.suffix == ".gz" else file.open("rb")


def _unreadable(file: Path, error: Exception) -> SourceError:
    return SourceError(f"File {file} cannot be read ({error}). Bring a whole copy of it.")


def _read_one(file: Path, mapping: SourceMapping, watch: Watch) -> Raw:
    try:
        if file.suffix == ".parquet":
            return _read_parquet(file, watch)
        return _read_csv(file, mapping, watch)
    except _DAMAGED as error:
        raise _unreadable(file, error) from error


def _read_parquet(file: Path, watch: Watch) -> Raw:
    cells = _all_composed(pq.read_table(file).to_pandas(date_as_object=False))
    watch(f"Reading {file.name}", len(cells))
    places = pd.DataFrame({"file": str(file), "line": np.arange(len(cells)) + 1})
    return Raw(cells.reset_index(drop=True), places)


def _all_composed(cells: pd.DataFrame) -> pd.DataFrame:
    """Names and texts as `CsvRows` gives them."""
    texts: list[str] = cells.select_dtypes("str").columns.tolist()
    for name in texts:
        if not cells[name].str.isascii().all():
            cells[name] = cells[name].map(composed, na_action="ignore")
    return cells.rename(columns=composed)


def _read_csv(file: Path, mapping: SourceMapping, watch: Watch) -> Raw:
    frames: list[pd.DataFrame] = []
    numbers: list[int] = []
    broken: dict[int, str] = {}
    with _text(file, _encoding(file, mapping)) as text:
        reader = CsvRows(file, text, mapping.delimiter)
        header = reader.header()
        chunk: list[list[str]] = []
        for number, fitting, problem in reader.rows(len(header)):
            if problem:
                broken[len(numbers)] = problem
            numbers.append(number)
            chunk.append(fitting)
            if len(chunk) == _ROWS_AT_ONCE:
                frames.append(pd.DataFrame(chunk, columns=header, dtype="str"))
                watch(f"Reading {file.name}", len(chunk))
                chunk = []
    frames.append(pd.DataFrame(chunk, columns=header, dtype="str"))
    watch(f"Reading {file.name}", len(chunk))
    places = pd.DataFrame({"file": str(file), "line": np.array(numbers, dtype=np.int64)})
    return Raw(pd.concat(frames, ignore_index=True), places, broken)


def _possible(file: Path, mapping: SourceMapping) -> Sequence[str]:
    """The encodings of the mapping; of a file that says it is UTF-16, those of that kind.

    In latin-1 anything makes sense, also what stands in two bytes a letter.
    """
    with _opened(file) as content:
        begins = content.read(4)
    if begins in _WORKBOOKS:
        raise SourceError(
            f"File {file} is a workbook of Excel or an archive, and no text. Save each sheet as "
            "“CSV UTF-8” and give that, or Parquet."
        )
    if begins[:2] not in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return mapping.encodings
    wide = [name for name in mapping.encodings if name.lower().replace("_", "-").startswith(_WIDE)]
    if not wide:
        raise SourceError(
            f"File {file} is UTF-16 text, as its first two bytes say. Save it as UTF-8 "
            f"(in Excel: “CSV UTF-8”), or add utf-16 to `encodings` in the mapping "
            f"{mapping.name}."
        )
    return wide


def _text(file: Path, encoding: str) -> IO[str]:
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding=encoding, newline="")
    return file.open(encoding=encoding, newline="")


def _encoding(file: Path, mapping: SourceMapping) -> str:
    """The first encoding in which the whole file makes sense."""
    for encoding in _possible(file, mapping):
        try:
            with _text(file, encoding) as text:
                while text.read(1 << 20):
                    pass
        except UnicodeError:
            continue
        except LookupError as error:
            raise SourceError(
                f"Source {mapping.name}: there is no encoding {encoding!r}. Correct `encodings`."
            ) from error
        return encoding
    raise SourceError(
        f"File {file} is not text in {' or '.join(mapping.encodings)}. "
        f"Add its encoding to `encodings` in the mapping {mapping.name}."
    )
