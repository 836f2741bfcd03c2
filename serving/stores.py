"""Which place the decision log lies in, by the settings."""

from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from selectivity.errors import DecisionLogError, ParamsError
from serving.log.checkpointer import check_vouched
from serving.log.checkpoints import Checkpoint, newest_signed
from serving.log.drain import check, refuse_lost, taken_upto
from serving.log.held_note import HeldNote
from serving.log.reader import LogReader
from serving.log.recent import Recent, drained_by, held_by
from serving.log.signing_key import kept_public, read_or_create_signing_key, signed_before
from serving.log.spool import NotTheLogError, Reserve
from serving.settings import Settings
from serving.storage.chain import log_id_of
from serving.storage.file import LogFile
from serving.storage.store import AwayError, Store

if TYPE_CHECKING:
    from serving.storage.database import LogDatabase

DRAINING_SECONDS = 5.0
"""How long a transaction may take that takes some of a spool over."""


def primary_of(settings: Settings) -> Store:
    """Where decisions are kept."""
    if settings.database is None:
        return LogFile(settings.log_file)
    return store_at(settings.database.get_secret_value())


def store_at(place: str) -> Store:
    """The place at this path or address."""
    if not place.startswith(("postgresql://", "postgres://")):
        return LogFile(Path(place))
    from serving.storage.database import LogDatabase  # brings its driver along, which takes a while

    return LogDatabase(place)


def store_asked(place: str | None, settings: Settings) -> Store:
    """What a command asks: the log at this path or address, else where decisions are kept."""
    return store_at(place) if place else primary_of(settings)


def empty_place(settings: Settings) -> str | None:
    """Name of the place where the log is to be, if there is no log yet; None if there is one.

    Raises:
        AwayError: the database cannot be reached.
    """
    if settings.database is None:
        return None if settings.log_file.exists() else str(settings.log_file)
    from serving.storage.database import LogDatabase

    database = LogDatabase(settings.database.get_secret_value())
    return database.name if database.log_id_there() is None else None


def refuse_emptied(settings: Settings) -> None:
    """See that a log file was not taken away: the next one would know nothing of what was answered.

    A file without a byte is a new log to SQLite, as one that is not there.

    Raises:
        DecisionLogError: checkpoints vouch for some log; where the file is gone, ours do.
        ParamsError: the anchor, or a key of ours, cannot be read.
    """
    log, anchor = settings.log_file, settings.anchor_file
    if settings.database is not None or (log.exists() and log.stat().st_size):
        return
    try:
        if not anchor.exists() or not anchor.stat().st_size:
            return
        before = None if log.exists() else _vouched_by_us(settings)
    except OSError as error:
        raise ParamsError(
            f"The anchor {anchor} cannot be read ({error.strerror}). Correct the path "
            "(LANES_ANCHOR) or its permissions."
        ) from error
    if not log.exists() and before is None:
        return  # those of other services may lie in one anchor
    what = (
        f"gone, and the anchor {anchor} vouches for {before.records}"
        if before
        else (f"empty, and the anchor {anchor} vouches for")
    )
    raise DecisionLogError(
        f"The decision log {log} is {what} records. Put it back, or restore the newest backup. If "
        "a new log is to begin, move the anchor to the archive for the auditors, or give another "
        "LANES_STATE (RUNBOOK.md, “A new log”)."
    )


def _vouched_by_us(settings: Settings) -> Checkpoint | None:
    own = settings.signing_key_file
    return newest_signed(settings.anchor_file, kept_public(own)) if signed_before(own) else None


def reserve_of(settings: Settings, away: AwayError | None = None) -> Reserve:
    """What stands beside it; `away` is why it cannot be reached now.

    Raises:
        AwayError: the log is away, and there is no copy to go by.
        DecisionLogError: the log cannot be read, or the copy of it cannot be written.
    """
    spool = LogFile(settings.spool_file)
    if settings.database is None:
        return Reserve(spool, note=_note(settings))
    from serving.storage.database import LogDatabase, Patience

    address = settings.database.get_secret_value()
    draining = LogDatabase(address, Patience(write_seconds=DRAINING_SECONDS))
    recent = _recent(settings, away)
    cause = None if away is None else str(away.__cause__ or away).strip()
    recognise = partial(_recognise, draining, recent, settings)
    return Reserve(spool, draining, recent, recognise, cause)


def check_durable(settings: Settings) -> None:
    """See, as a start does, that decisions will survive a power cut; a file is made so.

    Raises:
        AwayError: the database cannot be reached.
        DecisionLogError: they would not.
    """
    if settings.database is not None:
        from serving.storage.database import LogDatabase

        LogDatabase(settings.database.get_secret_value()).check_durable()


def check_spool(log: LogReader, settings: Settings) -> None:
    """See, as a start does, that no spool was lost that held what the log does not have.

    Raises:
        AuditError: one was.
    """
    spool = LogFile(settings.spool_file)
    if settings.database is None:
        note = _note(settings)
        note.log_id = log.log_id
        held = note.held(spool.name)
    else:
        held = held_by(settings.recent_file, log.log_id, spool.name)
    if held is not None:
        taken = log.store.look_through(partial(taken_upto, held[0]))
        look = partial(refuse_lost, spool.name, held, taken)
        if settings.spool_file.exists():
            spool.look_through(look)
        else:
            look(None)


def waiting_in_spool(settings: Settings, log: LogReader | None = None) -> int:
    """How many records of the spool the log does not have yet. It is looked at as a start does.

    Args:
        log: where to look what was taken over; without it the copy of the log says so, and all
            waits if there is none.

    Raises:
        AuditError: the spool is not what was written.
        DecisionLogError: it cannot be read.
    """
    spool = LogFile(settings.spool_file)
    if not spool.file.exists() or not spool.file.stat().st_size:  # a start makes one of it
        return 0
    spool_id = spool.look_through(log_id_of)
    if log is not None:
        taken = log.store.look_through(partial(taken_upto, spool_id))
    else:
        taken = drained_by(settings.recent_file, spool_id)
    return spool.look_through(partial(check, taken=taken)).no - taken.no


def _note(settings: Settings) -> HeldNote:
    return HeldNote(settings.state / "spool.json")


def _recent(settings: Settings, away: AwayError | None) -> Recent:
    log, file = primary_of(settings), settings.recent_file
    try:
        return Recent(file, log, most=settings.recent_decisions, away=away is not None)
    except DecisionLogError as error:
        if away is None:
            raise
        raise AwayError(
            f"{away} The service starts without it only with a copy of what was answered before, "
            f"and {error}: a declaration could get a second lane. Start the database, or let the "
            "service wait for it: `lanes serve --wait 600`."
        ) from away.__cause__


def _recognise(log: "LogDatabase", recent: Recent, settings: Settings) -> None:
    """Look at the log before it is gone back to. Nothing is written into another one.

    Raises:
        NotTheLogError: it is another one than the copy is of, or not what was vouched for.
        DecisionLogError: it cannot be read.
    """
    found = log.log_id_there()
    if found != recent.log_id:
        its_id = "it has no id" if found is None else f"its id is {found:.8}"
        raise NotTheLogError(
            f"Another decision log lies in the {log.name} than before ({its_id}, and it was "
            f"{recent.log_id:.8}). Bring the log back. If this is the one to go on with, start the "
            "service again: it takes the spool over."
        )
    log.open_to_write().close()  # it is ours, and may lack tables that are new
    with closing(LogReader(log, log_id=recent.log_id)) as reader:
        compare_with_anchor(reader, settings)


def compare_with_anchor(log: LogReader, settings: Settings) -> None:
    """See that the log has all that was vouched for.

    Raises:
        NotTheLogError: it has not, or nobody can tell without a signing key that can be used.
        AwayError: it cannot be read any more.
    """
    with suppress(OSError):  # who vouches for the log says that the anchor cannot be read
        try:
            read_or_create_signing_key(settings.signing_key_file)  # if there is none yet
            check_vouched(log, settings.anchor_file, kept_public(settings.signing_key_file))
        except AwayError:
            raise
        except (DecisionLogError, ParamsError) as error:
            raise NotTheLogError(str(error)) from None
