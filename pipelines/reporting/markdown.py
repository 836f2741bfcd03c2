"""The same sections as Markdown, for who reads them beside code. Charts stay in the page."""

from collections.abc import Iterable, Iterator, Sequence

from pipelines.reporting.sections import Section, Table, Tiles
from pipelines.reporting.sentences import Fact, Speaker


def markdown(sections: Sequence[Section], speak: Speaker) -> str:
    """All sections in one language."""
    lines = [f"# {speak.word('title')}", "", speak.word("subtitle")]
    for number, section in enumerate(sections):
        lines += ["", f"## {number + 1}. {speak(section.question)}", "", *_section(section, speak)]
    return "\n".join(lines) + "\n"


def _section(section: Section, speak: Speaker) -> Iterator[str]:
    for answer in section.answers:
        yield from (f"- {speak(answer)}",)
    for warning in section.warnings:
        yield from ("", f"> **{speak.word('warning')}.** {speak(warning)}")
    for block in section.blocks:
        if isinstance(block, Table):
            headings = [speak.capital(heading) for heading in block.headings]
            yield from ("", f"**{speak.capital(block.caption)}**", "")
            yield from _table(headings, (row.cells for row in block.rows), speak)
        elif isinstance(block, Tiles):
            yield ""
            yield from (
                f"- {speak.capital(tile.label)}: **{speak(tile.value)}**, {speak(tile.note)}"
                for tile in block.tiles
            )
    if section.caveats:
        yield from ("", f"*{speak.word('caveats')}*", "")
        yield from (f"- {speak(caveat)}" for caveat in section.caveats)


def _table(
    headings: Sequence[str], rows: Iterable[Sequence[Fact]], speak: Speaker
) -> Iterator[str]:
    yield _line(headings)
    yield _line(["---"] * len(headings))
    yield from (_line([speak.capital(cell) for cell in row]) for row in rows)


def _line(cells: Sequence[str]) -> str:
    written = (cell.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ") for cell in cells)
    return f"| {' | '.join(written)} |"
