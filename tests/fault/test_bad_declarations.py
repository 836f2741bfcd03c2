"""Several hundred bad declarations: each is refused by the field that is wrong; none gets a lane.

A value is written as JSON text, so that a case can hold what no JSON library would write.
"""

import gzip
import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from selectivity.declaration import Declaration, Document, GoodsItem
from serving.http.problems import PROBLEM_JSON
from tests.services import KEY, an_unmoved_service, bearer, lodged

HOLE = "@HOLE@"

NO_TEXT = ["12", "true", "[]", "{}", '""', r'"a\u0000b"', r'"a\u0007"', r'"\u202eb"']
NO_ID = [*NO_TEXT, '" a"', '"a "', r'"\n"', r'"a\tb"', f'"{"x" * 71}"']
NO_CODE = ["7", "false", '""', '"-A"', '"A;B"', r'"A\n"', '"Ạ"', f'"{"x" * 36}"']
NO_COUNTRY = ["84", '"vn"', '"VNM"', '"V"', '""', '"V1"', r'"VN\n"', '"ＶＮ"']
NO_AMOUNT = ["NaN", "Infinity", "-Infinity", "1e400", "-0.01", "2e15", "true", '"12"', "[1]"]
NO_COUNT = ["-1", "1.5", "true", '"3"', "1e400", "NaN", "9" * 400]
NO_TRUTH = ["0", "1", '"true"', '"yes"', "[]"]
NO_CHOICE = ['"import"', '"X"', '""', "1", "true"]
NO_DATE = ['"2026-02-30"', '"2026-3-2"', '"02/03/2026"', '""', "true", "[]"]
NO_MOMENT = [
    '"2026-03-02"',
    '"2026-03-02T09:30:00"',
    '"2026-02-30T09:30:00Z"',
    '"2026-03-02T25:00:00Z"',
    '"1969-12-31T00:00:00Z"',
    '"2200-01-01T00:00:00Z"',
    '"99999-01-01T00:00:00Z"',
    '"0001-01-01T00:00:00+01:00"',
    '"1772438400"',
    "1772438400",
    "true",
    '""',
]

DECLARATION = {
    "declaration_id": [*NO_ID, "null"],
    "version_no": [*NO_COUNT, "0", "10000", "null"],
    "lineage_id": NO_ID,
    "direction": NO_CHOICE,
    "type_code": NO_CODE,
    "procedure_code": NO_CODE,
    "clearance_form": NO_CHOICE,
    "accepted_at": [*NO_MOMENT, "null"],
    "lodged_at": NO_MOMENT,
    "declaration_office": NO_CODE,
    "presentation_office": NO_CODE,
    "declarant_id": NO_ID,
    "importer_id": NO_ID,
    "exporter_id": NO_ID,
    "seller_id": NO_ID,
    "carrier_id": NO_ID,
    "transport_mode": NO_CODE,
    "containerised": NO_TRUTH,
    "country_of_export": NO_COUNTRY,
    "country_of_destination": NO_COUNTRY,
    "routing_countries": ['"VN"', '["vn"]', '{"0": "VN"}', json.dumps(["VN"] * 51)],
    "incoterms": NO_CODE,
    "transaction_nature": NO_CODE,
    "payment_method": NO_CODE,
    "invoice_amount": NO_AMOUNT,
    "currency": ["840", '"usd"', '"US"', '"USDT"', '""'],
    "total_gross_mass_kg": NO_AMOUNT,
    "total_packages": [*NO_COUNT, "100000000"],
    "specific_circumstance": NO_CODE,
    "documents": ['"380"', "[1]", '[{"id": "1"}]', '[{"type": "380", "at": 1}]'],
    "importer_compliance_level": [*NO_COUNT, "0", "6"],
    "importer_risk_level": [*NO_COUNT, "0", "10"],
    "importer_registered_on": NO_DATE,
    "importer_tax_debt": NO_TRUTH,
    "items": ["null", "[]", "{}", '"one"', "[1]", "[[]]", '[{"item_no": 1}, null]'],
}
ITEM = {
    "item_no": [*NO_COUNT, "0", "100000", "null"],
    "description": [*NO_TEXT, f'"{"x" * 2_001}"'],
    "hs_code": ["610910", '"6109.10"', '"610"', '"6109101010101"', '"61o910"', '""', '"٦١٠٩"'],
    "country_of_origin": NO_COUNTRY,
    "origin_type": NO_CODE,
    "preference_code": NO_CODE,
    "previous_procedure": NO_CODE,
    "gross_mass_kg": NO_AMOUNT,
    "net_mass_kg": NO_AMOUNT,
    "tariff_quantity": NO_AMOUNT,
    "quantity_unit": NO_CODE,
    "package_count": [*NO_COUNT, "100000000"],
    "item_amount": NO_AMOUNT,
    "customs_value": NO_AMOUNT,
    "valuation_method": NO_CODE,
    "duty_type": NO_CODE,
    "duty_rate_percent": [*NO_AMOUNT, "10000.5"],
    "undg_id": NO_CODE,
    "quota_id": NO_CODE,
}
DOCUMENT = {"type": [*NO_CODE, "null"], "id": NO_ID}


def _with(field: str, value: str) -> bytes:
    """A plain declaration with this JSON text in the place of a field, given as its path."""
    body: Any = lodged(declaration_id="BAD") | {"documents": [{"type": "380"}]}
    inner = body
    *steps, name = field.split(".")
    for step in steps:
        inner = inner[int(step) if step.isdigit() else step]
    inner[name] = HOLE
    return json.dumps(body).replace(f'"{HOLE}"', value).encode()


FIELDS = [
    (prefix + field, value)
    for prefix, table in (("", DECLARATION), ("items.0.", ITEM), ("documents.0.", DOCUMENT))
    for field, values in table.items()
    for value in values
]
GOOD = json.dumps(lodged(declaration_id="BAD"))
WHOLE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "body"),
    "blanks": (b"  \n ", "body"),
    "half of it": (GOOD.encode()[:-10], "body"),
    "twice": (GOOD.encode() * 2, "body"),
    "a comma at its end": (GOOD[:-1].encode() + b",}", "body"),
    "single quotes": (GOOD.replace('"', "'").encode(), "body"),
    "a comment": (b"/* */" + GOOD.encode(), "body"),
    "a list": (f"[{GOOD}]".encode(), "body"),
    "a text": (json.dumps(GOOD).encode(), "body"),
    "null": (b"null", "body"),
    "NaN": (b"NaN", "body"),
    "zeros": (b"\0" * 100, "body"),
    "no fields": (b"{}", "declaration_id"),
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD.encode(), "body"),
    "UTF-16": (GOOD.encode("utf-16"), "body"),
    "UTF-32": (GOOD.encode("utf-32-le"), "body"),
    "Latin-1": (GOOD.replace("IMP1", "Ý").encode("latin-1"), "body"),
    "a cut character": (GOOD.replace("IMP1", "Ý").encode().replace(b"\x9d", b""), "body"),
    "an overlong slash": (GOOD.encode().replace(b"IMP1", b"\xc0\xaf"), "body"),
    "gzip unsaid": (gzip.compress(GOOD.encode()), "body"),
    "XML": (b"<declaration/>", "body"),
    "CSV": (b"declaration_id,items\nBAD,1\n", "body"),
    "a form": (b"declaration_id=BAD", "body"),
    "deep lists": (b"[" * 100_000, "body"),
    "deep objects": (b'{"items":' * 100_000, "body"),
    "a deep unknown field": (_with("x", "[" * 150 + "]" * 150), "x"),
    "a deep field": (_with("items", "[" * 10_000 + "]" * 10_000), "body"),
    "a field twice": (GOOD.replace("{", '{"importer_id": "A", ', 1).encode(), "importer_id"),
    "a field of an item twice": (GOOD.replace("[{", '[{"item_no": 1, ').encode(), "item_no"),
    "a lane": (_with("lane", '"GREEN"'), "lane"),
    "a risk of an item": (_with("items.0.risk", "0"), "items.0.risk"),
    "a field in capitals": (_with("IMPORTER_ID", '"A"'), "IMPORTER_ID"),
    "a field without a name": (_with("", "1"), "body"),
    "a lone high surrogate": (_with("importer_id", r'"\ud800"'), "body"),
    "a lone low surrogate": (_with("items.0.description", r'"\udfff"'), "body"),
    "surrogates the wrong way round": (_with("seller_id", r'"\udc00\ud800"'), "body"),
    "a NUL in a field's name": (_with("a", "1").replace(b'"a"', rb'"a\u0000"'), "a\0"),
    "__proto__": (_with("__proto__", "{}"), "__proto__"),
    "two items of one number": (_with("items", '[{"item_no": 1}, {"item_no": 1}]'), "items"),
    "too many items": (
        _with("items", json.dumps([{"item_no": number} for number in range(1, 2_002)])),
        "items",
    ),
    "too many documents": (_with("documents", json.dumps([{"type": "380"}] * 501)), "documents"),
    "an id of a megabyte": (_with("importer_id", json.dumps("x" * 1_000_000)), "importer_id"),
}
CASES = [
    *(pytest.param(_with(*case), case[0], id=f"{case[0]} {case[1]:.24}") for case in FIELDS),
    *(pytest.param(*case, id=what) for what, case in WHOLE.items()),
]
HEADERS = [
    ("Content-Type", "application/xml", 415),
    ("Content-Type", "text/csv", 415),
    ("Content-Type", "multipart/form-data; boundary=x", 415),
    ("Content-Type", "image/png", 415),
    ("Content-Type", "application/json; charset=utf-16", 415),
    ("Content-Type", "application/json; charset=windows-1258", 415),
    ("Content-Type", "json", 415),
    ("Content-Encoding", "gzip", 415),
    ("Content-Encoding", "br", 415),
    ("Content-Encoding", "x", 415),
    ("Content-Length", "5000000", 413),
    ("Content-Length", "99999999999999999", 413),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bad")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[httpx.Client]:
    with an_unmoved_service(folder) as client:
        yield client


def test_the_declaration_that_the_cases_are_made_from_is_good() -> None:
    assert Declaration.model_validate_json(_with("documents.0.type", '"380"'))


def test_every_field_has_its_cases() -> None:
    tables: dict[type[BaseModel], Any] = {
        Declaration: DECLARATION,
        GoodsItem: ITEM,
        Document: DOCUMENT,
    }
    for model, table in tables.items():
        assert set(table) == set(model.model_fields)
    assert len(CASES) + len(HEADERS) >= 200


@pytest.mark.parametrize(("body", "field"), CASES)
def test_a_bad_declaration_is_refused_by_the_field_that_is_wrong(
    client: httpx.Client, body: bytes, field: str
) -> None:
    answer = client.post("/v1/lanes", content=body)

    assert answer.status_code == 422, answer.text[:500]
    assert answer.headers["Content-Type"] == PROBLEM_JSON
    assert len(answer.content) < 10_000
    found = answer.json()
    assert "lane" not in found
    named = [problem["field"] for problem in found["problems"]]
    assert any(each == field or each.startswith(f"{field}.") for each in named), named
    assert all(problem["message"] and problem["remedy"] for problem in found["problems"])


@pytest.mark.parametrize(("name", "value", "status"), HEADERS)
def test_a_declaration_that_calls_itself_something_else_is_refused(
    client: httpx.Client, name: str, value: str, status: int
) -> None:
    headers = {"Content-Length": str(len(GOOD)), **bearer(KEY), name: value}
    with closing(http.client.HTTPConnection("127.0.0.1", client.base_url.port)) as caller:
        caller.putrequest("POST", "/v1/lanes")
        for each in headers.items():
            caller.putheader(*each)
        caller.endheaders(GOOD.encode())
        answer = caller.getresponse()
        content = json.loads(answer.read())

    assert answer.status == status
    (found,) = content["problems"]
    assert found["field"] == ("body" if status == 413 else name)
    assert found["remedy"]


def test_a_batch_refuses_the_same_declarations_line_by_line(client: httpx.Client) -> None:
    lines = [_with(*case) for case in FIELDS]
    answer = client.post("/v1/lanes/batch", content=b"\n".join(lines), timeout=60)
    answers = [json.loads(line) for line in answer.text.splitlines()]

    assert len(answers) == len(FIELDS)
    for number, (found, (field, _)) in enumerate(zip(answers, FIELDS, strict=True), start=1):
        assert (found["status"], found["line"]) == (422, number)
        assert any(each["field"].startswith(field) for each in found["problems"])


def test_a_batch_of_one_of_the_others_gives_no_lane(client: httpx.Client) -> None:
    for body, _ in WHOLE.values():
        answer = client.post("/v1/lanes/batch", content=body)
        assert answer.status_code == 200
        assert all("lane" not in json.loads(line) for line in answer.text.splitlines())
