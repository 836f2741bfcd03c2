"""Proves that a decision log is what the service wrote, or says what is not; changes nothing.

The chain shows what was altered, taken out, put in or moved by anybody who did not link everything
behind it anew. The signed checkpoints show that, and a cut tail, up to the newest of them. What was
cut off or linked anew behind the newest checkpoint leaves no trace, and a thief of the signing key
can sign anything.
"""

import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from selectivity.errors import AuditError
from serving.log.chain_check import Fault, FaultAt, Walked, walk
from serving.log.checkpoints import AnchorLine, Checkpoint, anchor_lines
from serving.log.signing_key import key_id
from serving.storage.chain import hashes_at, log_id_of
from serving.storage.store import Connection, Store

MOST_NAMED = 3
"""Problems that the one line about a log names."""
MOST_UNSIGNED = 100
"""Unsigned lines of an anchor that are named; the others are counted."""
AT_ONCE = 500
"""Lines of an anchor that are held in memory."""


class Verdict(NamedTuple):
    """What was found, of the log and of its checkpoints."""

    log_id: str
    walked: Walked
    checkpoints: int
    vouched: Checkpoint | None
    """The checkpoint of this log that vouches for the most records."""
    torn: int
    """Lines of the anchor that were cut short."""
    other_logs: int
    problems: tuple[FaultAt, ...]

    @property
    def line(self) -> str:
        """All of it in one line."""
        return self._whole() if not self.problems else self._not_whole()

    def _whole(self) -> str:
        _, decisions, inspections, drains, acts, *_ = self.walked
        assert self.vouched is not None
        records, upto = self.walked.head.no, self.vouched.records
        more = f", {drains} drains of a spool" if drains else ""
        more += f", {acts} acts of people" if acts else ""
        behind = f"; {records - upto} newer ones are chained only" if records > upto else ""
        torn = f"; {self.torn} lines of the anchor were cut short" if self.torn else ""
        others = f"; the anchor also names {self.other_logs} other log" if self.other_logs else ""
        others += "s" if self.other_logs > 1 else ""
        return (
            f"whole: {records} records ({decisions} decisions, {inspections} inspections{more}) "
            f"of log {self.log_id:.8}, {upto} of them vouched for by {self.checkpoints} "
            f"checkpoints, the last of {self.vouched.at:%Y-%m-%d %H:%M:%S %Z}{behind}{torn}{others}"
            ". Not shown: what was cut off or replaced behind that checkpoint."
        )

    def _not_whole(self) -> str:
        named = "; ".join(problem.text for problem in self.problems[:MOST_NAMED])
        more = len(self.problems) - MOST_NAMED
        return f"not whole: {named}" + (f"; and {more} more problems" if more > 0 else "")


def verify(log: Store, anchor: Path, keys: Sequence[Ed25519PublicKey]) -> Verdict:
    """Compare a log with its chain, and its chain with the checkpoints signed by these keys.

    Raises:
        AuditError: the anchor cannot be read.
        DecisionLogError: the log is absent, or so damaged that it cannot be read.
    """
    by_id = {key_id(key): key for key in keys}
    with _open(anchor) as stream:
        now = os.fstat(stream.fileno()).st_size  # before the log, which may grow meanwhile
        lines = anchor_lines(_up_to(now, stream, anchor))
        return log.look_through(lambda connection: _verdict(log, connection, lines, by_id))


def _verdict(
    log: Store,
    connection: Connection,
    lines: Iterator[AnchorLine],
    keys: Mapping[str, Ed25519PublicKey],
) -> Verdict:
    log_id = log_id_of(connection)
    walked = walk(connection)
    compared = _Compared(log_id, walked.head.no, keys)
    while batch := list(islice(lines, AT_ONCE)):
        compared.take(batch, connection)
    damage = log.damage(connection, thorough=True)
    problems = [
        *(FaultAt(0, Fault.DAMAGED, f"the file is damaged: {what}") for what in damage),
        *walked.problems,
        *compared.problems(),
    ]
    return Verdict(
        log_id,
        walked,
        checkpoints=compared.own,
        vouched=compared.furthest,
        torn=compared.torn,
        other_logs=len(compared.other_logs),
        problems=tuple(problems),
    )


def _unreadable(anchor: Path, error: OSError) -> AuditError:
    return AuditError(
        f"The anchor {anchor} cannot be read ({error.strerror}), and without it a cut or newly "
        "linked log cannot be told from a whole one. Give its path with --anchor."
    )


def _open(anchor: Path) -> BinaryIO:
    try:
        return anchor.open("rb")
    except OSError as error:
        raise _unreadable(anchor, error) from error


def _up_to(size: int, stream: BinaryIO, anchor: Path) -> Iterator[bytes]:
    """The lines of an anchor, one after the other: those of a year fill gigabytes."""
    try:
        while size > 0 and (line := stream.readline(size)):
            size -= len(line)
            yield line
    except OSError as error:
        raise _unreadable(anchor, error) from error


class _Compared:
    """What the lines of an anchor say of a log, in whatever order they come."""

    def __init__(self, log_id: str, records: int, keys: Mapping[str, Ed25519PublicKey]) -> None:
        """`records` is the number of the last one that the log has."""
        self._log_id, self._records, self._keys = log_id, records, keys
        self.own = self.torn = 0
        """Lines that were signed for this log, and lines that were cut short."""
        self.furthest: Checkpoint | None = None
        self.other_logs: set[str] = set()
        self._agreed = array("q", [0])
        self._first_wrong: Checkpoint | None = None
        self._unsigned, self._unnamed = list[int](), 0

    def take(self, lines: Sequence[AnchorLine], connection: Connection) -> None:
        """Compare these lines too."""
        own = []
        for no, checkpoint, torn in lines:
            self.torn += torn
            signed = checkpoint is not None and checkpoint.signed_by(self._keys)
            if checkpoint is not None and checkpoint.log_id != self._log_id:
                self.other_logs.add(checkpoint.log_id)
            elif checkpoint is not None and signed:
                own.append(checkpoint)
            if not signed and not torn:
                self._count_unsigned(no)
        numbers = [each.records for each in own if each.records <= self._records]
        hashes = hashes_at(connection, numbers)
        for each in own:
            self._compare(each, hashes.get(each.records))

    def problems(self) -> Iterator[FaultAt]:
        """What is wrong with the log, or with the lines."""
        if self.furthest is None:
            text = "no checkpoint signed by the given key vouches for this log"
            yield FaultAt(0, Fault.NOT_VOUCHED, text)
        elif self._first_wrong is not None:
            yield self._replaced(self._first_wrong)
        elif self.furthest.records > self._records:
            yield _cut(self._records, self.furthest)
        for no in self._unsigned:
            text = f"line {no} of the anchor was not signed by the given key"
            yield FaultAt(0, Fault.NOT_VOUCHED, text)
        if self._unnamed:
            text = f"{self._unnamed} more lines of the anchor were not signed by the given key"
            yield FaultAt(0, Fault.NOT_VOUCHED, text)

    def _count_unsigned(self, no: int) -> None:
        if len(self._unsigned) < MOST_UNSIGNED:
            self._unsigned.append(no)
        else:
            self._unnamed += 1

    def _compare(self, checkpoint: Checkpoint, stored: str | None) -> None:
        self.own += 1
        if self.furthest is None or checkpoint.records >= self.furthest.records:
            self.furthest = checkpoint
        if checkpoint.records > self._records:
            return
        if stored == checkpoint.head:
            self._agreed.append(checkpoint.records)
        elif self._first_wrong is None or checkpoint.records < self._first_wrong.records:
            self._first_wrong = checkpoint

    def _replaced(self, wrong: Checkpoint) -> FaultAt:
        first = max(no for no in self._agreed if no < wrong.records or no == 0) + 1
        text = (
            f"records {first} to {wrong.records} are not those that the checkpoint "
            f"of {wrong.at:%Y-%m-%d %H:%M:%S %Z} vouches for: they were replaced"
        )
        return FaultAt(first, Fault.REPLACED, text)


def _cut(records: int, furthest: Checkpoint) -> FaultAt:
    text = (
        f"the log ends at record {records} and the checkpoint of "
        f"{furthest.at:%Y-%m-%d %H:%M:%S %Z} vouches for {furthest.records}: it was truncated"
    )
    return FaultAt(records + 1, Fault.TRUNCATED, text)
