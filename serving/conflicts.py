"""What a spool brought and the log had otherwise."""

from typing import NamedTuple

from serving.chain import Kind


class Conflict(NamedTuple):
    """A record of a spool whose key the log had with another record; that one stands."""

    spool_id: str
    no: int
    kind: Kind
    text: str
