"""Small files of the pipeline: written whole or not at all, the same content as the same bytes."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from errno import EDQUOT, EFBIG, EIO, ENOENT, ENOSPC
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ValidationError

from selectivity.declaration import problems
from selectivity.errors import StageFileError

Kind = TypeVar("Kind", dict[str, Any], list[Any])
Model = TypeVar("Model", bound=BaseModel)

VERDICT = "verdict.json"
"""What an evaluation says for and against publishing its bundle, beside its figures."""
LEAK = "leak.json"
"""What a report says of violations in green, for whoever compares bundles."""
NO_ROOM = (ENOSPC, EDQUOT, EFBIG)
"""Numbers of errors that only who writes can meet."""


def write_text(file: Path, text: str) -> None:
    """Write beside the file first, then put it in place. Ends of lines stay as they are."""
    with put_in_place(file) as beside:
        beside.write_text(text, encoding="utf-8", newline="")


def write_json(file: Path, content: Any) -> None:
    """Readable JSON that is the same for the same content."""
    write_text(file, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def without_nan(figures: dict[str, Any]) -> dict[str, Any]:
    """The same without figures that are not defined: JSON has no NaN, and a gap is plainer."""
    return {
        name: without_nan(value) if isinstance(value, dict) else value
        for name, value in figures.items()
        if not (isinstance(value, float) and np.isnan(value))
    }


def write_arrays(file: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Plain arrays, without pickle; read with `numpy.load(file, allow_pickle=False)`."""
    with put_in_place(file) as beside, beside.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


@contextmanager
def put_in_place(file: Path) -> Iterator[Path]:
    """A path beside the file to write to. At the end it takes its place; if writing fails, it goes.

    Raises:
        OSError: it could not be written; `filename` says what, which writers of Parquet do not.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(file.name + ".part")
    try:
        yield beside
        beside.replace(file)
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno or EIO, error.strerror or str(error), str(beside)) from error
    finally:
        beside.unlink(missing_ok=True)


def copy_file(file: Path, to: Path) -> None:
    """Copy a file, and say of a full disk which file did not fit: the copy, not the original."""
    try:
        shutil.copyfile(file, to)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise OSError(error.errno, error.strerror, str(to)) from error
        raise


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Inside, nobody else works in this folder who asks in the same way."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def scratch(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder in `parent`, gone at the end.

    What processes that were killed left of this kind is swept out; that of one alive is locked.
    """
    with ExitStack() as held:
        with _locked(parent):
            for left in parent.glob(f"{prefix}*/"):
                with suppress(BlockingIOError), _locked(left, fcntl.LOCK_NB):
                    shutil.rmtree(left)
            folder = Path(mkdtemp(dir=parent, prefix=prefix))
            held.enter_context(_locked(folder))
            held.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


@contextmanager
def _locked(folder: Path, otherwise: int = 0) -> Iterator[None]:
    """Inside, the folder itself is locked; a process that ends, however, lets go of it."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | otherwise)
        yield
    finally:
        os.close(opened)


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Inside, content that no stage writes is told with the file and what to do.

    Raises:
        StageFileError: it could not be read, or a `ValueError` or the like came of it.
    """
    try:
        yield
    except OSError as error:
        if error.errno is not None:  # it is not there, or not for us: its content is not to blame
            raise
        if not file.exists():  # which pyarrow does not say in numbers
            raise FileNotFoundError(ENOENT, os.strerror(ENOENT), str(file)) from error
        raise StageFileError(file, _in_short(error)) from error
    except (ValueError, TypeError, LookupError, NotImplementedError, EOFError, BadZipFile) as error:
        raise StageFileError(file, _in_short(error)) from error


def _in_short(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return problems(error)
    lines = str(error).splitlines() or [type(error).__name__]
    return (f"it lacks {lines[0]}" if isinstance(error, KeyError) else lines[0]).rstrip(".")


def read_json(file: Path, kind: type[Kind] = dict) -> Kind:  # type: ignore[assignment]
    """What `write_json` wrote of a dictionary, or of another kind."""
    with reading(file):
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, kind):
            raise ValueError(f"there is a {type(content).__name__} where a {kind.__name__} stood")
        return content


def read_as(file: Path, model: type[Model]) -> Model:
    """What was written of a model."""
    with reading(file):
        return model.model_validate_json(file.read_bytes())


def read_arrays(file: Path) -> dict[str, npt.NDArray[Any]]:
    """What `write_arrays` wrote."""
    with reading(file), file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
