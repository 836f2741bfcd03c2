"""Vouches for the decision log while the service runs: at its start, as it grows, and at its end.

A thread of its own looks at the log, so that no decision waits for the anchor's disk. A checkpoint
that cannot be written stops nothing: it is reported, counted and tried again.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from selectivity.errors import AuditError, DecisionLogError, ParamsError
from serving.log.checkpoints import Anchor, Checkpoint, Vouched, append, vouched_for
from serving.log.reader import LogReader
from serving.storage.acts import first_altered
from serving.storage.chain import Head
from serving.storage.store import AWAY_SECONDS, Store
from serving.trouble import Trouble

logger = logging.getLogger(__name__)

CUT_LOOKS = 2
"""So many looks in a row have to find a log cut: a replica may be behind for a moment."""
LOOK_SECONDS = 0.2
"""How often the log is looked at; so much later than due a checkpoint may come."""


@dataclass(frozen=True)
class Schedule:
    """A checkpoint is due after so many new records, or after so many seconds if any is new."""

    records: int = 1_000
    seconds: float = 10.0


class Checkpointer:
    """Keeps the anchor of one log up to date until it is closed."""

    def __init__(
        self,
        log: Store | Path,
        anchor: Path,
        key: Ed25519PrivateKey,
        *,
        schedule: Schedule = Schedule(),
        on_checkpoint: Callable[[Checkpoint], None] = lambda checkpoint: None,
        on_anchor: Callable[[Anchor], None] = lambda anchor: None,
        later: bool = False,
        log_id: str = "",
        earlier: Sequence[Ed25519PublicKey] = (),
    ) -> None:
        """Begin with a checkpoint; with `later` as soon as the log can be read.

        With `log_id` no other log is ever vouched for, whatever comes to lie in this one's place.
        What `earlier` keys signed counts as well.

        Raises:
            DecisionLogError: the log is not the one that was vouched for before.
            ParamsError: the anchor cannot be written.
        """
        self._log, self._anchor = LogReader(log, later=later, log_id=log_id), anchor
        self._key, self._earlier = key, earlier
        self._schedule, self._on_checkpoint, self._on_anchor = schedule, on_checkpoint, on_anchor
        self._trouble, self._cut_for = Trouble(), 0
        self._begun, self._found = False, Anchor.OK
        self._last = Head(0, "")
        """What was vouched for last."""
        if not later:
            self._begin_or_refuse()
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Vouch for all that was written, then stop."""
        self._enough.set()
        self._thread.join()
        self._log.close()

    def _begin(self) -> None:
        vouched = check_vouched(self._log, self._anchor, [self._key.public_key(), *self._earlier])
        self._found = vouched.state(self._head().no)
        self._vouch()
        self._begun = True
        if vouched.damaged or self._found is Anchor.NEW:
            cause = Anchor.DAMAGED if vouched.damaged else Anchor.NEW
            what = {"cause": cause, "count": vouched.damaged}
            logger.critical("anchor not as it was left", extra=what)
        if vouched.other is not None:
            logger.critical(
                "another log than before", extra={"cause": self._instead(vouched.other)}
            )
        self._on_anchor(self._found)

    def _instead(self, before: Checkpoint) -> str:
        return (
            f"The anchor {self._anchor} vouches for the decision log {before.log_id:.8} up to "
            f"record {before.records} of {before.at:%Y-%m-%d %H:%M:%S %Z}, and for nothing of the "
            f"log {self._log.log_id:.8} in {self._log.store.name}: what was answered and ordered "
            "before is not known here. Bring that log back. If this is the one to go on with, "
            "order the mode that held anew (`lanes mode set`), and keep that log for auditors with "
            "a copy of the anchor."
        )

    def _begin_or_refuse(self) -> None:
        try:
            self._begin()
        except OSError as error:
            self._log.close()
            raise ParamsError(
                f"The anchor {self._anchor} cannot be written ({error.strerror}), so nothing "
                "would prove that the decision log is whole. Correct the path (LANES_ANCHOR) or "
                "its permissions."
            ) from error
        except DecisionLogError:
            self._log.close()
            raise

    def _run(self) -> None:
        while not self._enough.wait(AWAY_SECONDS if self._trouble.there else LOOK_SECONDS):
            self._try(self._vouch_if_due)
        self._try(self._vouch_if_new)

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (OSError, DecisionLogError) as error:
            self._cut_for = self._cut_for + 1 if isinstance(error, AuditError) else 0
            if self._trouble.is_news(str(error)):
                logger.error("no checkpoint", extra={"cause": str(error)})
            if self._cut_for == CUT_LOOKS:
                logger.critical("log cut", extra={"cause": str(error)})
            self._on_anchor(Anchor.CUT if self._cut_for >= CUT_LOOKS else Anchor.FAILING)
        else:
            if self._trouble.is_over():
                logger.warning("checkpoints go on")
                self._on_anchor(self._found)
            self._cut_for = 0

    def _vouch_if_due(self) -> None:
        if not self._begun:
            self._begin()
        new = self._head().no - self._last.no
        waited = time.monotonic() - self._when
        if new >= self._schedule.records or (new > 0 and waited >= self._schedule.seconds):
            self._vouch()

    def _vouch_if_new(self) -> None:
        if not self._begun:
            self._begin()
        if self._head().no > self._last.no:
            self._vouch()

    def _vouch(self) -> None:
        head = self._head()
        checkpoint = Checkpoint.sign(self._log.log_id, head, datetime.now(UTC), self._key)
        if self._begun and not self._anchor.exists():  # a disk may not be mounted any more
            raise DecisionLogError(
                f"The anchor {self._anchor} is gone, and with it what vouched for the decision log "
                f"{self._log.store.name}. Put it back as it was. If it is lost, start the service "
                "again: it begins another one, and says so."
            )
        append(self._anchor, checkpoint)
        self._last, self._when = head, time.monotonic()
        self._on_checkpoint(checkpoint)

    def _head(self) -> Head:
        """The last record of a log that still has what was vouched for last.

        Raises:
            AuditError: it has not.
        """
        last = self._last
        with self._log.one_moment():
            head = self._log.head()
            if head != last and last.no and self._log.hash_at(last.no) != last.record_hash:
                raise AuditError(
                    f"The decision log {self._log.store.name} had {last.no} records when it was "
                    f"vouched for last, and has {head.no} now or others: it was cut or replaced "
                    "while the service ran. Nothing is vouched for; see the tamper alarm in "
                    "RUNBOOK.md."
                )
        return head


def check_vouched(log: LogReader, anchor: Path, keys: Sequence[Ed25519PublicKey]) -> Vouched:
    """Compare a log with the furthest checkpoint that these keys signed for it, and what people
    did with the chain: decisions go by that.

    Raises:
        DecisionLogError: it is not the one that was vouched for, or the anchor is so damaged that
            nobody can say.
        OSError: the anchor cannot be read.
    """
    vouched = vouched_for(anchor, log.log_id, keys)
    known = vouched.furthest
    if known is not None and log.hash_at(known.records) != known.head:
        raise DecisionLogError(
            f"The decision log {log.store.name} is not the one that was vouched for: at "
            f"{known.at:%Y-%m-%d %H:%M:%S %Z} it had {known.records} records, and it has "
            f"{log.head().no} now or others. Run `lanes verify`; restore the newest "
            "backup. If records are lost for good, keep log and anchor for the auditors and "
            "give another LANES_STATE."
        )
    if (no := log.store.look_through(first_altered)) is not None:
        raise DecisionLogError(
            f"Record {no} of the decision log {log.store.name}, which says what somebody ordered, "
            "changed or acknowledged, was altered or taken out, so nobody knows what holds. Run "
            "`lanes verify`, and restore the newest backup."
        )
    if known is None and vouched.damaged and log.head().no:
        raise DecisionLogError(
            f"The anchor {anchor} is damaged ({vouched.damaged} of its lines are not what was "
            f"written), and nothing left in it vouches for the decision log {log.store.name}. Put "
            "the newest copy of the anchor in its place. If there is none, run `lanes verify`, "
            "which still checks the chain, keep both for the auditors and move the anchor away: "
            "the next start begins another one."
        )
    return vouched
