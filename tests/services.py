"""Services for tests: one in this process, and one in a process of its own that can be killed."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from selectivity.declaration import Declaration
from selectivity.errors import ServiceError
from serving.app import create_app
from serving.callers.api_keys import ApiKey, Role, digest, id_of
from serving.callers.key_changes import create
from serving.callers.key_file import change_keys
from serving.commands.client import call
from serving.deciding.parts import Parts
from serving.http.address import bind, url_of
from serving.log.reader import LogReader
from serving.settings import Settings
from serving.start import assemble, running, server_for
from tests.builders import a_declaration

ROOT = Path(__file__).parents[1]
ENGLISH = {"Accept-Language": "en"}
PATIENCE_SECONDS = 30
"""How long to wait for what a service does by itself."""
KEY = f"lanes_{'5e' * 4}_{'5e' * 32}"
"""Lets a test into every service made here, with all roles."""


def settings_in(folder: Path, **fields: Any) -> Settings:
    """Settings with everything below one folder, and no bundle unless one is named.

    The draw key is always the same one, so that chance cannot make a test fail now and then; so is
    the API key.
    """
    draw_key = folder / "draw.key"
    draw_key.touch(mode=0o600)
    draw_key.write_text("5e" * 32)
    keys = folder / "keys.json"
    if not keys.exists():
        change_keys(keys, lambda _: ((a_kept_key(),), None))
    plain = {
        "keys": keys,
        "published": folder / "published",
        "state": folder / "state",
        "draw_key": draw_key,
        "rules": ROOT / "data/reference/rules/*.yaml",
        "report": folder / "report.html",
    }
    return Settings.model_validate(plain | fields)


def keeping_histories(records: int) -> dict[str, Any]:
    """Settings by which a service keeps its histories after so many records, and at once."""
    return {"histories_records": records, "histories_seconds": 0, "follow_seconds": 0.1}


def let_in(settings: Settings, *roles: Role, name: str = "test", office: str | None = None) -> str:
    """A new key of this service with these roles."""
    day, now = timedelta(days=1), datetime.now(UTC)
    return create(settings.keys_file, name, roles, now=now, valid_for=day, office=office)[1]


def bearer(key: str) -> dict[str, str]:
    """The header that sends a key."""
    return {"Authorization": f"Bearer {key}"}


@contextmanager
def a_service(folder: Path, **fields: Any) -> Iterator[httpx.Client]:
    """A caller of a service in a thread of this process, over loopback."""
    settings = settings_in(folder, port=0, **fields)
    headers = ENGLISH | bearer(KEY)
    with running(settings) as url, httpx.Client(base_url=url, headers=headers) as client:
        yield client


@contextmanager
def served(settings: Settings, *, short: bool = True) -> Iterator[tuple[Parts, str]]:
    """A service in a thread of this process, whose places a test can take, and its address.

    Unless it is to be `short`, the application answers `/v1/lanes` as it does everything else.
    """
    parts = assemble(settings)
    server = server_for(parts)
    if not short:
        server.config.app = create_app(parts)
    with bind(settings) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            yield parts, url_of(listening)
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def a_process(
    folder: Path, *, python: Path = Path(sys.executable), **variables: Any
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A service in a process of its own, ready to answer, and its address. It takes `KEY`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    plain = {
        name.upper(): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in settings_in(folder, port=port, **variables).model_dump().items()
        if value is not None
    }
    environment = os.environ | {f"LANES_{name}": value for name, value in plain.items()}
    command = [str(python), "-m", "serving.main", "serve"]
    with (folder / "service.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=log)
    try:
        wait_until_ready(process, url)
        yield process, url
    finally:
        process.kill()
        process.wait()


def wait_until_ready(process: subprocess.Popen[bytes], url: str, seconds: float = 60) -> None:
    """Return when the service answers; fail when it ended or takes too long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, f"the service ended with {process.returncode}"
        try:
            if call(url, "GET", "/health/ready")[0] == 200:
                return
        except ServiceError:
            time.sleep(0.05)
    raise AssertionError("the service did not become ready")


def a_kept_key(**fields: Any) -> ApiKey:
    """What is kept of `KEY`, unless said otherwise."""
    now = datetime.now(UTC)
    plain = {
        "id": id_of(KEY),
        "name": "test",
        "roles": tuple(Role),
        "sha256": digest(KEY),
        "created_at": now,
        "expires_at": now + timedelta(days=1),
    }
    return ApiKey.model_validate(plain | fields)


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def lodged(declaration: Declaration | None = None, **fields: Any) -> dict[str, Any]:
    """A declaration as a caller sends it."""
    declared = declaration or a_declaration(**fields)
    return declared.model_dump(mode="json", exclude_unset=True)


def ndjson(*contents: Any) -> bytes:
    """One JSON object per line."""
    return b"".join(json.dumps(content).encode() + b"\n" for content in contents)


@contextmanager
def an_unmoved_service(folder: Path) -> Iterator[httpx.Client]:
    """A caller of a service that has kept nothing when all is over."""
    with a_service(folder) as client:
        yield client
    with closing(LogReader(settings_in(folder).log_file)) as log:
        assert (log.counts(), log.head().no) == ((0, 0, 0), 0)


def eventually(what: Callable[[], object]) -> None:
    """Return when it holds; fail when it does not for long."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def until(client: httpx.Client, **wanted: str) -> dict[str, Any]:
    """What `/health/ready` says when it says this."""
    end, told = time.monotonic() + PATIENCE_SECONDS, dict[str, Any]()
    while time.monotonic() < end:
        told = client.get("/health/ready").json()
        if wanted.items() <= told.items():
            return told
        time.sleep(0.05)
    raise AssertionError(f"not {wanted} but {told}")
