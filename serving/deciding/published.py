"""Finds and verifies the bundle in force. Without a usable one the service says why."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.bundle import MANIFEST, Bundle, Manifest, Ruling, load, load_ruling
from models.pointer import POINTER, read_pointer
from models.publications import how_to_choose
from models.rules_files import read_rules
from selectivity.errors import BundleError, SelectivityError
from serving.settings import Settings

NO_MODEL, BUNDLE_REFUSED = "NO_MODEL", "BUNDLE_REFUSED"


@dataclass(frozen=True)
class Opened:
    """A bundle, or the code and the words of why there is none, with what there is instead."""

    bundle: Bundle | None
    cause: str | None = None
    detail: str | None = None
    ruling: Ruling | None = None
    """What a refused bundle holds besides its model, if that is whole."""
    last_good: Bundle | None = None
    """The bundle that was in force before the refused one."""


class FeedbackUpto(BaseModel):
    """Last places of a log whose content went into the training of a bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    log_id: str | None = None
    decision_seq: int = Field(default=0, ge=0)
    inspection_seq: int = Field(default=0, ge=0)

    @classmethod
    def of(cls, manifest: Manifest) -> "FeedbackUpto":
        """What a bundle's manifest says; nothing if it was not trained on this log."""
        try:
            return cls.model_validate(manifest.trained_on.get("feedback_upto", {}))
        except ValidationError as error:
            raise BundleError(
                "The bundle's manifest does not say how far of the decision log it was trained "
                "on (trained_on.feedback_upto). Make the bundle again."
            ) from error

    def in_log(self, log_id: str) -> "FeedbackUpto":
        """The places reached in this log; nothing, if they were reached in another log."""
        return self if self.log_id == log_id else FeedbackUpto()


def open_bundle(settings: Settings) -> Opened:
    """The bundle that `settings` names, else the published one. Never raises for a bad bundle."""
    try:
        found = _in_force(settings)
        if found is None:
            return Opened(None, NO_MODEL, nothing_there(settings))
    except (SelectivityError, OSError) as error:
        choice = how_to_choose(settings.published)
        return Opened(None, BUNDLE_REFUSED, f"{error} {choice or ''}".rstrip())
    try:
        return Opened(load_whole(found.folder, found.digest))
    except (SelectivityError, OSError) as error:
        return _refused(error, found)


def look_at_pointer(settings: Settings) -> Any:
    """A mark of the pointer to the published bundle; None if there is none.

    It is another after every change of the file, also of its permissions.
    """
    try:
        found = (settings.published / POINTER).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns


class _InForce(NamedTuple):
    """Where the bundle in force lies, its digest if that is known, and the one before it."""

    folder: Path
    digest: str | None = None
    previous: Path | None = None


def _in_force(settings: Settings) -> _InForce | None:
    if settings.bundle is not None:
        return _InForce(settings.bundle) if (settings.bundle / MANIFEST).exists() else None
    pointer = read_pointer(settings.published)
    if pointer is None:
        return None
    previous = pointer.previous and settings.published / pointer.previous
    return _InForce(settings.published / pointer.bundle, pointer.digest, previous or None)


def _refused(error: Exception, found: _InForce) -> Opened:
    return Opened(
        None,
        BUNDLE_REFUSED,
        str(error),
        ruling=_ruling(found),
        last_good=None if found.previous is None else _last_good(found.previous),
    )


def _ruling(found: _InForce) -> Ruling | None:
    with suppress(SelectivityError, OSError):
        ruling = load_ruling(found.folder)
        return ruling if found.digest in (None, ruling.digest) else None
    return None


def _last_good(folder: Path) -> Bundle | None:
    with suppress(SelectivityError, OSError):
        bundle = load_whole(folder, None)
        return bundle if bundle.digest.startswith(folder.name) else None
    return None


def load_whole(folder: Path, expected: str | None) -> Bundle:
    """The bundle in this folder, verified; it has to be the expected one if one is named.

    Raises:
        BundleError: it is altered, not the expected one, or cannot be used.
    """
    bundle = load(folder)
    if expected not in (None, bundle.digest):
        raise BundleError(
            f"The bundle in {folder} is whole but is not the one that was published (digest "
            f"{bundle.digest[:16]}, published {str(expected)[:16]}). Publish it again."
        )
    FeedbackUpto.of(bundle.manifest)
    return bundle


def nothing_there(settings: Settings) -> str:
    """What to do where no bundle is named to be in force."""
    if settings.bundle is not None:
        return f"There is no bundle in {settings.bundle}. Correct LANES_BUNDLE."
    if (choice := how_to_choose(settings.published)) is not None:
        return f"There is no {settings.published / POINTER}. {choice}"
    return (
        f"No bundle was published in {settings.published} yet. Run `make repro`, then "
        "`python -m pipelines.publish`."
    )


def why_no_rules(settings: Settings) -> str | None:
    """Why the rules of LANES_RULES could not decide where no bundle does; None if they could."""
    try:
        read_rules(settings.rules_files())
    except SelectivityError as error:
        return str(error)
    return None
