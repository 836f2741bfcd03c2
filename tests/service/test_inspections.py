"""What controls concluded comes back to the service, once."""

from datetime import timedelta
from typing import Any

import httpx

from tests.builders import NOON, an_inspection
from tests.services import lodged


def _inspection(**fields: Any) -> dict[str, Any]:
    return an_inspection(**fields).model_dump(mode="json", exclude_unset=True)


def test_an_inspection_of_a_known_declaration_is_stored_once(client: httpx.Client) -> None:
    client.post("/v1/lanes", json=lodged(declaration_id="A"))
    body = _inspection(inspection_id="I-A", declaration_id="A")
    first, again = (client.post("/v1/inspections", json=body) for _ in range(2))

    assert (first.status_code, first.json()["receipt"]) == (200, "stored")
    assert (again.status_code, again.json()["receipt"]) == (200, "known")


def test_a_conflicting_result_is_refused(client: httpx.Client) -> None:
    client.post("/v1/inspections", json=_inspection(inspection_id="I-B"))
    other = _inspection(inspection_id="I-B", result="INCONCLUSIVE")
    answer = client.post("/v1/inspections", json=other)

    assert answer.status_code == 409
    assert "inspection_id" in answer.json()["problems"][0]["remedy"]


def test_an_inspection_of_an_unknown_declaration_is_parked(client: httpx.Client) -> None:
    body = _inspection(inspection_id="I-C", declaration_id="C")
    parked = client.post("/v1/inspections", json=body)
    client.post("/v1/lanes", json=lodged(declaration_id="C"))
    known = client.post("/v1/inspections", json=body)

    assert (parked.status_code, parked.json()["receipt"]) == (202, "parked")
    assert (known.status_code, known.json()["receipt"]) == (200, "known")


def test_a_finding_without_findings_is_refused(client: httpx.Client) -> None:
    body = _inspection() | {"result": "FINDING"}
    answer = client.post("/v1/inspections", json=body)
    assert answer.status_code == 422
    assert "at least one finding" in answer.json()["problems"][0]["message"]


def test_goods_items_that_are_not_there_are_told(client: httpx.Client) -> None:
    found = [{"mechanism": "QUANTITY"} | of for of in ({"item_no": 7}, {"item_no": 1}, {})]
    body = _inspection(
        inspection_id="I-D", declaration_id="D", result="FINDING", findings=tuple(found)
    )
    parked = client.post("/v1/inspections", json=body)
    client.post("/v1/lanes", json=lodged(declaration_id="D"))
    known = client.post("/v1/inspections", json=body)
    stored = client.post("/v1/inspections", json=body | {"inspection_id": "I-E"})

    assert parked.json()["no_such_items"] == []  # as far as it is known
    assert known.json()["no_such_items"] == stored.json()["no_such_items"] == [7]


def test_a_result_of_before_the_acceptance_is_kept_and_told_to_teach_nothing(
    client: httpx.Client,
) -> None:
    early = (NOON - timedelta(minutes=20)).isoformat()
    body = _inspection(inspection_id="I-F", declaration_id="F") | {"observed_at": early}
    parked = client.post("/v1/inspections", json=body)
    client.post("/v1/lanes", json=lodged(declaration_id="F"))
    known = client.post("/v1/inspections", json=body)
    stored = client.post("/v1/inspections", json=body | {"inspection_id": "I-G"})
    right = client.post(
        "/v1/inspections",
        json=_inspection(inspection_id="I-H", declaration_id="F", corrects="I-G"),
    )

    assert parked.json()["before_acceptance"] is False  # as far as it is known
    assert (stored.status_code, stored.json()["receipt"]) == (200, "stored")
    assert known.json()["before_acceptance"] is stored.json()["before_acceptance"] is True
    assert right.json()["before_acceptance"] is False


def test_a_duty_of_nothing_below_zero_is_no_other_result(client: httpx.Client) -> None:
    found = [{"mechanism": "OTHER", "additional_duty": 0.0}]
    body = _inspection(inspection_id="I-Z", declaration_id="Z") | {"result": "FINDING"}
    for duty, status in ((0.0, 202), (-0.0, 202), (1.0, 409)):
        found[0]["additional_duty"] = duty
        assert client.post("/v1/inspections", json=body | {"findings": found}).status_code == status
