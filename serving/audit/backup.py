"""Copies what a service cannot be started again without, while it goes on, and proves the copy.

It is made beside its place, brought to the disk, and gets its name when nothing of it is missing:
half of one would look like a backup, and lack the keys on the day when it is needed. The anchor is
copied before the log: the other way round it could vouch for records that the copy of the log has
not yet. A log in a database is for the server's own means, after all this.
"""

import os
import shutil
import sqlite3
from contextlib import ExitStack, closing
from errno import EEXIST
from functools import partial
from pathlib import Path

from models.durable import half_folder_of, sync
from selectivity.errors import AuditError, DecisionLogError
from serving.audit.verify import Verdict, verify
from serving.log.drain import taken_upto
from serving.log.reader import LogReader
from serving.log.signing_key import kept_public, public_files
from serving.settings import Settings
from serving.storage.file import LogFile, open_to_read
from serving.stores import primary_of


def back_up(settings: Settings, folder: Path) -> Verdict:
    """Copy log, spool, anchor and keys into a new folder, and say that the copy is whole.

    Of a log in a database all but the log; then it is the log itself that is whole. A spool that is
    taken over already stays out: a dump that is made later may know more of it than the copy has.

    Raises:
        DecisionLogError: the log cannot be read, the folder is there already, or cannot be written.
        AuditError: the copy is not whole, as the log was not.
    """
    in_a_file = settings.database is None
    spool_waits = settings.spool_file.exists() and (in_a_file or _holds_more(settings))
    half = half_folder_of(folder)
    try:
        if folder.exists():
            raise FileExistsError(EEXIST, os.strerror(EEXIST), str(folder))
        shutil.rmtree(half, ignore_errors=True)  # left by one that was killed
        half.mkdir(mode=0o700, parents=True)
        with ExitStack() as on_failure:
            on_failure.callback(shutil.rmtree, half, ignore_errors=True)
            _copy(settings, half, spool_waits=spool_waits)
            copied = LogFile(half / settings.log_file.name) if in_a_file else primary_of(settings)
            anchor = half / settings.anchor_file.name
            verdict = verify(copied, anchor, kept_public(settings.signing_key_file))
            half.rename(folder)
            on_failure.pop_all()
        sync(folder.parent)
    except OSError as error:
        raise _not_made(folder, f"{error.strerror} ({error.filename})") from error
    except sqlite3.Error as error:
        raise _not_made(folder, f"{error}, in copying the log or the spool") from error
    if verdict.problems:
        what = f"The copy in {folder}" if in_a_file else f"The log in the {copied.name}"
        raise AuditError(f"{what} is {verdict.line}. Keep it and look at the log.")
    return verdict


def _not_made(folder: Path, problem: str) -> DecisionLogError:
    return DecisionLogError(
        f"No backup was made in {folder}: {problem}. Name a folder that is not there yet, on a "
        "disk with room."
    )


def _holds_more(settings: Settings) -> bool:
    """Whether the spool holds what the log in the database does not have yet.

    Raises:
        AwayError: the database cannot be reached.
    """
    with (
        closing(LogReader(primary_of(settings))) as log,
        closing(LogReader(settings.spool_file)) as spool,
    ):
        taken = log.store.look_through(partial(taken_upto, spool.log_id))
        return spool.head().no > taken.no


def _copy(settings: Settings, folder: Path, *, spool_waits: bool) -> None:
    """Everything, durably."""
    shutil.copy2(settings.anchor_file, folder / settings.anchor_file.name)
    if settings.database is None:
        _copy_log(settings.log_file, folder / settings.log_file.name)
    if spool_waits:
        _copy_log(settings.spool_file, folder / settings.spool_file.name)
    for file in _keys(settings):
        shutil.copy2(file, folder / file.name)
    for copied in (*folder.iterdir(), folder):
        sync(copied)


def _copy_log(source: Path, target: Path) -> None:
    target.touch(mode=0o600)  # it holds what was declared
    with closing(open_to_read(source)) as log, closing(sqlite3.connect(target)) as copy:
        log.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # so that this one file is the log


def _keys(settings: Settings) -> list[Path]:
    signing = settings.signing_key_file
    named = [settings.draw_key_file, settings.keys_file, signing]
    return [*(file for file in named if file.exists()), *public_files(signing)]
