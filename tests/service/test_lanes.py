"""One declaration over HTTP: a lane, its reasons, and the same answer ever after."""

import json
from pathlib import Path

import httpx
import pytest

from tests.builders import an_item
from tests.services import a_service, lodged, ndjson


def test_a_declaration_gets_a_lane_with_its_reasons(client: httpx.Client) -> None:
    answer = client.post("/v1/lanes", json=lodged(declaration_id="L-1"))

    assert answer.status_code == 200
    body = answer.json()
    assert body["lane"] in {"GREEN", "YELLOW", "RED"}
    assert body["source"] == "model"
    assert body["degraded"] is False
    assert body["fallback_cause"] is None
    assert len(body["bundle"]) == 16
    assert body["reasons"][0]["text"]


@pytest.mark.parametrize(
    "id_", ["A/B 1", "A/explanation", ".", "..", "A/../B", "A./B", "?a=b&c#d%2F", "Tờ khai 1"]
)
def test_the_record_is_readable_where_the_answer_says(client: httpx.Client, id_: str) -> None:
    client.post("/v1/lanes", json=lodged(declaration_id="A"))
    answer = client.post("/v1/lanes", json=lodged(declaration_id=id_)).json()
    view = client.get(answer["decision_path"]).json()

    assert {name: view[name] for name in answer} == answer
    assert view["record"]["declared"]["declaration_id"] == id_
    assert sum(view["record"]["decision"]["propensities"].values()) == pytest.approx(1)


def test_the_newest_version_is_shown_unless_one_is_named(client: httpx.Client) -> None:
    for version_no in (1, 3, 2):
        client.post("/v1/lanes", json=lodged(declaration_id="L-3", version_no=version_no))

    assert client.get("/v1/decisions/L-3").json()["version_no"] == 3
    assert client.get("/v1/decisions/L-3?version_no=2").json()["version_no"] == 2
    assert client.get("/v1/decisions/L-3?version_no=4").status_code == 404


def test_reasons_are_in_the_callers_language(client: httpx.Client) -> None:
    vietnamese = client.post(
        "/v1/lanes", json=lodged(declaration_id="L-4"), headers={"Accept-Language": "vi,en;q=.1"}
    )
    english = client.post(
        "/v1/lanes", json=lodged(declaration_id="L-4"), headers={"Accept-Language": "en-GB"}
    )

    assert vietnamese.headers["Content-Language"] == "vi"
    assert english.headers["Content-Language"] == "en"
    assert vietnamese.json()["lane_name"].startswith("luồng")
    assert english.json()["lane_name"].endswith("lane")
    assert vietnamese.json()["reasons"][0]["text"] != english.json()["reasons"][0]["text"]


def test_a_rule_gives_its_law(client: httpx.Client) -> None:
    ivory = an_item(hs_code="050710", country_of_origin="VN")
    body = client.post("/v1/lanes", json=lodged(declaration_id="L-5", items=(ivory,))).json()

    assert body["lane"] == "RED"
    reason = next(reason for reason in body["reasons"] if reason["code"] == "IVORY")
    assert "CITES" in reason["legal_basis"][0]


def test_the_same_declaration_gets_the_stored_answer(client: httpx.Client) -> None:
    first = client.post("/v1/lanes", json=lodged(declaration_id="L-6"))
    again = client.post("/v1/lanes", json=lodged(declaration_id="L-6"))
    assert again.json() == first.json()


def test_another_content_under_the_same_key_is_a_conflict(client: httpx.Client) -> None:
    first = client.post("/v1/lanes", json=lodged(declaration_id="L-7"))
    other = client.post("/v1/lanes", json=lodged(declaration_id="L-7", importer_id="IMP2"))

    assert other.status_code == 409
    assert other.headers["Content-Type"] == "application/problem+json"
    assert "version_no" in other.json()["problems"][0]["remedy"]
    assert client.post("/v1/lanes", json=lodged(declaration_id="L-7")).json() == first.json()


@pytest.mark.parametrize(("first", "then"), [(0.0, -0.0), (-0.0, 0.0)])
def test_nothing_below_zero_is_nothing(client: httpx.Client, first: float, then: float) -> None:
    id_ = f"Z{first}"
    one, other, more = (
        lodged(declaration_id=id_, items=(an_item(customs_value=value),))
        for value in (first, then, 0.5)
    )
    assert one["items"] == other["items"]  # -0.0 is 0.0 to whoever compares, and another text
    stored = client.post("/v1/lanes", json=one)
    again = client.post("/v1/lanes", json=other)
    assert (again.status_code, again.content) == (200, stored.content)
    together = client.post("/v1/lanes/batch", content=ndjson(other, one, more))
    statuses = [json.loads(line).get("status", 200) for line in together.iter_lines()]
    assert statuses == [200, 200, 409]


def test_an_amendment_never_gets_a_milder_lane(client: httpx.Client) -> None:
    red = an_item(hs_code="050710")
    first = client.post("/v1/lanes", json=lodged(declaration_id="L-8", items=(red,))).json()
    amended = client.post("/v1/lanes", json=lodged(declaration_id="L-8", version_no=2)).json()

    assert first["lane"] == amended["lane"] == "RED"
    assert "LINEAGE" in {reason["code"] for reason in amended["reasons"]}


def test_answers_outlive_the_service(tmp_path: Path, bundle: Path) -> None:
    with a_service(tmp_path, bundle=bundle) as client:
        first = client.post("/v1/lanes", json=lodged()).json()
    with a_service(tmp_path) as client:
        again = client.post("/v1/lanes", json=lodged()).json()
        new = client.post("/v1/lanes", json=lodged(declaration_id="D-2")).json()

    assert again == first
    assert new["degraded"] is True


def test_a_decision_is_the_same_found_by_its_path_and_by_its_id(client: httpx.Client) -> None:
    for version_no in (1, 2):
        declared = lodged(declaration_id="both", version_no=version_no)
        assert client.post("/v1/lanes", json=declared).status_code == 200
    for asked in ({}, {"view": "trader"}, {"version_no": "1"}, {"version_no": "9"}):
        by_path = client.get("/v1/decisions/both", params=asked)
        by_id = client.get("/v1/decisions", params={"declaration_id": "both", **asked})
        assert (by_id.status_code, by_id.json()) == (by_path.status_code, by_path.json())
