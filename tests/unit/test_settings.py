"""Settings of the service and of its callers."""

from pathlib import Path

import pytest

from selectivity.errors import ParamsError
from serving.deciding.draw_key import read_or_create_draw_key
from serving.environment import settings_from
from serving.http.language import preferred
from serving.settings import Settings


def test_settings_come_from_their_variables_alone() -> None:
    settings = settings_from({"LANES_PORT": "0", "LANES_BUNDLE": "", "HOME": "/x"})
    assert settings.port == 0
    assert settings.bundle is None
    assert settings.log_file == Path("state/decisions.sqlite")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("LANES_PROT", "1", "LANES_PROT is not known. Did you mean LANES_PORT"),
        ("LANES_PORT", "many", "LANES_PORT cannot be 'many'.*default, 8080"),
        ("LANES_PORT", "70000", "LANES_PORT"),
        ("LANES_DATABASE", "mysql://x", "or unset it.*a file in the state folder if unset"),
        ("LANES_HOST", "0.0.0.0", "LANES_HOST.*in the clear"),
        ("LANES_HOST", "example.test", "use 127.0.0.1"),
        ("LANES_SPOOL", "state/decisions.sqlite", "would be one file. Give LANES_SPOOL another"),
        ("LANES_ANCHOR", "state/../state/keys.json", "the anchor and the keys would be one file"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(variable: str, value: str, said: str) -> None:
    with pytest.raises(ParamsError, match=said):
        settings_from({variable: value})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "localhost"])
def test_the_service_listens_on_loopback(host: str) -> None:
    assert Settings(host=host).host == host


def test_a_draw_key_is_made_once_and_kept_secret(tmp_path: Path) -> None:
    file = tmp_path / "state" / "draw.key"
    key = read_or_create_draw_key(file)

    assert len(key) == 32
    assert read_or_create_draw_key(file) == key
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_draw_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "draw.key"
    read_or_create_draw_key(file)
    file.chmod(0o644)
    with pytest.raises(ParamsError, match="chmod 600"):
        read_or_create_draw_key(file)


def test_a_damaged_draw_key_is_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "draw.key"
    read_or_create_draw_key(file)
    file.write_text("short")
    with pytest.raises(ParamsError, match="Restore it"):
        read_or_create_draw_key(file)


@pytest.mark.parametrize("given", ["/", "/nowhere/*.yaml"])
def test_a_path_without_rule_files_is_named(given: str) -> None:
    with pytest.raises(ParamsError, match="LANES_RULES: no file matches"):
        settings_from({"LANES_RULES": given}).rules_files()


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "vi"),
        ("", "vi"),
        ("en", "en"),
        ("EN-us;q=0.1", "en"),
        ("en;q=0.8, vi;q=0.9", "vi"),
        ("en;q=0.8, vi;q=0.7", "en"),
        ("en,vi", "vi"),
        ("fr, *;q=0.5", "vi"),
        ("vi;q=0, *;q=0.5", "en"),
        ("en;q=0", "vi"),
        ("en;q=nonsense", "vi"),
        ("en;q=7", "vi"),
        (";;;,=,q=", "vi"),
    ],
)
def test_the_caller_chooses_the_language(header: str | None, language: str) -> None:
    assert preferred(header) == language


def test_a_link_to_itself_is_one_file_like_any_other(tmp_path: Path) -> None:
    keys = tmp_path / "loop"
    keys.symlink_to(keys)
    assert Settings(keys=keys).keys_file == keys
    with pytest.raises(ParamsError, match="would be one file"):
        settings_from({"LANES_KEYS": str(keys), "LANES_ANCHOR": str(keys)})
