"""The API keys in force, followed while the service runs."""

import hmac
import logging
from datetime import datetime
from pathlib import Path
from typing import Any

from selectivity.errors import ParamsError
from serving.api_keys import ApiKey, digest, id_of
from serving.key_file import read_keys

logger = logging.getLogger(__name__)

NOBODY = digest("")
"""Compared with when no key has the given id, so that this takes as long as a wrong key."""


class KeyRing:
    """Looks at the file at every question: a revoked key opens nothing from the next request on.

    A file that cannot be used after a change is reported once, and the keys known before stay in
    force; a file that was taken away leaves none.
    """

    def __init__(self, file: Path | None = None) -> None:
        """Without a file there are no keys, and nobody is let in.

        Raises:
            ParamsError: the file cannot be used.
        """
        self._file = file
        self._seen = self._look()
        self._keys = self._read()

    def holder(self, key: str, now: datetime) -> ApiKey | None:
        """What is kept of this key, if it opens anything now."""
        self._follow()
        kept = self._keys.get(id_of(key) or "")
        right = hmac.compare_digest(kept.sha256 if kept else NOBODY, digest(key))
        return kept if kept and right and kept.state(now) == "valid" else None

    def _follow(self) -> None:
        seen = self._look()
        if seen == self._seen:
            return
        self._seen = seen  # before reading: what changes meanwhile is read at the next question
        try:
            self._keys = self._read()
        except ParamsError:
            logger.error("key file refused", extra={"cause": "KEY_FILE"})

    def _look(self) -> Any:
        try:
            found = self._file.stat() if self._file else None
        except OSError:
            return None
        return found and (found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode)

    def _read(self) -> dict[str, ApiKey]:
        return {key.id: key for key in read_keys(self._file)} if self._file else {}
