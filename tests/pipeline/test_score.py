"""Bulk scoring: every row comes back, and what the service would say of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.bundle import Bundle, load
from pipelines.score import PROBABILITIES, SCORED, main, score
from pipelines.sources.layouts import from_flat
from pipelines.sources.mappings import SourceMapping, load_mapping
from pipelines.sources.reading import raw_of_frame, unwatched
from pipelines.training.settled import EVALUATION_KEY
from selectivity.columns import Columns, from_columns
from selectivity.deciding.guard import OfficeCapacity
from selectivity.deciding.policy import decide
from selectivity.errors import SourceError
from tests.rows import SOURCES, korean_rows, native_rows


@pytest.fixture(scope="module")
def kcs() -> SourceMapping:
    return load_mapping(SOURCES, "kcs")


@pytest.fixture(scope="module")
def native() -> SourceMapping:
    return load_mapping(SOURCES, "native")


@pytest.fixture(scope="module")
def loaded(bundle: Path) -> Bundle:
    return load(bundle)


def _items(frame: pd.DataFrame, mapping: SourceMapping) -> Columns:
    raw = raw_of_frame(frame, "rows")
    return from_flat(raw, mapping, labels=False, watch=unwatched).items


def test_a_row_gets_what_the_model_says_of_it(loaded: Bundle, kcs: SourceMapping) -> None:
    frame = korean_rows(7)
    scored = score(frame, loaded, kcs)

    items = _items(frame, kcs)
    matrix = loaded.model.features(items, loaded.profiles.read(items))
    probabilities = loaded.model.probabilities(matrix)
    np.testing.assert_array_equal(scored[list(PROBABILITIES)], probabilities)
    np.testing.assert_array_equal(scored["risk"], 1 - probabilities[:, 0])
    assert (scored["status"] == SCORED).all()


def test_a_lane_is_the_one_the_service_would_give(loaded: Bundle, kcs: SourceMapping) -> None:
    frame = korean_rows(7)
    scored = score(frame, loaded, kcs)

    items = _items(frame, kcs)
    matrix = loaded.model.features(items, loaded.profiles.read(items))
    decisions = [
        decide(
            declaration,
            risk=risk,
            rules=loaded.rules,
            policy=loaded.policy,
            prices=loaded.prices,
            draw_key=EVALUATION_KEY,
            facts_known=loaded.model.knowledge.facts,
        )
        for declaration, risk in zip(
            from_columns(items), loaded.model.assess(items, matrix), strict=True
        )
    ]
    assert scored["lane"].to_list() == [decision.lane.name for decision in decisions]
    assert scored["channel"].to_list() == [decision.channel for decision in decisions]


def test_rows_come_back_in_their_order_whatever_stands_between(
    loaded: Bundle, kcs: SourceMapping
) -> None:
    frame = korean_rows(6)
    alone = score(frame, loaded, kcs)
    mixed = score(frame.iloc[[3, 0, 5, 1, 4, 2]], loaded, kcs)

    expected = alone.iloc[[3, 0, 5, 1, 4, 2]].reset_index(drop=True)
    pd.testing.assert_frame_equal(mixed, expected)


def test_a_row_that_cannot_be_read_says_why_and_is_never_green(
    loaded: Bundle, kcs: SourceMapping
) -> None:
    frame = korean_rows(4).astype({"Net Mass": object})
    frame.loc[1, "Date"] = "yesterday"
    frame.loc[2, "Net Mass"] = "heavy"

    scored = score(frame, loaded, kcs)

    assert scored["lane"].notna().to_list() == [True, False, False, True]
    assert scored.loc[[1, 2], [*PROBABILITIES, "risk"]].isna().all(axis=None)
    assert scored.loc[1, "status"].startswith("accepted_at: ")
    assert scored.loc[2, "status"].startswith("net_mass_kg: ")
    assert "yesterday" not in scored.loc[1, "status"]


def test_a_row_that_repeats_another_is_told_from_one_that_is_scored(
    loaded: Bundle, kcs: SourceMapping
) -> None:
    frame = korean_rows(2)
    scored = score(pd.concat([frame, frame.iloc[[0]]]), loaded, kcs)
    assert scored["status"].to_list() == [SCORED, SCORED, "repeats an earlier row"]


def test_goods_items_of_one_declaration_share_its_lane_and_its_highest_risk(
    loaded: Bundle, native: SourceMapping
) -> None:
    frame = native_rows(2, 1)
    frame.loc[1, "hs_code"] = "050710"  # ivory: always RED
    scored = score(frame, loaded, native)

    assert scored["lane"].to_list()[:2] == ["RED", "RED"]
    highest = 1 - scored["p_none"].iloc[:2].min()
    np.testing.assert_allclose(scored["risk"].iloc[:2], highest)


def test_a_table_scored_in_pieces_is_scored_alike_and_no_declaration_is_cut(
    loaded: Bundle, native: SourceMapping
) -> None:
    frame = native_rows(3, 2, 1, 3)
    done: list[int] = []
    at_once = score(frame, loaded, native)

    pieces = score(frame, loaded, native, watch=lambda _, rows: done.append(rows), rows_at_once=4)

    pd.testing.assert_frame_equal(pieces, at_once)
    assert done == [3, 3, 3]


def test_lineages_tighten_and_offices_fill_up_over_pieces_and_in_the_order_of_time(
    loaded: Bundle, native: SourceMapping
) -> None:
    frame = native_rows(*[1] * 40).assign(declaration_office="OFF01", version_no=1)
    frame.loc[0, "hs_code"] = "050710"  # ivory: always RED
    frame = pd.concat([frame, frame.iloc[[0]].assign(version_no=2, hs_code="610910")])
    frame["accepted_at"] = pd.date_range("2026-03-02", periods=len(frame), freq="min", tz="UTC")
    offices = {"OFF01": OfficeCapacity(yellow=3, red=2)}
    guarded = replace(loaded, policy=loaded.policy.model_copy(update={"offices": offices}))
    at_once = score(frame, guarded, native)

    pieces = score(frame, guarded, native, rows_at_once=4)
    backwards = score(frame[::-1], guarded, native, rows_at_once=4)

    assert at_once["lane"].iloc[[0, 40]].to_list() == ["RED", "RED"]
    assert (at_once["channel"] == "CAPACITY").any()
    pd.testing.assert_frame_equal(pieces, at_once)
    pd.testing.assert_frame_equal(backwards[::-1].reset_index(drop=True), at_once)


def test_no_rows_give_no_rows(loaded: Bundle, kcs: SourceMapping) -> None:
    assert score(korean_rows(1).iloc[:0], loaded, kcs).empty


def test_a_table_without_a_needed_column_is_refused_with_its_name(
    loaded: Bundle, kcs: SourceMapping
) -> None:
    with pytest.raises(SourceError, match="HS6 Code"):
        score(korean_rows(2).drop(columns="HS6 Code"), loaded, kcs)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_goes_in_and_the_same_rows_with_lanes_come_out(
    bundle: Path, tmp_path: Path, ending: str
) -> None:
    table, out = tmp_path / "new.csv", tmp_path / f"scored.{ending}"
    frame = korean_rows(3)
    broken = "one cell too few,2020-01-01\n"
    table.write_text(frame.to_csv(index=False) + broken)

    main(source="kcs", table=table, out=out, bundle=bundle, mappings=SOURCES)

    scored = pd.read_csv(out) if ending == "csv" else pd.read_parquet(out)
    assert scored["Declaration ID"].to_list()[:3] == frame["Declaration ID"].to_list()
    assert scored["lane"].isna().to_list() == [False, False, False, True]
    assert scored["status"].iloc[3] == "the row has 2 cells where the header has 20"
    with pytest.raises(SourceError, match=r"has p_none, .*, status already"):
        main(source="kcs", table=out, out=tmp_path / "again.csv", bundle=bundle, mappings=SOURCES)
