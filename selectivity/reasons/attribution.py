"""Why the model sees a risk in a goods item, in families of features and facts to check.

What every feature adds to the log-odds (see `models.contributions`) is summed per family. Each
family is told with what stands out in it, see `selectivity.reasons.signals`, and with the facts of
`selectivity.reasons.checkable`. For officers alone: a trader who knew would declare around it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from selectivity.columns import Floats
from selectivity.features.matrix import FAMILIES, FEATURES
from selectivity.lanes import Reason
from selectivity.reasons.checkable import Goods, facts_to_check
from selectivity.reasons.signals import FAMILY_OF_SIGNAL, Observed, observations

MOST_FEATURES = 3
"""Features of a family that are named, those that add most."""

_PLACES = {
    family: [at for at, feature in enumerate(FEATURES) if feature.group == family]
    for family in FAMILIES
}


class FeatureShare(NamedTuple):
    """A feature, its value (NaN: not known) and what it adds to the log-odds."""

    name: str
    unit: str
    value: float
    added: float


class FamilyShare(NamedTuple):
    """What a family of features adds to the log-odds of a finding, and facts behind it."""

    family: str
    added: float
    reasons: tuple[Reason, ...]
    features: tuple[FeatureShare, ...]


def families(
    goods: Sequence[Goods], matrix: Floats, added: Floats
) -> list[tuple[FamilyShare, ...]]:
    """Families of each goods item, the one that raises the risk most first.

    Args:
        matrix: features, shape (n, features).
        added: what each adds to the log-odds of a finding, shape (n, features).
    """
    return [
        _of_item(*each) for each in zip(goods, matrix, added, observations(matrix), strict=True)
    ]


def _of_item(
    goods: Goods, values: Floats, added: Floats, observed: Observed
) -> tuple[FamilyShare, ...]:
    shares = [
        FamilyShare(
            family=family,
            added=float(added[places].sum()),
            reasons=(*_signals(family, goods, observed), *facts_to_check(family, goods)),
            features=_features(places, values, added),
        )
        for family, places in _PLACES.items()
    ]
    return tuple(sorted(shares, key=lambda share: -share.added))


def _signals(family: str, goods: Goods, observed: Observed) -> list[Reason]:
    return [
        Reason(code=code, item_no=int(goods.row["item_no"]), facts=facts)
        for code, facts in observed.items()
        if FAMILY_OF_SIGNAL[code] == family
    ]


def _features(places: Sequence[int], values: Floats, added: Floats) -> tuple[FeatureShare, ...]:
    order = sorted(places, key=lambda at: -abs(added[at]))[:MOST_FEATURES]
    return tuple(
        FeatureShare(FEATURES[at].name, FEATURES[at].unit, float(values[at]), float(added[at]))
        for at in order
        if added[at] != 0
    )
