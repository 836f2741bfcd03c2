"""What tests of several kinds are given."""

from pathlib import Path

import pytest

from tests.bundles import a_bundle


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much is made up from the API description; `make fuzz` asks for more."""
    parser.addoption("--examples", type=int, default=5)


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
