"""More is asked than can be answered in time: the rest is told so at once, and nothing is lost."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from serving.admission import Admission
from serving.app import create_app
from serving.assign import Parts
from serving.problems import RefusedError
from serving.start import assemble
from tests.builders import an_inspection
from tests.services import ENGLISH, KEY, a_service, bearer, lodged, ndjson, settings_in

HEAD = f"Host: x\r\nAuthorization: Bearer {KEY}\r\n"


@asynccontextmanager
async def calling(parts: Parts) -> AsyncIterator[httpx.AsyncClient]:
    """A caller of these parts' application, without a network between."""
    transport = httpx.ASGITransport(create_app(parts))
    headers = ENGLISH | bearer(KEY)
    async with httpx.AsyncClient(transport=transport, base_url="http://x", headers=headers) as it:
        yield it


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    parts = assemble(settings_in(tmp_path, at_once_limit=1))
    yield parts
    parts.log.close()


def test_who_finds_no_place_is_told_to_come_again(parts: Parts) -> None:
    inspection = an_inspection().model_dump(mode="json", exclude_unset=True)

    async def come() -> list[httpx.Response]:
        async with parts.places.take("en"), calling(parts) as client:
            spoken = {"Accept-Language": "vi"}
            return [
                await client.post("/v1/lanes", json=lodged(), headers=spoken),
                await client.post("/v1/inspections", json=inspection),
                await client.post("/v1/lanes", headers={"Authorization": ""}),
            ]

    vietnamese, english, stranger = asyncio.run(come())
    assert [each.status_code for each in (vietnamese, english, stranger)] == [503, 503, 503]
    assert vietnamese.headers["Retry-After"] == "1"
    assert vietnamese.headers["Content-Language"] == "vi"
    assert vietnamese.json()["type"].endswith(":overloaded")
    assert "quá tải" in vietnamese.json()["title"]
    assert "too much to do" in english.json()["title"]
    assert parts.log.counts() == (0, 0, 0)


def test_a_full_service_still_answers_about_itself_and_recovers(parts: Parts) -> None:
    async def come() -> None:
        async with calling(parts) as client:
            async with parts.places.take("en"):
                assert (await client.post("/v1/lanes", json=lodged())).status_code == 503
                assert (await client.get("/health/ready")).status_code == 200
                metrics = (await client.get("/metrics")).text
            assert (await client.post("/v1/lanes", json=lodged())).status_code == 200
        assert 'lanes_refusals_total{status="503"} 1.0' in metrics

    asyncio.run(come())


def test_a_caller_who_has_not_sent_everything_takes_no_place(tmp_path: Path) -> None:
    half = f"POST /v1/lanes HTTP/1.1\r\n{HEAD}Content-Length: 500\r\n\r\n{{"
    with a_service(tmp_path, at_once_limit=1) as client, ExitStack() as stack:
        for _ in range(5):
            where = ("127.0.0.1", client.base_url.port or 0)
            stack.enter_context(socket.create_connection(where)).sendall(half.encode())
        assert client.post("/v1/lanes", json=lodged()).status_code == 200


def test_only_so_many_batches_are_taken_and_one_that_broke_off_gives_its_place_back(
    tmp_path: Path,
) -> None:
    head = f"POST /v1/lanes/batch HTTP/1.1\r\n{HEAD}Content-Length: 5000\r\n\r\n"
    with a_service(tmp_path, batches_limit=1) as client:
        with socket.create_connection(("127.0.0.1", client.base_url.port or 0)) as caller:
            caller.sendall(head.encode() + ndjson(lodged()))
            assert b" 200 OK" in caller.recv(1_000)
            refused = client.post("/v1/lanes/batch", content=ndjson(lodged()))
            single = client.post("/v1/lanes", json=lodged())
        end = time.monotonic() + 5
        while (again := client.post("/v1/lanes/batch", content=b"")).status_code != 200:
            assert time.monotonic() < end
    assert (refused.status_code, single.status_code, again.status_code) == (503, 200, 200)
    assert refused.headers["Retry-After"] == "1"


def test_callers_of_the_same_moment_get_no_more_places_than_there_are() -> None:
    admission = Admission(3)
    inside: list[int] = []

    async def come(number: int) -> None:
        async with admission.take("en"):
            inside.append(number)  # decides without a pause, as the service does

    async def all_come() -> list[BaseException | None]:
        return await asyncio.gather(*map(come, range(10)), return_exceptions=True)

    outcomes = asyncio.run(all_come())
    assert inside == [0, 1, 2]
    assert [type(each) for each in outcomes[3:]] == [RefusedError] * 7
    assert not admission.full


def test_a_place_is_given_back_whatever_happens() -> None:
    admission = Admission(1)

    async def fail() -> None:
        async with admission.take("en"):
            raise KeyError

    for _ in range(2):
        with pytest.raises(KeyError):
            asyncio.run(fail())
