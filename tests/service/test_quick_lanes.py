"""The short way to `/v1/lanes` answers as the application itself does, whatever is sent."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from serving.api_keys import Role
from serving.app import create_app
from serving.assign import Parts
from serving.quick_lanes import QuickLanes
from serving.start import assemble
from tests.services import KEY, bearer, let_in, lodged, settings_in


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    settings = settings_in(tmp_path_factory.mktemp("parts"), items_limit=2, body_limit_bytes=5_000)
    parts = assemble(settings)
    yield parts
    parts.log.close()


def both(parts: Parts, **request: Any) -> tuple[httpx.Response, httpx.Response]:
    """Answers of the application and of the short way before it."""
    app = create_app(parts)

    async def ask(asgi: Any) -> httpx.Response:
        transport = httpx.ASGITransport(asgi, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://lanes") as client:
            return await client.request(**{"method": "POST", "url": "/v1/lanes"} | request)

    async def ask_both() -> tuple[httpx.Response, httpx.Response]:
        return await ask(app), await ask(QuickLanes(app, parts))

    return asyncio.run(ask_both())


GOOD = json.dumps(lodged()).encode()
ITEMS = [{"item_no": number} for number in (1, 2, 3)]
REQUESTS = {
    "good": {"content": GOOD},
    "in English": {"content": GOOD, "headers": {"Accept-Language": "en"}},
    "conflict": {"content": GOOD.replace(b"SEL1", b"SEL2")},
    "no JSON": {"content": b"{"},
    "key twice": {"content": GOOD.replace(b'"direction"', b'"direction": "IMPORT", "direction"')},
    "unknown field": {"content": GOOD.replace(b"direction", b"dirction")},
    "too many items": {"content": json.dumps(lodged() | {"items": ITEMS}).encode()},
    "too large": {"content": GOOD + b" " * 5_000},
    "encoded": {"content": GOOD, "headers": {"Content-Encoding": "gzip"}},
    "other media": {"content": GOOD, "headers": {"Content-Type": "text/csv"}},
    "parameter": {"content": GOOD, "params": {"version_no": "0"}},
    "no key": {"content": GOOD, "headers": {"Authorization": ""}},
    "other scheme": {"content": GOOD, "headers": {"Authorization": f"Basic {KEY}"}},
    "wrong key": {"content": GOOD, "headers": bearer(KEY[:-1] + "0")},
    "other method": {"method": "GET"},
    "other path": {"method": "GET", "url": "/health/live"},
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_the_short_way_answers_as_the_application(parts: Parts, request_: dict[str, Any]) -> None:
    headers = bearer(KEY) | request_.get("headers", {})
    plain, short = both(parts, **request_ | {"headers": headers})
    assert (short.status_code, short.headers, short.content) == (
        plain.status_code,
        plain.headers,
        plain.content,
    )


def test_the_short_way_asks_for_the_role(parts: Parts) -> None:
    headers = bearer(let_in(parts.settings, Role.MANAGER))
    plain, short = both(parts, content=GOOD, headers=headers)
    assert plain.status_code == short.status_code == 403
    assert plain.content == short.content


def test_the_short_way_fails_as_the_application(parts: Parts) -> None:
    headers = bearer(KEY)
    broken = Parts(parts.predictor, parts.log, parts.meters, parts.settings, keys=None)  # type: ignore[arg-type]
    plain, short = both(broken, content=GOOD, headers=headers)
    assert plain.status_code == short.status_code == 500
    assert plain.content == short.content


def test_the_short_way_is_closed_when_all_places_are_taken(parts: Parts) -> None:
    full = Parts(parts.predictor, parts.log, settings=parts.settings, keys=parts.keys)
    full.places._places = 0
    plain, short = both(full, content=GOOD, headers=bearer(KEY))
    assert plain.status_code == short.status_code == 503
    assert plain.content == short.content
