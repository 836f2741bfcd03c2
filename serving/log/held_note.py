"""What spools beside a log file hold, noted in the state folder for a start that finds one gone.

A database has the same among the marks of its copy, see `serving.log.recent`.
"""

from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from serving import secret_file
from serving.storage.chain import Head


class _Note(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    log_id: str
    spool_id: str
    no: int
    record_hash: str


_NOTES = TypeAdapter(dict[str, _Note])


class HeldNote:
    """Notes by the place of the spool. Where they cannot be written, nothing stops."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.log_id = ""
        """Of the log that the spools are beside; what was noted for another one says nothing."""

    def held(self, place: str) -> tuple[str, Head] | None:
        """The spool that was at this place, by its id, and what it held at least."""
        note = self._notes().get(place)
        if note is None or note.log_id != self.log_id:
            return None
        return note.spool_id, Head(note.no, note.record_hash)

    def note_held(self, place: str, spool_id: str, head: Head) -> None:
        """Remember what the spool at this place holds."""
        notes = self._notes()
        note = _Note(
            log_id=self.log_id, spool_id=spool_id, no=head.no, record_hash=head.record_hash
        )
        if notes.get(place) != note:
            with suppress(OSError):
                secret_file.replace(self._file, _NOTES.dump_json(notes | {place: note}, indent=1))

    def _notes(self) -> dict[str, _Note]:
        try:
            return _NOTES.validate_json(self._file.read_bytes())
        except (OSError, ValidationError):
            return {}
