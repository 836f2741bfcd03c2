"""What an inspection says about each goods item."""

from datetime import timedelta
from typing import Any

import pytest

from selectivity.inspection import FindingClass, Inspection
from selectivity.labelling import (
    ResultChange,
    comes_too_early,
    item_outcomes,
    result_changes,
    taken_back_at,
)
from tests.builders import NOON, an_inspection

NONE, DOCUMENTARY, PHYSICAL = FindingClass


def _found(*findings: dict[str, Any]) -> dict[int, FindingClass]:
    return item_outcomes(an_inspection(result="FINDING", findings=findings), (1, 2))


@pytest.mark.parametrize("result", ["INCONCLUSIVE", "CANCELLED"])
def test_a_control_that_concluded_nothing_teaches_nothing(result: str) -> None:
    assert item_outcomes(an_inspection(result=result), (1, 2)) == {}


def test_no_finding_makes_every_item_clean() -> None:
    assert item_outcomes(an_inspection(result="NO_FINDING"), (1, 2)) == {1: NONE, 2: NONE}


def test_the_most_severe_finding_of_an_item_counts() -> None:
    value = {"item_no": 2, "mechanism": "UNDERVALUATION"}
    quantity = {"item_no": 2, "mechanism": "QUANTITY"}
    assert _found(value) == {1: NONE, 2: DOCUMENTARY}
    assert _found(quantity, value) == {1: NONE, 2: PHYSICAL}


def test_a_finding_without_an_item_counts_for_all() -> None:
    everywhere = {"mechanism": "ORIGIN"}
    assert _found(everywhere) == {1: DOCUMENTARY, 2: DOCUMENTARY}
    assert _found(everywhere, {"item_no": 1, "mechanism": "IPR"}) == {1: PHYSICAL, 2: DOCUMENTARY}


def test_a_finding_on_an_unknown_item_never_makes_the_others_clean() -> None:
    assert _found({"item_no": 7, "mechanism": "QUANTITY"}) == {}


@pytest.mark.parametrize("result", ["NO_FINDING", "FINDING"])
def test_a_scanner_image_settles_nothing(result: str) -> None:
    findings = ({"mechanism": "QUANTITY"},) if result == "FINDING" else ()
    scan = an_inspection(control_type="SCAN", result=result, findings=findings)
    assert item_outcomes(scan, (1, 2)) == {}


FIRST = an_inspection(inspection_id="I-1")


def correction(hours: float) -> Inspection:
    """One that corrects the first so many hours after it."""
    at = NOON + timedelta(hours=hours)
    return an_inspection(inspection_id=f"after {hours}", corrects="I-1", observed_at=at)


@pytest.mark.parametrize(("hours", "taken_back"), [((), None), ((5, 2), 2), ((-3, 4), 0)])
def test_the_first_correction_takes_a_result_back_and_never_before_it_spoke(
    hours: tuple[float, ...], taken_back: float | None
) -> None:
    at = None if taken_back is None else NOON + timedelta(hours=taken_back)
    assert taken_back_at(FIRST, [FIRST, *map(correction, hours)]) == at


def test_a_correction_tells_itself_and_what_counts_no_more() -> None:
    late, early = correction(5), correction(2)
    one, back = ResultChange(FIRST, NOON, 1), ResultChange(FIRST, late.observed_at, -1)
    assert list(result_changes(FIRST, [])) == [one]
    assert list(result_changes(late, [FIRST])) == [ResultChange(late, late.observed_at, 1), back]
    assert list(result_changes(FIRST, [late])) == [one, back]
    assert list(result_changes(late, [FIRST, early])) == [ResultChange(late, late.observed_at, 1)]
    # One that comes later and spoke earlier: what the other took back is given back, and taken.
    assert list(result_changes(early, [FIRST, late])) == [
        ResultChange(early, early.observed_at, 1),
        back._replace(counts=1),
        ResultChange(FIRST, early.observed_at, -1),
    ]


def test_a_result_of_the_moment_of_acceptance_does_not_come_too_early() -> None:
    assert not comes_too_early(NOON, NOON)
    assert comes_too_early(NOON - timedelta(seconds=1), NOON)
