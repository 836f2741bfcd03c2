"""What tests of several kinds are given."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundles import a_bundle
from tests.postgresql import PostgreSql, a_server, why_not


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much is made up from the API description; `make fuzz` asks for more."""
    parser.addoption("--examples", type=int, default=5)


@pytest.fixture(scope="module", autouse=True)
def path_of_imports() -> Iterator[None]:
    """Undone behind each module: MLflow puts the code of a model it loads in front, and processes
    beside a service would run that.
    """
    before = list(sys.path)
    yield
    sys.path[:] = before


@pytest.fixture
def examples(request: pytest.FixtureRequest) -> int:
    """How many requests to make up per route."""
    return int(request.config.getoption("--examples"))


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sealed bundle. Copy it before you alter it."""
    directory = tmp_path_factory.mktemp("bundles") / "bundle"
    a_bundle(directory)
    return directory


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSql]:
    """A PostgreSQL server, one for all tests of this process; take a database of your own."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with a_server() as server:
        yield server


@pytest.fixture
def database(postgresql: PostgreSql) -> str:
    """The address of an empty database."""
    return postgresql.new_database()


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What was synced to the disk since, by the number of its inode, in order."""
    fsync, synced = os.fsync, list[int]()

    def count(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", count)
    return synced
