"""What is known in bulk equals what is known event by event, and never looks ahead."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.histories.engine import history_in_bulk, snapshot_in_bulk
from pipelines.histories.inputs import Outcomes
from selectivity.columns import Columns, Floats, day_of, take, to_columns
from selectivity.declaration import Declaration
from selectivity.features.matrix import FEATURE_NAMES, feature_matrix, features_of
from selectivity.histories.aggregates import VALUES
from selectivity.histories.key_history import DAYS_OF_MOMENTS, MOST_WAITING
from selectivity.histories.profiles import Profiles
from selectivity.histories.rows import arrays_of, rows_in, rows_of
from selectivity.histories.snapshot import LATE_DAYS
from tests.builders import a_declaration, an_item

START = datetime(2026, 1, 1, tzinfo=UTC)
TODAY = [at for at, value in enumerate(VALUES) if value.kind == "today"]
OVER_DAYS = [at for at, value in enumerate(VALUES) if value.kind != "today"]
FEW = settings(deadline=None, max_examples=15)
DESCRIPTIONS = (
    "Cotton shirts",
    "SHIRTS, cotton 12",
    "ÁO thun",
    "áo THUN",
    "棉布衬衫",
    "茶",
    "12",
    None,
)


class Stream(NamedTuple):
    """Declarations in the order in which they came, and what controls found of their items."""

    declarations: list[Declaration]
    outcomes: Outcomes

    @property
    def columns(self) -> Columns:
        return to_columns(self.declarations)


@st.composite
def streams(draw: st.DrawFn, *, longest_gap_hours: int = 24 * 90) -> Stream:
    """Ties in time, missing keys, amendments; outcomes that are late, twice, or taken back."""
    moment, declarations = START, []
    for number in range(draw(st.integers(1, 12))):
        moment += timedelta(hours=draw(st.sampled_from([0, 1, 5, 30, longest_gap_hours])))
        again = draw(st.integers(0, number))
        items = tuple(
            an_item(
                item_no=item_no,
                description=draw(st.sampled_from(DESCRIPTIONS)),
                hs_code=draw(st.sampled_from(["610910", "61099000", "870323", "8703", None])),
                country_of_origin=draw(st.sampled_from(["CN", "KE", None])),
                net_mass_kg=draw(st.sampled_from([10.0, 0.0, -0.0, None])),
                tariff_quantity=draw(st.sampled_from([3.0, 0.0, None])),
                customs_value=draw(st.sampled_from([5.0, 700.0, 0.0, None])),
                duty_rate_percent=draw(st.sampled_from([12.5, 0.0, None])),
                preference_code=draw(st.sampled_from(["ACFTA", None])),
            )
            for item_no in range(1, draw(st.integers(1, 2)) + 1)
        )
        declarations.append(
            a_declaration(
                declaration_id=f"D-{again}",  # an amendment, if it is not the first of its name
                version_no=number + 1,
                accepted_at=moment,
                direction=draw(st.sampled_from(["IMPORT", "EXPORT", "TRANSIT", None])),
                exporter_id=draw(st.sampled_from(["A", "X", None])),
                importer_id=draw(st.sampled_from(["A", "B", None])),
                seller_id=draw(st.sampled_from(["S", None])),
                routing_countries=draw(st.sampled_from([("SG",), ("KE", "SG"), None])),
                items=items,
            )
        )
    return Stream(declarations, _outcomes(draw, to_columns(declarations)))


def _outcomes(draw: st.DrawFn, columns: Columns) -> Outcomes:
    days = day_of(columns["accepted_at"])
    told = []
    for row in draw(st.lists(st.integers(0, len(days) - 1), max_size=15)):
        day, class_ = days[row] + draw(st.integers(0, 100)), draw(st.integers(0, 2))
        told.append((row, day, class_, 1))
        if draw(st.booleans()):  # corrected: taken back later, and perhaps another class found
            later = day + draw(st.integers(0, 40))
            told += [(row, later, class_, -1), (row, later, draw(st.integers(0, 2)), 1)]
    return Outcomes(*np.array(told, dtype=np.int64).reshape(-1, 4).T)


def fold(stream: Stream) -> Profiles:
    """The live profiles after all events, outcomes last and backwards."""
    profiles = Profiles()
    for declaration in stream.declarations:
        profiles.observe(rows_of(declaration))
    learn(profiles, stream, range(len(stream.outcomes.rows)))
    return profiles


def learn(profiles: Profiles, stream: Stream, at: Sequence[int]) -> None:
    rows, told = rows_in(stream.columns), stream.outcomes
    for one in reversed(at):
        row, day = rows[told.rows[one]], int(told.days[one])
        profiles.learn(row, day, int(told.classes[one]), count=int(told.counts[one]))


def as_it_came(stream: Stream) -> Floats:
    """What was known before each goods item when it came, outcomes learnt on their days."""
    profiles, known = Profiles(), []
    told = stream.outcomes
    waiting = set(range(len(told.rows)))
    for declaration in stream.declarations:
        rows = rows_of(declaration)
        arrived = sorted(at for at in waiting if told.days[at] <= rows[0]["day"])
        learn(profiles, stream, arrived)
        waiting -= set(arrived)
        known += [profiles.values(row) for row in rows]
        profiles.observe(rows)
    return np.array(known).T


@given(streams())
@FEW
def test_what_is_known_in_bulk_is_what_was_known_when_it_came(stream: Stream) -> None:
    bulk = history_in_bulk(stream.columns, stream.outcomes)
    np.testing.assert_array_equal(bulk, as_it_came(stream))


@given(streams())
@FEW
def test_events_in_any_order_come_to_the_same(stream: Stream) -> None:
    profiles = Profiles()
    learn(profiles, stream, range(len(stream.outcomes.rows)))
    for declaration in reversed(stream.declarations):
        profiles.observe(rows_of(declaration))
    bulk, live = history_in_bulk(stream.columns, stream.outcomes), profiles.read(stream.columns)
    np.testing.assert_array_equal(bulk[OVER_DAYS], live[OVER_DAYS])


@given(streams(longest_gap_hours=24))
@settings(deadline=None, max_examples=6)
def test_nothing_that_came_later_is_known(stream: Stream) -> None:
    whole, told, columns = (
        history_in_bulk(stream.columns, stream.outcomes),
        stream.outcomes,
        stream.columns,
    )
    moments, days = columns["accepted_at"], day_of(columns["accepted_at"])
    for moment in np.unique(moments):
        here = moments == moment
        kept = np.flatnonzero(moments <= moment)
        in_time = (told.days < days[here][0]) & np.isin(told.rows, kept)
        past = Outcomes(*(part[in_time] for part in vars(told).values()))
        alone = history_in_bulk(take(columns, kept), past)
        np.testing.assert_array_equal(whole[:, here], alone[:, here[kept]])


@given(streams())
@FEW
def test_the_snapshot_of_an_engine_tells_what_that_of_the_service_tells(stream: Stream) -> None:
    profiles = fold(stream)
    days = [*stream.outcomes.days.tolist(), *day_of(stream.columns["accepted_at"]).tolist()]
    newest = datetime.fromtimestamp(max(days) * 86_400, UTC)
    later = [
        a_declaration(accepted_at=newest + timedelta(days=days), importer_id=importer)
        for days in (-LATE_DAYS, -3, 0, 1, 45, 200, 400)
        for importer in ("A", "B", "C")
        if newest + timedelta(days=days) > START
    ]
    columns = to_columns(later)
    snapshots = profiles.snapshot(), snapshot_in_bulk(stream.columns, stream.outcomes)
    for snapshot in snapshots:
        known, restored = profiles.read(columns), Profiles.restore(snapshot).read(columns)
        np.testing.assert_array_equal(known[OVER_DAYS], restored[OVER_DAYS])
        of_late = columns["accepted_at"] >= np.datetime64(newest.date() - timedelta(days=3))
        np.testing.assert_array_equal(known[:, of_late], restored[:, of_late])


@given(streams(), st.data())
@FEW
def test_going_on_from_a_whole_snapshot_is_going_on(stream: Stream, data: st.DataObject) -> None:
    going_on, anew = Profiles(), Profiles()
    last_day = START + timedelta(days=500)
    asked = to_columns([*stream.declarations, a_declaration(accepted_at=last_day)])
    for declaration in stream.declarations:
        for profiles in (going_on, anew):
            profiles.observe(rows_of(declaration))
        if data.draw(st.booleans()):
            anew = Profiles.restore(anew.snapshot(pruned=False))
        if data.draw(st.booleans()):  # unpacks what is asked for
            one = to_columns([data.draw(st.sampled_from(stream.declarations))])
            np.testing.assert_array_equal(anew.read(one), going_on.read(one))
    for at in range(len(stream.outcomes.rows)):
        for profiles in (going_on, anew):
            learn(profiles, stream, [at])
        if data.draw(st.booleans()):
            anew = Profiles.restore(anew.snapshot(pruned=False))
    np.testing.assert_array_equal(anew.read(asked), going_on.read(asked))


def test_moments_are_forgotten_by_whole_days_however_they_are_counted() -> None:
    """The newest day is one of declarations: what came early on the day eight days before stays."""
    morning, noon = START.replace(hour=1, minute=45), START.replace(hour=12)
    declared = [
        a_declaration(declaration_id=f"D-{at}", accepted_at=moment, importer_id="A")
        for at, moment in enumerate((morning, noon + timedelta(days=DAYS_OF_MOMENTS)))
    ]
    stream = Stream(declared, Outcomes(*np.empty((4, 0), dtype=np.int64)))
    live, bulk = fold(stream).snapshot(), snapshot_in_bulk(stream.columns, stream.outcomes)
    moments = [name for name in live if name.endswith("moments")]
    assert max(len(live[name]) for name in moments) == 2
    for name in moments:
        np.testing.assert_array_equal(live[name], bulk[name])


def test_moments_of_long_ago_are_in_no_snapshot_though_their_key_had_none_since() -> None:
    known = Profiles()
    for importer, days in (("OLD", 0), ("NEW", DAYS_OF_MOMENTS + 1)):
        known.observe(
            rows_of(a_declaration(importer_id=importer, accepted_at=START + timedelta(days=days)))
        )
    for pruned, count in ((True, 1), (False, 2)):
        assert len(known.snapshot(pruned=pruned)["trader.moments"]) == count


@given(streams(), st.integers(0, 400))
@FEW
def test_a_snapshot_up_to_a_day_is_one_of_what_was_known_before_it(
    stream: Stream, days: int
) -> None:
    until = int(day_of(np.array([START.replace(tzinfo=None)], "M8[us]"))[0]) + days
    rows, told = day_of(stream.columns["accepted_at"]) < until, stream.outcomes
    in_time = told.days < until
    known = Profiles()
    known.observe(row for row, is_in in zip(rows_in(stream.columns), rows, strict=True) if is_in)
    learn(known, stream, np.flatnonzero(in_time).tolist())
    snapshot = snapshot_in_bulk(stream.columns, stream.outcomes, before_day=until)
    then = to_columns([a_declaration(accepted_at=START + timedelta(days=days), importer_id="A")])
    np.testing.assert_array_equal(known.read(then), Profiles.restore(snapshot).read(then))


@given(streams())
@FEW
def test_features_one_by_one_equal_features_in_bulk(stream: Stream) -> None:
    codes = {"declaration_office": {"OFF01": 0}}
    known = history_in_bulk(stream.columns, stream.outcomes)
    bulk = feature_matrix(stream.columns, known, codes)
    rows = [row for declaration in stream.declarations for row in rows_of(declaration)]
    one_by_one = [
        features_of(arrays_of([row]), known[:, [at]], codes) for at, row in enumerate(rows)
    ]
    assert bulk.shape == (len(rows), len(FEATURE_NAMES))
    np.testing.assert_array_equal(bulk, np.concatenate(one_by_one))
    np.testing.assert_array_equal(bulk, features_of(arrays_of(rows), known, codes))
    with patch("selectivity.features.matrix.ROWS_AT_ONCE", 2):
        np.testing.assert_array_equal(bulk, feature_matrix(stream.columns, known, codes))


def test_no_goods_items_have_no_features() -> None:
    nothing = np.empty((len(VALUES), 0))
    assert features_of(arrays_of([]), nothing, {}).shape == (0, len(FEATURE_NAMES))
    assert feature_matrix(to_columns([]), nothing, {}).shape == (0, len(FEATURE_NAMES))


def test_goods_items_of_this_morning_count_so_far() -> None:
    morning = [
        a_declaration(declaration_id=f"D-{hour}", accepted_at=START + timedelta(hours=hour))
        for hour in (1, 2, 2, 3)
    ]
    columns = to_columns(morning)
    nothing = Outcomes(*np.empty((4, 0), dtype=np.int64))
    bulk = history_in_bulk(columns, nothing)
    assert bulk[TODAY[0]].tolist() == [0, 1, 1, 3]
    live = fold(Stream(morning, nothing)).read(columns)
    np.testing.assert_array_equal(bulk, live)


def test_many_goods_items_of_a_day_add_up_though_nobody_asks_in_between() -> None:
    chance = np.random.default_rng(4)
    days = chance.integers(0, 3, 5 * MOST_WAITING).tolist()  # late ones among them
    many = [
        a_declaration(
            declaration_id=f"D-{n}",
            accepted_at=START + timedelta(days=day),
            items=(an_item(customs_value=10.0 + n, preference_code=[None, "ACFTA"][n % 2]),),
        )
        for n, day in enumerate(days)
    ]
    rows = np.arange(0, len(many), 9)
    told = Outcomes(
        rows,
        np.full(len(rows), day_of(to_columns(many)["accepted_at"])[0] + 2),
        rows % 3,
        np.ones(len(rows), dtype=np.int64),
    )
    stream = Stream([*many, a_declaration(accepted_at=START + timedelta(days=9))], told)
    bulk, live = history_in_bulk(stream.columns, told), fold(stream).read(stream.columns)
    np.testing.assert_array_equal(bulk[OVER_DAYS], live[OVER_DAYS])


def test_an_event_of_the_wrong_day_would_be_noticed() -> None:
    """The comparison above can fail: an outcome known a day earlier changes what is known."""
    days = [
        a_declaration(declaration_id=f"D-{n}", accepted_at=START + timedelta(days=n))
        for n in (0, 3)
    ]
    columns = to_columns(days)
    first = int(day_of(columns["accepted_at"])[0])
    on_time = Outcomes(*np.array([[0], [first + 3], [1], [1]]))
    early = replace(on_time, days=on_time.days - 1)
    known, ahead = (history_in_bulk(columns, told) for told in (on_time, early))
    assert not np.array_equal(known, ahead, equal_nan=True)
