"""Bad inspections, overrides, cursors, addresses and parameters: each is refused, nothing is kept.

Values are JSON text, as in `test_bad_declarations`, whose tables are used again.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from selectivity.inspection import Finding, Inspection
from selectivity.override import OverrideAsked
from serving.http.examples import AN_INSPECTION, AN_OVERRIDE
from serving.http.problems import PROBLEM_JSON
from tests.fault.test_bad_declarations import (
    HOLE,
    NO_AMOUNT,
    NO_CHOICE,
    NO_COUNT,
    NO_ID,
    NO_MOMENT,
    NO_TEXT,
)
from tests.services import an_unmoved_service

INSPECTION = {
    "inspection_id": [*NO_ID, "null"],
    "declaration_id": [*NO_ID, "null"],
    "control_type": [*NO_CHOICE, '"document"', "null"],
    "triggered_by": NO_CHOICE,
    "propensity": [*NO_AMOUNT, "0", "1.0001"],
    "result": [*NO_CHOICE, '"NO_FINDING"', '"Finding"', "null"],
    "corrects": NO_ID,
    "observed_at": [*NO_MOMENT, "null"],
    "findings": ["null", "{}", '"none"', "[]", "[1]", "[null]", "[[]]", "[{}]"],
}
FINDING = {
    "item_no": [*NO_COUNT, "0", "100000"],
    "mechanism": [*NO_CHOICE, "null"],
    "additional_duty": NO_AMOUNT,
    "currency": ["840", '"usd"', '"US"', '""'],
}
OVERRIDE = {
    "declaration_id": [*NO_ID, "null"],
    "version_no": [*NO_COUNT, "0", "10000", "null"],
    "to_lane": ['"red"', '"BLUE"', '""', "[]", "{}", "null", "3", "1.5", '"2"'],
    "reason_code": [*NO_CHOICE, '"seal"', '"OTHER"', "null", "[]"],
    "reason_text": [*NO_TEXT, f'"{"x" * 2_001}"'],
    "evidence_ref": NO_ID,
}
CURSOR = {"cursor": ["null", "1", '""', '"1"', '"3f9a1c20-"', '"3F9A1C20-1"', '"3f9a1c20-1\\n"']}
CURSOR["cursor"] += ['"3f9a1c20--1"', '"3f9a1c20-1e3"', f'"3f9a1c20-{"9" * 16}"', '"x3f9a1c20-1"']
WHOLE = ["", "[]", "null", "{}", "{", '"x"', "NaN", "\x00", "[" * 5_000, '{"x": 1}']


def _with(example: Any, field: str, value: str) -> bytes:
    """An example with this JSON text in the place of a field, given as its path."""
    body = inner = json.loads(json.dumps(example))
    *steps, name = field.split(".")
    for step in steps:
        inner = inner[int(step) if step.isdigit() else step]
    inner[name] = HOLE
    return json.dumps(body).replace(f'"{HOLE}"', value).encode()


PLAIN_OVERRIDE = {name: value for name, value in AN_OVERRIDE.items() if name != "reason_text"}
TABLES: list[tuple[str, Any, str, dict[str, list[str]]]] = [
    ("/v1/inspections", AN_INSPECTION, "", INSPECTION),
    ("/v1/inspections", AN_INSPECTION, "findings.0.", FINDING),
    ("/v1/overrides", PLAIN_OVERRIDE, "", OVERRIDE),
    ("/v1/offices/02CI/notices/ack", {"cursor": "3f9a1c20-1"}, "", CURSOR),
]
CASES = [
    pytest.param(path, _with(example, prefix + field, value), id=f"{path} {field} {value:.20}")
    for path, example, prefix, table in TABLES
    for field, values in table.items()
    for value in values
] + [
    pytest.param(path, body.encode(), id=f"{path} {body:.10}")
    for path in ("/v1/inspections", "/v1/overrides", "/v1/offices/02CI/notices/ack")
    for body in WHOLE
]
ADDRESSES = [
    ("GET", "/v1/decisions/D-1?version=1", 422),
    ("GET", "/v1/decisions/D-1?version_no=0", 422),
    ("GET", "/v1/decisions/D-1?version_no=1.5", 422),
    ("GET", "/v1/decisions/D-1?version_no=10000", 422),
    ("GET", "/v1/decisions/D-1?version_no=" + "9" * 500, 422),
    ("GET", "/v1/decisions/D-1?version_no=1&version_no=x", 422),
    ("GET", "/v1/decisions/%00", 404),
    ("GET", "/v1/decisions/%ff%fe", 404),
    ("GET", "/v1/decisions/" + "x" * 5_000, 404),
    ("GET", "/v1/decisions/", 404),
    ("GET", "/v1/decisions/..%2f..%2fkeys.json", 404),
    ("GET", "/v1/decisions/' OR 1=1 --", 404),
    ("GET", "/v1/decisions", 422),
    ("GET", "/v1/explanations", 422),
    ("GET", "/v1/explanations?declaration_id=%00", 404),
    ("GET", "/v1/decisions?declaration_id=", 404),
    ("GET", "/v1/decisions?declaration_id=%00", 404),
    ("GET", "/v1/decisions?declaration_id=%ff%fe", 404),
    ("GET", "/v1/decisions?declaration_id=" + "x" * 5_000, 404),
    ("GET", "/v1/decisions?id=D-1", 422),
    ("GET", "/v1/decisions?declaration_id=D-1&declaration_id=D-1", 422),
    ("GET", "/v1/decisions/D-1?view=trader&view=officer", 422),
    ("GET", "/v1/offices/02CI/notices?limit=-1", 422),
    ("GET", "/v1/offices/02CI/notices?limit=NaN", 422),
    ("GET", "/v1/offices/02CI/notices?after=", 422),
    ("GET", "/v1/offices/02CI/notices?after=3f9a1c20-1%00", 422),
    ("GET", "/v1/offices/02CI/notices?cursor=3f9a1c20-1", 422),
    ("GET", "/v1/offices/%20/notices", 422),
    ("GET", "/v1/offices//notices", 422),
    ("GET", "/v1/offices/" + "x" * 36 + "/notices", 422),
    ("GET", "/v1/offices/%F0%9F%9A%A2/notices", 422),
    ("POST", "/v1/overrides/" + "0" * 24 + "/approve", 404),
    ("POST", "/v1/overrides/" + "0" * 23 + "/approve", 422),
    ("POST", "/v1/overrides/%2e%2e/approve", 422),
    ("POST", "/v1/lanes?lane=GREEN", 422),
    ("POST", "/v1/inspections?force=1", 422),
    ("DELETE", "/v1/decisions/D-1", 405),
    ("PATCH", "/v1/overrides", 405),
    ("GET", "/v1", 404),
    ("GET", "/metrics?x=1", 422),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bad")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[httpx.Client]:
    with an_unmoved_service(folder) as client:
        yield client


def test_there_are_cases_for_every_field() -> None:
    tables: dict[type[BaseModel], Any] = {
        Inspection: INSPECTION,
        Finding: FINDING,
        OverrideAsked: OVERRIDE,
    }
    for model, table in tables.items():
        assert set(table) == set(model.model_fields)
    assert len(CASES) + len(ADDRESSES) >= 200


@pytest.mark.parametrize(("path", "body"), CASES)
def test_bad_content_is_refused(client: httpx.Client, path: str, body: bytes) -> None:
    answer = client.post(path, content=body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["Content-Type"] == PROBLEM_JSON
    assert len(answer.content) < 5_000


@pytest.mark.parametrize(("method", "address", "status"), ADDRESSES)
def test_a_bad_address_is_refused(
    client: httpx.Client, method: str, address: str, status: int
) -> None:
    answer = client.request(method, address)
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == PROBLEM_JSON
