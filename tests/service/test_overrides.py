"""Lanes changed by officers: alone upwards, by two downwards, and never by an edit."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from selectivity.errors import ConflictError
from selectivity.lanes import Lane
from selectivity.override import OverrideAsked, OverrideReason
from serving.audit.replay import replay
from serving.callers.api_keys import Role
from serving.deciding.assign import assign
from serving.deciding.overriding import ask
from serving.http.examples import AN_INSPECTION
from serving.log.reader import LogReader
from serving.settings import Settings
from serving.start import assemble
from tests.builders import a_declaration
from tests.command_line import lanes
from tests.services import KEY, a_service, bearer, let_in, lodged, settings_in


@pytest.fixture(scope="module")
def client(folder: Path, settings: Settings) -> Iterator[httpx.Client]:
    with a_service(folder) as client:
        yield client


def asked(id_: str, to_lane: str, **fields: Any) -> dict[str, Any]:
    plain = {"declaration_id": id_, "version_no": 1, "to_lane": to_lane, "reason_code": "INTEL"}
    return plain | {"reason_text": "as told by the unit"} | fields


def a_lane(client: httpx.Client, id_: str, **fields: Any) -> str:
    answer = client.post("/v1/lanes", json=lodged(declaration_id=id_, **fields))
    return str(answer.json()["lane"])


def as_inspector(settings: Settings, name: str = "An", **fields: Any) -> dict[str, str]:
    return bearer(let_in(settings, Role.INSPECTOR, name=name, **fields))


def as_manager(settings: Settings, name: str = "Binh", **fields: Any) -> dict[str, str]:
    return bearer(let_in(settings, Role.MANAGER, name=name, **fields))


def test_an_officer_raises_a_lane_and_the_decision_shows_both(
    client: httpx.Client, settings: Settings
) -> None:
    officer = as_inspector(settings)
    assert a_lane(client, "O-1") == "YELLOW"
    answer = client.post("/v1/overrides", json=asked("O-1", "RED"), headers=officer)
    again = client.post("/v1/overrides", json=asked("O-1", "RED"), headers=officer)
    shown = client.get("/v1/decisions/O-1").json()

    assert (answer.status_code, again.json()) == (200, answer.json())
    assert (answer.json()["proposed_lane"], answer.json()["final_lane"]) == ("YELLOW", "RED")
    assert (shown["lane"], shown["final_lane"], len(shown["overrides"])) == ("YELLOW", "RED", 1)
    assert shown["record"]["decision"]["lane"] == "YELLOW"
    assert a_lane(client, "O-1") == "YELLOW"  # the stored answer, for ever


def test_a_lower_lane_holds_once_a_second_person_approves(
    client: httpx.Client, settings: Settings
) -> None:
    officer, manager = as_inspector(settings), as_manager(settings)
    a_lane(client, "O-2")
    pending = client.post("/v1/overrides", json=asked("O-2", "GREEN"), headers=officer)
    path = f"/v1/overrides/{pending.json()['override_id']}/approve"
    before = client.get("/v1/decisions/O-2").json()["final_lane"]
    approved, again = (client.post(path, headers=manager) for _ in range(2))

    assert (pending.status_code, pending.json()["state"], before) == (202, "pending", "YELLOW")
    assert (approved.status_code, approved.json()["final_lane"]) == (200, "GREEN")
    assert again.json() == approved.json()
    assert a_lane(client, "O-2", version_no=2) == "YELLOW"  # its own reasons ask for it


def test_whoever_asked_cannot_approve_even_with_another_key(
    client: httpx.Client, settings: Settings
) -> None:
    a_lane(client, "O-3")
    pending = client.post(
        "/v1/overrides", json=asked("O-3", "GREEN"), headers=as_inspector(settings, "Chi")
    )
    path = f"/v1/overrides/{pending.json()['override_id']}/approve"
    refused = client.post(path, headers=as_manager(settings, "chi"))

    assert refused.status_code == 403
    assert "second person" in refused.json()["problems"][0]["message"]
    assert client.get("/v1/decisions/O-3").json()["final_lane"] == "YELLOW"


@pytest.mark.parametrize(
    ("language", "add", "another"),
    [
        ("en", "Add reason_text", "Let another person approve it"),
        ("vi", "Thêm reason_text", "Để người khác phê duyệt"),
    ],
)
def test_who_may_not_change_a_lane_is_told_what_would_help(
    client: httpx.Client, settings: Settings, language: str, add: str, another: str
) -> None:
    a_lane(client, "O-31")
    chi = {**as_inspector(settings, "Chi"), "Accept-Language": language}
    chi_too = {**as_manager(settings, "chi"), "Accept-Language": language}

    def remedy(path: str, body: dict[str, Any] | None, headers: dict[str, str]) -> str:
        answer = client.post(path, json=body, headers=headers)
        return str(answer.json()["problems"][0]["remedy"])

    bare = asked("O-31", "GREEN", reason_text=None)
    assert remedy("/v1/overrides", bare, chi).startswith(add)
    pending = client.post("/v1/overrides", json=asked("O-31", "GREEN"), headers=chi).json()
    approval = f"/v1/overrides/{pending['override_id']}/approve"
    assert remedy(approval, None, chi_too).startswith(another)


def test_a_mandatory_lane_is_not_lowered(client: httpx.Client, settings: Settings) -> None:
    ivory = [lodged()["items"][0] | {"hs_code": "050710"}]
    answer = client.post("/v1/lanes", json=lodged(declaration_id="O-4") | {"items": ivory})
    assert (answer.json()["lane"], answer.json()["channel"]) == ("RED", "MANDATORY")
    refused = client.post(
        "/v1/overrides", json=asked("O-4", "YELLOW"), headers=as_inspector(settings)
    )
    assert refused.status_code == 409
    assert "mandatory" in refused.json()["problems"][0]["message"]


def test_amendments_are_measured_by_the_lane_that_held(
    client: httpx.Client, settings: Settings
) -> None:
    officer, manager = as_inspector(settings), as_manager(settings)

    def release(version_no: int) -> None:
        body = asked("O-50", "YELLOW", version_no=version_no)
        pending = client.post("/v1/overrides", json=body, headers=officer).json()
        client.post(f"/v1/overrides/{pending['override_id']}/approve", headers=manager)

    a_lane(client, "O-50")
    client.post("/v1/overrides", json=asked("O-50", "RED"), headers=officer)
    assert a_lane(client, "O-50", version_no=2) == "RED"
    release(1)
    assert a_lane(client, "O-50", version_no=3) == "RED"  # version 2 still is
    release(3)  # the newest is released from what it inherited
    assert a_lane(client, "O-50", version_no=4) == "YELLOW"


def test_an_officer_acts_for_their_own_office_alone(
    client: httpx.Client, settings: Settings
) -> None:
    a_lane(client, "O-6", presentation_office="GATE7")
    elsewhere = as_inspector(settings, office="GATE8")
    at_the_gate = as_inspector(settings, office="GATE7")
    refused = client.post("/v1/overrides", json=asked("O-6", "RED"), headers=elsewhere)
    not_shown = client.get("/v1/decisions/O-6", headers=elsewhere)
    done = client.post("/v1/overrides", json=asked("O-6", "RED"), headers=at_the_gate)

    seen = AN_INSPECTION | {"declaration_id": "O-6"}
    reported = [
        client.post("/v1/inspections", json=seen, headers=by).status_code
        for by in (elsewhere, at_the_gate)
    ]

    assert (refused.status_code, not_shown.status_code, done.status_code) == (403, 403, 200)
    assert reported == [403, 200]
    assert "GATE8" in refused.json()["problems"][0]["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (asked("O-none", "RED"), 404),
        (asked("O-7", "YELLOW"), 409),
        (asked("O-7", "BLUE"), 422),
        (asked("O-7", "GREEN", reason_text=None), 409),
        (asked("O-7", "RED", reason_code="OTHER", reason_text=None), 422),
        (asked("O-7", "RED", version_no=2), 404),
        ({}, 422),
    ],
)
def test_what_cannot_be_done_is_refused_and_keeps_nothing(
    client: httpx.Client, settings: Settings, body: dict[str, Any], status: int
) -> None:
    a_lane(client, "O-7")
    answer = client.post("/v1/overrides", json=body, headers=as_inspector(settings))
    assert answer.status_code == status, answer.text
    assert client.get("/v1/decisions/O-7").json()["overrides"] == []


def test_a_refused_reason_is_told_with_those_there_are_and_what_one_lacks(
    client: httpx.Client, settings: Settings
) -> None:
    unknown, unexplained = (
        client.post(
            "/v1/overrides",
            json=asked("O-7", "RED", reason_code=code, reason_text=None),
            headers=as_inspector(settings),
        ).json()["problems"]
        for code in ("FRAUD", "OTHER")
    )
    assert (unknown[0]["field"], unknown[0]["value"]) == ("reason_code", "FRAUD")
    assert all(f"'{reason}'" in unknown[0]["message"] for reason in OverrideReason)
    assert unknown[0]["remedy"] == "Give one of these, as it is written here."
    assert unexplained[0]["field"] == "reason_text"
    assert unexplained[0]["message"] == "reason OTHER has to be explained"


def test_an_approval_of_nothing_is_refused(client: httpx.Client, settings: Settings) -> None:
    manager = as_manager(settings)
    assert client.post(f"/v1/overrides/{'0' * 24}/approve", headers=manager).status_code == 404
    assert client.post("/v1/overrides/x/approve", headers=manager).status_code == 422


def test_overrides_are_counted(client: httpx.Client, settings: Settings) -> None:
    a_lane(client, "O-8")
    client.post("/v1/overrides", json=asked("O-8", "RED"), headers=as_inspector(settings))
    text = client.get("/metrics").text
    assert 'lanes_overrides_total{from_lane="YELLOW",state="in force",to_lane="RED"}' in text


def a_changed_log(folder: Path) -> Settings:
    """The log of a service that has ended, with one lane raised between two versions."""
    settings = settings_in(folder)
    with a_service(folder) as client:
        a_lane(client, "V-1")
        client.post("/v1/overrides", json=asked("V-1", "RED"))
        assert a_lane(client, "V-2", lineage_id="V-1") == "RED"
        seen = {"inspection_id": "I-1", "declaration_id": "V-1", "control_type": "FULL_PHYSICAL"}
        seen |= {"result": "NO_FINDING", "observed_at": "2026-03-03T12:00:00Z"}
        client.post("/v1/inspections", json=seen)
    return settings


def test_an_override_is_linked_and_vouched_for_and_replayed(tmp_path: Path) -> None:
    settings = a_changed_log(tmp_path)
    proved, again = lanes(tmp_path, "verify"), lanes(tmp_path, "replay")
    assert proved.exit_code == 0, proved.stderr
    assert "1 acts of people" in proved.stdout
    assert again.exit_code == 0, again.stderr
    assert replay(LogReader(settings.log_file), settings).equal == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE acts SET lane = 0",
        "UPDATE acts SET decided = 0",
        "UPDATE acts SET act = replace(act, 'INTEL', 'OTHER')",
        "UPDATE acts SET about = 'V-2'",
        "DELETE FROM acts",
        "INSERT INTO acts (name, what, about, number, decided, act) "
        "VALUES ('x', 'override', 'V-1', 1, 1, '{}')",
    ],
)
def test_an_override_altered_afterwards_is_found(tmp_path: Path, statement: str) -> None:
    settings = a_changed_log(tmp_path)
    with sqlite3.connect(settings.log_file) as connection:
        connection.execute(statement)
    connection.close()
    assert lanes(tmp_path, "verify").exit_code == 42


def test_a_control_that_an_officer_asked_for_is_exported_as_such(tmp_path: Path) -> None:
    a_changed_log(tmp_path)
    out = tmp_path / "out"
    assert lanes(tmp_path, "export", "--to", str(out)).exit_code == 0
    exported = (out / "inspections.ndjson").read_text()
    assert '"triggered_by":"OFFICER"' in exported
    assert "propensity" not in exported


def test_a_log_from_before_overrides_is_read_and_taken_over(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with a_service(tmp_path) as client:
        a_lane(client, "B-1")
    with sqlite3.connect(settings.log_file) as connection:
        connection.execute("DROP TABLE acts")
        connection.execute("PRAGMA user_version = 3")
    connection.close()
    assert lanes(tmp_path, "verify").exit_code == 0
    with a_service(tmp_path) as client:
        raised = client.post("/v1/overrides", json=asked("B-1", "RED"))
        assert raised.json()["final_lane"] == "RED"
    assert "1 acts of people" in lanes(tmp_path, "verify").stdout


def test_of_two_changes_that_services_make_at_the_same_moment_one_is_kept(tmp_path: Path) -> None:
    one, other = (assemble(settings_in(tmp_path)) for _ in range(2))
    caller = one.caller(KEY)
    assert caller is not None
    raised = [OverrideAsked.model_validate(asked("D-1", "RED"))]
    raised.append(raised[0].model_copy(update={"reason_text": "seen on the scan"}))
    other.log.override_steps = lambda *_: []  # type: ignore[method-assign]  # read a moment before

    async def take() -> list[Any]:
        await assign(a_declaration(), one)
        first = await ask(raised[0], caller, one, "en")
        second = await asyncio.gather(ask(raised[1], caller, other, "en"), return_exceptions=True)
        return [first, *second]

    first, second = asyncio.run(take())
    for parts in (one, other):
        parts.log.close()
    assert first.steps[-1].lane is Lane.RED
    assert isinstance(second, ConflictError)
