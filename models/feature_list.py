"""What a bundle says of its features: unit, family, and the law that allows each."""

import json
from collections.abc import Sequence

from selectivity.features.known import Feature
from selectivity.features.lawful import LAW, basis_of

FEATURE_LIST = "features.json"


def feature_list(features: Sequence[Feature]) -> str:
    """All features as readable JSON, the same for the same features.

    Raises:
        UnlawfulFeatureError: no law on the list allows one of them.
    """
    rows = [_row(feature) for feature in features]
    used = {row["law"] for row in rows}
    content = {
        "law": {name: text.title for name, text in LAW.items() if name in used},
        "features": rows,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _row(feature: Feature) -> dict[str, object]:
    basis = basis_of(feature.name, feature.allowed_by)
    return {
        "name": feature.name,
        "unit": feature.unit,
        "group": feature.group,
        "direction": feature.direction,
        "law": basis.law,
        "grounds": list(basis.grounds),
    }
