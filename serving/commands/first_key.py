"""The key of a first run, and the key that commands send.

A service without any key would let nobody in. The first start on this machine therefore makes one
demonstration key, says so, and leaves it where the commands find it.
"""

from datetime import datetime, timedelta

from selectivity.errors import ParamsError
from serving import secret_file
from serving.callers.api_keys import ApiKey, Role, id_of
from serving.callers.key_file import change_keys, read_keys
from serving.settings import Settings

DEMO, VALID_FOR = "demonstration", timedelta(days=365)
ROLES = (Role.SCORER, Role.INSPECTOR, Role.MANAGER, Role.AUDITOR)
"""Enough to try everything a newcomer reads about; it can neither manage keys nor models."""


def make_first_key(settings: Settings, *, now: datetime) -> str | None:
    """A key for a service that has none, kept in the state folder as well; None if it has some.

    Raises:
        ParamsError: the key file cannot be used.
    """

    def change(keys: tuple[ApiKey, ...]) -> tuple[tuple[ApiKey, ...], str | None]:
        if keys:
            return keys, None
        made, key = ApiKey.make(DEMO, ROLES, now=now, expires_at=now + VALID_FOR)
        secret_file.replace(settings.demo_key_file, f"{key}\n".encode())
        return (made,), key

    if read_keys(settings.keys_file):  # which may lie where this service cannot write
        return None
    return change_keys(settings.keys_file, change)


def key_to_send(settings: Settings) -> str | None:
    """The key in LANES_API_KEY, else that of the first run; None if there is neither.

    Raises:
        ParamsError: it cannot be read, or has not the form of a key.
    """
    if settings.api_key is not None:
        return _checked(settings.api_key.get_secret_value(), "LANES_API_KEY")
    file = settings.demo_key_file
    try:
        return _checked(file.read_text(encoding="ascii", errors="replace"), str(file))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ParamsError(
            f"The key in {file} cannot be read ({error.strerror}). Set LANES_API_KEY, or correct "
            "its permissions."
        ) from error


def how_to_send_another(settings: Settings) -> str:
    """What to do when the key that commands send is not taken."""
    file, remedy = settings.demo_key_file, "Set LANES_API_KEY to a key of `lanes keys create`"
    if not file.exists():
        return (
            f"{remedy}. There is no demonstration key in {file}: no backup holds it, and "
            "LANES_STATE names the state folder of the service that made one."
        )
    if settings.api_key is None:
        return f"{remedy}: the one that was sent is the demonstration key in {file}."
    return f"{remedy}, or unset it: then the demonstration key in {file} is sent."


def _checked(text: str, where: str) -> str:
    key = text.strip()
    if id_of(key) is None:
        raise ParamsError(
            f"What {where} holds has not the form of a key (lanes_…_…). Give one that "
            "`lanes keys create` has shown."
        )
    return key
