"""What the histories know after some record of the log, in a file that the next start goes on from.

It is a copy of what reading the log comes to. Where there is none, where it is damaged, or of
another log, bundle, draw key or software, the log is read from its beginning.
"""

import fcntl
import hashlib
import hmac
import io
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO, Self
from zipfile import BadZipFile

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

import selectivity
from models.durable import sweep, write_durably
from models.pointer import NAME_DIGITS
from selectivity.histories.profiles import Profiles
from serving.log.reader import LogReader
from serving.settings import Settings

logger = logging.getLogger(__name__)

PLACE = "place"
"""Name of the array that says what the others are; its bytes are JSON."""
ENDING = ".histories"
SEAL_BYTES = hashlib.sha256().digest_size
"""The seal stands before the arrays."""
READ_AT_ONCE = 1 << 20
MOST_FILES = 2
"""That of the bundle in force, and that of the one before, which one may go back to."""


class Place(BaseModel):
    """Up to where which log is known, and to whom."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    log_id: str
    no: int = Field(ge=1)
    record_hash: str
    decision_seq: int = Field(ge=0, description="The last decision up to there.")
    parked: tuple[int, ...] = Field(description="Numbers of inspections without a decision yet.")
    bundle_digest: str
    software: str

    def is_in(self, log: LogReader) -> bool:
        """Whether this log has the same record there, and so all records before it."""
        return log.log_id == self.log_id and log.hash_at(self.no) == self.record_hash


class HistoriesFile:
    """One per bundle, in a folder. The key proves that it was written by this service."""

    def __init__(self, folder: Path, key: bytes, *, often: int) -> None:
        """`often` is the number of records after which what is known is to be kept again."""
        self._folder, self._key, self.often = folder, key, often
        software()  # what runs is told from what lies on the disk later, after an upgrade

    @classmethod
    def of(cls, settings: Settings, key: bytes) -> Self:
        """Where these settings have it."""
        return cls(settings.histories_folder, key, often=settings.histories_records)

    def read(self, bundle_digest: str, log: LogReader) -> tuple[Place, Profiles] | None:
        """What is known and up to where; None if the log has to be read from its beginning."""
        file = self._of(bundle_digest)
        try:
            if not stat.S_ISREG(file.stat().st_mode):
                raise ValueError("no plain file")  # a pipe or device would be read for ever
            with file.open("rb") as stream:
                if not hmac.compare_digest(stream.read(SEAL_BYTES), self._seal_of_rest(stream)):
                    raise ValueError("altered, or sealed with another draw key")
                stream.seek(SEAL_BYTES)
                with np.load(stream, allow_pickle=False) as arrays:
                    place = Place.model_validate_json(arrays[PLACE].tobytes())
                    if (place.bundle_digest, place.software) != (bundle_digest, software()):
                        raise ValueError("of another bundle or software")
                    if not place.is_in(log):
                        raise ValueError("of another log, or of records that this one lost")
                    return place, Profiles.restore(arrays)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            what = {"path": str(file), "cause": str(error)}
            logger.warning("kept histories of no use", extra=what)
            return None

    def write(self, place: Place, profiles: Profiles) -> None:
        """Replace what was known before; a power cut leaves that or this.

        Raises:
            OSError: it cannot be written.
        """
        arrays = profiles.snapshot(pruned=False)  # who did not start anew knows the old days, too
        text = np.frombuffer(place.model_dump_json().encode(), dtype=np.uint8)
        packed = io.BytesIO()
        np.savez(packed, allow_pickle=False, **arrays | {PLACE: text})
        self._folder.mkdir(mode=0o700, exist_ok=True)  # it says who traded what
        packed.seek(0)
        seal = self._seal_of_rest(packed)
        with _alone(self._folder):  # what another is writing must not be swept away
            sweep(self._folder, f"*{ENDING}")
            ours = self._of(place.bundle_digest)
            write_durably(ours, seal, packed.getbuffer())
            # Whatever their times say: the clock may have been set back since they were written.
            others = [file for file in self._folder.glob(f"*{ENDING}") if file != ours]
            for file in sorted(others, key=_changed_at, reverse=True)[MOST_FILES - 1 :]:
                with suppress(OSError):  # what is ours is kept all the same
                    file.unlink()

    def _of(self, bundle_digest: str) -> Path:
        return self._folder / f"{bundle_digest[:NAME_DIGITS]}{ENDING}"

    def _seal_of_rest(self, stream: BinaryIO) -> bytes:
        seal = hmac.new(self._key, digestmod=hashlib.sha256)
        while some := stream.read(READ_AT_ONCE):
            seal.update(some)
        return seal.digest()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Inside, nobody else writes here: a bundle that takes over keeps histories as well."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _changed_at(file: Path) -> float:
    return file.lstat().st_mtime


@cache
def software() -> str:
    """Digest of the code that makes histories of records: of other code they may be others."""
    serving = Path(__file__).parents[1]
    folders = Path(selectivity.__file__).parent, serving / "deciding", serving / "log"
    found = hashlib.sha256()
    for file in (file for folder in folders for file in sorted(folder.rglob("*.py"))):
        if file.is_file():
            found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()
