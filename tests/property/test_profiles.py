"""History in bulk equals history one event at a time, and never looks ahead."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from selectivity.columns import day_of, take, to_columns
from selectivity.declaration import Declaration
from selectivity.features import FEATURE_NAMES, feature_matrix
from selectivity.profile_keys import PROFILES
from selectivity.profiles import (
    Histories,
    Outcomes,
    Profiles,
    history_in_bulk,
    snapshot_in_bulk,
)
from tests.builders import a_declaration, an_item

START = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = st.integers(0, 24 * 8)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[Declaration], Outcomes]:
    """Declarations with ties in time, some keys missing, and outcomes that come late or twice."""
    declarations = [
        a_declaration(
            declaration_id=f"D-{number}",
            accepted_at=START + timedelta(hours=draw(HOURS)),
            importer_id=draw(st.sampled_from(["A", "B", None])),
            seller_id=draw(st.sampled_from(["S", None])),
            items=(
                an_item(
                    hs_code=draw(st.sampled_from(["610910", "610990", "870323", None])),
                    net_mass_kg=draw(st.sampled_from([10.0, 0.0, None])),
                    customs_value=draw(st.sampled_from([5.0, 700.0, 0.0, None])),
                ),
            ),
        )
        for number in range(draw(st.integers(1, 12)))
    ]
    rows = draw(st.lists(st.integers(0, len(declarations) - 1), max_size=15))
    days = day_of(to_columns(declarations)["accepted_at"])
    delays = [draw(st.integers(0, 6)) for _ in rows]
    classes = [draw(st.integers(0, 2)) for _ in rows]
    known = [days[row] + delay for row, delay in zip(rows, delays, strict=True)]
    whole = (np.array(values, dtype=np.int64) for values in (rows, known, classes))
    return declarations, Outcomes(*whole)


def fold(declarations: Sequence[Declaration], outcomes: Outcomes) -> Profiles:
    """The live profiles after these events, in an order no bulk query would choose."""
    profiles, columns = Profiles(), to_columns(declarations)
    for declaration in reversed(declarations):
        profiles.observe(to_columns([declaration]))
    for at in range(len(outcomes.rows)):
        one = slice(at, at + 1)
        profiles.learn(take(columns, outcomes.rows[one]), outcomes.days[one], outcomes.classes[one])
    return profiles


def assert_same(one: Histories, other: Histories) -> None:
    np.testing.assert_array_equal(one.totals, other.totals)
    np.testing.assert_array_equal(one.first_day, other.first_day)


@given(streams())
@settings(deadline=None, max_examples=60)
def test_history_in_bulk_equals_history_event_by_event(
    stream: tuple[list[Declaration], Outcomes],
) -> None:
    declarations, outcomes = stream
    columns = to_columns(declarations)
    bulk, live = history_in_bulk(columns, outcomes), fold(declarations, outcomes).read(columns)
    assert_same(bulk, live)


@given(streams())
@settings(deadline=None, max_examples=60)
def test_nothing_of_the_day_itself_or_later_is_known(
    stream: tuple[list[Declaration], Outcomes],
) -> None:
    declarations, outcomes = stream
    columns = to_columns(declarations)
    days = day_of(columns["accepted_at"])
    whole = history_in_bulk(columns, outcomes)
    for day in np.unique(days):
        earlier, judged = days < day, days == day
        kept = np.flatnonzero(earlier | judged)
        place = {int(row): at for at, row in enumerate(kept)}
        past = (outcomes.days < day) & earlier[outcomes.rows]
        known = Outcomes(
            np.array([place[int(row)] for row in outcomes.rows[past]], dtype=np.int64),
            outcomes.days[past],
            outcomes.classes[past],
        )
        alone = history_in_bulk(take(columns, kept), known)
        np.testing.assert_array_equal(whole.totals[:, judged], alone.totals[:, judged[kept]])


@given(streams())
@settings(deadline=None, max_examples=40)
def test_a_snapshot_in_bulk_equals_the_snapshot_of_the_live_profiles(
    stream: tuple[list[Declaration], Outcomes],
) -> None:
    declarations, outcomes = stream
    bulk = snapshot_in_bulk(to_columns(declarations), outcomes)
    live = fold(declarations, outcomes).snapshot()
    for profile in PROFILES:
        first, second = (
            dict(
                zip(
                    arrays[f"{profile.name}.keys"].tolist(),
                    zip(
                        arrays[f"{profile.name}.first_day"].tolist(),
                        arrays[f"{profile.name}.totals"].tolist(),
                        strict=True,
                    ),
                    strict=True,
                )
            )
            for arrays in (bulk, live)
        )
        assert first == second


@given(streams())
@settings(deadline=None, max_examples=40)
def test_a_restored_snapshot_reads_like_the_profiles_it_was_taken_from(
    stream: tuple[list[Declaration], Outcomes],
) -> None:
    declarations, outcomes = stream
    profiles = fold(declarations, outcomes)
    later = to_columns([a_declaration(accepted_at=START + timedelta(days=60), importer_id="A")])
    before, after = profiles.read(later), Profiles.restore(profiles.snapshot()).read(later)
    assert_same(before, after)


@given(streams())
@settings(deadline=None, max_examples=30)
def test_features_one_by_one_equal_features_in_bulk(
    stream: tuple[list[Declaration], Outcomes],
) -> None:
    declarations, outcomes = stream
    columns, profiles = to_columns(declarations), fold(declarations, outcomes)
    codes = {"declaration_office": {"OFF01": 0}}
    bulk = feature_matrix(columns, history_in_bulk(columns, outcomes), codes)
    one_by_one = [
        feature_matrix(row, profiles.read(row), codes)
        for row in (to_columns([declaration]) for declaration in declarations)
    ]
    assert bulk.shape == (len(declarations), len(FEATURE_NAMES))
    np.testing.assert_array_equal(bulk, np.vstack(one_by_one))
