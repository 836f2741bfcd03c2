"""What an inspection says about each goods item: one reading for training and service."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

import numpy as np

from selectivity.inspection import FindingClass, Inspection, Result

_Moment = TypeVar("_Moment", datetime, np.datetime64)

NO_VERDICT = ("SCAN",)
"""Controls that raise suspicions and settle none: most suspicious scanner images are harmless, and
a clear image says little of papers. What is opened after one is a control of its own."""

GOODS_CONTROLS = ("PARTIAL_PHYSICAL", "FULL_PHYSICAL")
"""Controls that look at the goods: they find what papers do not show."""


def item_outcomes(inspection: Inspection, item_nos: Sequence[int]) -> dict[int, FindingClass]:
    """The finding class of each goods item, as far as this inspection tells.

    Args:
        item_nos: the goods items of the declaration that was inspected.

    Returns:
        Nothing for a control that gives no verdict, and nothing when findings name
        only items the declaration does not have: unknown is never clean. Otherwise every item,
        with the most severe class found; a finding without `item_no` counts for all items.
    """
    if inspection.control_type in NO_VERDICT:
        return {}
    if inspection.result is Result.NO_FINDING:
        return dict.fromkeys(item_nos, FindingClass.NONE)
    if inspection.result is not Result.FINDING:
        return {}
    outcomes = dict.fromkeys(item_nos, FindingClass.NONE)
    for finding in inspection.findings:
        for item_no in item_nos:
            if finding.item_no in (None, item_no):
                outcomes[item_no] = max(outcomes[item_no], finding.mechanism.finding_class)
    return outcomes if any(outcomes.values()) else {}


def no_such_items(inspection: Inspection, item_nos: Sequence[int]) -> tuple[int, ...]:
    """Goods items that findings name and the declaration does not have; those teach nothing."""
    named = {each.item_no for each in inspection.findings if each.item_no is not None}
    return tuple(sorted(named.difference(item_nos)))


def comes_too_early(observed_at: _Moment, accepted_at: _Moment) -> bool:
    """Whether a result is dated before a version of its declaration was accepted.

    An inspection speaks on the newest version that its result does not come too early for. One too
    early for all of them teaches nothing: neither the histories of the service nor the next model.
    """
    return bool(observed_at < accepted_at)


class ResultChange(NamedTuple):
    """The result of an inspection counts from `since` on, or, with `counts` -1, no longer."""

    inspection: Inspection
    since: datetime
    counts: int


def taken_back_at(inspection: Inspection, known: Sequence[Inspection]) -> datetime | None:
    """When an inspection was first corrected by one of these, but not before its own result."""
    moments = [each.observed_at for each in known if each.corrects == inspection.inspection_id]
    return max(min(moments), inspection.observed_at) if moments else None


def result_changes(inspection: Inspection, known: Sequence[Inspection]) -> Iterator[ResultChange]:
    """What changes when an inspection becomes known: which results count, and from when on.

    Its own result counts from `observed_at` on; a result that is corrected counts no longer from
    the correction on. The corrected inspection may become known later than its correction. In
    whatever order inspections become known, their changes add up to the same.

    Args:
        known: inspections of the same declaration that were known before this one.
    """
    yield ResultChange(inspection, inspection.observed_at, 1)
    for corrected in (*known, inspection):
        before = None if corrected is inspection else taken_back_at(corrected, known)
        now = taken_back_at(corrected, (*known, inspection))
        if now is None or now == before:
            continue
        if before is not None:  # it was taken back already, from another moment on
            yield ResultChange(corrected, before, 1)
        yield ResultChange(corrected, now, -1)
