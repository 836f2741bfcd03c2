"""What an inspection says about each goods item."""

from typing import Any

import pytest

from selectivity.inspection import FindingClass
from selectivity.labelling import item_outcomes
from tests.builders import an_inspection

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
