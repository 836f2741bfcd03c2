"""No feature enters a model without a law that allows customs to choose by it."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from models.bundle import load, seal
from models.feature_list import FEATURE_LIST, feature_list
from selectivity.errors import UnlawfulFeatureError
from selectivity.features.lawful import LAW, Criterion, basis_of
from selectivity.features.matrix import FEATURES

SHOE_SIZE = dataclasses.replace(FEATURES[0], name="shoe_size", allowed_by="habit")


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_law_allows_every_feature(feature: object) -> None:
    assert basis_of(feature.name, feature.allowed_by).grounds  # type: ignore[attr-defined]


def test_the_list_holds_the_seven_criteria_of_the_agreement_and_no_eighth() -> None:
    assert LAW["TFA 7.4.4"].grounds == tuple(Criterion)
    assert len(Criterion) == 7


@pytest.mark.parametrize(
    ("allowed_by", "said"),
    [
        ("", "cites ''"),
        ("habit", "cites 'habit'"),
        ("TFA 7.4.4", "does not name ''"),
        ("TFA 7.4.4: HS code, nationality", "does not name 'nationality'"),
        ("RKC 6.4: value", "does not name 'value'"),
    ],
)
def test_a_ground_that_no_law_gives_is_refused_by_name(allowed_by: str, said: str) -> None:
    with pytest.raises(UnlawfulFeatureError, match=f"Feature 'shoe_size' .*{said}"):
        basis_of("shoe_size", allowed_by)


def test_a_bundle_with_a_feature_that_no_law_allows_is_not_sealed(
    bundle: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "copy"))
    (copy / "manifest.json").unlink()
    with pytest.raises(UnlawfulFeatureError, match="shoe_size"):
        seal(copy, {}, features=(*FEATURES, SHOE_SIZE))
    assert not (copy / "manifest.json").exists()


def test_a_bundle_lists_its_features_with_unit_family_direction_and_law(bundle: Path) -> None:
    load(bundle)
    content = json.loads((bundle / FEATURE_LIST).read_text(encoding="utf-8"))
    listed = {row["name"]: row for row in content["features"]}

    assert list(listed) == [feature.name for feature in FEATURES]
    assert listed["trader_physical_rate"] == {
        "name": "trader_physical_rate",
        "unit": "share",
        "group": "trader",
        "direction": 1,
        "law": "TFA 7.4.4",
        "grounds": ["compliance record"],
    }
    assert set(content["law"]) == {row["law"] for row in listed.values()}


def test_the_same_features_give_the_same_list() -> None:
    assert feature_list(FEATURES) == feature_list(list(FEATURES))
