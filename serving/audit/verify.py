"""Proves that a decision log is what the service wrote, or says what is not; changes nothing.

The chain shows what was altered, taken out, put in or moved by anybody who did not link everything
behind it anew. The signed checkpoints show that, and a cut tail, up to the newest of them. What was
cut off or linked anew behind the newest checkpoint leaves no trace, and a thief of the signing key
can sign anything.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from selectivity.errors import AuditError
from serving.log.chain_check import Fault, Problem, Walked, walk
from serving.log.checkpoints import Checkpoint, Line, read_all
from serving.log.signing_key import key_id
from serving.storage.chain import log_id_of
from serving.storage.store import Connection, Store

MOST_TOLD = 3


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
    problems: tuple[Problem, ...]

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
        told = "; ".join(problem.told for problem in self.problems[:MOST_TOLD])
        more = len(self.problems) - MOST_TOLD
        return f"not whole: {told}" + (f"; and {more} more problems" if more > 0 else "")


def verify(log: Store, anchor: Path, keys: Sequence[Ed25519PublicKey]) -> Verdict:
    """Compare a log with its chain, and its chain with the checkpoints signed by these keys.

    Raises:
        AuditError: the anchor cannot be read.
        DecisionLogError: the log is absent, or so damaged that it cannot be read.
    """
    lines = _lines_of(anchor)  # before the log, which may grow meanwhile
    by_id = {key_id(key): key for key in keys}
    return log.look_through(lambda connection: _verdict(log, connection, lines, by_id))


def _verdict(
    log: Store, connection: Connection, lines: Sequence[Line], keys: Mapping[str, Ed25519PublicKey]
) -> Verdict:
    log_id = log_id_of(connection)
    own = [each for _, each, _ in lines if each and each.log_id == log_id and each.signed_by(keys)]
    own.sort(key=lambda each: each.records)
    walked = walk(connection, {each.records for each in own})
    damage = log.damage(connection, thorough=True)
    problems = [
        *(Problem(0, Fault.DAMAGED, f"the file is damaged: {told}") for told in damage),
        *walked.problems,
        *_against_checkpoints(walked, own),
        *_unsigned(lines, keys),
    ]
    return Verdict(
        log_id,
        walked,
        checkpoints=len(own),
        vouched=own[-1] if own else None,
        torn=sum(line.torn for line in lines),
        other_logs=len({each.log_id for _, each, _ in lines if each} - {log_id}),
        problems=tuple(problems),
    )


def _lines_of(anchor: Path) -> list[Line]:
    try:
        return list(read_all(anchor))
    except OSError as error:
        raise AuditError(
            f"The anchor {anchor} cannot be read ({error.strerror}), and without it a cut or newly "
            "linked log cannot be told from a whole one. Give its path with --anchor."
        ) from error


def _against_checkpoints(walked: Walked, own: Sequence[Checkpoint]) -> Iterator[Problem]:
    if not own:
        told = "no checkpoint signed by the given key vouches for this log"
        yield Problem(0, Fault.NOT_VOUCHED, told)
    agreed = 0
    for checkpoint in own:
        if checkpoint.records > walked.head.no:
            yield _cut(walked.head.no, own[-1])
            return
        if walked.hashes.get(checkpoint.records) != checkpoint.head:
            told = (
                f"records {agreed + 1} to {checkpoint.records} are not those that the checkpoint "
                f"of {checkpoint.at:%Y-%m-%d %H:%M:%S %Z} vouches for: they were replaced"
            )
            yield Problem(agreed + 1, Fault.REPLACED, told)
            return
        agreed = checkpoint.records


def _cut(records: int, furthest: Checkpoint) -> Problem:
    told = (
        f"the log ends at record {records} and the checkpoint of "
        f"{furthest.at:%Y-%m-%d %H:%M:%S %Z} vouches for {furthest.records}: it was truncated"
    )
    return Problem(records + 1, Fault.TRUNCATED, told)


def _unsigned(lines: Sequence[Line], keys: Mapping[str, Ed25519PublicKey]) -> Iterator[Problem]:
    for no, checkpoint, torn in lines:
        if not torn and (checkpoint is None or not checkpoint.signed_by(keys)):
            told = f"line {no} of the anchor was not signed by the given key"
            yield Problem(0, Fault.NOT_VOUCHED, told)
