"""Write a source's declarations and inspections as the service takes them: one JSON object a line.

For trying the service on real declarations:

    python -m pipelines.lodge --source kcs --path declarations.csv --out /tmp/quarter
    lanes score /tmp/quarter/declarations.ndjson
    lanes report-inspections /tmp/quarter/inspections.ndjson
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel

from pipelines.label import read_inspections
from pipelines.sources.canonical import read_source
from pipelines.sources.mappings import load_mapping
from pipelines.stage.command import command, say
from pipelines.stage.files import write_text
from pipelines.stage.options import MappingsFolder
from selectivity.columns import from_columns


def lines(records: Iterable[BaseModel]) -> str:
    """The records as NDJSON, without what was not declared."""
    return "".join(record.model_dump_json(exclude_none=True) + "\n" for record in records)


def main(
    source: Annotated[str, typer.Option(help="Name of a mapping file.")],
    path: Annotated[Path, typer.Option(help="A file, or a folder of files.")],
    out: Annotated[Path, typer.Option(help="Folder for the two files.")],
    mappings: MappingsFolder = Path("data/reference/sources"),
) -> None:
    """Write a source's declarations and inspections as the service takes them."""
    read = read_source(path, load_mapping(mappings, source))
    declarations = from_columns(read.items)
    inspections = list(read_inspections(read.inspections, read.findings))
    write_text(out / "declarations.ndjson", lines(declarations))
    write_text(out / "inspections.ndjson", lines(inspections))
    say(
        f"lodge: {len(declarations)} declarations and {len(inspections)} inspections in {out}; "
        f"{len(read.quarantine)} problems set aside"
    )


if __name__ == "__main__":
    command(main)
