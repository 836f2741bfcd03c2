"""What an inspection says about each goods item: one reading for training and service."""

from collections.abc import Sequence

from selectivity.inspection import FindingClass, Inspection, Result

NO_VERDICT = ("SCAN",)
"""Controls that raise suspicions and settle none: most suspicious scanner images are harmless, and
a clear image says little of papers. What is opened after one is a control of its own."""


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
