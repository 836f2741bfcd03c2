"""The small file that says which bundle is in force."""

import os
from pathlib import Path

import pytest

from models.pointer import POINTER, Pointer, read_pointer, write_pointer
from selectivity.errors import BundleError
from tests.builders import NOON

DIGEST = "0123456789abcdef" * 4


def _pointer(version: int = 1) -> Pointer:
    return Pointer.to(DIGEST, version=version, by="a risk manager", at=NOON)


def test_what_was_published_is_read_back(tmp_path: Path) -> None:
    write_pointer(tmp_path / "published", _pointer())
    write_pointer(tmp_path / "published", _pointer(version=2))

    assert read_pointer(tmp_path / "published") == _pointer(version=2)
    assert [file.name for file in (tmp_path / "published").iterdir()] == [POINTER]


def test_before_the_first_publication_there_is_none(tmp_path: Path) -> None:
    assert read_pointer(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"bundle": "../../etc", "digest": "x", "version": 1, "by": "a", "at": "2026-03-02"}',
        _pointer().model_dump_json().replace('"bundle":"0', '"bundle":"1'),
    ],
)
def test_a_pointer_that_names_no_bundle_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / POINTER).write_text(text)
    with pytest.raises(BundleError, match="Publish the bundle again"):
        read_pointer(tmp_path)


def test_a_pipe_in_its_place_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / POINTER)
    with pytest.raises(BundleError, match=r"no plain file\. Publish"):
        read_pointer(tmp_path)


def test_a_pointer_that_cannot_be_put_in_place_leaves_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / POINTER).mkdir()
    with pytest.raises(OSError):
        write_pointer(tmp_path, _pointer())
    assert [file.name for file in tmp_path.iterdir()] == [POINTER]
    with pytest.raises(BundleError, match="no plain file"):
        read_pointer(tmp_path)
