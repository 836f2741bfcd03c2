"""Secrets are written whole, and for their owner alone."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from serving import secret_file


def test_a_secret_that_is_there_already_stays(tmp_path: Path) -> None:
    file = tmp_path / "state" / "a.key"
    secret_file.create(file, b"first")
    secret_file.create(file, b"second")
    assert file.read_bytes() == b"first"


def test_a_secret_is_replaced_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "state" / "a.key"
    secret_file.replace(file, b"first, and long")
    file.chmod(0o644)
    secret_file.replace(file, b"second")
    assert file.read_bytes() == b"second"
    assert not secret_file.others_may_read(file)


@pytest.mark.parametrize("write", [secret_file.create, secret_file.replace])
def test_what_a_killed_process_left_is_in_nobodys_way(
    tmp_path: Path, write: Callable[[Path, bytes], None]
) -> None:
    file = tmp_path / "a.key"
    (tmp_path / f".a.key.{os.getpid()}").write_bytes(b"half")
    write(file, b"whole")
    assert file.read_bytes() == b"whole"
    assert not secret_file.others_may_read(file)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("write", [secret_file.create, secret_file.replace])
def test_a_secret_is_on_the_disk_when_it_counts(
    tmp_path: Path, write: Callable[[Path, bytes], None], synced: list[int]
) -> None:
    """A key that is handed out, or a revocation that was reported, outlives a power cut."""
    write(tmp_path / "a.key", b"first")
    assert synced == [(tmp_path / "a.key").stat().st_ino, tmp_path.stat().st_ino]
