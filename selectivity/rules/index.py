"""Finds the few rules that may hold for a declaration without asking each of them.

Most rules name values of some field: a heading, an importer, an origin. Each such rule is filed
under its values of one field, and asked only for declarations that carry one of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from selectivity.declaration import Declaration
from selectivity.rules.conditions import CLAIMS, Condition

Filed = TypeVar("Filed")

OF_HEADER = (
    "importer_id",
    "declarant_id",
    "seller_id",
    "procedure_code",
    "specific_circumstance",
    "country_of_export",
    "declaration_office",
    "transport_mode",
    "importer_risk_level",
    "importer_compliance_level",
    "importer_tax_debt",
    "direction",
)
OF_ITEM = ("country_of_origin", "duty_type")
PREFIX = "hs_prefix"
MOST_TELLING_FIRST = (*OF_HEADER[:3], PREFIX, *CLAIMS, *OF_ITEM, *OF_HEADER[3:])
"""A rule is filed under the first of these that its condition names."""

_Drawer = Mapping[Any, Sequence[int]]


class RuleIndex(Generic[Filed]):
    """Rules filed by their conditions. It finds too many rather than too few: ask what it finds."""

    def __init__(self, rules: Sequence[tuple[Condition | None, Filed]]) -> None:
        self._rules = [rule for _, rule in rules]
        drawers: dict[str, dict[Any, list[int]]] = defaultdict(lambda: defaultdict(list))
        self._unfiled: list[int] = []
        for at, (condition, _) in enumerate(rules):
            field = _filed_under(condition)
            if field is None:
                self._unfiled.append(at)
            for value in _wanted(condition, field):
                drawers[field or ""][value].append(at)
        self._of_header = _chosen(drawers, OF_HEADER)
        self._of_item = _chosen(drawers, OF_ITEM)
        self._of_claims = [(CLAIMS[name], at[True]) for name, at in _chosen(drawers, CLAIMS)]
        self._prefixes: _Drawer = dict(drawers.get(PREFIX, {}))
        self._lengths = sorted({len(prefix) for prefix in self._prefixes})

    def candidates(self, declaration: Declaration) -> list[Filed]:
        """The rules that may hold, in the order in which they were given."""
        found = set(self._unfiled)
        for field, drawer in self._of_header:
            if filed := drawer.get(getattr(declaration, field)):
                found.update(filed)
        for item in declaration.items:
            for field, drawer in self._of_item:
                if filed := drawer.get(getattr(item, field)):
                    found.update(filed)
            for field, filed in self._of_claims:
                if getattr(item, field) is not None:
                    found.update(filed)
            if (hs_code := item.hs_code) is not None:
                for length in self._lengths:
                    if filed := self._prefixes.get(hs_code[:length]):
                        found.update(filed)
        return [self._rules[at] for at in sorted(found)]


def _filed_under(condition: Condition | None) -> str | None:
    if condition is None:
        return None
    for field in MOST_TELLING_FIRST:
        claims_nothing = field in CLAIMS and not getattr(condition, field)  # as most goods do
        if field in condition.model_fields_set and not claims_nothing:
            return field
    return None


def _wanted(condition: Condition | None, field: str | None) -> Iterable[Any]:
    if field is None:
        return ()
    wanted = getattr(condition, field)
    return wanted if isinstance(wanted, tuple) else (wanted,)


def _chosen(drawers: Mapping[str, _Drawer], fields: Iterable[str]) -> list[tuple[str, _Drawer]]:
    return [(field, dict(drawers[field])) for field in fields if field in drawers]
