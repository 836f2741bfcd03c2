"""The directory that decides: model, profiles, rules, policy, and a manifest that seals them.

Every file's SHA-256 stands in `manifest.json`. The digests are checked before any file is parsed:
a damaged LightGBM file does not raise, it kills the process or predicts other numbers.
"""

import hashlib
import io
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.digests import sha256_of
from models.feature_list import FEATURE_LIST, feature_list
from models.lane_model import CALIBRATION, KNOWLEDGE, Knowledge, LaneModel
from models.trees import TREES
from selectivity.deciding.capacity import Prices
from selectivity.deciding.policy import Policy, policy_of_bundle
from selectivity.deciding.scorecard import Scorecard
from selectivity.declaration import problems
from selectivity.errors import BundleError
from selectivity.features.known import Feature
from selectivity.features.matrix import FEATURES
from selectivity.histories.profiles import Profiles
from selectivity.rules.rule_set import RuleSet

MANIFEST, PROFILES_FILE, RULES, POLICY, PRICES, SCORECARD = (
    "manifest.json",
    "profiles.npz",
    "rules.json",
    "policy.json",
    "prices.json",
    "scorecard.json",
)
FILES = (
    *(*TREES, CALIBRATION, KNOWLEDGE, PROFILES_FILE, RULES, POLICY, PRICES),
    *(SCORECARD, FEATURE_LIST),
)
RULING = (RULES, POLICY, SCORECARD, KNOWLEDGE)
"""What decides without the model."""
FORMAT = 2


class OtherVersionError(BundleError):
    """A bundle is as it was sealed, and another version of this software sealed it."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"{problem}. Another version of this software made it: train and publish again with "
            "this one (`make repro`, `python -m pipelines.publish`), or go on with that one."
        )


class Manifest(BaseModel):
    """What the bundle consists of and comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    files: Mapping[str, str] = Field(description="SHA-256 of every other file of the bundle.")
    trained_on: Mapping[str, Any] = Field(
        description="Source, periods, data digests: where the model comes from."
    )


class Ruling(NamedTuple):
    """What decides besides the model, and without it. `digest` names the bundle it comes from."""

    digest: str
    rules: RuleSet
    policy: Policy
    scorecard: Scorecard
    facts_known: frozenset[str]
    """Item fields that the history behind the model had at all."""


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
    scorecard: Scorecard

    @property
    def ruling(self) -> Ruling:
        """What decides besides the model."""
        facts = self.model.knowledge.facts
        return Ruling(self.digest, self.rules, self.policy, self.scorecard, facts)


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
    (directory / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return sha256_of(directory / MANIFEST)


def verify(directory: Path, names: Collection[str] = FILES) -> tuple[str, Manifest]:
    """Digest and manifest of a bundle whose files, or those named, are all as they were sealed.

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
        raise OtherVersionError(
            f"The bundle in {directory} has another format than this software reads: format "
            f"{manifest.format} with {', '.join(sorted(manifest.files))}, not format {FORMAT} with "
            f"{', '.join(sorted(FILES))}"
        )
    for name in names:
        _check(directory / name, manifest.files[name])
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
    ruling = _read_ruling(directory, digest)
    try:
        packed = io.BytesIO((directory / PROFILES_FILE).read_bytes())
        with np.load(packed, allow_pickle=False) as arrays:
            profiles = Profiles.restore(arrays)
        return Bundle(
            digest=digest,
            manifest=manifest,
            model=LaneModel.load(directory),
            profiles=profiles,
            rules=ruling.rules,
            policy=ruling.policy,
            prices=Prices.model_validate_json((directory / PRICES).read_bytes()),
            scorecard=ruling.scorecard,
        )
    except _UNFIT as error:
        raise _does_not_fit(directory, error) from error


def load_ruling(directory: Path) -> Ruling:
    """What decides without the model, verified by itself: the model may be missing or damaged.

    Raises:
        BundleError: these files do not verify either, or do not fit this software.
    """
    digest, _ = verify(directory, RULING)
    return _read_ruling(directory, digest)


def _read_ruling(directory: Path, digest: str) -> Ruling:
    try:
        rows = json.loads((directory / RULES).read_bytes())
        return Ruling(
            digest,
            RuleSet.build((RULES, row) for row in rows),
            policy_of_bundle((directory / POLICY).read_bytes()),
            Scorecard.model_validate_json((directory / SCORECARD).read_bytes()),
            Knowledge.model_validate_json((directory / KNOWLEDGE).read_bytes()).facts,
        )
    except _UNFIT as error:
        raise _does_not_fit(directory, error) from error


_UNFIT = (ValidationError, ValueError, TypeError, KeyError, EOFError, BadZipFile)


def _does_not_fit(directory: Path, error: Exception) -> BundleError:
    problem = problems(error) if isinstance(error, ValidationError) else str(error).strip("'")
    return OtherVersionError(f"The bundle in {directory} does not fit this software: {problem}")
