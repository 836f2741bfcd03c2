"""The file of API keys: replaced as a whole, and readable by its owner alone."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from selectivity.declaration import problems
from selectivity.errors import ParamsError
from serving import secret_file
from serving.callers.api_keys import ApiKey

Result = TypeVar("Result")


class _Content(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[ApiKey, ...] = ()


def read_keys(file: Path) -> tuple[ApiKey, ...]:
    """The keys in this file, in the order they were made; none if there is no file.

    Raises:
        ParamsError: it cannot be read, others may read or change it, or it holds no keys.
    """
    try:
        content = secret_file.read(file)
        if secret_file.others_may_read(file):
            raise ParamsError(
                f"The key file {file} is open to others, who could let themselves in. "
                f"Run `chmod 600 {file}`."
            )
        return _Content.model_validate_json(content).keys
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise _unusable(file, error.strerror) from error
    except ValidationError as error:
        raise _unusable(file, problems(error)) from error


def change_keys(
    file: Path, change: Callable[[tuple[ApiKey, ...]], tuple[tuple[ApiKey, ...], Result]]
) -> Result:
    """Replace the keys by what `change` makes of them; gives what it gives beside them.

    Others who change them wait. A reader sees the old file or the new one, never half of one.

    Raises:
        ParamsError: the file cannot be read or written.
    """
    try:
        file = file.resolve()  # two links to one file have one lock
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(file):
            keys, result = change(read_keys(file))
            kept = _Content(keys=keys).model_dump_json(indent=1) + "\n"
            secret_file.replace(file, kept.encode())
            return result
    except OSError as error:
        raise _unusable(file, error.strerror) from error


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    descriptor = os.open(file.with_name(f".{file.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _unusable(file: Path, problem: str | None) -> ParamsError:
    return ParamsError(
        f"The key file {file} cannot be used: {problem}. Correct the path (LANES_KEYS) or its "
        "permissions, or restore it from a backup; without it nobody is let in."
    )
