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


class Told(NamedTuple):
    """What an inspection says counts from a moment on; with `counts` -1 it counts no more."""

    inspection: Inspection
    since: datetime
    counts: int


def taken_back_at(inspection: Inspection, known: Sequence[Inspection]) -> datetime | None:
    """When the first of these inspections corrected it, and never before it spoke itself."""
    moments = [each.observed_at for each in known if each.corrects == inspection.inspection_id]
    return max(min(moments), inspection.observed_at) if moments else None


def news(inspection: Inspection, known: Sequence[Inspection]) -> Iterator[Told]:
    """What an inspection changes, given those of its declaration that were known before.

    In whatever order they come, all of them together come to the same.
    """
    yield Told(inspection, inspection.observed_at, 1)
    for each in (*known, inspection):
        before = None if each is inspection else taken_back_at(each, known)
        after = taken_back_at(each, (*known, inspection))
        if after != before and after is not None:
            if before is not None:
                yield Told(each, before, 1)
            yield Told(each, after, -1)
