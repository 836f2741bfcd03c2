"""What a branch is told: everything, in order, once, whatever happens to its link."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.answers import notices
from serving.callers.api_keys import Role
from serving.commands.client import Target, follow_notices
from serving.commands.table import notice_row
from serving.settings import Settings
from serving.start import running
from tests.command_line import lanes
from tests.services import (
    KEY,
    ROOT,
    a_process,
    a_service,
    bearer,
    eventually,
    free_port,
    let_in,
    lodged,
    settings_in,
)

OFFICES = ("GATE1", "GATE2", "GATE3")


@pytest.fixture(scope="module")
def client(folder: Path, settings: Settings) -> Iterator[httpx.Client]:
    """A service with 30 declarations, ten for each office."""
    with a_service(folder) as client:
        for number in range(30):
            send(client, f"N-{number}", OFFICES[number % 3])
        yield client


def send(client: httpx.Client, id_: str, office: str, **fields: Any) -> None:
    where = {"declaration_office": office} | fields
    assert client.post("/v1/lanes", json=lodged(declaration_id=id_, **where)).status_code == 200


def told(client: httpx.Client, office: str, **query: Any) -> dict[str, Any]:
    answer = client.get(f"/v1/offices/{office}/notices", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def all_told(client: httpx.Client, office: str, limit: int, **query: Any) -> list[str]:
    """Ids of everything an office is told, asked for in parts."""
    ids: list[str] = []
    while True:
        part = told(client, office, limit=limit, **query)
        ids += [notice["declaration_id"] for notice in part["notices"]]
        query["after"] = part["cursor"]
        if not part["more"]:
            return ids


@pytest.mark.parametrize("limit", [1, 3, 10, 500])
def test_an_office_is_told_everything_of_its_own_in_order_and_once(
    client: httpx.Client, limit: int
) -> None:
    assert all_told(client, "GATE2", limit) == [f"N-{number}" for number in range(1, 30, 3)]


def test_a_link_cut_after_any_notice_loses_and_doubles_nothing(client: httpx.Client) -> None:
    every = told(client, "GATE1", limit=500)["notices"]
    for number, notice in enumerate(every, start=1):
        rest = told(client, "GATE1", after=notice["cursor"], limit=500)["notices"]
        assert rest == every[number:]


def test_a_notice_says_lane_and_why(client: httpx.Client) -> None:
    notice = told(client, "GATE1", limit=1)["notices"][0]
    assert (notice["lane"], notice["lane_name"]) == ("YELLOW", "yellow lane")
    assert notice["reasons"][0]["text"]
    assert client.get(notice["decision_path"]).json()["declaration_id"] == notice["declaration_id"]


def test_the_office_where_goods_are_presented_is_told_too(client: httpx.Client) -> None:
    send(client, "P-1", "CENTRE", presentation_office="BORDER/7 A")
    assert all_told(client, "CENTRE", 9) == all_told(client, "BORDER/7 A", 9) == ["P-1"]


def test_a_code_that_stands_in_another_field_is_no_notice(client: httpx.Client) -> None:
    send(client, "P-2", "CENTRE2", importer_id="GATE9")
    assert all_told(client, "GATE9", 9) == []


def test_a_change_of_lane_is_told_and_so_is_one_that_waits(client: httpx.Client) -> None:
    send(client, "P-3", "GATE4")
    plain = {"declaration_id": "P-3", "version_no": 1, "reason_code": "SEAL", "reason_text": "x"}
    client.post("/v1/overrides", json=plain | {"to_lane": "RED"})
    client.post("/v1/overrides", json=plain | {"to_lane": "GREEN"})
    decision, raised, pending = told(client, "GATE4")["notices"]

    assert (decision["about"], raised["about"]) == ("decision", "override")
    assert (raised["lane"], raised["channel"]) == ("RED", "OFFICER")
    assert (pending["lane"], pending["asked_lane"]) == (None, "GREEN")
    assert pending["state"] == "pending"
    row = notice_row(pending)
    assert pending["asked_lane_name"] in row
    assert "GREEN" not in row
    assert row.endswith("“x”")


def test_what_was_acknowledged_is_kept_and_not_told_again(folder: Path) -> None:
    own = folder / "ack"
    own.mkdir()
    with a_service(own) as client:
        for number in range(4):
            send(client, f"A-{number}", "GATE5")
        cursor = told(client, "GATE5", limit=3)["cursor"]
        first = client.post("/v1/offices/GATE5/notices/ack", json={"cursor": cursor})
        again = client.post("/v1/offices/GATE5/notices/ack", json={"cursor": cursor})
        start = cursor.split("-")[0] + "-1"
        back = client.post("/v1/offices/GATE5/notices/ack", json={"cursor": start})
    with a_service(own) as client:
        rest = told(client, "GATE5")
    proved = lanes(own, "verify")

    assert (first.status_code, first.json()["by"]) == (200, KEY.split("_")[1])
    assert again.json() == back.json() == first.json()
    assert [notice["declaration_id"] for notice in rest["notices"]] == ["A-3"]
    assert rest["acknowledged"] == cursor
    assert "1 acts of people" in proved.stdout


def test_a_notice_that_was_taken_out_of_the_log_is_missed(tmp_path: Path) -> None:
    with a_service(tmp_path) as client:
        send(client, "A-1", "GATE5")
        with closing(sqlite3.connect(settings_in(tmp_path).log_file)) as connection, connection:
            connection.execute("DELETE FROM decisions")
        answer = client.get("/v1/offices/GATE5/notices")
    assert answer.status_code == 503
    assert "nothing of record 1" in answer.text


def test_a_cursor_of_another_log_is_refused(client: httpx.Client) -> None:
    mine = told(client, "GATE1")["cursor"]
    for wrong in ("00000000-1", mine.split("-")[0] + "-999999"):
        asked = client.get("/v1/offices/GATE1/notices", params={"after": wrong})
        acked = client.post("/v1/offices/GATE1/notices/ack", json={"cursor": wrong})
        assert (asked.status_code, acked.status_code) == (409, 409)
        assert "begin again without a cursor" in asked.json()["problems"][0]["remedy"]
        for refused in (asked.json(), acked.json()):
            assert refused["type"].endswith(":cursor-of-another-log")
            assert refused["title"] == "The cursor is not of this log"


@pytest.mark.parametrize("query", [{"after": "x"}, {"limit": 0}, {"limit": 501}, {"limit": "all"}])
def test_an_unusable_question_is_refused(client: httpx.Client, query: dict[str, Any]) -> None:
    assert client.get("/v1/offices/GATE1/notices", params=query).status_code == 422


def test_a_key_of_an_office_opens_its_notices_alone(
    client: httpx.Client, settings: Settings
) -> None:
    own = bearer(let_in(settings, Role.INSPECTOR, office="GATE1"))
    cursor = {"cursor": told(client, "GATE1")["cursor"]}
    assert client.get("/v1/offices/GATE1/notices", headers=own).status_code == 200
    assert client.get("/v1/offices/GATE2/notices", headers=own).status_code == 403
    other = client.post("/v1/offices/GATE2/notices/ack", json=cursor, headers=own)
    assert other.status_code == 403


def test_a_long_log_is_looked_through_in_parts(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "LOOKED_THROUGH", 7)
    assert all_told(client, "GATE3", 5) == [f"N-{number}" for number in range(2, 30, 3)]


def test_a_branch_follows_its_notices_over_a_service_that_is_killed(tmp_path: Path) -> None:
    with a_process(tmp_path) as (_, url), httpx.Client(base_url=url, headers=bearer(KEY)) as first:
        for number in range(3):
            send(first, f"K-{number}", "GATE6")
        shown = lanes(tmp_path, "notices", "GATE6", "--url", url, "--language", "en")
    with a_process(tmp_path) as (_, url), httpx.Client(base_url=url, headers=bearer(KEY)) as second:
        send(second, "K-3", "GATE6")
        later = lanes(tmp_path, "notices", "GATE6", "--url", url)
        nothing = lanes(tmp_path, "notices", "GATE6", "--url", url)

    assert [line.split()[1] for line in shown.stdout.splitlines()] == ["K-0", "K-1", "K-2"]
    assert [line.split()[1] for line in later.stdout.splitlines()] == ["K-3"]
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert nothing.stderr == "There is nothing new for office GATE6.\n"
    assert all(line.split()[0].endswith("Z") for line in shown.stdout.splitlines())


def test_whoever_follows_goes_on_when_the_service_comes_back(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, port=free_port())
    url = f"http://127.0.0.1:{settings.port}"
    taken: list[str] = []
    waited: list[int] = []

    def follow() -> None:
        for notice in follow_notices(
            "GATE6",
            Target(url, "en", KEY),
            follow=True,
            pause_seconds=0.05,
            waits=lambda: waited.append(len(taken)),
        ):
            taken.append(notice["declaration_id"])
            if len(taken) == 2:
                return
            gone.wait()  # the service goes away while the first is being looked at

    gone, branch = threading.Event(), threading.Thread(target=follow, daemon=True)
    with httpx.Client(base_url=url, headers=bearer(KEY)) as caller:
        with running(settings):
            send(caller, "L-0", "GATE6")
            branch.start()
            eventually(lambda: taken == ["L-0"])
        gone.set()
        with running(settings):
            eventually(lambda: told(caller, "GATE6")["acknowledged"])
            time.sleep(0.3)  # several rounds in which there is nothing new
            send(caller, "L-1", "GATE6")
            eventually(lambda: taken == ["L-0", "L-1"])
    assert waited == [1]  # said once, when everything that was there was told


def test_whoever_follows_an_office_without_notices_is_told_that_it_waits(tmp_path: Path) -> None:
    with a_process(tmp_path) as (_, url):
        following = subprocess.Popen(
            [sys.executable, "-m", "serving.main", "notices", "NONE", "--follow", "--url", url],
            cwd=ROOT,
            env=os.environ | {"LANES_API_KEY": KEY},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert following.stderr is not None
        said = following.stderr.readline()
        following.kill()
        following.communicate()
    assert said == "waiting for notices of NONE (Ctrl-C ends it)\n"


def test_notices_are_refused_to_who_may_not_read_them(
    client: httpx.Client, folder: Path, settings: Settings
) -> None:
    scorer = let_in(settings, Role.SCORER)
    asked = ("notices", "GATE1", "--url", str(client.base_url))
    assert lanes(folder, *asked, LANES_API_KEY=scorer).exit_code == 60
