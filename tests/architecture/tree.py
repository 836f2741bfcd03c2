"""The project as a tree of files: what stands in it and which module imports which."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("selectivity", "models", "pipelines", "serving")


def modules(root: Path = ROOT) -> list[Path]:
    """Every Python module of the product, relative to the root."""
    found = [path for package in PACKAGES for path in (root / package).rglob("*.py")]
    assert found, f"no modules under {root}"
    return sorted(path.relative_to(root) for path in found)


def kept_files() -> list[Path]:
    """Every file that git tracks or would add, relative to the root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted({Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()})


def parsed(module: Path, root: Path = ROOT) -> ast.Module:
    return ast.parse((root / module).read_text(encoding="utf-8"), filename=str(module))


def imported_names(module: Path, root: Path = ROOT) -> Iterator[str]:
    """Dotted names a module imports, wherever in it the import stands."""
    for node in ast.walk(parsed(module, root)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: write the import in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def reached(module: Path, root: Path = ROOT) -> set[Path]:
    """The module and every module of the product that runs when it is imported.

    Packages' own `__init__.py` are left out: they hold nothing but a docstring.
    """
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            names = imported_names(current, root)
            waiting += [path for name in names if (path := _file_of(name, root)) is not None]
    return found


def _file_of(name: str, root: Path) -> Path | None:
    parts = name.split(".")
    if parts[0] not in PACKAGES:
        return None
    for length in (len(parts), len(parts) - 1):
        path = Path(*parts[:length]).with_suffix(".py") if length else None
        if path is not None and (root / path).is_file():
            return path
    return None
