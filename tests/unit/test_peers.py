"""The services that ours is measured beside answer what is sent to them."""

import asyncio
import json
from inspect import signature
from pathlib import Path

import httpx
import pytest

from serving.log.decision_log import DecisionLog
from tests.benchmarks.load import ID
from tests.benchmarks.peers import PEERS, ForgetfulLog
from tests.benchmarks.sides import declaration_bodies
from tests.bundles import a_bundle


@pytest.mark.parametrize("name", ["find", "lineages", "strictest_lane", "append"])
def test_a_log_that_keeps_nothing_is_asked_like_one_that_does(name: str) -> None:
    ours, theirs = (signature(getattr(log, name)) for log in (DecisionLog, ForgetfulLog))
    assert list(ours.parameters) == list(theirs.parameters)


@pytest.mark.parametrize("kind", PEERS)
def test_a_peer_answers_every_sample(kind: str, tmp_path: Path) -> None:
    a_bundle(tmp_path / "bundle")
    app = PEERS[kind](tmp_path / "bundle", tmp_path)

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://peer") as client:
            return [
                await client.post("/v1/lanes", json=json.loads(body.replace(ID, f"D-{number}")))
                for number, body in enumerate(declaration_bodies())
            ]

    for number, answer in enumerate(asyncio.run(ask())):
        assert answer.status_code == 200, answer.text
        assert answer.json()["declaration_id"] == f"D-{number}"
