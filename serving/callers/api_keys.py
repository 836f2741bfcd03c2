"""API keys: who may call the service, in which roles, until when. Only digests are kept.

A key is 256 random bits, so its plain SHA-256 gives nothing away: there is no smaller set to guess
from, as there is with passwords, and a slow hash would only slow every request.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Protocol, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from selectivity.actor import Actor
from selectivity.declaration import Code

KEY = re.compile(r"lanes_([0-9a-f]{8})_[0-9a-f]{64}")


class Role(StrEnum):
    """What a caller is to the service. Routes say which of them they let through."""

    SCORER = "scorer"
    INSPECTOR = "inspector"
    DATA_SCIENTIST = "data_scientist"
    MANAGER = "manager"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Caller(Protocol):
    """Who calls, as a key or a token tells: an id that may stand in logs, roles, perhaps an office.

    Whoever has an office learns of that office alone and acts for it alone.
    """

    @property
    def id(self) -> str:
        """Names the caller for ever."""

    @property
    def name(self) -> str:
        """Which person or office that is: two keys of one holder are no two persons."""

    @property
    def roles(self) -> tuple[Role, ...]:
        """What the caller is to the service."""

    @property
    def office(self) -> str | None:
        """Where the caller sits; None for whoever looks after every office."""


def actor_of(caller: Caller) -> Actor:
    """The caller as the log names whoever did something."""
    return Actor(id=caller.id, name=caller.name)


class ApiKey(BaseModel):
    """What is kept of a key. `id` is its public part and may stand in logs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[0-9a-f]{8}$")
    name: str = Field(min_length=1, max_length=70, description="Who holds it.")
    roles: tuple[Role, ...] = Field(min_length=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Digest of the whole key.")
    created_at: AwareDatetime
    expires_at: AwareDatetime
    revoked_at: AwareDatetime | None = None
    replaces: str | None = Field(default=None, description="Id of the key it was rotated from.")
    office: Code | None = Field(default=None, description="The one office it is for; None for all.")

    @classmethod
    def make(
        cls,
        name: str,
        roles: Iterable[Role],
        *,
        now: datetime,
        expires_at: datetime,
        replaces: str | None = None,
        office: str | None = None,
    ) -> tuple[Self, str]:
        """A new key: what is kept of it, and the key itself, which nobody can make out again."""
        id_ = secrets.token_hex(4)
        key = f"lanes_{id_}_{secrets.token_hex(32)}"
        kept = cls(
            id=id_,
            name=name,
            roles=tuple(sorted(set(roles))),
            sha256=digest(key),
            created_at=now,
            expires_at=expires_at,
            replaces=replaces,
            office=office,
        )
        return kept, key

    def state(self, now: datetime) -> str:
        """Whether it opens anything now: valid, revoked or expired."""
        if self.revoked_at is not None:
            return "revoked"
        return "valid" if now < self.expires_at else "expired"


def digest(key: str) -> str:
    """SHA-256 of a key, in hexadecimal."""
    return hashlib.sha256(key.encode()).hexdigest()


def id_of(key: str) -> str | None:
    """The public part of a key; None if this has not the form of one."""
    found = KEY.fullmatch(key)
    return found[1] if found else None
