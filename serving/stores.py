"""Which place the decision log lies in, by the settings."""

from pathlib import Path

from serving.log_file import LogFile
from serving.recent import Recent
from serving.settings import Settings
from serving.spool import Reserve
from serving.store import Store

DRAINING_SECONDS = 5.0
"""How long a transaction may take that takes some of a spool over."""


def primary_of(settings: Settings) -> Store:
    """Where decisions are kept."""
    if settings.database is None:
        return LogFile(settings.log_file)
    return store_named(settings.database.get_secret_value())


def reserve_of(settings: Settings) -> Reserve:
    """What stands beside it.

    Raises:
        DecisionLogError: the log cannot be read, or the copy of it cannot be written.
    """
    spool = LogFile(settings.spool_file)
    if settings.database is None:
        return Reserve(spool)
    from serving.log_database import LogDatabase, Patience

    address = settings.database.get_secret_value()
    draining = LogDatabase(address, Patience(write_seconds=DRAINING_SECONDS))
    log, file = primary_of(settings), settings.recent_file
    return Reserve(spool, draining, Recent(file, log, most=settings.recent_decisions))


def store_named(place: str) -> Store:
    """The place at this path or address."""
    if not place.startswith(("postgresql://", "postgres://")):
        return LogFile(Path(place))
    from serving.log_database import LogDatabase  # brings its driver along, which takes a while

    return LogDatabase(place)
