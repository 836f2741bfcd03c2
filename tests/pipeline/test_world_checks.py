"""What every simulated world must come to: marginals, hidden labels, honest chances, learnable
risk that gives nothing away.

Statistical tests have fixed seeds: their error rates say how often a change that only draws other
numbers would fail them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from pipelines.simulator.figures import figures, judged, missed
from pipelines.simulator.simulation import Simulation
from pipelines.simulator.store import Folder, load, write_weeks
from selectivity.columns import Floats
from selectivity.lanes import Lane
from tests.worlds import (
    CLEARANCE,
    KEY,
    a_simulation,
    a_world,
    controlled,
    declared,
    first_versions,
    joined,
    settings_of,
    the_headings,
)

REDUCED: Mapping[str, Any] = {
    "weeks": 24,
    "declarations": 30_000,
    "trade": {"traders": 1_500, "brokers": 120},
}
EXPLORING: Mapping[str, Any] = {
    "weeks": 4,
    "declarations": 1_500,
    "trade": {"traders": 300, "brokers": 20},
    "fraud": {"violating_share": 0.15},
    "selection": {"red": 0.3, "random": 0.08},
}
PER_LANE = [f"propensity_{lane.name.lower()}" for lane in Lane]
CODES = ("hs_code", "country_of_origin", "declaration_office", "declarant_id", "importer_id")
NUMBERS = ("customs_value", "net_mass_kg", "tariff_quantity", "duty_rate_percent")


def proposed_lane(table: pd.DataFrame) -> "pd.Series[Any]":
    """What the policy gave before an officer moved it: they raise yellow, and lower red."""
    by_officer = table["channel"] == "OFFICER"
    before = table["lane"].map({"RED": "YELLOW", "YELLOW": "RED", "GREEN": "GREEN"})
    return table["lane"].where(~by_officer, before)


# 1. Marginals


@pytest.mark.parametrize("preset", ["vn_low", "mid_n"])
def test_a_preset_comes_to_what_it_must_hit(preset: str, tmp_path: Path) -> None:
    """At an eighth of the size: ranges are widened by three standard errors of each figure, so
    that one of ten figures misses for chance alone in less than three of a hundred seeds."""
    simulation, folder = a_simulation(preset, **REDUCED), Folder.of(tmp_path)
    for _ in write_weeks(folder, simulation, simulation.weeks(REDUCED["weeks"])):
        pass
    found = figures(folder, scheme_from_week=simulation.world.settings.fraud.scheme.from_week)
    wanted = {
        name: _widened(name, limits, found)
        for name, limits in simulation.world.settings.must_hit.items()
        if not name.startswith("all_labels")
    }

    assert len(wanted) >= 3
    assert missed(found, wanted) == []


def _widened(
    name: str, limits: tuple[float, float], found: Mapping[str, float]
) -> tuple[float, float]:
    n = found["declarations"] * {
        "hit_rate_red": found["red_share"],
        "hit_rate_controlled": 1 - found["green_share"],
        "hit_rate_officer": found["officer_share"],
        "auroc_of_true_risk": found["violating_share"],
    }.get(name, 1.0)
    middle = sum(limits) / 2
    error = 3 * np.sqrt(middle * (1 - middle) / n)
    return limits[0] - error, limits[1] + error


def test_figures_that_are_off_or_were_never_computed_are_told_apart() -> None:
    wanted = {"red_share": (0.05, 0.07), "green_share": (0.5, 0.7), "hit_rate_red": (0.1, 0.2)}

    found = {"red_share": 0.06, "green_share": 0.8}

    assert missed(found, wanted) == ["green_share is 0.8000 and should be 0.5 to 0.7"]
    assert [each.verdict for each in judged(found, wanted)] == ["ok", "MISSED", "not computed"]


def test_risk_can_be_learnt_and_does_not_give_violations_away() -> None:
    table = first_versions(a_world("mid_n", **REDUCED))

    assert 0.80 <= roc_auc_score(table["violating"], table["risk"]) <= 0.97


# 2. Hidden labels


def test_just_what_no_control_touched_is_green() -> None:
    """Every version that was not amended: what was withdrawn has a control that was cancelled."""
    world = a_world()
    table = declared(world)
    table = table[~table["replaced"]]
    clearance = world["inspections"]["stage"].isin(CLEARANCE)
    touched = table["declaration_id"].isin(set(world["inspections"]["declaration_id"][clearance]))

    np.testing.assert_array_equal(touched, table["lane"] != "GREEN")
    twice = world["inspections"][clearance].duplicated(["declaration_id", "control_type"])
    assert not twice.any(), "versions that were amended have controls too"
    assert 0.5 < (~touched).mean() < 0.75


def test_controls_see_less_than_the_truth() -> None:
    """A quarter of some 150 violations: the standard error is 4 %."""
    world = a_world(declarations=12_000)
    table, made = first_versions(world), controlled(world)
    found = world["findings"].query("intent == 'FRAUD'")["inspection_id"]
    seen = made["declaration_id"][made["inspection_id"].isin(set(found))]
    seen = table["declaration_id"].isin(set(seen)) & table["violating"]

    assert (table["lane"] == "GREEN")[table["violating"]].mean() > 0.2
    assert 0.05 < seen.sum() / table["violating"].sum() < 0.6


def test_what_was_found_is_true_but_for_a_few_imagined_findings() -> None:
    world = a_world(declarations=12_000)
    made = controlled(world)[["inspection_id", *KEY]]
    items = world["truth"][[*KEY, "item_no", "violating", "honest_error", "due"]]
    found = world["findings"].merge(made, on="inspection_id").merge(items, on=[*KEY, "item_no"])
    fraud = found["intent"] == "FRAUD"
    wrong = (found["violating"] > 0) | found["honest_error"].notna()
    checks = world["inspections"]["control_type"].isin(
        ("DOCUMENT", "PARTIAL_PHYSICAL", "FULL_PHYSICAL")
    )

    assert len(found) == len(world["findings"])
    assert (found["violating"] > 0)[fraud].all()
    imagined = (found["mechanism"] == "DOCUMENT_ERROR") & (found["additional_duty"] == 0) & ~fraud
    assessed = wrong & ~imagined & found["due"].notna()
    assert (found["additional_duty"] == found["due"])[assessed].all()
    # Three of a thousand controls imagine something: some 14, so fewer than 30 but once in 10,000.
    assert 0 < (~wrong).sum() < 0.0065 * checks.sum()


# 3. What was lodged stays


def test_a_world_that_goes_on_adds_files_and_leaves_those_there(tmp_path: Path) -> None:
    folder, simulation = Folder.of(tmp_path), a_simulation()
    before = joined(write_weeks(folder, simulation, simulation.weeks(7)))
    there = _files(tmp_path)
    assert folder.state is not None
    again = load(folder.state, the_headings())
    after = joined(write_weeks(folder, again, again.weeks(4)))
    now = _files(tmp_path)

    assert set(there) < set(now)
    assert {name: now[name] for name in there} == there
    for name, keys in (("declarations", KEY), ("goods_items", [*KEY, "item_no"])):
        both = pd.concat([before[name], after[name]])
        assert not both.duplicated(keys).any()
        assert len(pd.read_parquet(folder.place(name))) == len(both)


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*.parquet")
        if "state" not in path.parts
    }


def test_no_week_lodges_a_version_again() -> None:
    seen: set[tuple[str, float]] = set()
    for tables in a_simulation().weeks(24):
        header = tables["declarations"]
        keys = set(zip(header["declaration_id"], header["version_no"], strict=True))
        assert len(keys) == len(header["declaration_id"])
        assert keys.isdisjoint(seen)
        seen |= keys


# 4. Chances


@pytest.mark.parametrize("preset", ["small", "vn_low"])
def test_chances_of_lanes_are_chances_and_sum_to_one(preset: str) -> None:
    changes = {**REDUCED, "declarations": 6_000}
    table, asked = declared(a_world(preset, **changes)), settings_of(preset).selection
    chances = table[PER_LANE].to_numpy()

    np.testing.assert_allclose(chances.sum(axis=1), 1)
    assert ((chances >= -1e-12) & (chances <= 1 + 1e-12)).all()
    assert (table["propensity_red"] >= asked.random - 1e-12).all()
    got = np.choose(proposed_lane(table).map(Lane.__getitem__), chances.T)
    assert (got > 0).all(), "lanes that had no chance"


def test_chances_foretell_the_lanes() -> None:
    """Four standard errors in each of 21 cells, and what filling places exactly takes off: fails
    once in 500 seeds."""
    table = first_versions(a_world("mid_n", **REDUCED))
    lanes = proposed_lane(table)
    for lane, column in zip(Lane, PER_LANE, strict=True):
        chance, got = table[column], lanes == lane.name
        cells = pd.cut(chance, [-0.1, 0.01, 0.05, 0.15, 0.35, 0.65, 0.9, 1.1])
        for cell, rows in chance.groupby(cells, observed=True):
            error = np.sqrt((rows * (1 - rows)).sum()) + 1
            off = got[rows.index].sum() - rows.sum()
            assert abs(off) < 4 * error + 0.002 * len(rows), f"{lane.name} {cell}: {off:.0f}"


def test_chances_are_written_down_from_some_week_on_and_never_for_officers() -> None:
    made, asked = controlled(a_world()), settings_of("small").selection
    lane_chance = np.choose(made["lane"].map(Lane.__getitem__), made[PER_LANE].to_numpy().T)
    recorded = made["propensity"].notna()
    modern = made["week"] >= asked.propensity_from_week
    audit, officer = made["stage"] == "POST_CLEARANCE", made["triggered_by"] == "OFFICER"
    opening = made["control_type"].isin(("PARTIAL_PHYSICAL", "FULL_PHYSICAL"))
    at_scanner = made["declaration_office"].str.startswith("SEA")
    scanned = made["declaration_id"].isin(made["declaration_id"][made["control_type"] == "SCAN"])
    after_image = (made["control_type"] == "FULL_PHYSICAL") & scanned
    unknown = officer | after_image | (made["control_type"] == "SAMPLE")
    plain = recorded & ~audit
    red = np.where(made["lane"] == "RED", lane_chance, 1.0)
    drawn_alone = asked.random * (1 - red) / (1 - asked.random)  # no such goods are scanned
    imaged = settings_of("small").controls.scanned * at_scanner * (lane_chance - drawn_alone)
    expected = np.select(
        [opening, made["control_type"] == "SCAN"], [lane_chance - imaged, imaged], lane_chance
    )

    assert not recorded[~modern | unknown].any()
    assert recorded[modern & ~unknown].all()
    np.testing.assert_allclose(made["propensity"][plain], expected[plain])
    assert made["propensity"][recorded].between(0, 1, inclusive="right").all()


# 5. Horvitz and Thompson


def test_what_was_opened_at_once_stands_for_all_declarations_with_a_scanner_and_without() -> None:
    """Four standard errors at each kind of port: fails once in 8,000 seeds."""
    asked = {**EXPLORING, "selection": {**EXPLORING["selection"], "propensity_from_week": 0}}
    controls, came = [], []
    for seed in range(30):
        plain = settings_of("small", **asked).model_copy(update={"seed": seed})
        world = joined(Simulation(plain, the_headings()).weeks(EXPLORING["weeks"]))
        newest = declared(world).drop_duplicates("declaration_id", keep="last")
        came.append(newest.assign(scanner=newest["declaration_office"].str.startswith("SEA")))
        made = controlled(world)
        goods = made["control_type"].isin(("PARTIAL_PHYSICAL", "FULL_PHYSICAL"))
        controls.append(made[goods & (made["stage"] == "PRE_CLEARANCE")])
    chance = pd.concat(controls).dropna(subset="propensity")
    at_scanner = chance["declaration_office"].str.startswith("SEA")
    for scanner in (True, False):
        p = chance["propensity"][at_scanner == scanner].to_numpy()
        wanted = sum(int((each["scanner"] == scanner).sum()) for each in came)
        error = np.sqrt(((1 - p) / p**2).sum())
        assert abs((1 / p).sum() - wanted) < 4 * error + 0.02 * wanted


def test_violations_weighted_by_chance_cover_their_true_share_in_nine_of_ten_worlds() -> None:
    """Red before officers, each weighted by its chance of red given the draws of all others: with
    places filled exactly it is that chance which makes the estimate unbiased. If the intervals
    are right, fewer than 90 of 100 cover with probability 0.03."""
    plain = settings_of("small", **EXPLORING)
    covered, off = 0, []
    for seed in range(100):
        world = Simulation(plain.model_copy(update={"seed": seed}), the_headings())
        estimate, error, true = _horvitz_thompson(world)
        covered += abs(estimate - true) <= 1.96 * error
        off.append((estimate - true) / error)

    assert covered >= 90
    # The mean of 100 such deviations has a standard error of 0.1.
    assert abs(np.mean(off)) < 0.4


def _horvitz_thompson(simulation: Simulation) -> tuple[float, float, float]:
    """Share of violating declarations: its estimate, the standard error of that, and the truth."""
    truth = joined(simulation.weeks(EXPLORING["weeks"]))["truth"]
    groups = truth[truth["version_no"] == 1].groupby("declaration_id", sort=False)
    table = groups[["lane", "channel", "propensity_red"]].first()
    wrong = groups["violating"].max().to_numpy()
    taken = wrong * (proposed_lane(table) == "RED").to_numpy()
    chance = table["propensity_red"].to_numpy()
    estimate, variance = (taken / chance).sum(), (taken * (1 - chance) / chance**2).sum()
    return estimate / len(table), float(np.sqrt(variance)) / len(table), float(wrong.mean())


# 6. Selective labels


def test_a_model_that_saw_only_red_ranks_worse_than_one_that_saw_everything() -> None:
    """About 300 violating declarations in the later weeks: the standard error of the difference
    of two areas is below 0.02."""
    world = a_world("mid_n", **REDUCED)
    items = world["goods_items"].merge(world["truth"], on=[*KEY, "item_no"])
    items = items.merge(declared(world)[[*KEY, "week", *CODES[2:]]], on=KEY)
    features = _features(items)
    later, label = items["week"].to_numpy() >= 18, items["violating"].to_numpy()
    red = (items["lane"] == "RED").to_numpy()

    of_red, of_all = (
        roc_auc_score(label[later], _fitted(features[seen], label[seen]).predict(features[later]))
        for seen in (~later & red, ~later)
    )

    assert of_all > 0.7
    assert of_red < of_all - 0.03


def _features(items: pd.DataFrame) -> Floats:
    codes = [items[name].astype("category").cat.codes.to_numpy(float) for name in CODES]
    numbers = [items[name].to_numpy(float) for name in NUMBERS]
    price = items["customs_value"].to_numpy(float) / items["net_mass_kg"].to_numpy(float)
    return np.column_stack([*codes, *numbers, price])


def _fitted(features: Floats, label: Floats) -> lgb.Booster:
    params = {
        "objective": "binary",
        "num_leaves": 15,
        "learning_rate": 0.1,
        "num_threads": 1,
        "deterministic": True,
        "seed": 1,
        "verbose": -1,
    }
    data = lgb.Dataset(features, label, categorical_feature=list(range(len(CODES))))
    return lgb.train(params, data, num_boost_round=60)


# 7. Officers who collude


@pytest.mark.parametrize("sign", ["picked by hand, mostly for one broker", "quick with one broker"])
def test_colluding_officers_can_be_told_from_others_better_than_by_chance(sign: str) -> None:
    """By the permutation test: were there nothing to see, one seed in a hundred would pass."""
    world = a_world(
        declarations=24_000,
        trade={"traders": 400, "brokers": 25},
        selection={"red": 0.3, "yellow": 0.4},
        officers={"per_office": 10, "colluding": {"share": 0.06}},
    )
    made = controlled(world).query("stage == 'PRE_CLEARANCE'")
    made = made[made["declarant_id"].str.startswith("SYNB")]
    score = (_by_hand if sign.startswith("picked") else _haste)(made)
    officers = world["officers"].set_index("officer_key")["type"]
    colluding = (officers[score.index] == "colluding").to_numpy()
    ranks = score.rank().to_numpy()
    random = np.random.default_rng(1)

    chance = [ranks[random.permutation(colluding)].mean() for _ in range(999)]

    assert colluding.sum() >= 5
    assert (1 + np.sum(np.array(chance) >= ranks[colluding].mean())) / 1_000 < 0.01
    assert roc_auc_score(colluding, score) > 0.7


def _by_hand(made: pd.DataFrame) -> "pd.Series[float]":
    officer = made["assigned_officer_key"]
    manual = (made["assignment_mode"] == "MANUAL").groupby(officer).mean()
    one_broker = made.groupby(officer)["declarant_id"].agg(
        lambda brokers: brokers.value_counts(normalize=True).iloc[0]
    )
    return manual * one_broker


def _haste(made: pd.DataFrame) -> "pd.Series[float]":
    """How much shorter than usual, in standard errors, an officer works for his quickest broker."""
    work = np.log((made["finished_at"] - made["started_at"]) / pd.Timedelta(1, "m"))
    usual = work.groupby(made["control_type"]).transform("median")
    pairs = (work - usual).groupby([made["assigned_officer_key"], made["declarant_id"]])
    errors = -pairs.mean() * np.sqrt(pairs.size()) / 0.3
    return errors.groupby(level=0).max()


# 8. Nothing real, nothing given away


def test_ids_resemble_nobody() -> None:
    codes = {"undg_id", "quota_id"}
    tables = a_world()
    named = [
        (table, name)
        for table, frame in tables.items()
        for name in map(str, frame)
        if name.endswith(("_id", "_key")) or name in ("broker",)
        if name not in codes
    ]

    assert len(named) > 20
    for table, name in named:
        ids = tables[table][name].dropna()
        assert ids.str.startswith("SYN").all(), f"{table}.{name}"


def test_no_visible_column_is_a_hidden_one() -> None:
    """Ranks of some 350 traders' numbers, names and all: by chance alone a correlation of 0.3
    comes up once in a hundred million."""
    table = first_versions(a_world())
    hidden = table[["trader", "watched", "risk"]]
    visible = table[a_world()["declarations"].columns].drop(
        columns=["routing_countries", "document_types"]
    )
    of_traders = table.drop_duplicates("trader").index

    for name in visible:
        column = _as_number(visible[name])
        if column.nunique() > 1:
            slot = column[of_traders].corr(hidden["trader"][of_traders], method="spearman")
            assert not abs(slot) > 0.3, f"{name} tells the trader's slot"
            for secret in ("watched", "risk"):
                same = column.corr(hidden[secret], method="spearman")
                assert not abs(same) > 0.9, f"{name} is {secret}"


def _as_number(column: "pd.Series[Any]") -> "pd.Series[float]":
    """Numbers and times as they are, ids by their digits."""
    if column.dtype.kind in "fiubM":
        return column.astype("int64" if column.dtype.kind == "M" else "float64")
    return pd.to_numeric(column.str.extract(r"(\d+)$")[0])


def test_nothing_that_everybody_can_see_tells_fraud_for_certain() -> None:
    """What 20 declarations or more have in common is honest in some of them."""
    world = a_world(declarations=30_000, trade={"traders": 1_500})
    table = declared(world)
    item = world["goods_items"].merge(table, on=KEY)
    hub = table["routing_countries"].map(lambda ways: ways[1] if len(ways) > 1 else "")
    by_land = table["declaration_office"].str.startswith("LAND")
    described = item.groupby("hs_code")["description"].transform(lambda words: words.mode()[0])
    seen = {
        "hub": hub.groupby(hub).transform("size").ge(1) & ~hub.isin(("", "HK", "SG")),
        "land from afar": by_land & ~table["country_of_export"].isin(("CN", "LA", "KH")),
        "land through a hub": by_land & (hub != ""),
        "high number": table["importer_id"].str[-6:].str.isdigit()
        & (table["importer_id"].str[-6:] > "020000"),
    }
    shares = {name: table.loc[rows, "violating"] for name, rows in seen.items()}
    shares["another name"] = item.loc[item["description"] != described, "violating"]
    shares |= {
        f"broker {key}": group
        for key, group in table.groupby("declarant_id")["violating"]
        if len(group) >= 200
    }

    certain = {name for name, wrong in shares.items() if len(wrong) >= 20 and wrong.mean() > 0.6}
    assert sum(len(wrong) >= 20 for wrong in shares.values()) > 5
    assert not certain
