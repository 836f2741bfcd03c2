"""A service with a model, for the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.services import a_service


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Iterator[httpx.Client]:
    """A caller of one service per module: use ids of your own in each test."""
    with a_service(tmp_path_factory.mktemp("service"), bundle=bundle) as client:
        yield client
