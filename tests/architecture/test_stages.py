"""dvc.yaml tells DVC everything a stage runs on; what is not listed there goes stale unseen."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from pipelines.stage.params import OF_COMMANDS
from tests.architecture.tree import ROOT, parsed, reached


def test_every_stage_lists_what_it_runs_on() -> None:
    found = [problem for name, stage in _stages(ROOT) for problem in _problems(name, stage, ROOT)]
    assert not found, "\n" + "\n".join(found)


def test_params_hold_no_section_that_no_stage_reads() -> None:
    sections = set(yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8")))
    read = {name for _, stage in _stages(ROOT) for name in _listed_params(stage)}
    text = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    unread = {name for name in sections - read if f"${{{name}." not in text}
    unread -= set(OF_COMMANDS)
    assert not unread, f"params.yaml: no stage of dvc.yaml lists {', '.join(sorted(unread))}"


def test_a_module_or_section_left_out_of_a_stage_is_named(tmp_path: Path) -> None:
    _write(tmp_path, "pipelines/train.py", 'from models import tree\nsection(p, "train", T)')
    _write(tmp_path, "models/tree.py", "import numpy\nfrom selectivity.lanes import Lane")
    _write(tmp_path, "selectivity/lanes.py", "")
    stage = {"cmd": "python -m pipelines.train --params params.yaml", "deps": ["models"]}

    assert list(_problems("train", stage, tmp_path)) == [
        "dvc.yaml, stage train: take the folder models out of deps, it holds outputs",
        "dvc.yaml, stage train, add under deps:\n      - models/tree.py\n"
        "      - pipelines/train.py\n      - selectivity/lanes.py",
        "dvc.yaml, stage train, add under params:\n      - train",
    ]


def test_sections_that_only_another_stage_reads_are_not_asked_for(tmp_path: Path) -> None:
    _write(tmp_path, "pipelines/train.py", "from pipelines.label import known")
    _write(
        tmp_path,
        "pipelines/label.py",
        'def known():\n    section(p, "policy", P)\n\ndef main():\n    section(p, "label", L)',
    )
    stage = {"cmd": "python -m pipelines.train", "deps": ["pipelines"]}

    (problem,) = _problems("train", stage, tmp_path)
    assert problem == "dvc.yaml, stage train, add under params:\n      - policy"


def test_a_stage_that_lists_everything_passes(tmp_path: Path) -> None:
    _write(tmp_path, "pipelines/train.py", 'import selectivity.lanes\nsection(p, "train", T)')
    _write(tmp_path, "selectivity/lanes.py", "")
    deps = ["pipelines/train.py", "selectivity/lanes.py", "data/features/train.parquet"]
    stage = {"cmd": "python -m pipelines.train", "deps": deps, "params": ["train.seed", "train"]}

    assert not list(_problems("train", stage, tmp_path))


def test_a_module_that_a_stage_lists_and_does_not_run_is_named(tmp_path: Path) -> None:
    _write(tmp_path, "pipelines/train.py", "")
    deps = ["pipelines/train.py", "pipelines/training/rows.py"]
    (problem,) = _problems("train", {"cmd": "python -m pipelines.train", "deps": deps}, tmp_path)
    assert problem.endswith(
        "stage train, take out of deps, which do not run:\n      - pipelines/training/rows.py"
    )


def test_a_stage_must_run_the_module_of_its_own_name(tmp_path: Path) -> None:
    stage = {"cmd": "python -m pipelines.fit --out x", "deps": []}
    (problem,) = _problems("train", stage, tmp_path)
    assert "must begin with `python -m pipelines.train`" in problem


def _stages(root: Path) -> list[tuple[str, dict[str, Any]]]:
    stages = yaml.safe_load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert stages
    return [(name, stage.get("do", stage)) for name, stage in stages.items()]


def _problems(name: str, stage: dict[str, Any], root: Path) -> Iterator[str]:
    module = Path("pipelines", f"{name}.py")
    if str(stage["cmd"]).split()[:3] != ["python", "-m", f"pipelines.{name}"]:
        yield f"dvc.yaml, stage {name}: cmd must begin with `python -m pipelines.{name}`"
        return
    if not (root / module).is_file():
        yield f"dvc.yaml, stage {name}: there is no {module}"
        return
    deps = {Path(dep) for dep in stage.get("deps", ())}
    if Path("models") in deps:
        yield f"dvc.yaml, stage {name}: take the folder models out of deps, it holds outputs"
    listed = deps - {Path("models")}
    runs = sorted(reached(module, root))
    unlisted = [path for path in runs if not any(path.is_relative_to(dep) for dep in listed)]
    if unlisted:
        yield _add(name, "deps", unlisted)
    modules = [path for path in sorted(listed) if path.suffix == ".py"]
    if idle := [path for path in modules if path not in runs]:
        yield _told(name, "take out of deps, which do not run", idle)
    sections = {name for path in runs for name in _sections_read(path, module, root)}
    if sections - _listed_params(stage):
        yield _add(name, "params", sorted(sections - _listed_params(stage)))


def _add(stage: str, key: str, lines: Iterable[object]) -> str:
    return _told(stage, f"add under {key}", lines)


def _told(stage: str, what: str, lines: Iterable[object]) -> str:
    return "\n      - ".join([f"dvc.yaml, stage {stage}, {what}:", *map(str, lines)])


def _sections_read(path: Path, module: Path, root: Path) -> Iterator[str]:
    """Names given to `section(path, name, model)`, but for the `main` of other stages."""
    for definition in parsed(path, root).body:
        if path == module or getattr(definition, "name", "") != "main":
            calls = [node for node in ast.walk(definition) if isinstance(node, ast.Call)]
            for call in calls:
                if ast.unparse(call.func).split(".")[-1] == "section":
                    yield from _literals(call)


def _literals(call: ast.Call) -> Iterator[str]:
    for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            yield argument.value


def _listed_params(stage: dict[str, Any]) -> set[str]:
    listed: list[str] = []
    for entry in stage.get("params", ()):
        listed += (
            [entry] if isinstance(entry, str) else [key for keys in entry.values() for key in keys]
        )
    return {key.split(".")[0] for key in listed}


def _write(root: Path, name: str, code: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code, encoding="utf-8")
