"""Which bundle is in force: the one small file that publishing writes and the service follows.

`current.json` lies in the folder of published bundles, beside one folder per bundle that is named
after the first 16 digits of the bundle's digest.
"""

from datetime import datetime
from pathlib import Path
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.durable import write_durably
from selectivity.declaration import problems
from selectivity.errors import BundleError

POINTER = "current.json"
NAME_DIGITS = 16
NAME = r"^[0-9a-f]{16}$"
"""How the folder of a published bundle is called."""


class Pointer(BaseModel):
    """Names the bundle in force, who put it there and when."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bundle: str = Field(pattern=NAME, description="Name of the bundle's folder.")
    digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of its manifest.")
    version: int = Field(ge=1, description="Rises by one with each publication.")
    by: str = Field(min_length=1, max_length=200)
    at: AwareDatetime
    previous: str | None = Field(
        default=None,
        pattern=NAME,
        description="Name of the bundle to fall back on: in force before, and not taken back.",
    )
    rollback: bool = Field(
        default=False, description="Whether what was in force was taken back by this."
    )

    @model_validator(mode="after")
    def _names_one_bundle(self) -> Self:
        if self.bundle != self.digest[:NAME_DIGITS]:
            raise ValueError(f"bundle is not the first {NAME_DIGITS} digits of digest")
        return self

    @classmethod
    def to(cls, digest: str, *, version: int, by: str, at: datetime) -> Self:
        """A pointer to the bundle with this digest."""
        return cls(bundle=digest[:NAME_DIGITS], digest=digest, version=version, by=by, at=at)


def read_pointer(folder: Path) -> Pointer | None:
    """The pointer in this folder of published bundles; None when nothing was published yet.

    Raises:
        BundleError: there is a pointer and it cannot be read.
    """
    file = folder / POINTER
    try:
        if file.exists() and not file.is_file():  # reading a pipe would wait for ever
            raise BundleError(f"{file} is no plain file. Publish the bundle again.")
        return Pointer.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BundleError(
            f"{file} cannot be read ({error.strerror}). Check the path and its permissions."
        ) from error
    except ValidationError as error:
        raise BundleError(
            f"{file} does not name a bundle: {problems(error)}. Publish the bundle again."
        ) from error


def write_pointer(folder: Path, pointer: Pointer) -> None:
    """Put a bundle in force. A reader sees the old pointer or the new one, never half of one."""
    folder.mkdir(parents=True, exist_ok=True)
    write_durably(folder / POINTER, pointer.model_dump_json(indent=1) + "\n")
