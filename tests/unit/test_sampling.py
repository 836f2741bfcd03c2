"""Draws are the same for ever: logs of years ago are replayed with them."""

import pytest

from selectivity.deciding.sampling import draw, draw_key_id

KEY = bytes(range(32))


@pytest.mark.parametrize(
    ("lineage", "purpose", "drawn"),
    [
        ("D-1", "random", 0.654503595918519),
        ("D-1", "R-301", 0.3450945938576303),
        ("Ngà/1", "random", 0.3000084274743119),
    ],
)
def test_a_draw_is_what_it_always_was(lineage: str, purpose: str, drawn: float) -> None:
    """HMAC-SHA256 over purpose, unit separator and lineage; 56 bits of it."""
    assert draw(KEY, lineage, purpose) == drawn


def test_where_purpose_and_lineage_meet_counts() -> None:
    assert draw(KEY, "b", "ab") != draw(KEY, "bb", "a")
    assert draw(KEY, "1R", "R-30") != draw(KEY, "R", "R-301")


def test_a_key_is_named_as_it_always_was() -> None:
    assert draw_key_id(KEY) == "601b31379c00"
