"""Week by week: streams, seasons, lineages, what traders make of inspections, officers, queues.

Statistical tests have fixed seeds: their error rates say how often a change that only draws other
numbers would fail them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.simulator.draws import Streams, Table
from pipelines.simulator.selection import Selection
from pipelines.simulator.simulation import LodgedWeek
from pipelines.simulator.store import Folder, Writer, load, write_weeks
from selectivity.errors import ParamsError
from selectivity.lanes import Channel, Lane
from tests.worlds import (
    CLEARANCE,
    KEY,
    UNMOVED,
    a_simulation,
    a_world,
    controlled,
    declared,
    first_versions,
    joined,
    lived,
    the_headings,
)

BRIEF: Mapping[str, Any] = {"weeks": 8, "declarations": 1_200, "trade": {"traders": 120}}
AUTUMN: Mapping[str, Any] = {"start": "2025-09-29", "declarations": 24_000}
WATCHFUL: Mapping[str, Any] = {
    "declarations": 12_000,
    "fraud": {"violating_share": 0.2},
    "selection": {"red": 0.3, "yellow": 0.3},
    "reaction": {"new_id": 0.6},
}
"""Many violations and many inspections: evaders are caught again and again."""


class Everybody:
    """A policy that gives every declaration the same lane."""

    writes_down_chances = True

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.told: list[Mapping[str, Table]] = []

    def select(self, lodged: LodgedWeek) -> Selection:
        n = len(lodged.names)
        channel = np.full(n, None if self.lane == Lane.GREEN else str(Channel.MODEL), dtype=object)
        lane = np.full(n, int(self.lane))
        return Selection(lane, channel, np.eye(3)[lane], random=0.0)

    def learn(self, known: Mapping[str, Table]) -> None:
        self.told.append(known)


def same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Equal in every column, to the last digit."""
    return list(one) == list(other) and all(
        _values(one[name]) == _values(other[name]) for name in one
    )


def _values(column: "pd.Series[Any]") -> Any:
    if column.dtype.kind in "fiubM":
        return column.to_numpy().tobytes()
    return column.astype(object).where(column.notna(), None).tolist()


def both(one: pd.DataFrame, other: pd.DataFrame, *key: str) -> pd.DataFrame:
    """Rows of the same key side by side; columns of the other end in `_other`."""
    return one.merge(other, on=list(key), suffixes=("", "_other"), validate="one_to_one")


def goods_controls(world: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row per declaration whose turn at the counter came: when, in which `line`, and the shift
    of the capacity calendar that it began in."""
    table = controlled(world)
    table = table[table["stage"].isin(("PRE_CLEARANCE", "SCAN"))].drop_duplicates(KEY)
    table = table.dropna(subset="started_at")  # a control that was cancelled never began
    table = table.assign(line=np.where(table["control_type"] == "DOCUMENT", "YELLOW", "RED"))
    calendar = world["capacity_calendar"].rename(columns={"lane": "line"})
    table = table[table["started_at"] < calendar["shift_start"].max()]
    return pd.merge_asof(
        table.sort_values("started_at", kind="stable"),
        calendar.sort_values("shift_start", kind="stable"),
        left_on="started_at",
        right_on="shift_start",
        left_by=["declaration_office", "line"],
        right_by=["office", "line"],
    )


# Streams


def test_drawing_from_one_stream_never_shifts_another() -> None:
    alone, crowded = Streams(1), Streams(1)
    crowded("policy").random(1_000)

    np.testing.assert_array_equal(alone("traders").random(9), crowded("traders").random(9))
    assert alone("traders").random(1) != alone("policy").random(1)


def test_streams_differ_by_week_by_name_and_by_seed() -> None:
    streams = [
        Streams(seed).of(week)(name) for seed in (1, 2) for week in (0, 1, 60) for name in "ab"
    ]
    streams += [Streams(1)("a"), Streams(1)("b")]

    assert len({stream.random(1)[0] for stream in streams}) == len(streams)


def test_a_week_looks_the_same_however_it_is_reached() -> None:
    one, other = a_simulation(**BRIEF), a_simulation(**BRIEF)
    at_once = joined(one.weeks(6))
    parts = [joined(other.weeks(count)) for count in (1, 3, 2)]

    for name, table in at_once.items():
        assert same(table, pd.concat([part[name] for part in parts], ignore_index=True)), name


# Another policy


def test_another_policy_meets_the_very_same_declarations_and_truth() -> None:
    one = a_world(**UNMOVED)
    noisy = a_world(**UNMOVED, selection={"noise": 4.0, "sharpness": 0.2, "random": 0.02})
    strict = a_world(**UNMOVED, selection={"red": 0.3})
    of_the_policy = ["watched", "lane", "channel", "propensity"]
    of_the_policy += [f"propensity_{lane}" for lane in ("green", "yellow", "red")]

    for other in (noisy, strict):
        for name in ("declarations", "goods_items", "traders"):
            assert same(one[name], other[name]), name
        assert same(
            one["truth"].drop(columns=of_the_policy), other["truth"].drop(columns=of_the_policy)
        )
        assert (one["truth"]["lane"] != other["truth"]["lane"]).mean() > 0.05


def test_traders_who_learn_bring_the_same_goods_and_cheat_on_others() -> None:
    """What they are inspected for changes whether they cheat, never what they ship."""
    one, other = a_world(**WATCHFUL), a_world(**WATCHFUL, capacity={"slack": 0.3, "spare": 0})
    truth = both(one["truth"], other["truth"], *KEY, "item_no")
    truth = truth[truth["declaration_id"].isin(_never_refiled(one) & _never_refiled(other))]

    assert len(truth) > 20_000
    for name in ("trader", "trader_kind", "true_hs_code", "true_customs_value"):
        assert (truth[name] == truth[f"{name}_other"]).all(), name
    assert (truth["violating"] != truth["violating_other"]).any()


def test_what_is_lodged_anew_does_not_change_the_forms_of_others() -> None:
    """Under policies that let different declarations be refiled, the others look the same."""
    one = a_world(lineages={"refiled_when_red": 1}, fraud={"violating_share": 0.2})
    other = a_world(lineages={"refiled_when_red": 0}, fraud={"violating_share": 0.2})
    forms = both(one["declarations"], other["declarations"], *KEY)
    forms = forms[forms["declaration_id"].isin(_never_refiled(one) & _never_refiled(other))]

    assert len(one["declarations"]) > len(other["declarations"])
    for name in ("carrier_id", "procedure_code", "incoterms", "payment_method"):
        alike = forms[name].map(str) == forms[f"{name}_other"].map(str)
        assert alike.all(), f"{name} differs on {1 - alike.mean():.0%} of the same declarations"


def _never_refiled(world: Mapping[str, pd.DataFrame]) -> set[str]:
    header = world["declarations"]
    anew = header["declaration_id"] != header["lineage_id"]
    return set(header["declaration_id"][~anew])


def test_a_policy_of_ones_own_gives_the_lanes_and_is_told_what_becomes_known() -> None:
    policy = Everybody(Lane.GREEN)
    world = lived(a_simulation(**BRIEF), 8, policy)
    lanes = declared(world)["lane"].value_counts()

    assert set(lanes.index) == {"GREEN"}
    assert not world["inspections"]["stage"].isin(CLEARANCE).any()
    assert len(policy.told) == 8
    told = pd.concat([pd.DataFrame(known["inspections"]) for known in policy.told])
    assert set(told["inspection_id"]) <= set(world["inspections"]["inspection_id"])


# What traders make of it


def test_opportunists_and_evaders_cheat_less_when_they_are_inspected_and_careless_ones_do_not() -> (
    None
):
    watched, alone = (
        lived(a_simulation(**WATCHFUL | {"lineages": {"refiled_when_red": 0}}), 16, Everybody(lane))
        for lane in (Lane.RED, Lane.GREEN)
    )
    risks = both(watched["truth"], alone["truth"], *KEY, "item_no").groupby("trader_kind")
    ratio = risks["true_risk"].mean() / risks["true_risk_other"].mean()
    careless = risks.get_group("careless")

    assert ratio["opportunist"] < 0.7
    assert ratio["opportunist"] < ratio["evader"] < 0.95
    assert (careless["true_risk"] == careless["true_risk_other"]).all()


def test_a_trader_feels_watched_by_the_share_of_his_declarations_that_went_red() -> None:
    for lane, felt in ((Lane.RED, 1), (Lane.GREEN, 0)):
        simulation = a_simulation(declarations=12_000)
        lived(simulation, 24, Everybody(lane))
        busy = np.argsort(-simulation.world.traders.activity)[:10]

        np.testing.assert_allclose(simulation.state.standing.watched[busy], felt, atol=0.01)


def test_the_truth_tells_how_watched_a_trader_felt_when_he_declared() -> None:
    (first,) = a_simulation(**BRIEF).weeks(1)

    felt = set(first["truth"]["watched"].tolist())
    assert felt == {0.06}, f"{len(felt)} values before anybody was inspected"


def test_an_evader_caught_again_takes_a_new_name_and_keeps_his_region() -> None:
    world = a_world(**WATCHFUL)
    names = _names_of_traders(world)
    renamed = names[names["names"] > 1]
    region = world["traders"].set_index("trader_id")["address_region"]
    region = region[~region.index.duplicated()]

    # About 16 evaders, each caught several times: the chance of fewer than two new names is below
    # one in a thousand.
    assert len(renamed) >= 2
    assert set(renamed["trader_kind"]) == {"evader"}
    assert (names["names"][names["trader_kind"] == "evader"] == 1).any()
    for ids in renamed["ids"]:
        assert region[sorted(ids)].nunique() == 1


def test_nobody_takes_a_new_name_where_none_is_to_be_had_or_nobody_is_caught() -> None:
    refused = a_world(**WATCHFUL | {"reaction": {"new_id": 0}})
    unseen = lived(a_simulation(**WATCHFUL | {"audit": {"share": 0}}), 24, Everybody(Lane.GREEN))

    assert (_names_of_traders(refused)["names"] == 1).all()
    assert (_names_of_traders(unseen)["names"] == 1).all()
    assert unseen["findings"].empty


def _names_of_traders(world: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    table = declared(world)
    own = np.where(table["direction"] == "IMPORT", table["importer_id"], table["exporter_id"])
    groups = table.assign(own=own).groupby(["trader", "trader_kind"])["own"]
    return groups.agg(ids=set, names="nunique").reset_index()


def test_being_caught_raises_the_risk_level_that_the_centre_knows() -> None:
    world, spared = a_world(**WATCHFUL), a_world(**WATCHFUL | {"reaction": {"sanctioned": False}})
    rows = world["traders"].sort_values(["trader_id", "valid_from"], kind="stable")
    before = rows.groupby("trader_id")[["sanctions", "risk_level"]].shift()
    still_as_new = (rows["risk_level"] >= 7) == (before["risk_level"] >= 7)
    worse = (rows["sanctions"] > before["sanctions"]) & still_as_new

    assert worse.sum() > 20
    assert (rows["risk_level"] >= before["risk_level"])[worse].all()
    assert (rows["risk_level"] > before["risk_level"])[worse & (before["risk_level"] < 6)].all()
    assert rows["sanctions"].max() == 2
    later = spared["traders"].groupby("trader_id")["sanctions"].nunique()
    assert (later == 1).all()


@pytest.mark.parametrize(
    ("known", "declared_as"),
    [
        ("risk_level", "importer_risk_level"),
        ("compliance_level", "importer_compliance_level"),
        ("tax_debt", "importer_tax_debt"),
        ("registered_on", "importer_registered_on"),
    ],
)
def test_the_register_says_of_importers_what_their_declarations_do(
    known: str, declared_as: str
) -> None:
    world = a_world(**WATCHFUL)
    imports = first_versions(world).query("direction == 'IMPORT'")
    # What is lodged on a Sunday night and accepted on Monday was written by the old register.
    lodged, accepted = (imports[name].dt.tz_localize(None) for name in ("lodged_at", "accepted_at"))
    imports = imports[lodged.dt.to_period("W") == accepted.dt.to_period("W")]
    register = world["traders"].sort_values("valid_from", kind="stable")
    joint = pd.merge_asof(
        imports.sort_values("accepted_at", kind="stable"),
        register,
        left_on="accepted_at",
        right_on="valid_from",
        left_by="importer_id",
        right_by="trader_id",
    )
    differs = joint[known].map(str) != joint[declared_as].map(str)
    if known == "registered_on":
        differs = joint[known].dt.floor("D") != joint[declared_as].dt.floor("D")

    assert joint["valid_from"].notna().all(), "importers that the register does not know"
    assert not differs.any(), f"{differs.sum()} of {len(joint)} declarations differ"


def test_new_traders_have_the_risk_levels_of_new_traders_and_break_the_law_more_often() -> None:
    imports = first_versions(a_world(**WATCHFUL | {"fraud": {"violating_share": 0.04}})).query(
        "direction == 'IMPORT'"
    )
    age = imports["accepted_at"].dt.normalize() - imports["importer_registered_on"]
    new = age < pd.Timedelta(365, "D")

    assert (age >= pd.Timedelta(0)).all()
    pd.testing.assert_series_equal(imports["importer_risk_level"] >= 7, new, check_names=False)
    # The true ratio is about two: a standard error of 300 new declarations is a quarter of that.
    assert imports["risk"][new].mean() > 1.2 * imports["risk"][~new].mean()


def test_violations_of_the_headings_of_a_scheme_jump_when_it_comes_up() -> None:
    scheme = {"from_week": 12, "factor": 8.0, "headings": 20, "origin": "MM", "moved": 0.5}
    changes: Mapping[str, Any] = {"declarations": 24_000, **UNMOVED}
    world = a_world(fraud={"scheme": scheme}, **changes)
    goods = a_simulation(fraud={"scheme": scheme}, **changes).world.goods
    items = world["truth"].merge(declared(world)[[*KEY, "week", "direction"]], on=KEY)
    items["covered"] = items["true_hs_code"].isin(goods.hs6[goods.in_scheme])
    items["late"] = items["week"] >= 12
    share = items[items["direction"] == "IMPORT"].groupby(["covered", "late"])["violating"].mean()
    exports = items[items["direction"] == "EXPORT"].groupby(["covered", "late"])["violating"].mean()
    told = world["goods_items"].merge(
        items[[*KEY, "item_no", "covered", "late"]], on=[*KEY, "item_no"]
    )
    moved = told.groupby(["covered", "late"])["country_of_origin"].agg(
        lambda all_: (all_ == "MM").mean()
    )

    # Some 4,000 items of the headings on either side: the standard error of a ratio is a tenth.
    assert share[True, True] > 4 * share[True, False]
    assert share[False, True] == pytest.approx(share[False, False], rel=0.3)
    assert exports[True, True] < 2 * max(exports[True, False], 0.01)
    assert moved[True, True] > 2 * moved[True, False]


# Amendments and what is lodged anew


def test_an_amendment_is_a_second_version_with_the_same_id_later_and_no_less_strict() -> None:
    table = declared(a_world())
    second = table[table["version_no"] == 2].merge(
        table[table["version_no"] == 1], on="declaration_id", suffixes=("", "_first")
    )

    assert len(second) == (table["version_no"] > 1).sum() > 100
    assert (second["accepted_at"] > second["accepted_at_first"]).all()
    assert (second["lineage_id"] == second["lineage_id_first"]).all()
    assert (_severity(second["lane"]) >= _severity(second["lane_first"])).all()
    for kept in ("importer_id", "exporter_id", "declarant_id", "carrier_id", "incoterms"):
        pd.testing.assert_series_equal(second[kept], second[f"{kept}_first"], check_names=False)
    changed = second["invoice_amount"] / second["invoice_amount_first"]
    assert changed.between(0.96, 1.06).all()
    assert (changed != 1).mean() > 0.9


def test_what_is_lodged_anew_has_another_id_the_same_lineage_and_no_less_strict_a_lane() -> None:
    world = a_world(**WATCHFUL | {"selection": {"officer_down": 0}})
    anew, before = _refiled(world)

    assert len(anew) > 60
    assert (anew["declaration_id"].to_numpy() != before["declaration_id"].to_numpy()).all()
    assert (anew["trader"].to_numpy() == before["trader"].to_numpy()).all()
    assert (anew["version_no"] == 1).all()
    assert (anew["week"].to_numpy() == before["week"].to_numpy() + 1).all()
    assert (anew["lodged_at"].to_numpy() > before["accepted_at"].to_numpy()).all()
    assert (_severity(anew["lane"]).to_numpy() >= _severity(before["lane"]).to_numpy()).all()
    assert (anew["declaration_office"].to_numpy() != before["declaration_office"].to_numpy()).any()


def test_controls_of_what_was_withdrawn_are_cancelled() -> None:
    world = a_world(**WATCHFUL)
    _, withdrawn = _refiled(world)
    controls = world["inspections"][
        world["inspections"]["declaration_id"].isin(set(withdrawn["declaration_id"]))
    ]

    assert len(controls) > 40
    assert set(controls["result"]) == {"CANCELLED"}
    assert not world["findings"]["inspection_id"].isin(set(controls["inspection_id"])).any()


def test_what_was_withdrawn_is_not_audited() -> None:
    world = a_world(**WATCHFUL | {"audit": {"share": 0.3}})
    _, withdrawn = _refiled(world)
    audits = world["inspections"].query("stage == 'POST_CLEARANCE'")

    of_withdrawn = audits["declaration_id"].isin(set(withdrawn["declaration_id"])).sum()
    assert len(audits) > 1_000
    assert not of_withdrawn, f"{of_withdrawn} of {len(audits)} audits"


def test_evaders_and_opportunists_withdraw_what_is_about_to_be_inspected() -> None:
    sly = a_world(**WATCHFUL | {"lineages": {"refiled": 0, "refiled_when_red": 0.5}})
    anew, before = _refiled(sly)

    assert set(before["lane"]) == {"RED"}
    assert set(before["trader_kind"]) == {"evader", "opportunist"}
    assert before["violating"].all()
    # Four in ten tell the truth then; some 300 of them, so four standard errors are 0.12.
    assert (~anew["violating"]).mean() == pytest.approx(0.4, abs=0.12)


def _severity(lanes: "pd.Series[Any]") -> "pd.Series[Any]":
    return lanes.map({lane.name: int(lane) for lane in Lane})


def _refiled(world: Mapping[str, pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Declarations that were lodged anew, and beside them those of the same lineage before."""
    first = first_versions(world).sort_values(["lineage_id", "lodged_at"], kind="stable")
    before = first.groupby("lineage_id")["declaration_id"].shift()
    anew = first[before.notna()]
    return anew, first.set_index("declaration_id", drop=False).loc[before[before.notna()]]


# Capacity and queues


def test_the_units_of_the_calendar_add_up_to_what_the_policy_of_old_needs() -> None:
    asked, calendar = a_simulation().world.settings, a_world()["capacity_calendar"]
    units = calendar.groupby(["office", "lane"])["units"].sum()

    assert (calendar["shift_end"] > calendar["shift_start"]).all()
    assert not calendar.duplicated(["office", "lane", "shift_start"]).any()
    for lane, share in (("YELLOW", asked.selection.yellow), ("RED", asked.selection.red)):
        wanted = share * asked.declarations * asked.capacity.slack
        wanted += asked.capacity.spare * asked.weeks * len(asked.offices)
        assert wanted - len(asked.offices) <= units.xs(lane, level="lane").sum() <= wanted


def test_more_slack_means_more_units_and_more_of_them_at_the_land_border() -> None:
    lean, ample = (
        a_world(capacity={"slack": slack, "spare": 0})["capacity_calendar"] for slack in (1.0, 2.0)
    )
    per_declaration = (
        _units(lean, "RED") / first_versions(a_world())["declaration_office"].value_counts()
    )

    assert _units(ample, "RED").sum() == pytest.approx(2 * _units(lean, "RED").sum(), abs=24)
    assert per_declaration["LAND1"] > 2.5 * per_declaration["SEA1"]


def _units(calendar: pd.DataFrame, lane: str) -> "pd.Series[float]":
    return calendar[calendar["lane"] == lane].groupby("office")["units"].sum()


def test_rules_never_send_more_to_red_than_an_office_has_units_that_week() -> None:
    """What the law demands, chance and officers come on top: the score only fills what is left."""
    world = a_world("small", declarations=24_000)
    table = first_versions(world)
    calendar = world["capacity_calendar"]
    start = calendar["shift_start"].min()
    week = (calendar["shift_start"] - start) // pd.Timedelta(7, "D")
    units = calendar[calendar["lane"] == "RED"].groupby(["office", week])["units"].sum()
    red = table[table["lane"] == "RED"]
    by = red.pivot_table(
        index=["declaration_office", "week"],
        columns="channel",
        values="version_no",
        aggfunc="count",
        fill_value=0,
    )
    room = units.reindex(by.index)

    assert set(by.columns) == {"MANDATORY", "RULE", "RANDOM", "OFFICER"}
    assert (by["RULE"] <= np.maximum(room - by["MANDATORY"] + 1, 0)).all()
    assert by["RULE"].sum() > 0.25 * room.sum()  # the rest is kept for busy weeks


def test_controls_begin_within_a_shift_and_never_before_acceptance() -> None:
    world = a_world()
    turns, made = goods_controls(world), controlled(world)

    assert len(turns) > 1_000
    assert (turns["started_at"] < turns["shift_end"]).all()
    clearance = made[made["stage"].isin(CLEARANCE)].dropna(subset="started_at")
    for early, late in (
        ("accepted_at", "started_at"),
        ("started_at", "finished_at"),
        ("finished_at", "observed_at"),
    ):
        assert (clearance[early] <= clearance[late]).all(), (early, late)


@pytest.mark.parametrize("preset", ["small", "mid_n"])
def test_no_shift_begins_more_controls_than_it_has_units(preset: str) -> None:
    turns = goods_controls(a_world(preset, **{**BRIEF, "weeks": 24, "declarations": 6_000}))
    shifts = turns.groupby(["office", "line", "shift_start"])
    begun, units = shifts.size(), shifts["units"].first()

    over = (begun > units).sum()
    assert not over, f"{over} of {len(begun)} shifts"


def test_whoever_comes_first_is_served_first() -> None:
    turns = goods_controls(a_world()).sort_values("accepted_at", kind="stable")
    # An amendment may be accepted while the week after is already queueing: order holds by week.
    for _, line in turns.groupby(["office", "line", "week"]):
        assert line["started_at"].is_monotonic_increasing


def test_a_result_takes_hours_to_come_for_papers_and_a_day_for_goods() -> None:
    made = controlled(a_world())
    hours = (made["observed_at"] - made["accepted_at"]) / pd.Timedelta(1, "h")

    for control_type, low, high in (
        ("DOCUMENT", 2, 24),  # small offices have a unit or two in a shift
        ("FULL_PHYSICAL", 15, 80),
        ("SAMPLE", 120, 600),
    ):
        median = hours[made["control_type"] == control_type].median()
        assert low < median < high, f"{control_type}: half come after {median:.0f} hours"


def test_an_office_without_any_place_for_red_still_gets_round_to_what_chance_sends() -> None:
    tiny = {"EXP1": {"red": 0.001}}
    world = a_world(**BRIEF, offices=tiny, selection={"random": 0.05})
    there = controlled(world).query("declaration_office == 'EXP1' and lane == 'RED'")

    assert len(there) > 0
    assert there["started_at"].notna().all()


# Officers


def test_a_colluding_officer_is_quick_with_the_declarations_of_his_broker() -> None:
    """Medians of 60 controls or more with a spread of 0.3 in logarithms: 0.4 is 20 errors off 1."""
    made = _controls_of_officers()
    work = (made["finished_at"] - made["started_at"]) / pd.Timedelta(1, "m")
    usual = work[~made["theirs"]].groupby(made["control_type"]).median()
    relative = work / made["control_type"].map(usual)

    assert made["theirs"].sum() > 60
    assert relative[made["theirs"]].median() == pytest.approx(0.4, rel=0.25)
    assert relative[(made["type"] == "colluding") & ~made["theirs"]].median() == pytest.approx(
        1, rel=0.25
    )


def test_officers_find_by_what_they_are() -> None:
    """Violations among 300 and more controls of each: standard errors of a share are 0.03."""
    made = _controls_of_officers()
    made = made[made["violating"] & made["result"].isin(("FINDING", "NO_FINDING"))]
    made = made[made["control_type"] == "FULL_PHYSICAL"]
    found = made["result"] == "FINDING"
    diligent, lax = (
        found[(made["type"] == each) & ~made["theirs"]].mean() for each in ("diligent", "lax")
    )

    assert lax == pytest.approx(0.35 * diligent, abs=0.13)
    assert found[made["theirs"]].mean() < 0.25 * diligent


def _controls_of_officers() -> pd.DataFrame:
    """Controls of declarants who have brokers, with the officer's type and whether they are
    `theirs`: of a colluding officer and his broker."""
    world = a_world(
        declarations=24_000,
        trade={"traders": 400, "brokers": 10},
        fraud={"violating_share": 0.2},
        selection={"red": 0.4, "yellow": 0.3},
        officers={"per_office": 6, "colluding": {"share": 0.2}},
    )
    made = controlled(world).query("stage == 'PRE_CLEARANCE'")
    made = made.merge(world["officers"], left_on="assigned_officer_key", right_on="officer_key")
    theirs = (made["type"] == "colluding") & (made["broker"] == made["declarant_id"])
    return made.assign(theirs=theirs)


def test_officers_raise_what_is_false_more_often_and_lower_almost_nothing() -> None:
    world = a_world(declarations=24_000, selection={"officer_up": 0.02})
    table = first_versions(world).merge(
        world["overrides"], on="declaration_id", how="left", suffixes=("", "_by")
    )
    raised, lowered = (table["to_lane"] == lane for lane in ("RED", "YELLOW"))
    was_yellow = (table["lane"] == "YELLOW") | raised

    assert raised.sum() > 300
    assert lowered.sum() < 20
    pd.testing.assert_series_equal(
        table["channel"] == "OFFICER", raised | lowered, check_names=False
    )
    assert (table["lane"] == table["to_lane"])[raised | lowered].all()
    assert table["approved_by_key"][lowered].notna().all()
    assert table["approved_by_key"][raised].isna().all()
    rates = table["violating"].groupby(raised[was_yellow]).mean()
    assert rates[True] > 1.8 * rates[False]


# Results


def test_no_result_is_handed_out_before_it_is_known() -> None:
    simulation = a_simulation()
    for week, tables in enumerate(simulation.weeks(24)):
        begins, ends = (simulation.world.monday(number) for number in (week, week + 1))
        for name, known_at in (("inspections", "observed_at"), ("appeals", "decided_at")):
            at = tables[name][known_at]
            assert (at < ends).all(), name
            assert (at >= begins).all(), f"{name} that were known the week before"
        assert set(tables["findings"]["inspection_id"]) == set(
            tables["inspections"]["inspection_id"][tables["inspections"]["result"] == "FINDING"]
        )
    assert len(simulation.state.pending.tables["inspections"]["inspection_id"]) > 0


def test_a_world_that_goes_on_lives_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    whole = joined(a_simulation(**WATCHFUL).weeks(12))
    folder, first = Folder.of(tmp_path), a_simulation(**WATCHFUL)
    before = joined(write_weeks(folder, first, first.weeks(7)))
    assert folder.state is not None
    second = load(folder.state, the_headings())
    after = joined(write_weeks(folder, second, second.weeks(5)))

    assert second.state.week == 12
    for name, table in whole.items():
        assert same(table, pd.concat([before[name], after[name]], ignore_index=True)), name


def test_what_is_on_its_way_survives_being_written_down(tmp_path: Path) -> None:
    folder, simulation = Folder.of(tmp_path), a_simulation(**WATCHFUL)
    list(write_weeks(folder, simulation, simulation.weeks(5)))
    assert folder.state is not None
    again = load(folder.state, the_headings())

    for name, table in simulation.state.pending.tables.items():
        assert len(table["inspection_id"]) > 0, name
        assert same(pd.DataFrame(table), pd.DataFrame(again.state.pending.tables[name])), name
    assert simulation.state.refiled is not None
    assert again.state.refiled is not None
    np.testing.assert_array_equal(simulation.state.refiled.route.key, again.state.refiled.route.key)


def test_a_world_that_was_interrupted_cannot_be_gone_on_with(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"There is no world in .*Make one first"):
        load(tmp_path / "state", the_headings())


# Scanners, laboratories, audits, appeals


def test_scanner_images_are_suspicious_now_and_then_and_only_then_goods_are_opened() -> None:
    """5 % false alarms, a quarter of the 18 % that are false; 350 scans: standard error 1.5 %."""
    world = a_world(declarations=60_000, weeks=12, trade={"traders": 1_500})
    made = controlled(world).query("stage != 'POST_CLEARANCE'")
    scanned = made[made["control_type"] == "SCAN"]
    opened = made[made["control_type"] == "FULL_PHYSICAL"]
    suspicious = scanned["declaration_id"].isin(set(opened["declaration_id"]))

    assert len(scanned) > 300
    settled = scanned["result"] != "CANCELLED"
    assert set(scanned["result"][suspicious & settled]) == {"INCONCLUSIVE"}
    assert set(scanned["result"][~suspicious & settled]) == {"NO_FINDING"}
    assert set(scanned["declaration_office"]) == {"SEA1", "SEA2", "SEA3"}
    assert 0.03 < suspicious.mean() < 0.14
    parts = made[made["control_type"] == "PARTIAL_PHYSICAL"]
    assert not parts["declaration_id"].isin(set(scanned["declaration_id"])).any()


def test_samples_are_taken_of_red_goods_that_were_opened() -> None:
    made = controlled(a_world(**WATCHFUL))
    samples = made[made["control_type"] == "SAMPLE"]
    opened = made[made["control_type"].isin(("PARTIAL_PHYSICAL", "FULL_PHYSICAL"))]

    assert len(samples) > 100
    assert set(samples["lane"]) == {"RED"}
    assert samples["declaration_id"].isin(set(opened["declaration_id"])).all()


def test_documents_are_checked_in_yellow_and_goods_in_red() -> None:
    made = controlled(a_world(**WATCHFUL)).query("stage != 'POST_CLEARANCE'")

    lanes = made.groupby("control_type")["lane"].unique().map(list)

    assert lanes.to_dict() == {
        "DOCUMENT": ["YELLOW"],
        **{each: ["RED"] for each in ("SCAN", "PARTIAL_PHYSICAL", "FULL_PHYSICAL", "SAMPLE")},
    }


def test_audits_come_months_after_acceptance() -> None:
    for preset, shortest, longest in (("small", 20, 120), ("mid_n", 60, 720)):
        world = a_world(preset, **{**BRIEF, "declarations": 3_000, "audit": {"share": 0.05}})
        audits = controlled(world).query("stage == 'POST_CLEARANCE'")
        days = (audits["observed_at"] - audits["accepted_at"]) / pd.Timedelta(1, "D")

        assert len(audits) > 80
        assert days.between(shortest - 1, longest).all()
        assert days.max() - days.min() > 0.8 * (longest - shortest)


def test_only_findings_are_appealed_and_what_was_imagined_is_mostly_overturned() -> None:
    changes: Mapping[str, Any] = {**WATCHFUL, "appeals": {"share": 0.5}}
    real = a_world(**changes)
    imagined = a_world(**{**changes, "controls": {"false_finding": 0.2}})
    observed = real["inspections"].set_index("inspection_id")["observed_at"]
    appeals = real["appeals"]

    assert (appeals["lodged_at"].to_numpy() > observed[appeals["inspection_id"]].to_numpy()).all()
    assert (appeals["decided_at"] > appeals["lodged_at"]).all()
    # Some 600 appeals: four standard errors are 0.07.
    assert len(appeals) == pytest.approx(0.5 * len(real["findings"]), rel=0.15)
    assert (appeals["outcome"] == "OVERTURNED").mean() == pytest.approx(0.26, abs=0.08)
    assert (imagined["appeals"]["outcome"] == "OVERTURNED").mean() > 0.35


# Seasons


def test_trade_rises_before_the_lunar_new_year_and_halves_at_it() -> None:
    weekly = declared(a_world(**AUTUMN)).query("version_no == 1").groupby("week").size()
    usual = weekly[[1, 2, 3, 5, 6, 7]].mean()

    # The new year of 2026 is on 17 February, in week 20. A week has 1,000: 3 % standard error.
    np.testing.assert_allclose(weekly[[20, 21]] / usual, 0.45, atol=0.08)
    assert weekly[19] > 1.15 * usual
    assert weekly[22] == pytest.approx(usual, rel=0.12)


def test_december_and_the_ends_of_months_are_busy() -> None:
    table = first_versions(a_world(**AUTUMN))
    day = (table["lodged_at"] + pd.Timedelta(7, "h")).dt.normalize()
    table = table[table["declaration_office"] != "EXP1"]
    daily = day[table.index].value_counts().rename_axis("day").reset_index(name="lodged")
    december, october = (
        daily.loc[daily["day"].dt.month == month, "lodged"].sum() / 31 for month in (12, 10)
    )
    weekday = daily[daily["day"].dt.day_of_week < 5]
    late = weekday["day"].dt.days_in_month - weekday["day"].dt.day < 3
    ends, usual = (
        some.groupby(some["day"].dt.day_of_week)["lodged"].mean()
        for some in (weekday[late], weekday[~late])
    )

    assert december == pytest.approx(1.2 * october, rel=0.08)
    assert (ends / usual.reindex(ends.index)).mean() == pytest.approx(1.3, rel=0.15)


@pytest.mark.parametrize(("day", "times"), [("2025-11-11", 6.0), ("2025-12-12", 2.0)])
def test_a_sales_day_brings_the_express_office_its_multiple_for_five_days(
    day: str, times: float
) -> None:
    changes = {**AUTUMN, "weeks": 12, "trade": {"express_days": {"11-11": 6.0, "12-12": 2.0}}}
    table = first_versions(a_world(**changes))
    express = table[table["declaration_office"] == "EXP1"]
    daily = express.groupby(express["lodged_at"].dt.normalize()).size()
    rush = pd.date_range(day, periods=5)
    usual = daily[daily.index < "2025-11-01"].groupby(lambda each: each.day_of_week).mean()

    multiple = daily.reindex(rush, fill_value=0).sum() / usual[rush.day_of_week].sum()

    # About 700 parcels in ordinary weeks before: errors of 5 %; December is a fifth busier.
    assert multiple == pytest.approx(times, rel=0.35)


def test_an_express_parcel_is_one_item_of_little_value() -> None:
    table = first_versions(a_world()).merge(
        a_world()["goods_items"].groupby(KEY).size().rename("items"), on=KEY
    )
    express = table["declaration_office"] == "EXP1"
    first_lodged = express & (table["declaration_id"] == table["lineage_id"])
    typical = table["invoice_amount"].groupby(first_lodged).median()

    assert (table["items"][first_lodged] == 1).all()
    assert typical[True] < 0.05 * typical[False]
    assert (table["specific_circumstance"].notna() == express).all()


# Files


def test_a_world_that_fails_while_it_is_written_leaves_nothing(tmp_path: Path) -> None:
    folder, simulation = Folder.of(tmp_path), a_simulation()

    def failing() -> Any:
        yield from simulation.weeks(7)
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="disk is full"):
        list(write_weeks(folder, simulation, failing()))

    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not (tmp_path / "state").exists()


def test_what_a_killed_run_left_is_taken_back_by_the_next(tmp_path: Path) -> None:
    once, again = Folder.of(tmp_path / "once"), Folder.of(tmp_path / "again")
    weeks = write_weeks(again, killed := a_simulation(), killed.weeks(9))
    for _ in range(8):
        next(weeks)  # and never to its end: months that are over have their files
    assert list(again.tables.rglob("*.parquet"))

    for folder in (once, again):
        simulation = a_simulation()
        list(write_weeks(folder, simulation, simulation.weeks(3)))

    left, right = (
        sorted(path.relative_to(folder.tables) for path in folder.tables.rglob("*.parquet"))
        for folder in (once, again)
    )
    assert left == right


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    folder, simulation = Folder.of(tmp_path), a_simulation(**BRIEF)
    (tables,) = simulation.weeks(1)
    with Writer(folder, 0) as writer:
        writer.write(tables, over=simulation.world.monday(0))
        unfinished = [path for path in tmp_path.rglob("*") if path.is_file()]
    finished = [path for path in tmp_path.rglob("*") if path.is_file()]

    assert {path.suffix for path in unfinished} == {".part"}
    assert {path.suffix for path in finished} == {".parquet"}
    assert len(finished) == len(unfinished)
