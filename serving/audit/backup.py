"""Copies what a service cannot be started again without, while it goes on, and proves the copy.

It is made beside its place, brought to the disk, and gets its name when nothing of it is missing:
half of one would look like a backup, and lack the keys on the day when it is needed. The anchor is
copied before the log: the other way round it could vouch for records that the copy of the log has
not yet.
"""

import os
import shutil
import sqlite3
from contextlib import ExitStack, closing
from errno import EEXIST
from pathlib import Path

from models.durable import sync
from selectivity.errors import AuditError, DecisionLogError, ParamsError
from serving.audit.verify import Verdict, verify
from serving.log.signing_key import kept_public, public_files
from serving.settings import Settings
from serving.storage.file import LogFile, open_to_read


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
    half = folder.with_name(f".{folder.name}.part")
    try:
        if folder.exists():
            raise FileExistsError(EEXIST, os.strerror(EEXIST), str(folder))
        shutil.rmtree(half, ignore_errors=True)  # left by one that was killed
        half.mkdir(mode=0o700, parents=True)
        with ExitStack() as on_failure:
            on_failure.callback(shutil.rmtree, half, ignore_errors=True)
            _copy(settings, half)
            verdict = verify(
                LogFile(half / settings.log_file.name),
                half / settings.anchor_file.name,
                kept_public(settings.signing_key_file),
            )
            half.rename(folder)
            on_failure.pop_all()
        sync(folder.parent)
    except OSError as error:
        raise _not_made(folder, f"{error.strerror} ({error.filename})") from error
    except sqlite3.Error as error:
        raise _not_made(folder, f"{error}, in copying {settings.log_file.name}") from error
    if verdict.problems:
        raise AuditError(f"The copy in {folder} is {verdict.line}. Keep it and look at the log.")
    return verdict


def _not_made(folder: Path, problem: str) -> DecisionLogError:
    return DecisionLogError(
        f"No backup was made in {folder}: {problem}. Name a folder that is not there yet, on a "
        "disk with room."
    )


def _copy(settings: Settings, folder: Path) -> None:
    """Everything, durably."""
    shutil.copy2(settings.anchor_file, folder / settings.anchor_file.name)
    _copy_log(settings.log_file, folder / settings.log_file.name)
    if settings.spool_file.exists():
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
