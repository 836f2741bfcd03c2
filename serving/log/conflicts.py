"""What a spool brought and the log had otherwise."""

import json
from typing import NamedTuple

from serving.log.kept_texts import AlteredTextError
from serving.storage.chain import Kind


class Conflict(NamedTuple):
    """A record of a spool whose key the log had with another record; that one stands."""

    spool_id: str
    no: int
    kind: Kind
    text: str


def read_conflicts(spool_id: str, text: str) -> list[Conflict]:
    """The conflicts that one drain kept.

    Raises:
        AlteredTextError: they were altered since.
    """
    try:
        return [Conflict(spool_id, **each) for each in json.loads(text)]
    except (ValueError, TypeError) as error:
        held = f"what the spool {spool_id!s:.8} brought and that cannot be read"
        raise AlteredTextError(held) from error
