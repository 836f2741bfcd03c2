"""The API keys in force, followed while the service runs."""

import hmac
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from serving.callers.api_keys import ApiKey, digest, id_of
from serving.callers.followed import Followed
from serving.callers.key_file import read_keys

logger = logging.getLogger(__name__)

NOBODY = digest("")
"""Compared with when no key has the given id, so that this takes as long as a wrong key."""


class KeyRing:
    """A revoked key opens nothing from the next request on.

    A key file that cannot be used after a change leaves the keys known before in force; a file that
    was taken away leaves none.
    """

    def __init__(self, file: Path | None = None) -> None:
        """Without a file there are no keys, and nobody is let in.

        Raises:
            ParamsError: the file cannot be used.
        """
        self._told = set[str]()
        self._followed = None if file is None else Followed(file, _by_id, cause="KEY_FILE")

    def all(self) -> Iterable[ApiKey]:
        """Every key that is known, valid or not."""
        return self._followed.content().values() if self._followed else ()

    @property
    def outdated(self) -> bool:
        """Whether the keys known before are in force because the file cannot be used."""
        return self._followed is not None and self._followed.outdated

    def holder(self, key: str, now: datetime) -> ApiKey | None:
        """What is kept of this key, if it opens anything now."""
        keys = self._followed.content() if self._followed else {}
        kept = keys.get(id_of(key) or "")
        right = hmac.compare_digest(kept.sha256 if kept else NOBODY, digest(key))
        if kept is None or not right:
            return None
        if (state := kept.state(now)) == "valid":
            return kept
        self._tell(kept, state)
        return None

    def _tell(self, key: ApiKey, state: str) -> None:
        """Once for each key: whoever still sends it may not know why nothing is answered."""
        if key.id not in self._told:
            self._told.add(key.id)
            logger.warning("key refused", extra={"key": key.id, "cause": state.upper()})


def _by_id(file: Path) -> Mapping[str, ApiKey]:
    return {key.id: key for key in read_keys(file)}
