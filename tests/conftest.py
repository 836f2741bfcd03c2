"""What tests of several kinds are given."""

from pathlib import Path

import pytest

from tests.bundles import a_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sealed bundle. Copy it before you alter it."""
    directory = tmp_path_factory.mktemp("bundles") / "bundle"
    a_bundle(directory)
    return directory
