"""Tokens (JWT) of the ministry's own sign-on, checked here and never issued here.

One algorithm, keys from a file on this machine, and no header that could name another key or
algorithm: whatever a token says about how to check it is not believed. With the sign-on down,
tokens that were issued go on to count until they expire.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import jwt
from pydantic import BaseModel, ConfigDict, TypeAdapter

from selectivity.declaration import Code, Identifier
from selectivity.errors import ParamsError
from serving import secret_file
from serving.callers.api_keys import Role
from serving.callers.followed import Followed

ALGORITHMS = ("EdDSA", "ES256")
HEADERS = {"alg", "typ", "kid"}
"""What a token's header may hold. `jwk`, `jku`, `x5u` and `crit` are how forgers bring a key."""
TYPES = ("JWT", "at+jwt")
REQUIRED = ("exp", "aud", "iss", "sub")
LEEWAY_SECONDS = 30
MOST_CHARACTERS = 8_000
SAME_ROLES: Mapping[str, Role] = {role.value: role for role in Role}


class TokenRules(BaseModel):
    """What a token has to say to be taken."""

    model_config = ConfigDict(frozen=True)

    issuer: str
    audience: str
    roles_claim: str = "roles"
    roles: Mapping[str, Role] = SAME_ROLES
    longest_seconds: int = 86_400


class TokenHolder(NamedTuple):
    """Who a token says is calling."""

    id: str
    name: str
    roles: tuple[Role, ...]
    office: str | None


class Tokens:
    """Checks tokens against the keys in a file, which is followed while the service runs."""

    def __init__(self, file: Path, rules: TokenRules) -> None:
        """Raises ParamsError if the file cannot be used."""
        self._followed = Followed(file, read_key_set, cause="JWT_KEYS")
        self._rules = rules

    @property
    def outdated(self) -> bool:
        """Whether the keys known before are in force because the file cannot be used."""
        return self._followed.outdated

    def holder(self, token: str, now: datetime) -> TokenHolder | None:
        """Who is calling; None if any of it is not as it has to be."""
        try:
            claims = self._claims(token)
            return _holder(claims, self._rules, now)
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            return None

    def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > MOST_CHARACTERS:
            raise ValueError("longer than any token")
        header, key_set = jwt.get_unverified_header(token), self._followed.content()
        if not header.keys() <= HEADERS or header.get("typ", TYPES[0]) not in TYPES:
            raise ValueError("a header that is not taken")
        key = key_set.keys.get(header.get("kid"))
        if key is None or header.get("alg") != key_set.algorithm:
            raise ValueError("no such key here, or not its algorithm")
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[key_set.algorithm],
            audience=self._rules.audience,
            issuer=self._rules.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": list(REQUIRED)},
        )
        return claims


class KeySet(NamedTuple):
    """The keys that tokens may be signed with, by their id, and the one algorithm of them all."""

    algorithm: str
    keys: Mapping[Any, jwt.PyJWK]


def read_key_set(file: Path) -> KeySet:
    """The public keys in a file that holds a JSON Web Key Set (RFC 7517).

    Raises:
        ParamsError: it cannot be read, or holds anything but public keys of one algorithm.
    """
    try:
        keys = [_key(each) for each in json.loads(secret_file.read(file))["keys"]]
    except OSError as error:
        raise _unusable(file, f"cannot be read ({error.strerror})") from error
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise _unusable(file, f"is no set of public keys ({error})") from error
    algorithms = {key.algorithm_name for key in keys}
    if len(algorithms) != 1 or not algorithms <= set(ALGORITHMS):
        raise _unusable(file, "needs keys of one algorithm, EdDSA or ES256")
    if len({key.key_id for key in keys}) != len(keys):
        raise _unusable(file, "has two keys with the same kid")
    return KeySet(algorithms.pop(), {key.key_id: key for key in keys})


def _key(fields: Mapping[str, Any]) -> jwt.PyJWK:
    if "d" in fields or "k" in fields:
        raise ValueError("a private or shared key, which has no business here")
    if not isinstance(fields.get("kid"), str):
        raise ValueError("a key without kid")
    return jwt.PyJWK(dict(fields))


def _holder(claims: Mapping[str, Any], rules: TokenRules, now: datetime) -> TokenHolder:
    if type(claims["exp"]) is not int or claims["exp"] > now.timestamp() + rules.longest_seconds:
        raise ValueError("it would count for too long")
    subject = _IDENTIFIER.validate_python(claims["sub"])
    given = claims.get(rules.roles_claim, ())
    named = given.split() if isinstance(given, str) else given
    roles = {rules.roles[name] for name in named if name in rules.roles}
    office = claims.get("office")
    return TokenHolder(
        id=f"jwt:{subject}",
        name=subject,
        roles=tuple(sorted(roles)),
        office=None if office is None else _CODE.validate_python(office),
    )


_IDENTIFIER: TypeAdapter[str] = TypeAdapter(Identifier)
_CODE: TypeAdapter[str] = TypeAdapter(Code)


def _unusable(file: Path, problem: str) -> ParamsError:
    return ParamsError(
        f"The key set {file} {problem}. Give the public keys of the sign-on as a JSON Web Key Set, "
        "each with its kid, or unset LANES_JWT_KEYS."
    )
