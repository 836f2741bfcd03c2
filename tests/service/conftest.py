"""A service with a model, for the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serving.settings import Settings
from tests.services import a_service, settings_in


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a service of a module keeps what it has."""
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def settings(folder: Path) -> Settings:
    """The settings of a service in that folder."""
    return settings_in(folder)


@pytest.fixture(scope="module")
def client(folder: Path, bundle: Path) -> Iterator[httpx.Client]:
    """A caller of one service per module: use ids of your own in each test."""
    with a_service(folder, bundle=bundle) as client:
        yield client
