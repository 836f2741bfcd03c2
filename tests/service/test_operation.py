"""What operators and newcomers see: health, metrics, report, API description."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from models.bundle import verify
from selectivity.declaration import Declaration
from selectivity.inspection import Inspection
from serving.http.examples import A_DECLARATION, AN_INSPECTION
from serving.routes.batch import LINES_TOGETHER
from tests.builders import an_inspection
from tests.services import KEY, a_process, a_service, bearer, lodged


def _samples(client: httpx.Client) -> dict[tuple[str, ...], float]:
    """Values by name and labels, the labels in the order of their names."""
    text = client.get("/metrics").text
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_health_says_what_would_decide(tmp_path: Path, bundle: Path) -> None:
    with a_service(tmp_path, bundle=bundle) as client:
        ready = client.get("/health/ready").json()
        assert client.get("/health/live").status_code == 200
    assert ready["status"] == "ready"
    assert ready["serving"] == "model"
    assert ready["bundle"] == verify(bundle)[0][:16]
    assert ready["log"] == "ok"
    assert ready["cause"] is None


def test_health_says_why_there_is_no_model(tmp_path: Path) -> None:
    with a_service(tmp_path) as client:
        answer = client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["serving"] == "fallback"
    assert answer.json()["cause"] == "NO_MODEL"
    assert "make repro" in answer.json()["detail"]


def test_what_happened_is_counted(tmp_path: Path) -> None:
    with a_service(tmp_path) as client:
        for _ in range(2):
            client.post("/v1/lanes", json=lodged(importer_compliance_level=2))
        client.post("/v1/lanes", content=b"{")
        body = an_inspection().model_dump(mode="json", exclude_unset=True)
        client.post("/v1/inspections", json=body)
        samples = _samples(client)
        version = client.get("/health/ready").json()["rules_version"]

    assert samples["lanes_decisions_total", "FALLBACK", "NO_MODEL", "GREEN", "fallback"] == 1
    assert samples["lanes_inspections_total", "stored", "NO_FINDING"] == 1
    assert samples["lanes_refusals_total", "422"] == 1
    assert samples["lanes_answer_seconds_count",] == 3
    assert samples["lanes_log_commit_seconds_count",] >= 2
    assert samples["lanes_serving", "", "NO_MODEL", version] == 1


def test_lines_of_a_batch_are_timed_together_and_not_as_single_answers(tmp_path: Path) -> None:
    lines = [json.dumps(lodged(declaration_id=f"D-{number}")) for number in range(LINES_TOGETHER)]
    with a_service(tmp_path) as client:
        client.post("/v1/lanes/batch", content="\n".join([*lines, "{", lines[0]]))
        client.post("/v1/lanes/batch", content="{\n" * LINES_TOGETHER)  # which waits for no disk
        samples = _samples(client)
    assert samples["lanes_batch_answer_seconds_count",] == 2
    assert 0 < samples["lanes_batch_answer_seconds_sum",] < 60
    assert samples["lanes_answer_seconds_count",] == 0


def test_the_report_is_shown_once_it_is_made(tmp_path: Path) -> None:
    with a_service(tmp_path) as client:
        missing = client.get("/reports")
        (tmp_path / "report.html").write_text("<h1>Báo cáo</h1>", encoding="utf-8")
        shown = client.get("/reports")
    assert missing.status_code == 404
    assert "make report" in missing.json()["problems"][0]["remedy"]
    assert shown.headers["Content-Type"] == "text/html; charset=utf-8"
    assert shown.text == "<h1>Báo cáo</h1>"


def test_the_start_page_leads_to_the_api_description(client: httpx.Client) -> None:
    answer = client.get("/", follow_redirects=True)
    assert answer.url.path == "/docs"
    assert "swagger-ui" in answer.text


def test_the_api_description_works_without_the_internet(client: httpx.Client) -> None:
    page = client.get("/docs").text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)

    assert loaded
    assert "http://" not in page
    assert "https://" not in page
    assert all(client.get(path).status_code == 200 for path in loaded)
    assert client.get("/redoc").status_code == 404


def test_the_api_description_is_whole(client: httpx.Client) -> None:
    description = client.get("/openapi.json").json()
    schemas = description["components"]["schemas"]
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(description)))

    assert references <= set(schemas)
    assert {"Declaration", "GoodsItem", "Inspection", "LaneAnswer", "Problem"} <= set(schemas)
    assert "HTTPValidationError" not in schemas
    assert "/v1/lanes/batch" in description["paths"]


def test_every_refusal_is_described(client: httpx.Client) -> None:
    route = client.get("/openapi.json").json()["paths"]["/v1/lanes"]["post"]
    assert set(route["responses"]) == {"200", "401", "403", "409", "413", "415", "422", "503"}
    assert "application/problem+json" in route["responses"]["422"]["content"]


@pytest.mark.parametrize(
    ("model", "example"), [(Declaration, A_DECLARATION), (Inspection, AN_INSPECTION)]
)
def test_the_examples_can_be_sent_as_they_are(model: Any, example: Any) -> None:
    assert model.model_validate_json(json.dumps(example))


def test_the_newest_line_that_somebody_has_to_look_at_is_measured(tmp_path: Path) -> None:
    newest = []
    for name in ("draw.key", "another.key"):
        with (
            a_process(tmp_path, draw_key=tmp_path / name) as (_, url),
            httpx.Client(base_url=url, headers=bearer(KEY)) as client,
        ):
            newest.append(_samples(client)[("lanes_critical_line_timestamp_seconds",)])
            client.post("/v1/lanes", json=lodged())
    lines = map(json.loads, (tmp_path / "service.log").read_text().splitlines())
    (told,) = (line for line in lines if line["level"] == "CRITICAL")
    assert told["event"] == "another draw key than before"
    at = datetime.fromisoformat(told["at"]).timestamp()
    assert newest == [0, pytest.approx(at, abs=0.001)]


def test_application_logs_hold_no_declared_values(tmp_path: Path, bundle: Path) -> None:
    with (
        a_process(tmp_path, bundle=bundle) as (_, url),
        httpx.Client(base_url=url, headers=bearer(KEY)) as client,
    ):
        client.post("/v1/lanes", json=lodged(importer_id="CANARY-1"))
        client.post("/v1/lanes", json=lodged(importer_id="CANARY-2"))
        client.post("/v1/lanes", content=b'{"importer_id": "CANARY-3"}')
    lines = (tmp_path / "service.log").read_text().splitlines()
    assert all(json.loads(line)["event"] for line in lines)
    assert "serving" in {json.loads(line)["event"] for line in lines}
    assert not any("CANARY" in line for line in lines)
