"""The directory that decides: model, profiles, rules, policy, and a manifest that seals them.

Every file's SHA-256 stands in `manifest.json`. The digests are checked before any file is parsed:
a damaged LightGBM file does not raise, it kills the process or predicts other numbers.
"""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.digests import sha256_of
from models.feature_list import FEATURE_LIST, feature_list
from models.lane_model import CALIBRATION, KNOWLEDGE, LaneModel
from models.trees import TREES
from selectivity.capacity import Prices
from selectivity.declaration import problems
from selectivity.errors import BundleError
from selectivity.features import FEATURES
from selectivity.known import Feature
from selectivity.policy import Policy
from selectivity.profiles import Profiles
from selectivity.rules import RuleSet

MANIFEST, PROFILES_FILE, RULES, POLICY, PRICES = (
    "manifest.json",
    "profiles.npz",
    "rules.json",
    "policy.json",
    "prices.json",
)
FILES = (*TREES, CALIBRATION, KNOWLEDGE, PROFILES_FILE, RULES, POLICY, PRICES, FEATURE_LIST)
FORMAT = 2


class Manifest(BaseModel):
    """What the bundle consists of and comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    files: Mapping[str, str] = Field(description="SHA-256 of every other file of the bundle.")
    trained_on: Mapping[str, Any] = Field(
        description="Source, periods, data digests: where the model comes from."
    )


@dataclass(frozen=True)
class Bundle:
    """A verified bundle in memory. `digest` names it: the SHA-256 of its manifest."""

    digest: str
    manifest: Manifest
    model: LaneModel
    profiles: Profiles
    rules: RuleSet
    policy: Policy
    prices: Prices


def seal(
    directory: Path, trained_on: Mapping[str, Any], features: Sequence[Feature] = FEATURES
) -> str:
    """Write the list of features and the manifest of a complete bundle directory.

    Returns:
        The digest that names the bundle.

    Raises:
        UnlawfulFeatureError: no law on the list allows a feature. Nothing is sealed then.
    """
    (directory / FEATURE_LIST).write_text(feature_list(features), encoding="utf-8")
    manifest = Manifest(
        format=FORMAT,
        files={name: sha256_of(directory / name) for name in FILES},
        trained_on=trained_on,
    )
    text = json.dumps(manifest.model_dump(mode="json"), indent=1, sort_keys=True)
    (directory / MANIFEST).write_text(text + "\n")
    return sha256_of(directory / MANIFEST)


def verify(directory: Path) -> tuple[str, Manifest]:
    """Digest and manifest of a bundle whose files are all as they were sealed.

    Raises:
        BundleError: a file is missing, was altered, or the format is another one.
    """
    try:
        content = (directory / MANIFEST).read_bytes()
        manifest = Manifest.model_validate_json(content)
    except OSError as error:
        raise BundleError(
            f"There is no bundle in {directory}: {error.strerror}. Make one with `make repro`."
        ) from error
    except ValidationError as error:
        raise BundleError(
            f"The manifest of {directory} cannot be read: {problems(error)}. Publish it again."
        ) from error
    if manifest.format != FORMAT or set(manifest.files) != set(FILES):
        raise BundleError(
            f"The bundle in {directory} has another format than this software reads: format "
            f"{manifest.format} with {', '.join(sorted(manifest.files))}, not format {FORMAT} with "
            f"{', '.join(sorted(FILES))}. Make it again with `make repro`."
        )
    for name, expected in manifest.files.items():
        _check(directory / name, expected)
    return hashlib.sha256(content).hexdigest(), manifest


def _check(file: Path, expected: str) -> None:
    try:
        found = sha256_of(file)
    except OSError as error:
        raise BundleError(
            f"{file} is missing from the bundle ({error.strerror}). Publish it again."
        ) from error
    if found != expected:
        raise BundleError(
            f"{file} was altered after training (SHA-256 {found[:12]}…, sealed as "
            f"{expected[:12]}…). It was not read. Publish the bundle again and find out who did it."
        )


def load(directory: Path) -> Bundle:
    """Verify a bundle, then read it.

    Raises:
        BundleError: it does not verify, or does not fit this software.
    """
    digest, manifest = verify(directory)
    try:
        packed = io.BytesIO((directory / PROFILES_FILE).read_bytes())
        with np.load(packed, allow_pickle=False) as arrays:
            profiles = Profiles.restore(arrays)
        return Bundle(
            digest=digest,
            manifest=manifest,
            model=LaneModel.load(directory),
            profiles=profiles,
            rules=RuleSet.build(
                (RULES, row) for row in json.loads((directory / RULES).read_bytes())
            ),
            policy=Policy.model_validate_json((directory / POLICY).read_bytes()),
            prices=Prices.model_validate_json((directory / PRICES).read_bytes()),
        )
    except (ValidationError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise BundleError(
            f"The bundle in {directory} does not fit this software: {error}. Make it again."
        ) from error
