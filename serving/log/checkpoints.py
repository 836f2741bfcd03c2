"""Signed statements of how long the decision log was and how it ended, kept outside of it.

One line of JSON each, in the anchor file. What is signed (Ed25519) is the line `PURPOSE` and then
the other fields as canonical JSON: sorted keys, no blanks. A log that was cut or linked anew no
longer agrees with what was signed before.
"""

import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from models.durable import sync
from serving.log.signing_key import key_id
from serving.storage.chain import Head

PURPOSE = b"lanes checkpoint 1\n"
TAIL_BYTES = 1 << 20
_BEGINNING = b'{"log_id":'
"""How every line that was written begins."""


class Checkpoint(BaseModel):
    """What the service vouched for at some moment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    log_id: str
    records: int = Field(ge=0, description="How many records the log had.")
    head: str = Field(description="Hash of the last of them.")
    at: AwareDatetime
    key_id: str
    signature: str = Field(default="", pattern=r"^([0-9a-f]{128})?$")

    @classmethod
    def sign(cls, log_id: str, head: Head, at: datetime, key: Ed25519PrivateKey) -> Self:
        """A signed checkpoint of a log with this head."""
        plain = cls(
            log_id=log_id,
            records=head.no,
            head=head.record_hash,
            at=at,
            key_id=key_id(key.public_key()),
        )
        return plain.model_copy(update={"signature": key.sign(plain.signed_bytes()).hex()})

    def signed_bytes(self) -> bytes:
        """What the signature is over."""
        content = self.model_dump(mode="json", exclude={"signature"})
        return PURPOSE + json.dumps(content, sort_keys=True, separators=(",", ":")).encode()

    def signed_by(self, keys: Mapping[str, Ed25519PublicKey]) -> bool:
        """Whether the key it names is among these, by id, and made its signature."""
        if self.key_id not in keys:
            return False
        try:
            keys[self.key_id].verify(bytes.fromhex(self.signature), self.signed_bytes())
        except InvalidSignature:
            return False
        return True


class AnchorLine(NamedTuple):
    """A line of the anchor file, with None where no checkpoint can be read.

    `torn` means cut short, as a full disk or a power cut leaves it.
    """

    no: int
    checkpoint: Checkpoint | None
    torn: bool


class Anchor(StrEnum):
    """How it stands with an anchor."""

    OK = "ok"
    NEW = "new"
    """Nothing in it vouched for what the log held at the start."""
    OTHER = "other"
    """It vouched for another log at the start, and for nothing of this one."""
    DAMAGED = "damaged"
    """Lines of it are not what was written."""
    FAILING = "failing"
    """No checkpoint could be written lately."""
    CUT = "cut"
    """The log has no longer what was vouched for while this service ran."""


class Vouched(NamedTuple):
    """What an anchor says of one log."""

    furthest: Checkpoint | None
    """The one for most records."""
    damaged: int
    """Lines that cannot be read though they are whole, or claim more and were not signed."""
    other: Checkpoint | None = None
    """If none is for this log: the newest one, of the log that this service had before."""

    def state(self, records: int) -> Anchor:
        """How it stands with the anchor of a log of so many records."""
        if self.other is not None:
            return Anchor.OTHER
        if self.damaged:
            return Anchor.DAMAGED
        return Anchor.NEW if self.furthest is None and records else Anchor.OK


def append(file: Path, checkpoint: Checkpoint) -> None:
    """Add a checkpoint at the end of the anchor file, durably.

    One write to the end: two services may share an anchor.

    Raises:
        OSError: it could not be written.
    """
    new = not file.exists()
    file.parent.mkdir(parents=True, exist_ok=True)
    line = checkpoint.model_dump_json().encode() + b"\n"
    descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        content = b"\n" + line if torn else line
        if os.write(descriptor, content) < len(content):  # as a disk does that becomes full
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if new:
        sync(file.parent)


def anchor_lines(stream: Iterable[bytes]) -> Iterator[AnchorLine]:
    """The lines of an anchor, as they are read."""
    for no, line in enumerate(stream, start=1):
        if line.strip():
            yield AnchorLine(no, _read(line), torn=_torn(line))


def vouched_for(file: Path, log_id: str, signers: Sequence[Ed25519PublicKey]) -> Vouched:
    """What the newest checkpoints in an anchor file, signed by these keys, say of a log.

    Raises:
        OSError: the file cannot be read.
    """
    if not file.exists():
        return Vouched(None, 0)
    lines = _newest_lines(file)
    found = [_read(line) for line in lines]
    unread = [each is None and not _torn(line) for each, line in zip(found, lines, strict=True)]
    own = [each for each in found if each and each.log_id == log_id]
    own.sort(key=lambda each: each.records, reverse=True)
    keys, forged = {key_id(key): key for key in signers}, 0
    for each in own:
        if each.signed_by(keys):
            return Vouched(each, sum(unread) + forged)
        forged += each.key_id in keys  # else it is another service's of the same log
    held = [each for each in reversed(found) if each and each.records and not own]
    # With its key a state folder may have been lost; another service's are not ours to doubt.
    signed = (each for each in held if each.key_id not in keys or each.signed_by(keys))
    return Vouched(None, sum(unread) + forged, next(signed, None))


def newest_signed(file: Path, signers: Sequence[Ed25519PublicKey]) -> Checkpoint | None:
    """The newest checkpoint that one of these keys signed for a log that held something.

    Raises:
        OSError: the file cannot be read.
    """
    keys = {key_id(key): key for key in signers}
    found = (_read(line) for line in reversed(_newest_lines(file)))
    return next((each for each in found if each and each.records and each.signed_by(keys)), None)


def _newest_lines(file: Path) -> list[bytes]:
    with file.open("rb") as stream:
        if stream.seek(max(0, file.stat().st_size - TAIL_BYTES)):
            stream.readline()  # it began in front of here
        return [line for line in stream if line.strip()]


def _torn(line: bytes) -> bool:
    """Whether it is the beginning of what is written, and no more."""
    line = line.rstrip()
    begins = line.startswith(_BEGINNING) or _BEGINNING.startswith(line)
    return begins and not line.endswith(b"}")


def _read(line: bytes) -> Checkpoint | None:
    try:
        return Checkpoint.model_validate_json(line)
    except ValidationError:
        return None
