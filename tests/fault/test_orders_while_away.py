"""While the log is away people may tighten: it holds at once, is not lost, and relaxes nothing."""

import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from selectivity.deciding.modes import Mode
from selectivity.mode_orders import ModeStep
from serving.callers.api_keys import Role
from serving.log.reader import LogReader
from serving.storage.database import LogDatabase
from tests.command_line import lanes
from tests.fault.test_log_away import down
from tests.fault.test_log_unwritable import held
from tests.logs import PATIENT
from tests.postgresql import PostgreSql
from tests.services import (
    ENGLISH,
    KEY,
    a_process,
    a_service,
    bearer,
    let_in,
    lodged,
    settings_in,
    until,
)

TRUSTED: dict[str, Any] = {"importer_compliance_level": 1}


def ordered(
    client: httpx.Client, mode: str, hours: float | None = 2, key: str = KEY
) -> httpx.Response:
    body = {"mode": mode, "hours": None if mode == "NORMAL" else hours, "reason": "contraband"}
    return client.post("/v1/mode", json=body, headers=bearer(key))


def lane_of(client: httpx.Client, id_: str) -> str:
    declared = lodged(declaration_id=id_, **TRUSTED)
    return str(client.post("/v1/lanes", json=declared).json()["lane"])


def steps_in(database: str) -> list[ModeStep]:
    with closing(LogReader(LogDatabase(database, PATIENT))) as log:
        return log.mode_steps()


def test_whoever_tightens_while_the_log_is_locked_is_heard_at_once(
    tmp_path: Path, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_in(tmp_path)
    with a_service(tmp_path, bundle=bundle) as client:
        url = "--url", str(client.base_url)
        with held(settings.log_file):
            assert lane_of(client, "D-1") == "GREEN"
            told = ordered(client, "NO_GREEN")
            assert (told.status_code, told.json()["mode"]) == (200, "NO_GREEN")
            assert told.json()["only_here"] is True
            assert lane_of(client, "D-2") == "YELLOW"
            for relaxing in ("NORMAL", "RULES_ONLY", "NO_GREEN"):
                refused = ordered(client, relaxing)
                assert refused.status_code == 503
                assert "needs what others ordered" in refused.json()["detail"]
            shown = lanes(tmp_path, "mode", "show", *url).stdout
            assert "mode NO_GREEN until" in shown
            assert "This service alone knows of it until the log is back" in shown
            tightest = ordered(client, "MANUAL").json()
            ready = client.get("/health/ready").json()
            assert (ready["mode"], ready["mode_only_here"]) == ("MANUAL", True)
            assert "lanes_mode_only_here 1.0" in client.get("/metrics").text
        until(client, log="ok")
        after = client.get("/v1/mode").json()
        assert after == tightest | {"only_here": False}
        ready = client.get("/health/ready").json()
        assert (ready["mode"], ready["mode_only_here"]) == ("MANUAL", False)
        assert "lanes_mode_only_here 0.0" in client.get("/metrics").text
        assert "alone" not in lanes(tmp_path, "mode", "show", *url).stdout
        assert lane_of(client, "D-3") == "YELLOW"
    assert caplog.messages.count("mode ordered on this service alone") == 2
    here = {"LANES_BUNDLE": str(bundle)}
    assert "6 records (3 decisions, 0 inspections, 1 drains of a spool, 2 acts of people)" in (
        lanes(tmp_path, "verify", **here).stdout
    )
    assert "3 decisions replayed and equal" in lanes(tmp_path, "replay", **here).stdout


def test_without_room_for_it_anywhere_no_order_is_given(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with a_service(tmp_path) as client:
        with held(settings.log_file, settings.spool_file):
            assert ordered(client, "MANUAL").status_code == 503
            assert client.get("/v1/mode").json()["mode"] == "NORMAL"
        until(client, log="ok", mode="NORMAL")


def test_an_order_given_without_the_log_outlives_kills_and_comes_into_the_log_in_order(
    tmp_path: Path, bundle: Path, database: str, postgresql: PostgreSql
) -> None:
    fields: dict[str, Any] = {"bundle": bundle, "database": SecretStr(database)}
    other = tmp_path / "other"
    other.mkdir()
    headers = ENGLISH | bearer(KEY)
    with a_service(tmp_path, bundle=bundle, database=database) as client:
        lane_of(client, "D-1")
    given = []
    with down(postgresql):
        for mode, before in (("NO_GREEN", "NORMAL"), ("MANUAL", "NO_GREEN")):
            with (  # killed at the end
                a_process(tmp_path, **fields) as (_, url),
                httpx.Client(base_url=url, headers=headers) as client,
            ):
                assert client.get("/v1/mode").json()["mode"] == before
                given.append(ordered(client, mode, hours=0.0005).json())  # over in two seconds
                lane_of(client, f"N-{mode}")
                assert ordered(client, "NORMAL").status_code == 503
    assert [each["only_here"] for each in given] == [True, True]
    with (
        a_service(other, bundle=bundle, database=database) as elsewhere,
        a_service(tmp_path, bundle=bundle, database=database) as client,
    ):
        until(client, log="ok", mode=Mode.NO_GREEN)  # as when any order is over
        assert until(elsewhere, mode=Mode.NO_GREEN)["mode_only_here"] is False
        assert elsewhere.get("/v1/mode").json()["overdue"] is True
    steps = steps_in(database)
    assert [step.asked.mode for step in steps] == [Mode.NO_GREEN, Mode.MANUAL]
    assert [step.at for step in steps] == [datetime.fromisoformat(each["since"]) for each in given]
    with closing(LogReader(LogDatabase(database, PATIENT))) as log:
        kinds = [link.kind for link in log.links()]
    assert kinds == ["decision", "act", "decision", "act", "decision", "drain"]
    here = {"LANES_DATABASE": database, "LANES_BUNDLE": str(bundle)}
    assert lanes(tmp_path, "verify", **here).stdout.startswith("whole: ")
    assert "3 decisions replayed and equal" in lanes(tmp_path, "replay", **here).stdout


@pytest.mark.parametrize(("elsewhere", "holds"), [("MANUAL", "MANUAL"), ("RULES_ONLY", "NO_GREEN")])
def test_what_comes_from_a_spool_relaxes_nothing_and_is_not_forgotten(
    tmp_path: Path,
    database: str,
    postgresql: PostgreSql,
    elsewhere: str,
    holds: str,
) -> None:
    (other := tmp_path / "other").mkdir()
    binh = let_in(settings_in(other), Role.ADMIN, name="Binh")
    with a_service(tmp_path, database=database):
        time.sleep(1.5)  # until there is a copy to start from
    with down(postgresql), a_service(tmp_path, database=database) as client:
        assert ordered(client, "NO_GREEN").json()["only_here"] is True
    with a_service(other, database=database) as client:
        answer = ordered(client, elsewhere)  # nobody there knows of the one in the spool
        if (waits := answer.json()["waiting"]) is not None:
            path = f"/v1/mode/{waits['order_id']}/approve"
            assert client.post(path, headers=bearer(binh)).json()["mode"] == elsewhere
        with a_service(tmp_path, database=database) as drained:
            assert drained.get("/health/ready").json()["mode"] == holds
            until(client, mode=holds)
            assert client.get("/v1/mode").json()["mode"] == holds
    assert steps_in(database)[-1].asked.mode is Mode.NO_GREEN
