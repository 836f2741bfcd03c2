"""Making, revoking and rotating API keys in their file."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from selectivity.declaration import problems
from selectivity.errors import ParamsError
from serving.callers.api_keys import ApiKey, Role
from serving.callers.key_file import change_keys

Keys = tuple[ApiKey, ...]


def create(
    file: Path,
    name: str,
    roles: Iterable[Role],
    *,
    now: datetime,
    valid_for: timedelta,
    office: str | None = None,
) -> tuple[ApiKey, str]:
    """A new key: what is kept of it, and the key itself, which cannot be shown again.

    Raises:
        ParamsError: the file cannot be used, or the name or office cannot be kept.
    """
    if not name.isprintable() or name != " ".join(name.split()):
        raise ParamsError(
            f"No key was made for {name!r}: a name is one line of text with single blanks, so that "
            "two names that look alike are one. Give it so."
        )
    made, key = _make(name, roles, now=now, expires_at=now + valid_for, office=office)
    return change_keys(file, lambda keys: ((*keys, made), (made, key)))


def revoke(file: Path, id_: str, *, now: datetime) -> ApiKey:
    """The key with this id, which opens nothing from now on; a revoked one stays as it is.

    Raises:
        ParamsError: there is no such key, or the file cannot be used.
    """

    def change(keys: Keys) -> tuple[Keys, ApiKey]:
        old = _find(keys, id_)
        revoked = old.model_copy(update={"revoked_at": old.revoked_at or now})
        return _replaced(keys, revoked), revoked

    return change_keys(file, change)


def rotate(
    file: Path, id_: str, *, now: datetime, valid_for: timedelta, overlap: timedelta
) -> tuple[ApiKey, ApiKey, str]:
    """A new key with the name and roles of an old one, which stays valid for the overlap.

    Returns:
        The old key as it is kept now, what is kept of the new one, and the new key itself.

    Raises:
        ParamsError: there is no such key, it is not valid any more, or the file cannot be used.
    """

    def change(keys: Keys) -> tuple[Keys, tuple[ApiKey, ApiKey, str]]:
        old = _find(keys, id_)
        if old.state(now) != "valid":
            raise ParamsError(f"The key {id_} is {old.state(now)}. Make a new one instead.")
        ending = old.model_copy(update={"expires_at": min(old.expires_at, now + overlap)})
        made, key = ApiKey.make(
            old.name,
            old.roles,
            now=now,
            expires_at=now + valid_for,
            replaces=old.id,
            office=old.office,
        )
        return (*_replaced(keys, ending), made), (ending, made, key)

    return change_keys(file, change)


def _make(name: str, roles: Iterable[Role], **fields: Any) -> tuple[ApiKey, str]:
    try:
        return ApiKey.make(name, roles, **fields)
    except ValidationError as error:
        raise ParamsError(f"No such key can be made: {problems(error)}. Correct it.") from error


def _find(keys: Keys, id_: str) -> ApiKey:
    for key in keys:
        if key.id == id_:
            return key
    raise ParamsError(f"There is no key {id_!r:.40}. See `lanes keys list` for those there are.")


def _replaced(keys: Keys, new: ApiKey) -> Keys:
    return tuple(new if key.id == new.id else key for key in keys)
