"""What the spool beside a log file holds, noted in the state folder for a start that finds it gone.

A database has the same among the marks of its copy, see `serving.recent`.
"""

from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from serving import secret_file
from serving.chain import Head


class _Note(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    place: str
    spool_id: str
    no: int
    record_hash: str


class HeldNote:
    """One note in a file. Where it cannot be written, nothing is noted and nothing stops."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._kept: _Note | None = None

    def held(self, place: str) -> tuple[str, Head] | None:
        """The spool that was at this place, by its id, and what it held at least."""
        try:
            note = _Note.model_validate_json(self._file.read_bytes())
        except (OSError, ValidationError):
            return None
        return (note.spool_id, Head(note.no, note.record_hash)) if note.place == place else None

    def note_held(self, place: str, spool_id: str, head: Head) -> None:
        """Remember what the spool at this place holds."""
        note = _Note(place=place, spool_id=spool_id, no=head.no, record_hash=head.record_hash)
        if note != self._kept:
            with suppress(OSError):
                secret_file.replace(self._file, note.model_dump_json().encode() + b"\n")
                self._kept = note
