"""Vouches for the decision log while the service runs: at its start, as it grows, and at its end.

A thread of its own looks at the log, so that no decision waits for the anchor's disk. A checkpoint
that cannot be written stops nothing: it is reported, counted and tried again.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from selectivity.errors import DecisionLogError, ParamsError
from serving.checkpoints import Checkpoint, append, furthest
from serving.log_reader import LogReader
from serving.store import Store

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
"""How often the log is looked at; so much later than due a checkpoint may come."""


@dataclass(frozen=True)
class Often:
    """A checkpoint is due when so many records are new, or some are and so much time has passed."""

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
        often: Often = Often(),
        on_checkpoint: Callable[[Checkpoint], None] = lambda checkpoint: None,
    ) -> None:
        """Begin with a checkpoint.

        Raises:
            DecisionLogError: the log is not the one that was vouched for before.
            ParamsError: the anchor cannot be written.
        """
        self._log, self._anchor, self._key = LogReader(log), anchor, key
        self._often, self._on_checkpoint = often, on_checkpoint
        self._trouble: str | None = None
        self._begin()
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Vouch for all that was written, then stop."""
        self._enough.set()
        self._thread.join()
        self._log.close()

    def _begin(self) -> None:
        try:
            self._check_against_anchor()
            self._vouch()
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
        while not self._enough.wait(LOOK_SECONDS):
            self._try(self._vouch_if_due)
        self._try(self._vouch_if_new)

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (OSError, DecisionLogError) as error:
            if self._trouble is None:
                logger.error("no checkpoint", extra={"cause": str(error)})
            self._trouble = str(error)
        else:
            if self._trouble is not None:
                logger.warning("checkpoints go on")
            self._trouble = None

    def _vouch_if_due(self) -> None:
        new = self._log.head().no - self._records
        waited = time.monotonic() - self._when
        if new >= self._often.records or (new > 0 and waited >= self._often.seconds):
            self._vouch()

    def _vouch_if_new(self) -> None:
        if self._log.head().no > self._records:
            self._vouch()

    def _vouch(self) -> None:
        checkpoint = Checkpoint.sign(
            self._log.log_id, self._log.head(), datetime.now(UTC), self._key
        )
        append(self._anchor, checkpoint)
        self._records, self._when = checkpoint.records, time.monotonic()
        self._on_checkpoint(checkpoint)

    def _check_against_anchor(self) -> None:
        known = furthest(self._anchor, self._log.log_id, self._key.public_key())
        if known is not None and self._log.hash_at(known.records) != known.head:
            raise DecisionLogError(
                f"The decision log {self._log.store.name} is not the one that was vouched for: at "
                f"{known.at:%Y-%m-%d %H:%M:%S %Z} it had {known.records} records, and it has "
                f"{self._log.head().no} now or others. Run `lanes verify`; restore the newest "
                "backup. If records are lost for good, keep log and anchor for the auditors and "
                "give another LANES_STATE."
            )
