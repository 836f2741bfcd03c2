"""What the commands that ask a running service have in common: where they ask, and as whom."""

from collections.abc import Callable
from typing import Annotated, cast

import typer

from selectivity.reasons.wording import Language
from serving.commands.client import Target
from serving.commands.first_key import key_to_send
from serving.settings import Settings

Url = Annotated[
    str | None,
    typer.Option(help="A running service; the one of LANES_HOST and LANES_PORT if left out."),
]
LanguageOption = Annotated[
    Language | None,
    typer.Option(help="Language of lanes, reasons and refusals; that of LANES_LANGUAGE if unset."),
]


def settings_of(context: typer.Context) -> Settings:
    """The settings of `lanes`, whatever command of it runs."""
    return cast(Callable[[], Settings], context.obj)()


def target_of(settings: Settings, url: str | None, language: Language | None) -> Target:
    """The service that a command asks: as its options say, else as the settings do.

    Raises:
        ParamsError: the key cannot be read, or has not the form of one.
    """
    return Target(url or settings.url, language or settings.language, key_to_send(settings))
