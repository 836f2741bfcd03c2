"""Days and times as commands take and tell them."""

from datetime import UTC, datetime

import typer


def moment(given: str) -> datetime:
    """A day or a time, in UTC unless it says otherwise.

    Raises:
        typer.BadParameter: it is none.
    """
    try:
        parsed = datetime.fromisoformat(given)
    except ValueError as error:
        raise typer.BadParameter(
            f"{given!r:.40} is no day. Give one as 2026-03-02, or a time as 2026-03-02T09:30."
        ) from error
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def spoken(answered: str) -> str:
    """A time of an answer of the service, for people to read."""
    return f"{datetime.fromisoformat(answered).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
