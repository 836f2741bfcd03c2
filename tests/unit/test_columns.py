"""Declarations become columns and come back from them as they were."""

from datetime import UTC, date, datetime
from math import nan

import numpy as np
from numpy.testing import assert_array_equal

from selectivity.columns import KINDS, each_declaration, from_columns, to_columns
from selectivity.declaration import Declaration
from selectivity.elementwise import ratio
from tests.builders import NOON, a_declaration, an_item

WHOLE = a_declaration(
    lineage_id="L-1",
    lodged_at=datetime(2026, 3, 2, 5, 30, 0, 123_456, tzinfo=UTC),
    containerised=False,
    routing_countries=("CN", "SG"),
    documents=({"type": "380"}, {"type": "271"}),
    importer_compliance_level=2,
    importer_registered_on=date(2019, 7, 25),
    items=(an_item(item_no=3, package_count=12), an_item(item_no=1, description="Áo thun")),
)
BARE = Declaration.model_validate(
    {"declaration_id": "D-2", "accepted_at": NOON, "items": ({"item_no": 1},)}
)


def test_declarations_come_back_from_their_columns() -> None:
    bare = BARE.model_copy(update={"lineage_id": BARE.lineage})
    for declarations in ([WHOLE], [BARE], [WHOLE, BARE, WHOLE], []):
        expected = [bare if each is BARE else each for each in declarations]
        assert from_columns(to_columns(declarations)) == expected


def test_many_declarations_come_back_in_order_and_whole() -> None:
    many = [
        a_declaration(
            declaration_id=f"D-{number // 2}",
            lineage_id="L",
            version_no=1 + number % 2,
            items=tuple(an_item(item_no=no) for no in range(1, 2 + number % 3)),
        )
        for number in range(2_003)
    ]
    assert list(each_declaration(to_columns(many))) == many


def test_columns_hold_what_was_declared_and_say_what_was_not() -> None:
    columns = to_columns([WHOLE, BARE])
    assert set(columns) == set(KINDS)
    assert columns["lineage_id"].tolist() == ["L-1", "L-1", "D-2"]
    assert columns["description"].tolist() == [None, "Áo thun", None]
    assert columns["document_types"].tolist() == [["380", "271"]] * 2 + [None]
    np.testing.assert_array_equal(columns["package_count"], [12, np.nan, np.nan])
    np.testing.assert_array_equal(columns["containerised"], [0, 0, np.nan])
    assert columns["lodged_at"][0] == np.datetime64("2026-03-02T05:30:00.123456")
    assert np.isnat(columns["lodged_at"][2])
    assert columns["importer_registered_on"].dtype == np.dtype("datetime64[D]")


def test_a_ratio_that_no_float_can_hold_is_not_known() -> None:
    parts, wholes = np.array([1e15, 1.0, 1.0]), np.array([5e-324, 0.0, 4.0])
    one_by_one = [ratio(*each) for each in zip(parts.tolist(), wholes.tolist(), strict=True)]
    assert_array_equal(ratio(parts, wholes), [nan, nan, 0.25])
    assert_array_equal(one_by_one, [nan, nan, 0.25])
