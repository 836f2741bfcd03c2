"""Who may do what: every route with every role, and what those who may not are told."""

import asyncio
import base64
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Depends
from fastapi.routing import iter_route_contexts

from selectivity.errors import DecisionLogError, SelectivityError
from serving.app import ROUTERS, create_app
from serving.callers.api_keys import Role
from serving.callers.key_changes import revoke
from serving.callers.key_file import change_keys
from serving.deciding.parts import Parts
from serving.http.problems import PROBLEM_JSON
from serving.routes.access import ANYONE, only
from serving.start import assemble
from tests.services import KEY, a_kept_key, a_service, bearer, let_in, lodged, settings_in

NOBODY, ALL = "nobody", frozenset(Role)
SCORER, INSPECTOR, DATA_SCIENTIST, MANAGER, AUDITOR, ADMIN = Role
ALLOWED = {
    "POST /v1/lanes": {SCORER},
    "POST /v1/lanes/batch": {SCORER},
    "GET /v1/decisions": {SCORER, INSPECTOR, AUDITOR},
    "GET /v1/decisions/{declaration_id:path}": {SCORER, INSPECTOR, AUDITOR},
    "GET /v1/decisions/{declaration_id:path}/explanation": {INSPECTOR, AUDITOR, DATA_SCIENTIST},
    "GET /v1/explanations": {INSPECTOR, AUDITOR, DATA_SCIENTIST},
    "POST /v1/inspections": {INSPECTOR},
    "POST /v1/overrides": {INSPECTOR},
    "POST /v1/overrides/{override_id}/approve": {MANAGER},
    "GET /v1/offices/{office:path}/notices": {INSPECTOR, MANAGER, AUDITOR},
    "POST /v1/offices/{office:path}/notices/ack": {INSPECTOR},
    "GET /v1/mode": {MANAGER, ADMIN, AUDITOR},
    "POST /v1/mode": {MANAGER, ADMIN},
    "POST /v1/mode/{order_id}/approve": {ADMIN},
    "GET /reports": {MANAGER, AUDITOR, DATA_SCIENTIST},
    "GET /metrics": {AUDITOR, DATA_SCIENTIST, ADMIN},
    "GET /health/live": {NOBODY, *ALL},
    "GET /health/ready": {NOBODY, *ALL},
    "GET /": {NOBODY, *ALL},
    "GET /docs": {NOBODY, *ALL},
    "GET /docs/oauth2-redirect": {NOBODY, *ALL},
    "GET /openapi.json": {NOBODY, *ALL},
    "HEAD /openapi.json": {NOBODY, *ALL},
    "GET /static-offline-docs": {NOBODY, *ALL},
}
"""One line per route of the service; a new route needs one."""


@pytest.fixture
def parts(tmp_path: Path) -> Any:
    parts = assemble(settings_in(tmp_path))
    yield parts
    parts.log.close()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A service without keys of its own in the headers, and one key per role."""
    folder = tmp_path_factory.mktemp("roles")
    with a_service(folder) as client:
        client.headers.pop("Authorization")
        settings = settings_in(folder)
        yield client, {role: let_in(settings, role) for role in Role}


def test_every_route_has_a_line_in_the_table(parts: Parts) -> None:
    routes = {
        f"{method} {route.path}"
        for route in iter_route_contexts(create_app(parts).routes)
        for method in route.methods or {"GET"}
    }
    assert routes == set(ALLOWED)


@pytest.mark.parametrize("who", [NOBODY, *Role])
@pytest.mark.parametrize("route", ALLOWED)
def test_a_route_lets_its_roles_through_and_nobody_else(keys: Any, route: str, who: Any) -> None:
    client, key_of = keys
    method, path = re.sub(r"{\w+(:path)?}", "D-1", route).split()
    headers = {} if who == NOBODY else bearer(key_of[who])
    answer = client.request(method, path, headers=headers)

    if who in ALLOWED[route]:
        assert answer.status_code not in (401, 403)
        assert answer.status_code < 500
    else:
        assert answer.status_code == (401 if who == NOBODY else 403)
        assert answer.headers["Content-Type"] == PROBLEM_JSON


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer null",
        f"Bearer {KEY}0",
        f"Bearer {KEY[:-1]}f",
        f"Bearer {KEY} {KEY}",
        f"Bearer {KEY},",
        f"Token {KEY}",
        KEY,
        "Bearer lanes_5e5e5e5e_" + "0" * 64,
        "Bearer " + "x" * 8_000,
        "Bearer \xff\xfe",
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.",
        f"Basic {base64.b64encode(f'x:{KEY}'.encode()).decode()}",
    ],
)
def test_a_wrong_key_decides_nothing(client: httpx.Client, header: str) -> None:
    body = lodged(declaration_id="W-1")
    sent = {"Authorization": header.encode("latin-1")}
    answer = client.post("/v1/lanes", json=body, headers=sent)  # type: ignore[arg-type]

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json()["type"].endswith(":no-valid-key")
    assert client.get("/v1/decisions/W-1").status_code == 404


@pytest.mark.parametrize(
    ("language", "no_key", "wrong_role"),
    [
        ("en", "No valid key came", "has not the role"),
        ("vi", "không kèm khóa hợp lệ", "không có vai trò"),
    ],
)
def test_who_is_turned_away_is_told_why_in_their_language(
    keys: Any, language: str, no_key: str, wrong_role: str
) -> None:
    client, key_of = keys
    spoken = {"Accept-Language": language}
    nobody = client.post("/v1/lanes", headers=spoken)
    auditor = client.post("/v1/lanes", headers=spoken | bearer(key_of[Role.AUDITOR]))

    assert no_key in nobody.json()["title"]
    assert wrong_role in auditor.json()["title"]
    assert "scorer" in auditor.json()["problems"][0]["message"]
    assert {nobody.headers["Content-Language"], auditor.headers["Content-Language"]} == {language}


def test_a_caller_is_refused_before_the_body_is_read(keys: Any) -> None:
    client, key_of = keys
    for body in (b"{", b" " * (5 << 20)):
        assert client.post("/v1/lanes", content=body).status_code == 401
        headers = bearer(key_of[Role.MANAGER])
        assert client.post("/v1/lanes", content=body, headers=headers).status_code == 403


def test_a_parameter_that_cannot_be_used_tells_a_stranger_nothing(keys: Any) -> None:
    client, _ = keys
    assert client.get("/v1/decisions/D-1?version_no=two").status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "//reports"),
        ("GET", "/reports/"),
        ("GET", "/./reports"),
        ("GET", "/health/../reports"),
        ("GET", "/static-offline-docs/../reports"),
        ("GET", "/static-offline-docs/..%2f..%2f..%2f..%2fetc/passwd"),
        ("HEAD", "/reports"),
        ("OPTIONS", "/v1/lanes"),
        ("PUT", "/v1/lanes"),
        ("GET", "/REPORTS"),
        ("GET", "/docs/../metrics"),
        ("GET", "/%6detrics"),
    ],
)
def test_no_odd_path_or_method_goes_round_the_check(keys: Any, method: str, path: str) -> None:
    client, _ = keys
    odd = {"Host": "evil.example", "X-HTTP-Method-Override": "GET", "X-Original-URL": "/metrics"}
    url = httpx.URL(str(client.base_url)).copy_with(raw_path=path.encode())
    answer = client.request(method, url, headers=odd)
    assert answer.status_code in (307, 401, 404, 405)


def test_a_key_revoked_while_the_service_runs_is_refused_at_once(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with a_service(tmp_path) as client:
        headers = bearer(key := let_in(settings, Role.SCORER))
        before = client.post("/v1/lanes", json=lodged(), headers=headers)
        revoke(settings.keys_file, key.split("_")[1], now=datetime.now(UTC))
        after = client.post("/v1/lanes", json=lodged(), headers=headers)
    assert (before.status_code, after.status_code) == (200, 401)


def test_an_expired_key_is_refused(tmp_path: Path) -> None:
    expired = a_kept_key(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    with a_service(tmp_path) as client:
        change_keys(settings_in(tmp_path).keys_file, lambda _: ((expired,), None))
        assert client.post("/v1/lanes", json=lodged()).status_code == 401


def test_a_browser_asks_for_the_key_of_a_page_and_nothing_else(tmp_path: Path) -> None:
    with a_service(tmp_path) as client:
        client.headers.pop("Authorization")
        asked = client.get("/reports").headers["WWW-Authenticate"]
        typed_in = client.get("/reports", auth=("anyone", KEY))
        wrong = client.get("/reports", auth=("anyone", KEY[:-1] + "f"))
        garbled = client.get("/reports", headers={"Authorization": "Basic %%%"})
        changing = client.post("/v1/lanes", json=lodged(), auth=("anyone", KEY))
    assert asked.startswith("Basic ")
    assert typed_in.status_code == 404  # let in; there is no report yet
    assert (wrong.status_code, garbled.status_code, changing.status_code) == (401, 401, 401)


def test_refusals_are_counted(tmp_path: Path) -> None:
    with a_service(tmp_path) as client:
        client.post("/v1/lanes", headers={"Authorization": "Bearer x"})
        assert 'lanes_refusals_total{status="401"} 1.0' in client.get("/metrics").text


@pytest.mark.parametrize("declared", [[ANYONE], [only(Role.ADMIN)]])
def test_a_route_that_says_who_may_call_it_is_served(parts: Parts, declared: Any) -> None:
    assert create_app(parts, [_a_router(declared)])


@pytest.mark.parametrize("declared", [[], [only()], [Depends(settings_in)]])
def test_a_route_that_does_not_say_so_stops_the_start(parts: Parts, declared: Any) -> None:
    with pytest.raises(SelectivityError, match="/v1/new does not say who may call it"):
        create_app(parts, [*ROUTERS, _a_router(declared)])


def _a_router(declared: Any) -> APIRouter:
    router = APIRouter()
    router.add_api_route("/v1/new", lambda: "new", dependencies=declared)
    return router


@pytest.mark.parametrize(("method", "kind"), [("GET", "not-read"), ("POST", "not-kept")])
def test_who_only_reads_is_told_of_reading_when_the_log_is_away(
    parts: Parts, method: str, kind: str
) -> None:
    def away() -> None:
        raise DecisionLogError("The log is away.")

    router = APIRouter()
    router.add_api_route("/v1/new", away, methods=[method], dependencies=[ANYONE])

    async def answer() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(parts, [router]))
        async with httpx.AsyncClient(transport=transport, base_url="http://lanes") as client:
            return await client.request(method, "/v1/new")

    told = asyncio.run(answer())
    assert (told.status_code, told.json()["type"].rpartition(":")[2]) == (503, kind)
    assert "read" in told.json()["title"] if method == "GET" else "kept" in told.json()["title"]


def test_the_api_description_says_which_routes_want_a_key(client: httpx.Client) -> None:
    paths = json.loads(client.get("/openapi.json").text)["paths"]
    assert paths["/v1/lanes"]["post"]["security"] == [{"key": []}]
    assert "security" not in paths["/health/ready"]["get"]
