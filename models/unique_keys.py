"""YAML that people write: a key written twice is refused, not resolved in silence."""

from collections.abc import Hashable
from typing import Any

import yaml


class UniqueKeys(yaml.constructor.BaseConstructor):
    """For a YAML loader: refuses a key written twice, of which YAML would keep the last unsaid."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """As the loader would, after a look at the keys."""
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is written twice", node.start_mark
                )
        return super().construct_mapping(node, deep)
