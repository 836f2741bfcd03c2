"""The mode in a running service: ordered, approved, in force in every process, and on record."""

import asyncio
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from selectivity.actor import Actor
from selectivity.deciding.modes import Mode
from selectivity.errors import ConflictError, DecisionLogError
from selectivity.mode_orders import ModeAsked, ModeStep, order
from serving.answers.mode import ModeAnswer
from serving.callers.api_keys import Role, actor_of
from serving.deciding.governing import give_order, take_over
from serving.log.reader import LogReader
from serving.settings import Settings
from serving.start import assemble
from tests.command_line import lanes
from tests.services import KEY, a_service, bearer, let_in, lodged, settings_in

TRUSTED: dict[str, Any] = {"importer_compliance_level": 1}
EFFECTIVE_SECONDS = 5.0


@pytest.fixture
def settings(tmp_path: Path, bundle: Path) -> Settings:
    return settings_in(tmp_path, bundle=bundle)


@pytest.fixture
def client(tmp_path: Path, bundle: Path, settings: Settings) -> Iterator[httpx.Client]:
    with a_service(tmp_path, bundle=bundle) as client:
        yield client


def key_of(settings: Settings, name: str, *roles: Role) -> str:
    return let_in(settings, *roles, name=name)


def ordered(client: httpx.Client, key: str, mode: str, hours: float | None = 2) -> httpx.Response:
    body = {"mode": mode, "hours": None if mode == "NORMAL" else hours, "reason": "an exercise"}
    return client.post("/v1/mode", json=body, headers=bearer(key))


def approved(client: httpx.Client, key: str, answer: httpx.Response) -> httpx.Response:
    id_ = answer.json()["waiting"]["order_id"]
    return client.post(f"/v1/mode/{id_}/approve", headers=bearer(key))


def test_one_tightens_at_once_and_two_relax(client: httpx.Client, settings: Settings) -> None:
    an = key_of(settings, "An", Role.MANAGER)
    binh = key_of(settings, "Binh", Role.ADMIN)
    an_as_admin = key_of(settings, "an", Role.ADMIN)

    tightened = ordered(client, an, "NO_GREEN")
    lane = client.post("/v1/lanes", json=lodged(declaration_id="M-1", **TRUSTED)).json()
    assert (tightened.status_code, tightened.json()["mode"]) == (200, "NO_GREEN")
    assert (lane["lane"], lane["channel"], lane["degraded"]) == ("YELLOW", "OFFICER", False)
    assert "NO_GREEN" in lane["reasons"][0]["text"]

    relaxed = ordered(client, an, "NORMAL")
    assert (relaxed.status_code, relaxed.json()["mode"]) == (202, "NO_GREEN")
    assert approved(client, an, relaxed).status_code == 403  # a manager does not approve
    refused = approved(client, an_as_admin, relaxed)
    assert refused.status_code == 403
    assert "second person" in refused.json()["problems"][0]["message"]
    assert client.get("/health/ready").json()["mode"] == "NO_GREEN"
    done = approved(client, binh, relaxed)
    assert (done.status_code, done.json()["mode"], done.json()["approved_by"]) == (
        200,
        "NORMAL",
        "Binh",
    )
    assert approved(client, binh, relaxed).status_code == 200  # the answer was lost: ask again
    assert ordered(client, an, "NORMAL").status_code == 409


def test_the_mode_is_shown_measured_and_on_every_record(
    client: httpx.Client, settings: Settings
) -> None:
    ordered(client, key_of(settings, "An", Role.ADMIN), "MANUAL")
    client.post("/v1/lanes", json=lodged(declaration_id="M-2", **TRUSTED))
    ready, metrics = client.get("/health/ready").json(), client.get("/metrics").text
    record = client.get("/v1/decisions/M-2").json()["record"]
    assert ready["mode"] == "MANUAL"
    assert ready["mode_until"] == client.get("/v1/mode").json()["until"]
    assert 'lanes_mode{mode="MANUAL"} 1.0' in metrics
    assert 'mode="NORMAL"' not in metrics
    (line,) = [each for each in metrics.splitlines() if each.startswith("lanes_mode_until_")]
    assert float(line.split()[1]) == datetime.fromisoformat(ready["mode_until"]).timestamp()
    assert record["decision"]["mode"] == "MANUAL"


def test_a_batch_in_a_mode_without_the_model_does_not_ask_it(
    client: httpx.Client, settings: Settings
) -> None:
    ordered(client, key_of(settings, "An", Role.ADMIN), "MANUAL")
    answer = client.post("/v1/lanes/batch", json=lodged(declaration_id="M-3", **TRUSTED)).json()
    assert (answer["lane"], answer["fallback_cause"]) == ("YELLOW", "MODE_MANUAL")


def test_what_is_decided_behind_an_order_knows_all_in_front_of_it(
    client: httpx.Client, settings: Settings
) -> None:
    ordered(client, key_of(settings, "An", Role.ADMIN), "NO_GREEN")
    client.post("/v1/lanes", json=lodged(declaration_id="M-4"))
    record = client.get("/v1/decisions/M-4").json()["record"]
    assert record["known_upto"] == 1  # the order itself


def test_an_order_at_one_process_holds_at_the_other_within_seconds(
    tmp_path: Path, bundle: Path, settings: Settings
) -> None:
    key = key_of(settings, "An", Role.ADMIN)
    with a_service(tmp_path, bundle=bundle) as one, a_service(tmp_path, bundle=bundle) as other:
        ordered(one, key, "NO_GREEN")
        end = time.monotonic() + EFFECTIVE_SECONDS
        while other.get("/health/ready").json()["mode"] != "NO_GREEN":
            assert time.monotonic() < end
            time.sleep(0.1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("set", "NO_GREEN"), "Add --hours 4 (at most 72)"),
        (("set", "no_green"), "NO_GREEN has to end"),
        (("set", "NORMAL", "--hours", "4"), "NORMAL has no end. Leave --hours out."),
        (("set", "NO_GREN"), "'NO_GREN' is none of NORMAL, RULES_ONLY, NO_GREEN, MANUAL."),
        (("released", "--since", "yesterday"), "as 2026-03-02, or a time as 2026-03-02T09:30"),
    ],
)
def test_what_a_command_cannot_use_is_said_with_what_to_write(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    reason = ("--reason", "an exercise") if arguments[0] == "set" else ()
    ended = lanes(tmp_path, "mode", *arguments, *reason)

    assert ended.exit_code != 0
    assert said in " ".join(ended.stderr.split())


def test_the_command_says_what_is_wrong_with_an_order(tmp_path: Path, client: httpx.Client) -> None:
    order = ("mode", "set", "NO_GREEN", "--hours", "400", "--reason", "an exercise")
    refused = lanes(tmp_path, *order, "--language", "en", "--url", str(client.base_url))

    assert refused.exit_code == 60
    assert "hours: Input should be less than or equal to 72" in refused.stderr


def test_a_restart_changes_no_mode_and_time_ends_it(tmp_path: Path, settings: Settings) -> None:
    with a_service(tmp_path, bundle=settings.bundle) as client:
        an, binh = (key_of(settings, name, Role.ADMIN) for name in ("An", "Binh"))
        approved(client, binh, ordered(client, an, "RULES_ONLY"))
    parts = assemble(settings)
    before = parts.mode
    parts.now = lambda: datetime.now(UTC) + timedelta(hours=3)
    after = parts.mode
    parts.log.close()
    assert (before, after) == (Mode.RULES_ONLY, Mode.NO_GREEN)


def test_orders_are_linked_vouched_for_and_decided_again(tmp_path: Path, bundle: Path) -> None:
    settings = settings_in(tmp_path, bundle=bundle)
    with a_service(tmp_path, bundle=bundle) as client:
        an, binh = (key_of(settings, name, Role.ADMIN) for name in ("An", "Binh"))
        for mode in ("NORMAL", "NO_GREEN", "MANUAL", "RULES_ONLY", "NORMAL"):
            answer = ordered(client, an, mode)
            if answer.status_code == 202:
                approved(client, binh, answer)
            client.post("/v1/lanes", json=lodged(declaration_id=f"R-{mode}", **TRUSTED))
    variables = {"LANES_BUNDLE": str(bundle)}
    proved = lanes(tmp_path, "verify", **variables)
    again = lanes(tmp_path, "replay", **variables)
    assert (proved.exit_code, again.exit_code) == (0, 0), proved.stderr + again.stderr
    log = LogReader(settings.log_file)
    assert {each.record.decision.mode for each in log.records()} == set(Mode)
    log.close()


def test_what_was_released_without_the_model_is_listed(tmp_path: Path, bundle: Path) -> None:
    settings = settings_in(tmp_path, bundle=bundle)
    with a_service(tmp_path, bundle=bundle) as client:
        an, binh = (key_of(settings, name, Role.ADMIN) for name in ("An", "Binh"))
        client.post("/v1/lanes", json=lodged(declaration_id="G-1", **TRUSTED))
        approved(client, binh, ordered(client, an, "RULES_ONLY"))
        by_points = client.post("/v1/lanes", json=lodged(declaration_id="G-2", **TRUSTED)).json()
        assert (by_points["lane"], by_points["source"]) == ("GREEN", "scorecard")
    told = lanes(tmp_path, "mode", "released", "--since", "2020-01-01").stdout
    assert len(told.splitlines()) == 2
    assert "G-2" in told
    assert "MODE_RULES_ONLY" in told
    later = lanes(tmp_path, "mode", "released", "--since", "2999-01-01")
    assert len(later.stdout.splitlines()) == 1
    assert "Nothing was released so since 2999-01-01" in later.stderr


def test_the_command_line_shows_orders_and_approves(
    tmp_path: Path, client: httpx.Client, settings: Settings
) -> None:
    an, binh = (key_of(settings, name, Role.ADMIN) for name in ("An", "Binh"))
    url = str(client.base_url)

    def mode(key: str, *arguments: str) -> str:
        ended = lanes(tmp_path, "mode", *arguments, "--url", url, LANES_API_KEY=key)
        assert ended.exit_code == 0, ended.stderr
        return ended.stdout

    assert mode(an, "show") == "mode NORMAL\n"
    assert "mode NORMAL" in mode(an, "set", "RULES_ONLY", "--hours", "2", "--reason", "retraining")
    waits = mode(binh, "show")
    assert "waits for another person" in waits
    id_ = waits.split()[-1]
    told = mode(binh, "approve", id_)
    assert re.match(
        r"mode RULES_ONLY until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\nsince .* UTC, ", told
    )
    assert "ordered by An, approved by Binh: retraining" in told
    refused = lanes(tmp_path, "mode", "approve", id_, "--url", url, LANES_API_KEY=an)
    assert refused.exit_code == 60
    assert "The mode stays" in refused.stderr or "giữ nguyên" in refused.stderr


def test_of_two_orders_at_the_same_moment_one_is_kept_and_older_news_undoes_nothing(
    settings: Settings,
) -> None:
    parts = assemble(settings)
    caller = parts.caller(KEY)
    assert caller is not None
    orders = [
        ModeAsked(mode=mode, hours=2, reason="an exercise") for mode in (Mode.NO_GREEN, Mode.MANUAL)
    ]

    async def at_once() -> list[list[ModeStep] | BaseException]:
        given = [give_order(each, caller, parts, "en") for each in orders]
        return await asyncio.gather(*given, return_exceptions=True)

    first, second = asyncio.run(at_once())
    assert isinstance(first, list)
    assert [step.asked.mode for step in first] == [Mode.NO_GREEN]
    assert isinstance(second, ConflictError)
    take_over([], parts)  # what was read before the order was kept
    before = parts.mode
    elsewhere = order([], orders[1], by=actor_of(caller), at=parts.now())
    assert isinstance(elsewhere, ModeStep)
    take_over([elsewhere], parts)  # of another process, which did not know of the order
    assert (before, parts.mode) == (Mode.NO_GREEN, Mode.MANUAL)
    assert [step.asked.mode for step in parts.orders] == [Mode.MANUAL, Mode.NO_GREEN]
    parts.log.close()


@pytest.mark.parametrize("tampering", ["DELETE FROM acts", "UPDATE acts SET number = number + 1"])
def test_an_order_that_was_taken_out_or_altered_keeps_the_service_from_starting(
    tmp_path: Path, tampering: str
) -> None:
    settings = settings_in(tmp_path)
    with a_service(tmp_path) as client:
        ordered = {"mode": "MANUAL", "hours": 5, "reason": "an exercise"}
        assert client.post("/v1/mode", json=ordered).status_code == 200
    with closing(sqlite3.connect(settings.log_file)) as connection, connection:
        connection.execute(tampering)
    with pytest.raises(DecisionLogError, match=r"Record 1 .* was altered or taken out"):
        assemble(settings)
    told = lanes(tmp_path, "check")
    assert "was altered or taken out" in told.stderr
    assert "would serve  nothing: see log" in told.stdout


def test_an_order_that_holds_is_not_here_alone_because_a_milder_one_behind_it_is() -> None:
    now = datetime.now(UTC)
    by = Actor(id="k1", name="An")
    steps = [
        order((), ModeAsked(mode=mode, hours=2, reason="a test"), by=by, at=now)
        for mode in (Mode.MANUAL, Mode.NO_GREEN)  # the second by who does not know of the first
    ]
    known = [step for step in steps if isinstance(step, ModeStep)]
    assert not ModeAnswer.of(known, now, only_here=known[1].name.__eq__).only_here
    assert ModeAnswer.of(known, now, only_here=known[0].name.__eq__).only_here
