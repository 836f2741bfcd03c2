"""Contributions add up to the risk, and are told in families with facts."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from models.bundle import Bundle, load
from models.contributions import contributions
from selectivity.columns import Floats
from selectivity.days import day_at
from selectivity.features.matrix import FAMILIES, FEATURE_NAMES, FEATURES
from selectivity.histories.profiles import Profiles
from selectivity.histories.rows import rows_of
from selectivity.inspection import FindingClass
from selectivity.reasons.attribution import FamilyShare, families
from selectivity.reasons.checkable import Goods
from selectivity.reasons.wording import sentence
from tests.builders import NOON, a_declaration, an_item


@pytest.fixture(scope="module")
def loaded(bundle: Path) -> Bundle:
    return load(bundle)


def rows(count: int) -> Floats:
    matrix = np.random.default_rng(4).normal(size=(count, len(FEATURE_NAMES)))
    matrix[::3, ::5] = np.nan
    return matrix


def test_contributions_add_up_to_the_log_odds_of_a_finding(loaded: Bundle) -> None:
    matrix = rows(200)
    found = contributions(loaded.model, matrix)
    chance = loaded.model.trees.chances(matrix)[:, 0]
    log_odds = np.log(chance / (1 - chance))

    np.testing.assert_allclose(found.usual + found.added.sum(axis=1), log_odds, atol=1e-9)
    assert len(set(found.usual)) == 1  # the usual item is the same for all


def test_a_feature_that_no_tree_asks_for_adds_nothing(loaded: Bundle) -> None:
    used = loaded.model.trees.finding.feature_importance() > 0
    added = contributions(loaded.model, rows(50)).added
    assert not used.all()
    assert (added[:, ~used] == 0).all()
    assert (added[:, used] != 0).any(axis=0).sum() > 10


def test_every_feature_is_in_one_family() -> None:
    assert set(FAMILIES) == {feature.group for feature in FEATURES}


def told(item_fields: dict[str, object], weighs: str, **fields: object) -> tuple[FamilyShare, ...]:
    """Families of one item after ten T-shirt declarations at 20 a kg, when one feature weighs."""
    profiles = Profiles()
    for at in range(10):
        past = a_declaration(declaration_id=f"P-{at}", accepted_at=NOON - timedelta(days=20 + at))
        (row,) = rows_of(past)
        profiles.observe([row])
        found = FindingClass.DOCUMENTARY if at < 3 else FindingClass.NONE
        profiles.learn(row, day_at(NOON) - 5, found)
    (row,) = rows_of(a_declaration(items=(an_item(**item_fields),), **fields))
    matrix, added = np.full((1, len(FEATURES)), np.nan), np.zeros((1, len(FEATURES)))
    matrix[0, FEATURE_NAMES.index("origin_hs4_value_deviation")] = -3.0
    added[0, FEATURE_NAMES.index(weighs)] = 0.7
    (shares,) = families([Goods(row, profiles.values(row))], matrix, added)
    return shares


def sentences(share: FamilyShare) -> list[str]:
    return [sentence(reason, "en") for reason in share.reasons]


def test_the_price_is_told_against_what_is_usual() -> None:
    first, *others = told({"customs_value": 500.0}, "hs4_value_deviation")
    assert (first.family, first.added) == ("price", 0.7)
    assert sentences(first) == [
        "Declared unit price is below what is usual for the same code and origin",
        "Declared 5.00 per kg; usual for the heading and origin: 20.01",
    ]
    assert [reason.code for reason in first.reasons] == ["PRICE_LOW", "PRICE_COMPARED"]
    assert all(share.added == 0 for share in others)


def test_a_record_is_told_in_counts_that_can_be_checked() -> None:
    first, *_ = told({}, "trader_documentary_rate", importer_registered_on=date(2025, 3, 2))
    assert first.family == "trader"
    assert sentences(first) == [
        "Known before: 10 controls, 3 with findings; 30.0% in general",
        "Importer registered for 365 days",
        "0 goods items declared earlier today; 10 in the 30 days before",
    ]
    assert [(each.name, each.added) for each in first.features] == [
        ("trader_documentary_rate", 0.7)
    ]


def test_what_is_not_known_is_not_told() -> None:
    first, *_ = told({"net_mass_kg": None}, "net_mass_log", importer_id=None)
    assert first.family == "amounts"
    assert first.reasons == ()


def test_numbers_are_written_as_the_language_writes_them() -> None:
    first, *_ = told({"customs_value": 123_450.0}, "customs_value_log")
    (reason,) = first.reasons
    assert sentence(reason, "en") == "Customs value 123,450, net mass 100.0 kg"
    assert sentence(reason, "vi") == "Trị giá hải quan 123.450, trọng lượng tịnh 100,0 kg"


def test_the_features_named_are_those_that_add_most_up_or_down() -> None:
    (row,) = rows_of(a_declaration())
    added = np.zeros((1, len(FEATURES)))
    adds = {
        "seller_declared": 0.2,
        "seller_controlled": -0.9,
        "seller_known_days": 0.1,
        "seller_physical_rate": 0.5,
    }
    for name, value in adds.items():
        added[0, FEATURE_NAMES.index(name)] = value
    goods = Goods(row, Profiles().values(row))
    (shares,) = families([goods], np.full((1, len(FEATURES)), np.nan), added)
    (seller,) = (share for share in shares if share.family == "seller")
    assert seller.added == pytest.approx(-0.1)
    assert [each.name for each in seller.features] == [
        "seller_controlled",
        "seller_physical_rate",
        "seller_declared",
    ]
