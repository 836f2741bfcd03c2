"""Which place the decision log lies in, by the settings."""

from pathlib import Path

from serving.log_file import LogFile
from serving.settings import Settings
from serving.store import Store


def primary_of(settings: Settings) -> Store:
    """Where decisions are kept."""
    if settings.database is None:
        return LogFile(settings.log_file)
    return store_named(settings.database.get_secret_value())


def store_named(place: str) -> Store:
    """The place at this path or address."""
    if not place.startswith(("postgresql://", "postgres://")):
        return LogFile(Path(place))
    from serving.log_database import LogDatabase  # brings its driver along, which takes a while

    return LogDatabase(place)
