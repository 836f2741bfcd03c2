"""What the commands that ask a running service have in common: where they ask, and as whom."""

from collections.abc import Callable
from typing import Annotated, NamedTuple, cast

import typer

from selectivity.reasons.wording import Language
from serving.commands.first_key import key_to_send
from serving.settings import Settings

Url = Annotated[
    str | None,
    typer.Option(help="A running service; the one of LANES_HOST and LANES_PORT if left out."),
]
Spoken = Annotated[
    Language | None,
    typer.Option(help="Language of lanes, reasons and refusals; that of LANES_LANGUAGE if unset."),
]


class Asked(NamedTuple):
    """A service, in which language it is to answer, and the key that is sent."""

    url: str
    language: Language
    key: str | None


def settings_of(context: typer.Context) -> Settings:
    """The settings of `lanes`, whatever command of it runs."""
    return cast(Callable[[], Settings], context.obj)()


def asked(settings: Settings, url: str | None, language: Language | None) -> Asked:
    """What a command asks: as its options say, else as the settings do.

    Raises:
        ParamsError: the key cannot be read, or has not the form of one.
    """
    return Asked(url or settings.url, language or settings.language, key_to_send(settings))
