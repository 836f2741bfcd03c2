"""The day of a moment. Days begin at midnight in UTC, whatever zone the moment is written in."""

from datetime import UTC, date, datetime

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""What days and microseconds are counted from."""


def day_in_utc(moment: datetime) -> date:
    """The day of a moment, as a date."""
    return moment.astimezone(UTC).date()


def day_at(moment: datetime) -> int:
    """The day of a moment, as the number of days since 1970."""
    return (moment - EPOCH).days
