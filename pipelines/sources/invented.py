"""A mark beside invented data, wherever they lie: nobody shall take their figures for real ones."""

from pathlib import Path

from pipelines.stage.files import write_text

MARK = "simulated.txt"


def mark(folder: Path) -> None:
    """Say in this folder that its tables are invented."""
    write_text(folder / MARK, "Invented by pipelines.simulator. No trader or person is real.\n")


def is_simulated(path: Path) -> bool:
    """Whether the tables in this folder are marked."""
    return (path / MARK).is_file()
