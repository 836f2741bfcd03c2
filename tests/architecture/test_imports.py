"""Imports point one way, and the domain core is pure."""

import ast
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGES, ROOT, imported_names, modules, parsed, reached

OUTSIDE_WORLD = {"open", "print", "input", "getenv", "now", "utcnow", "today"}
FILES = {
    "read_text",
    "read_bytes",
    "write_text",
    "write_bytes",
    "load",
    "save",
    "savez",
    "fromfile",
}


def test_the_import_contracts_hold() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_domain_core_needs_numpy_and_pydantic_and_to_write_json() -> None:
    core = [module for module in modules() if module.parts[0] == "selectivity"]
    foreign = {name for module in core for name in _third_party(module)}
    of_pydantic_itself = {"pydantic_core"}
    assert foreign - of_pydantic_itself == {"msgspec", "numpy", "pydantic"}


def test_the_service_needs_only_what_its_own_requirements_install() -> None:
    service = {path for path in modules() if path.parts[0] == "serving"}
    needed = {name for start in service for path in reached(start) for name in _third_party(path)}
    distributions = packages_distributions()
    locked = (ROOT / "requirements/serving.txt").read_text()
    installed = {_canonical(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", locked, re.M)}

    missing = {
        name for name in needed if installed.isdisjoint(map(_canonical, distributions[name]))
    }
    assert not missing, f"imported by the service but not in requirements/serving.txt: {missing}"


@pytest.mark.parametrize(
    "module", [path for path in modules() if path.parts[0] == "selectivity"], ids=str
)
def test_the_domain_core_reads_no_file_clock_chance_or_environment(module: Path) -> None:
    calls = [node for node in ast.walk(parsed(module)) if isinstance(node, ast.Call)]
    found = [f"{module}:{call.lineno}" for call in calls if not _pure(call)]
    assert not found, f"give what is read here as an argument instead: {', '.join(found)}"


@pytest.mark.parametrize(
    "module", [path for path in modules() if path.name == "__init__.py"], ids=str
)
def test_importing_a_package_runs_nothing(module: Path) -> None:
    docstring, *code = parsed(module).body
    assert isinstance(docstring, ast.Expr)
    assert not code, f"{module} holds code; DVC and readers look for it in named modules"


def _third_party(module: Path) -> set[str]:
    names = {name.split(".")[0] for name in imported_names(module)}
    return names - sys.stdlib_module_names - set(PACKAGES)


def _pure(call: ast.Call) -> bool:
    called = ast.unparse(call.func).split(".")[-1]
    unseeded = called == "default_rng" and not call.args and not call.keywords
    return not unseeded and called not in OUTSIDE_WORLD | FILES


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
