"""What is declared now is compared with what was declared in training, fact by fact."""

from math import isnan, log
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.reporting.drift import MUCH, UNIT_VALUE, drift, groups_of, unit_value
from selectivity.metrics import Interval
from tests.spoken import PERIODS, on

TRAINED, EVALUATED = 2.0, 22.0
FACTS = ("hs_code", "country_of_origin", "customs_value", "net_mass_kg", "duty_rate_percent")


def goods(day: float, codes: list[str], *, cheaper: float = 1.0) -> pd.DataFrame:
    """Shirts at about 20 a kilogram and cars at about 400, in any order."""
    count, chance = len(codes), np.random.default_rng(int(day))
    usual = np.where(np.array(codes) == "610910", 20.0, 400.0) * chance.lognormal(0, 0.3, count)
    mass = chance.lognormal(4, 1, count)
    return pd.DataFrame(
        {
            "declaration_id": [f"D-{day}-{at}" for at in range(count)],
            "accepted_at": pd.Timestamp(on(day)),
            "hs_code": codes,
            "country_of_origin": "CN",
            "customs_value": usual * mass / cheaper,
            "net_mass_kg": mass,
            "duty_rate_percent": 10.0,
        }
    )


MIXED = ["610910", "870323"] * 2_000
TAUGHT = goods(TRAINED, MIXED)


def intervals(now: pd.DataFrame) -> dict[str, Interval]:
    return drift(pd.concat([TAUGHT, now], ignore_index=True), PERIODS, FACTS)


def compared(now: pd.DataFrame) -> dict[str, float]:
    return {name: index.value for name, index in intervals(now).items()}


def test_nothing_drifts_where_all_is_alike() -> None:
    found = compared(goods(EVALUATED, MIXED))
    assert list(found) == [*FACTS, UNIT_VALUE]
    assert all(0 <= index < 0.02 for index in found.values())


def test_a_fact_that_is_the_same_everywhere_does_not_drift_at_all() -> None:
    for value in (10.0, "CN"):
        fewer = pd.concat([TAUGHT, goods(EVALUATED, MIXED[:7])], ignore_index=True)
        index = drift(fewer.assign(fact=value), PERIODS, ("fact",))["fact"]
        assert index == (0.0, 0.0, 0.0)


def test_goods_that_grow_cheaper_drift_in_their_unit_value() -> None:
    found = compared(goods(EVALUATED, MIXED, cheaper=1.6))
    assert found[UNIT_VALUE] > MUCH
    assert found["customs_value"] < MUCH  # which differs so much between goods that little shows
    assert found["hs_code"] < 0.01


def test_other_goods_at_their_usual_value_drift_in_their_code_and_not_in_their_unit_value() -> None:
    found = compared(goods(EVALUATED, ["870323"] * 1_800 + ["610910"] * 200))
    expected = 0.4 * log(0.9 / 0.5) - 0.4 * log(0.1 / 0.5)
    assert found["hs_code"] == pytest.approx(expected, abs=0.01)
    assert found["customs_value"] > MUCH
    assert found[UNIT_VALUE] < 0.02


def test_goods_never_declared_in_training_have_no_usual_value() -> None:
    now = goods(EVALUATED, ["610910"] * 2_000).assign(hs_code="220421")
    assert compared(now)[UNIT_VALUE] == pytest.approx(_all_in_a_group_of_none(), rel=0.05)


def _all_in_a_group_of_none() -> float:
    """The index where tenths of 4,000 rows are left for a group that held none of them."""
    tenth, was, is_, none = 400.5 / 4_005.5, 0.5 / 4_005.5, 2_000.5 / 2_005.5, 0.5 / 2_005.5
    return 10 * (none - tenth) * log(none / tenth) + (is_ - was) * log(is_ / was)


def test_goods_of_no_mass_have_no_value_a_kilogram() -> None:
    items = TAUGHT[:40].assign(net_mass_kg=[0.0, *TAUGHT["net_mass_kg"][1:40]])
    value = unit_value(items, np.ones(40, dtype=bool))
    assert value.isna().tolist() == [True] + [False] * 39


def test_a_fact_that_is_left_out_drifts() -> None:
    now = goods(EVALUATED, MIXED)
    now.loc[now.index[::2], ["net_mass_kg", "country_of_origin"]] = None
    found = compared(now)
    assert min(found[name] for name in ("net_mass_kg", "country_of_origin", UNIT_VALUE)) > MUCH


def test_what_is_missing_is_no_high_number() -> None:
    now = TAUGHT.assign(accepted_at=pd.Timestamp(on(EVALUATED)))
    highest = now["net_mass_kg"] >= now["net_mass_kg"].quantile(0.9)
    found = compared(now.assign(net_mass_kg=now["net_mass_kg"].mask(highest)))
    assert found["net_mass_kg"] > MUCH


def test_tenths_are_those_of_training() -> None:
    """Nine of ten are gone, and the tenth holds all."""
    higher = TAUGHT["customs_value"] + TAUGHT["customs_value"].max()
    now = TAUGHT.assign(accepted_at=pd.Timestamp(on(EVALUATED)), customs_value=higher)
    each, none, every = ((rows + 0.5) / 4_005.5 for rows in (400, 0, 4_000))
    expected = 9 * (none - each) * log(none / each) + (every - each) * log(every / each)
    assert compared(now)["customs_value"] == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    ("told", "groups"),
    [
        (pd.Series([None] * 3, dtype=object, name="hs_code"), [0, 0, 0]),
        (pd.Series(["6109", None, "6104"], name="hs_code"), [1, 0, 1]),
        (pd.Series([float("nan")] * 3), [0, 0, 0]),
        (pd.Series([True, None, True], dtype=object), [1, 0, 1]),
        (pd.Series([["C/O"], None, ["C/O"]]), [1, 0, 1]),
    ],
)
def test_whatever_fact_a_policy_needs_has_groups(told: "pd.Series[Any]", groups: list[int]) -> None:
    assert groups_of(told, np.array([True, False, True])).tolist() == groups


def test_the_interval_holds_zero_where_all_is_alike_and_the_truth_where_it_is_not() -> None:
    """The index of two alike periods is never zero, and that of resamples still less."""
    chance = np.random.default_rng(3)
    codes = [f"{chapter:02}0110" for chapter in range(1, 97)]
    held = {"alike": 0, "apart": 0}
    usual, other = np.ones(96) / 96, np.r_[np.ones(48) * 1.5, np.ones(48) * 0.5] / 96
    truth = float(((other - usual) * np.log(other / usual)).sum())
    for _ in range(10):
        taught = goods(TRAINED, chance.choice(codes, 4_000).tolist())
        for name, chances, true in (("alike", usual, 0.0), ("apart", other, truth)):
            now = goods(EVALUATED, chance.choice(codes, 2_000, p=chances).tolist())
            both = pd.concat([taught, now], ignore_index=True)
            index = drift(both, PERIODS, ("hs_code",))["hs_code"]
            held[name] += index.low <= true <= index.high
            assert index.value > true + 0.01  # too high by chance
            assert (index.low > 0) == (true > 0)
    assert held["alike"] == 10
    assert held["apart"] >= 8


def test_goods_items_of_one_declaration_drift_together() -> None:
    now = goods(EVALUATED, ["870323"] * 1_800 + ["610910"] * 200)
    together = now.assign(declaration_id=[f"N-{at // 50}" for at in range(2_000)])
    apart, joined = (intervals(each)["hs_code"] for each in (now, together))
    assert joined.value == apart.value
    assert joined.high - joined.low > 3 * (apart.high - apart.low)


def test_without_a_period_to_compare_nothing_is_said() -> None:
    for index in intervals(goods(TRAINED, MIXED)).values():
        assert all(isnan(end) for end in index)


def test_facts_of_a_policy_need_not_tell_a_unit_value() -> None:
    assert list(drift(TAUGHT, PERIODS, FACTS[:2])) == list(FACTS[:2])
