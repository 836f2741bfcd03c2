"""Reads one section of params.yaml into the model its stage declares."""

import json
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from models.unique_keys import UniqueKeys
from pipelines.stage.files import write_text
from selectivity.errors import ParamsError
from selectivity.similar import closest

Model = TypeVar("Model", bound=BaseModel)


OF_STAGES = (
    *("simulate", "ingest", "prepare", "label", "featurize", "train", "scorecard", "bundle"),
    *("evaluate", "policy"),
)
OF_COMMANDS = ("gate", "search")
"""Sections that a command reads and no stage: no bundle depends on them."""
LIKENESS = 0.6
"""From 0 to 1: a name less alike than this is not suggested. DATE is still told for DATUM."""

_TEXT, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"


class _ParamsLoader(UniqueKeys, yaml.SafeLoader):
    """Numbers, texts and lists, under keys that are texts: JSON has no others."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """As the loader would, after a look at the keys."""
        for key, _ in node.value:
            if key.tag not in (_TEXT, _MERGE):
                what = f"the key {key.value!r} is no text; put it in quotes"
                raise yaml.constructor.ConstructorError(None, None, what, key.start_mark)
        return super().construct_mapping(node, deep)


_ParamsLoader.add_implicit_resolver(  # 1e-05 is a number, as DVC reads it and Python writes it
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def section(path: Path, name: str, model: type[Model], *, optional: bool = False) -> Model:
    """Section `name` of the params file at `path`; without it, if `optional`, the model as it is.

    Raises:
        ParamsError: no such file or section, an unknown key, a value that cannot be used, or any
            other section whose name is misspelt.
    """
    content = _content(path)
    if name not in content and optional:
        return model()
    if name not in content:
        raise ParamsError(
            f"Params file {path} has no section {name!r}; it has {', '.join(content) or 'none'}. "
            f"Add a section {name!r} with {', '.join(model.model_fields)}."
        )
    try:
        # As JSON, where a number is a number: 3 and "3", or 1 and true, are not the same.
        return model.model_validate_json(json.dumps(content[name], default=str), strict=True)
    except ValidationError as error:
        raise ParamsError(f"Params file {path}: {explain(error, model, name)}") from error


def of_stages(path: Path) -> dict[str, Any]:
    """All sections of the params file that bundles and their figures depend on.

    Raises:
        ParamsError: no such file, or one that holds no sections.
    """
    return {name: held for name, held in _content(path).items() if name not in OF_COMMANDS}


def leaves(content: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in nested dictionaries, with a dotted name. Lists are values."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from leaves(value, f"{name}.{key}" if name else str(key))
    else:
        yield name, content


def as_text(value: Any) -> str:
    """A value of a params file as it stands there, more or less."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def check_watched(file: Path, folder: Path, key: str) -> None:
    """See that a stage runs again when this file changes.

    Raises:
        ParamsError: the file is not in the folder that the stage depends on.
    """
    if not file.resolve().is_relative_to(folder.resolve()):
        raise ParamsError(
            f"{key} names {file}, which lies outside of {folder}: DVC would not see it change, and "
            f"keep what an older one made. Put it into {folder}, and name it there."
        )


def write_values(path: Path, name: str, values: Mapping[str, bool | float]) -> None:
    """Set plain values of section `name`; all else stays as it is, ends of lines too.

    Raises:
        ParamsError: a value does not stand on a line of its own, so nothing is written.
    """
    text = path.read_bytes().decode("utf-8")
    heading = re.search(rf"^{re.escape(name)}: *(#.*)?\r?\n", text, re.MULTILINE)
    start = heading.end() if heading else len(text)
    body = re.split(r"^(?=\S)", text[start:], maxsplit=1, flags=re.MULTILINE)[0]
    changed = body
    for key, value in values.items():
        new = str(value).lower() if isinstance(value, bool) else str(value)
        line = re.compile(rf"^(  {re.escape(key)}: *)([^ #\r\n]+)( *)", re.MULTILINE)
        changed, count = line.subn(partial(_with_value, new), changed)
        if count != 1:
            raise ParamsError(
                f"Params file {path} has no line `{key}:` of its own in section {name!r}. Write it "
                f"there yourself: {key}: {new}"
            )
    write_text(path, text[:start] + changed + text[start + len(body) :])


def _with_value(new: str, found: re.Match[str]) -> str:
    """The line with the new value, its comment where it was if there is room."""
    key, old, space = found.groups()
    room = len(old) + len(space) - len(new)
    return key + new + (" " * max(room, 1) if space else "")


def explain(error: ValidationError, model: type[BaseModel], *parents: str) -> str:
    """The first problem of a file people write: its key, what is wrong and what to do."""
    found = error.errors(include_url=False)
    first = found[0]
    steps = [*parents, *_keys(first["loc"])]
    key = ".".join(steps) or "top level"
    if first["type"] == "extra_forbidden":
        return f"key {key} is not known{similar(steps[-1], _names(model))}. Correct or remove it."
    if first["type"] == "missing":
        return f"key {key} is missing. Add it."
    # Where it may be one of several things, each of them says what it is not.
    told = [each["msg"] for each in found if _keys(each["loc"]) == _keys(first["loc"])]
    problem = "; ".join(dict.fromkeys(told)).replace("Value error, ", "")
    return f"key {key}: {problem} (there is {first['input']!r:.60}). Correct the value."


def _keys(path: Sequence[int | str]) -> list[str]:
    """The keys of a path, without pydantic's marks of a key itself or of one of several types."""
    return [str(step) for step in path if not str(step).endswith("]")]


def similar(name: str, known: list[str]) -> str:
    """What was probably meant, in brackets; empty when nothing comes close."""
    meant = closest(name, known, likeness=LIKENESS)
    return f" (did you mean {meant!r}?)" if meant else ""


def _content(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_ParamsLoader)
        json.dumps(content, default=str)  # what holds itself cannot be written down
    except OSError as error:
        raise ParamsError(
            f"Params file {path} cannot be read ({error.strerror}). Give its path with --params."
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ParamsError(f"Params file {path} is not YAML: {error}. Correct the file.") from error
    if not isinstance(content, dict):
        raise ParamsError(f"Params file {path} holds no sections. Write `name:` lines at the top.")
    _check_names(path, content)
    return content


def _check_names(path: Path, content: dict[str, Any]) -> None:
    """Tell of a misspelt section before the hours that pass until its stage wants it. Sections of
    other names may hold what the others share.
    """
    known = (*OF_STAGES, *OF_COMMANDS)
    lacking = [name for name in known if name not in content]
    for name in content:
        if name not in known and (hint := similar(name, lacking)):
            raise ParamsError(
                f"Params file {path}: section {name!r} is not known{hint}. Correct it."
            )


def _names(annotation: Any) -> list[str]:
    """Keys of a model and of every model inside it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        inside = [field.annotation for field in annotation.model_fields.values()]
        return [*annotation.model_fields, *(name for part in inside for name in _names(part))]
    return [name for part in get_args(annotation) for name in _names(part)]
