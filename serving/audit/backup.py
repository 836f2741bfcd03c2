"""Copies what a service cannot be started again without, while it goes on, and proves the copy.

The anchor is copied before the log: the other way round it could vouch for records that the copy of
the log has not yet.
"""

import shutil
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

from selectivity.errors import AuditError, DecisionLogError, ParamsError
from serving.audit.verify import Verdict, verify
from serving.log.signing_key import kept_public, public_files
from serving.settings import Settings
from serving.storage.file import LogFile, open_to_read, unusable


def back_up(settings: Settings, folder: Path) -> Verdict:
    """Copy log, spool, anchor and keys into a new folder, and say that the copy is whole.

    Raises:
        ParamsError: the log lies in a database, which has backups of its own.
        DecisionLogError: the log cannot be read, the folder is there already, or cannot be written.
        AuditError: the copy is not whole, as the log was not.
    """
    if settings.database is not None:
        raise ParamsError(
            "LANES_DATABASE: a database is backed up by its own means, such as pg_dump. Copy the "
            "state folder, the spool and the anchor beside it."
        )
    log, anchor = folder / settings.log_file.name, folder / settings.anchor_file.name
    try:
        folder.mkdir(mode=0o700, parents=True)
        with ExitStack() as half:
            half.callback(shutil.rmtree, folder, ignore_errors=True)
            shutil.copy2(settings.anchor_file, anchor)
            _copy_log(settings.log_file, log)
            if settings.spool_file.exists():
                _copy_log(settings.spool_file, folder / settings.spool_file.name)
            for file in _keys(settings):
                shutil.copy2(file, folder / file.name)
            half.pop_all()
    except OSError as error:
        raise DecisionLogError(
            f"No backup was made in {folder}: {error.strerror} ({error.filename}). Name a folder "
            "that is not there yet, on a disk with room."
        ) from error
    verdict = verify(LogFile(log), anchor, kept_public(settings.signing_key_file))
    if verdict.problems:
        raise AuditError(f"The copy in {folder} is {verdict.line}. Keep it and look at the log.")
    return verdict


def _copy_log(source: Path, target: Path) -> None:
    try:
        target.touch(mode=0o600)  # it holds what was declared
        with closing(open_to_read(source)) as log, closing(sqlite3.connect(target)) as copy:
            log.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # so that this one file is the log
    except sqlite3.Error as error:
        raise unusable(source, error) from error


def _keys(settings: Settings) -> list[Path]:
    signing = settings.signing_key_file
    named = [settings.draw_key_file, settings.keys_file, signing]
    return [*(file for file in named if file.exists()), *public_files(signing)]
