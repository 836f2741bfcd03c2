"""Turns the files of any source into the same tables, as its mapping file says.

Mapping files stand in data/reference/sources: a new source needs a new file there and no code.
"""

from collections.abc import Mapping
from pathlib import Path

from pipelines.sources.layouts import Canonical, from_documents, from_flat, from_tables
from pipelines.sources.mappings import SourceMapping
from pipelines.sources.reading import Watch, find_files, read_raw, unwatched
from selectivity.columns import HEADER, KINDS
from selectivity.errors import SourceError

MOST_NAMED = 5
"""Files in a message."""
_ENDINGS = {"tables": ("parquet", "csv", "csv.gz"), "documents": ("ndjson", "ndjson.gz")}
_TABLES = {
    "tables": ("declarations", "goods_items", "inspections", "findings"),
    "documents": ("declarations", "inspections"),
}
_INDISPENSABLE = {
    "declarations": ("declaration_id", "accepted_at"),
    "goods_items": ("declaration_id", "item_no"),
    "inspections": ("inspection_id", "declaration_id", "control_type", "result", "observed_at"),
    "findings": ("inspection_id", "mechanism"),
}
_OF_CONTROLS = ("inspections", "findings")
"""They may be absent, and may have the columns of data/README.md whatever `fields` says."""


def read_source(path: Path, mapping: SourceMapping, watch: Watch = unwatched) -> Canonical:
    """Everything that the file or folder `path` holds.

    Raises:
        SourceError: the files and the mapping do not fit together.
    """
    files = source_files(path, mapping)
    if mapping.layout == "flat":
        raw = read_raw(files["rows"], mapping, needed=_columns_needed(mapping), watch=watch)
        return from_flat(raw, mapping, labels=True, watch=watch)
    if mapping.layout == "documents":
        return from_documents(files, watch)
    raws = {
        table: read_raw(
            found,
            mapping,
            needed=_columns_of_table(mapping, table),
            or_ours=table in _OF_CONTROLS,
            watch=watch,
        )
        for table, found in files.items()
    }
    return from_tables(raws, mapping, watch)


def source_files(path: Path, mapping: SourceMapping) -> dict[str, list[Path]]:
    """The files of a source by table; a flat source has one table, `rows`.

    Raises:
        SourceError: nothing is there, or a table that cannot be done without is absent.
    """
    if mapping.layout == "flat":
        return {"rows": _found(path, mapping, mapping.files)}
    if path.is_file():
        raise SourceError(
            f"Source {mapping.name}: {path} is a file, and layout {mapping.layout} takes a folder "
            f"with {', '.join(_TABLES[mapping.layout])}. Give the folder."
        )
    files = {}
    for table in _TABLES[mapping.layout]:
        patterns = tuple(
            pattern
            for ending in _ENDINGS[mapping.layout]
            for pattern in (f"{table}*.{ending}", f"{table}/**/*.{ending}")
        )
        optional = mapping.layout == "documents" or table in _OF_CONTROLS
        files[table] = _found(path, mapping, patterns, optional=optional)
    return files


def _found(
    path: Path, mapping: SourceMapping, patterns: tuple[str, ...], *, optional: bool = False
) -> list[Path]:
    files = find_files(path, patterns, mapping.name)
    if not files and not optional:
        raise SourceError(
            f"Source {mapping.name}: folder {path} holds no {' or '.join(patterns)}"
            f"{_but(path)}. Correct the path or the names, or `files` in the mapping file."
        )
    return files


def _but(folder: Path) -> str:
    """What is there instead, the first few names."""
    names = sorted(file.name for file in folder.iterdir() if not file.name.startswith("."))
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f", but {', '.join(names[:MOST_NAMED])}{more}" if names else ": it is empty"


def _columns_needed(mapping: SourceMapping) -> Mapping[str, str]:
    """Columns that a flat source must have, each with the key of the mapping that names it."""
    labels = () if mapping.labels is None else mapping.labels.columns
    return mapping.columns | dict.fromkeys(labels, "labels")


def _columns_of_table(mapping: SourceMapping, table: str) -> Mapping[str, str]:
    """Columns that one of the four tables must have, under the name the mapping gives them."""
    needed = {}
    for name in _INDISPENSABLE.get(table, ()):
        renamed = mapping.fields.get(name)
        for column in (name,) if renamed is None else renamed.columns:
            needed[column] = f"fields.{name}" if name in KINDS else ""
    for name, source in mapping.fields.items():
        if table == ("declarations" if name in HEADER else "goods_items"):
            needed |= dict.fromkeys(source.columns, f"fields.{name}")
    return needed
