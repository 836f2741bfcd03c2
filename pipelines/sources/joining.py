"""Joins what several sources hold: the source itself and what the service sent back."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd

from pipelines.sources.assembly import FINDING, INSPECTION
from pipelines.sources.layouts import Canonical
from pipelines.sources.sifting import QUARANTINE
from selectivity.columns import Columns, Mask, from_columns, take
from selectivity.inspection import Result

OTHER_CONTENT = "is in an earlier source with other content"
_NO_DECLARATION = "no accepted declaration has this id"
_ORDER = ["accepted_at", "declaration_id", "version_no", "item_no"]


def join(sources: Sequence[Canonical]) -> Canonical:
    """Everything in one, goods items in order of time. What an earlier source says stands.

    A declaration or inspection that comes again is counted when it is the same, and quarantined
    when it is not. An inspection of a declaration that is nowhere is quarantined.
    """
    joined = _without_orphans(reduce(_two, sources))
    order = pd.DataFrame({name: joined.items[name] for name in _ORDER}).sort_values(_ORDER).index
    places = joined.places.iloc[order].reset_index(drop=True)
    items, rows = take(joined.items, order.to_numpy()), joined.rows[order]
    return replace(joined, items=items, rows=rows, places=places)


@dataclass(frozen=True)
class _Repetition:
    """Which entries of a later source an earlier one has too, and which of those say otherwise."""

    again: Mask
    differs: Mask

    @classmethod
    def of(
        cls, keys: Sequence[Hashable], earlier: Mapping[Any, Any], later: Mapping[Any, Any]
    ) -> "_Repetition":
        again = np.array([key in earlier for key in keys], dtype=bool)
        differs = [key in earlier and earlier[key] != later[key] for key in keys]
        return cls(again, np.array(differs, dtype=bool))


def _two(first: Canonical, second: Canonical) -> Canonical:
    both = set(_keys(first.items)) & set(_keys(second.items))
    items = _Repetition.of(
        _keys(second.items), _declared(first.items, both), _declared(second.items, both)
    )
    ids = list(second.inspections["inspection_id"])
    shared = set(first.inspections["inspection_id"]) & set(ids)
    controls = _Repetition.of(ids, _concluded(first, shared), _concluded(second, shared))
    same = controls.again & ~controls.differs
    inspections = second.inspections[~controls.again]
    findings = second.findings[second.findings["inspection_id"].isin(inspections["inspection_id"])]
    new = take(second.items, ~items.again)
    return Canonical(
        items={name: np.concatenate([first.items[name], new[name]]) for name in new},
        rows=np.concatenate([first.rows, second.rows[~items.again] + first.rows_read]),
        places=_stacked(first.places, second.places[~items.again]),
        inspections=_stacked(first.inspections, inspections),
        findings=_stacked(first.findings, findings),
        quarantine=_stacked(
            first.quarantine,
            second.quarantine,
            _notes(second.places[items.differs], second.items["declaration_id"][items.differs]),
            _notes(
                second.inspections[controls.differs],
                second.inspections["declaration_id"][controls.differs],
                name="inspection_id",
            ),
        ),
        files={**first.files, **second.files},
        found=first.found + second.found - len(_findings(first) & _findings(second)),
        duplicates=first.duplicates
        + second.duplicates
        + int((items.again & ~items.differs).sum() + same.sum()),
        emptied=Counter(first.emptied) + Counter(second.emptied),
        misnamed=[*first.misnamed, *second.misnamed],
    )


def _without_orphans(joined: Canonical) -> Canonical:
    inspections = joined.inspections
    known = inspections["declaration_id"].isin(joined.items["declaration_id"]).to_numpy(dtype=bool)
    orphans = inspections[~known]
    notes = _notes(orphans, orphans["declaration_id"], "declaration_id", _NO_DECLARATION)
    kept = joined.findings["inspection_id"].isin(inspections["inspection_id"][known])
    return replace(
        joined,
        inspections=inspections[known].reset_index(drop=True),
        findings=joined.findings[kept].reset_index(drop=True),
        quarantine=_stacked(joined.quarantine, notes),
    )


def _findings(source: Canonical) -> set[str]:
    """Inspections that found something: one that both sources tell of is one, as the first says."""
    found = source.inspections["result"] == Result.FINDING
    return set(source.inspections["inspection_id"][found])


def _keys(items: Columns) -> list[Hashable]:
    return list(zip(items["declaration_id"], items["version_no"], strict=True))


def _declared(items: Columns, keys: set[Hashable]) -> dict[Hashable, Any]:
    """The declarations with these ids and versions."""
    rows = np.array([key in keys for key in _keys(items)], dtype=bool)
    found = from_columns(take(items, rows))
    return {(one.declaration_id, float(one.version_no)): one for one in found}


def _concluded(source: Canonical, ids: set[Hashable]) -> dict[Hashable, Any]:
    """What the inspections with these ids say, findings in any order."""
    controls = source.inspections[source.inspections["inspection_id"].isin(list(ids))]
    findings = source.findings[source.findings["inspection_id"].isin(list(ids))]
    said = {row[0]: [repr(row)] for row in controls[list(INSPECTION)].itertuples(index=False)}
    for row in findings[list(FINDING)].itertuples(index=False):
        said[row[0]].append(repr(row))
    return {name: sorted(lines) for name, lines in said.items()}


def _notes(
    places: pd.DataFrame, ids: Any, name: str = "declaration_id", reason: str = OTHER_CONTENT
) -> pd.DataFrame:
    """Lines for the quarantine."""
    notes = places[["file", "line"]].assign(
        declaration_id=np.asarray(ids), field=name, reason=reason, value=""
    )
    return notes[list(QUARANTINE)]


def _stacked(*frames: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(frames, ignore_index=True)
