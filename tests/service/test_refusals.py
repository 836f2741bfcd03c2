"""Bad requests are refused with field, value and remedy; none of them fails the service."""

import gzip
import json
import re
from typing import Any

import httpx
import pytest

from serving.http.problems import PROBLEM_JSON
from tests.builders import an_inspection
from tests.services import lodged

CANARY = "CANARY-7391"


def _text(**fields: Any) -> str:
    return json.dumps(lodged(declaration_id="BAD") | fields)


def _with_item(**fields: Any) -> str:
    (item,) = lodged()["items"]
    return _text(items=[item | fields])


BODIES = {
    "nothing": "",
    "no JSON": "lane me",
    "half a JSON": _text()[:-10],
    "two objects": _text() + _text(),
    "a list": "[]",
    "a number": "7",
    "null": "null",
    "NaN": _with_item().replace("2000.0", "NaN"),
    "infinity": _with_item().replace("2000.0", "-Infinity"),
    "an overflow": _with_item().replace("2000.0", "1e400"),
    "a negative value": _with_item(customs_value=-1),
    "a huge whole number": _text().replace('"items"', f'"version_no": {"9" * 5_000}, "items"'),
    "a huge number": _with_item().replace("2000.0", "9" * 5_000),
    "a boolean for a number": _with_item(net_mass_kg=False),
    "a text for a number": _with_item(net_mass_kg="12"),
    "a number for a text": _text(importer_id=12),
    "NUL": _text(importer_id="a\0b"),
    "a lone surrogate": _text(importer_id="X").replace('"X"', r'"\ud800"'),
    "a right-to-left override": _text(importer_id="a\u202eb"),
    "an empty id": _text(declaration_id=""),
    "a long id": _text(declaration_id="x" * 1_000_000),
    "an unknown field": _text(lane="GREEN"),
    "an unknown field with a long name": _text(**{"x" * 100_000: 1}),
    "a surrogate in a field's name": _text(XX=1).replace("XX", r"\udfff"),
    "a key twice": _text().replace('"items"', '"importer_id": "IMP2", "items"'),
    "a key twice within": _with_item().replace('"hs_code"', '"item_no": 1, "hs_code"'),
    "no goods items": _text(items=[]),
    "too many goods items": _text(items=lodged()["items"] * 100_000)[: 3 << 20],
    "items with one number": _text(items=lodged()["items"] * 2),
    "deep nesting": '{"items":' * 100_000,
    "deep lists": "[" * 500_000,
    "a time without zone": _text(accepted_at="2026-03-02T09:30:00"),
    "a date that is none": _text(importer_registered_on="2026-02-30"),
    "a time far away": _text(accepted_at="99999-01-01T00:00:00Z"),
    "a time at the end of the calendar": _text(accepted_at="9999-12-31T23:59:59-01:00"),
    "a time at its beginning": _text(lodged_at="0001-01-01T00:00:00+01:00"),
    "seconds for a time": _text(accepted_at="1772438400"),
    "an id of one line break": _text(importer_id="\n"),
    "an id with a blank behind it": _text(importer_id="IMP1 "),
}
BYTES = {
    "not UTF-8": _text(importer_id="X").encode().replace(b'"X"', b'"\xff\xfe"'),
    "UTF-16": _text().encode("utf-16"),
    "zeros": b"\0" * 1_000,
}


@pytest.mark.parametrize("path", ["/v1/lanes", "/v1/inspections"])
@pytest.mark.parametrize("what", [*BODIES, *BYTES])
def test_a_bad_body_is_refused(client: httpx.Client, path: str, what: str) -> None:
    body = BODIES[what].encode() if what in BODIES else BYTES[what]
    answer = client.post(path, content=body)

    assert answer.status_code == 422, answer.text[:500]
    assert answer.headers["Content-Type"] == PROBLEM_JSON
    assert answer.json()["status"] == 422
    assert len(answer.content) < 10_000
    assert client.get("/v1/decisions/BAD").status_code == 404


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00"])
def test_an_inspection_at_the_end_of_the_calendar_is_refused(client: httpx.Client, at: str) -> None:
    """It would be kept, and no start could bring the profiles up to date from then on."""
    body = an_inspection().model_dump(mode="json", exclude_unset=True) | {"observed_at": at}
    found = client.post("/v1/inspections", json=body)

    assert found.status_code == 422
    assert found.json()["problems"][0]["field"] == "observed_at"


def test_a_problem_names_field_value_and_remedy(client: httpx.Client) -> None:
    found = client.post("/v1/lanes", content=_with_item(hs_code="61.09")).json()["problems"]

    assert [problem["field"] for problem in found] == ["items.0.hs_code"]
    assert found[0]["value"] == "61.09"
    assert found[0]["message"]
    assert found[0]["remedy"]


def test_a_parameter_that_is_missing_has_no_value(client: httpx.Client) -> None:
    (missing,) = client.get("/v1/decisions").json()["problems"]
    (wrong,) = client.get("/v1/decisions?declaration_id=D&version_no=x").json()["problems"]

    assert (missing["field"], "value" in missing) == ("query.declaration_id", False)
    assert missing["remedy"].startswith("Add the parameter")
    assert (wrong["field"], wrong["value"]) == ("query.version_no", "x")
    assert wrong["remedy"].startswith("Correct the parameter")


@pytest.mark.parametrize(
    ("field", "value", "remedy"),
    [
        ("country_of_export", "China", "Give two capital letters, as in ISO 3166-1 alpha-2"),
        ("currency", "usd", "Give three capital letters, as in ISO 4217"),
        ("transport_mode", "-", "Give up to 35 letters, digits, blanks"),
        ("items.0.hs_code", "6109.10", "Give 4 to 12 digits without dots"),
    ],
)
def test_what_a_pattern_asks_for_is_said_in_words(
    client: httpx.Client, field: str, value: str, remedy: str
) -> None:
    name = field.rpartition(".")[2]
    body = _with_item(**{name: value}) if "items" in field else _text(**{name: value})
    (problem,) = client.post("/v1/lanes", content=body).json()["problems"]
    assert (problem["field"], problem["value"]) == (field, value)
    assert problem["remedy"].startswith(remedy)


@pytest.mark.parametrize("path", ["/v1/lanes", "/v1/lanes/batch"])
def test_a_byte_order_mark_that_nobody_sees_is_named(client: httpx.Client, path: str) -> None:
    answer = client.post(path, content=b"\xef\xbb\xbf" + _text().encode()).json()
    assert answer["status"] == 422
    assert "byte order mark" in answer["problems"][0]["remedy"]


def test_every_problem_of_a_declaration_is_named_at_once(client: httpx.Client) -> None:
    body = _with_item(net_mass_kg="12", country_of_origin="china", color="red")
    found = client.post("/v1/lanes", content=body).json()["problems"]

    fields = {problem["field"] for problem in found}
    assert fields == {"items.0.net_mass_kg", "items.0.country_of_origin", "items.0.color"}


def test_a_refusal_quotes_no_more_than_the_start_of_one_value(client: httpx.Client) -> None:
    body = _text(importer_id=CANARY, seller_id="x" * 90 + CANARY, items=[{"description": CANARY}])
    answer = client.post("/v1/lanes", content=body)

    assert answer.status_code == 422
    assert CANARY not in answer.text


@pytest.mark.parametrize("media", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_content_that_may_be_json_is_taken_for_it(client: httpx.Client, media: str | None) -> None:
    headers = {"Content-Type": media} if media else {}
    answer = client.post("/v1/lanes", content=_text(declaration_id=f"T-{media}"), headers=headers)
    assert answer.status_code == 200


def test_a_body_over_the_limit_is_refused_before_it_is_read(client: httpx.Client) -> None:
    answer = client.post("/v1/lanes", content=b" " * (4 << 20) + b"{}")
    assert answer.status_code == 413
    assert answer.json()["problems"][0]["message"] == "more than 4,194,304 bytes"


def test_a_body_without_length_is_refused_when_it_grows_too_long(client: httpx.Client) -> None:
    answer = client.post("/v1/lanes", content=(b" " * 65_536 for _ in range(100)))
    assert answer.status_code == 413


def test_an_encoded_body_is_refused(client: httpx.Client) -> None:
    encoded = gzip.compress(_text().encode())
    answer = client.post("/v1/lanes", content=encoded, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/lanes", 405),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/decisions/", 404),
        ("GET", "/v1/decisions/none-such", 404),
        ("GET", "/v1/decisions/%00%ff", 404),
        ("GET", "/v1/decisions/D-1?version_no=two", 422),
        ("GET", "/v1/decisions/D-1?version_no=99999999999999999999", 422),
    ],
)
def test_a_wrong_path_gets_a_problem_document(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == PROBLEM_JSON
    assert answer.json()["detail"]


def test_a_refusal_at_the_door_or_for_a_conflict_names_field_and_remedy(
    client: httpx.Client,
) -> None:
    sent = lodged(declaration_id="D-409")
    client.post("/v1/lanes", json=sent)
    inspection = an_inspection(declaration_id="D-409", inspection_id="I-409")
    for result in ("NO_FINDING", "INCONCLUSIVE"):
        body = inspection.model_dump(mode="json") | {"result": result}
        again = client.post("/v1/inspections", json=body)
    lane = client.get("/v1/decisions/D-409").json()["lane"]
    asked = {"declaration_id": "D-409", "version_no": 1, "to_lane": lane, "reason_code": "SEAL"}
    cursor = {"after": "ffffffff-1"}
    found = {
        "Authorization": client.post("/v1/lanes", json=sent, headers={"Authorization": "Bearer x"}),
        "version_no": client.post("/v1/lanes", json=sent | {"importer_id": "OTHER"}),
        "inspection_id": again,
        "to_lane": client.post("/v1/overrides", json=asked),
        "mode": client.post("/v1/mode", json={"mode": "NORMAL", "reason": "as it is"}),
        "cursor": client.get("/v1/offices/OFF01/notices", params=cursor),
    }
    for field, answer in found.items():
        assert answer.status_code in (401, 409), (field, answer.text)
        (problem,) = answer.json()["problems"]
        assert problem["field"] == field
        assert problem["message"]
        assert problem["remedy"] not in ("", problem["message"])
        assert twice_in(answer.json()) == []


def twice_in(refusal: dict[str, Any]) -> list[str]:
    """Sentences that a refusal says more than once."""
    told = [refusal["title"], refusal["detail"]]
    told += [each[name] for each in refusal["problems"] for name in ("message", "remedy")]
    sentences = [part.strip(" .") for text in told for part in re.split(r"[.:;] ", text)]
    return [each for each in set(sentences) if sentences.count(each) > 1]
