"""Rules read from YAML files, all of them or none."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from models.unique_keys import UniqueKeys
from selectivity.errors import RulesError
from selectivity.rules.rule_set import RuleSet


class _RulesLoader(UniqueKeys, yaml.SafeLoader):
    """Dates, numbers, texts and lists."""


def read_rules(files: Sequence[Path]) -> RuleSet:
    """One set from one or several files, each a YAML list of rules.

    Raises:
        RulesError: a file is absent, is not such a list, or a rule in it is wrong.
    """
    return RuleSet.build(rows_of(files))


def rows_of(files: Sequence[Path]) -> list[tuple[str, Any]]:
    """Each rule as it stands in its file, with the file's name, unchecked.

    Raises:
        RulesError: a file is absent, or is no list.
    """
    return [(file.name, row) for file in files for row in _rows(file)]


def _rows(file: Path) -> list[Any]:
    try:
        rows = yaml.load(file.read_bytes(), Loader=_RulesLoader)
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        raise RulesError(str(file), None, problem, "Check the path.") from error
    except (yaml.YAMLError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise RulesError(file.name, None, f"is not YAML: {problem}", "Correct it.") from error
    if not isinstance(rows, list) or not rows:
        raise RulesError(
            file.name, None, "does not hold a list of rules", "Begin each rule with `- id: R-…`."
        )
    return rows
