"""Declared values stay in the decision log: none gets into the application log, whatever happens,
nor into an answer that is about something else."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from selectivity.declaration import Declaration, GoodsItem
from tests.services import KEY, a_process, bearer, lodged, ndjson

BIRD = "CANARY"
VALUE = 918_273.645
NAMES = ("lineage_id", "declarant_id", "importer_id", "exporter_id", "seller_id", "carrier_id")


def a_telling_declaration(id_: str, **fields: Any) -> dict[str, Any]:
    """Every text and amount in it would be known again."""
    item = lodged()["items"][0] | {
        "description": f"{BIRD} goods",
        "customs_value": VALUE,
        "item_amount": VALUE,
        "net_mass_kg": VALUE,
        "quota_id": f"{BIRD}-Q",
    }
    named = {name: f"{BIRD}-{name}" for name in NAMES}
    document = {"type": "380", "id": f"{BIRD}-INVOICE"}
    extra = {"invoice_amount": VALUE, "documents": [document], "items": [item]}
    return lodged(declaration_id=id_) | named | extra | fields


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("canary")


@pytest.fixture(scope="module")
def service(folder: Path, bundle: Path) -> Iterator[httpx.Client]:
    """A service in a process of its own, whose log lies in a file."""
    with (
        a_process(folder, bundle=bundle) as (_, url),
        httpx.Client(base_url=url, headers=bearer(KEY)) as client,
    ):
        yield client


def tells(text: str) -> bool:
    """Whether a declared value stands in it."""
    return BIRD in text or str(VALUE) in text


def test_the_declaration_is_good_and_tells_much() -> None:
    declared = a_telling_declaration("C-0")
    assert Declaration.model_validate_json(json.dumps(declared))
    assert GoodsItem.model_validate(declared["items"][0])
    assert json.dumps(declared).count(BIRD) >= 9


BROKEN = {
    "a bad code": {"transport_mode": "-"},
    "a field too many": {"lane": "GREEN"},
    "a bad country": {"country_of_export": "china"},
    "a number for a text": {"incoterms": 7},
    "no items": {"items": []},
    "an item that is none": {"items": [7]},
    "items of one number": {"items": [a_telling_declaration("x")["items"][0]] * 2},
    "a time without offset": {"accepted_at": "2026-03-02T09:30:00"},
}


@pytest.mark.parametrize("fields", BROKEN.values(), ids=list(BROKEN))
def test_a_refusal_tells_what_is_wrong_and_nothing_else(
    service: httpx.Client, fields: dict[str, Any]
) -> None:
    answer = service.post("/v1/lanes", json=a_telling_declaration("C-1", **fields))
    assert answer.status_code == 422
    assert not tells(answer.text)


def test_whole_bodies_are_never_quoted(service: httpx.Client) -> None:
    good = json.dumps(a_telling_declaration("C-2"))
    for body in (
        good[:-5],
        f"[{good}]",
        json.dumps(good)[:-9],
        good + good,
        good.replace('"', "'"),
    ):
        answer = service.post("/v1/lanes", content=body)
        assert (answer.status_code, tells(answer.text)) == (422, False)


def test_the_other_answers_tell_nothing_either(service: httpx.Client) -> None:
    first = service.post("/v1/lanes", json=a_telling_declaration("C-3"))
    conflict = service.post("/v1/lanes", json=a_telling_declaration("C-3", currency="USD"))
    told = [
        first,
        conflict,
        service.post("/v1/lanes/batch", content=ndjson(a_telling_declaration("C-4"), {"x": 1})),
        service.post("/v1/inspections", json={"declaration_id": "C-3"}),
        service.get("/metrics"),
        service.get("/health/ready"),
        service.get("/v1/offices/OFF01/notices"),
    ]
    assert (first.status_code, conflict.status_code) == (200, 409)
    assert [answer.url.path for answer in told if tells(answer.text)] == []
    assert tells(service.get("/v1/decisions/C-3").text)  # the record itself does


def test_the_log_of_the_service_tells_nothing(service: httpx.Client, folder: Path) -> None:
    service.post("/v1/lanes", json=a_telling_declaration("C-5"))
    log = folder / "state" / "decisions.sqlite"
    log.rename(log.with_name("away"))
    spooled = service.post("/v1/lanes", json=a_telling_declaration("C-6"))
    log.with_name("away").rename(log)
    written = (folder / "service.log").read_text()

    assert (spooled.status_code, tells(spooled.text)) == (200, False)
    assert "the spool takes over" in written
    assert not tells(written)
    assert KEY not in written
    for line in written.splitlines():
        assert json.loads(line)["event"]
