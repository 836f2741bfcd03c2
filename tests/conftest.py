"""What tests of several kinds are given."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundles import a_bundle
from tests.postgresql import PostgreSql, a_server, why_not


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
