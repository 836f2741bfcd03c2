"""Reads the settings of a world: `base.yaml`, changed by a preset and by options."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from models.unique_keys import UniqueKeys
from pipelines.simulator.settings import WorldSettings
from pipelines.stage.params import explain, similar
from selectivity.errors import ParamsError

BASE = "base.yaml"
PRESETS = "presets"


def presets(folder: Path) -> dict[str, str]:
    """Names of the presets in the simulator's folder, each with its title."""
    files = sorted((folder / PRESETS).glob("*.yaml"))
    return {file.stem: str(_content(file).get("title", "")) for file in files}


def read_settings(
    folder: Path, preset: str, changes: Mapping[str, Any] | None = None
) -> WorldSettings:
    """The base world, changed by a preset, then by `changes` (nested, as in the files).

    Args:
        folder: where base.yaml and presets/ stand.
        preset: a name of `presets`, or the path of a YAML file of your own.

    Raises:
        ParamsError: no such preset, an unknown key, or a value that cannot be used.
    """
    file = Path(preset) if preset.endswith((".yaml", ".yml")) else _of_name(folder, preset)
    content = _changed(_changed(_content(folder / BASE), _content(file)), changes or {})
    try:
        return WorldSettings.model_validate(content)
    except ValidationError as error:
        raise ParamsError(f"World {file}: {explain(error, WorldSettings)}") from error


def _of_name(folder: Path, preset: str) -> Path:
    known = sorted(file.stem for file in (folder / PRESETS).glob("*.yaml"))
    if preset not in known:
        raise ParamsError(
            f"There is no preset {preset!r}{similar(preset, known)}. There are: "
            f"{', '.join(known)}. A preset of your own is given by its path, ending in .yaml."
        )
    return folder / PRESETS / f"{preset}.yaml"


class _Loader(UniqueKeys, yaml.SafeLoader):
    """Numbers, texts and lists."""


def _content(file: Path) -> dict[str, Any]:
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParamsError(
            f"World {file} cannot be read: {error}. Correct or restore it."
        ) from error
    if not isinstance(content, dict):
        raise ParamsError(f"World {file} holds no settings. Write `name: value` lines.")
    return content


WHOLE = ("import_ways", "export_ways", "ways", "neighbours", "express_days")
"""Mappings that a preset replaces as a whole: shares only make sense together."""


def _changed(content: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    changed = dict(content)
    for name, value in changes.items():
        before = changed.get(name)
        if isinstance(before, dict) and isinstance(value, Mapping) and name not in WHOLE:
            changed[name] = _changed(before, value)
        else:
            changed[name] = value
    return changed
