"""Answers as lines of a table in the terminal."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

WIDTHS = (22, 3, 11, 10)
HEAD = ("declaration", "v", "lane", "channel", "reason")


def head() -> str:
    """The names of the columns."""
    return _row(*HEAD)


def row(answer: Mapping[str, Any]) -> str:
    """One answer: lane, who asked for it and why; for a problem, what is wrong."""
    if "lane" not in answer:
        return _row(f"line {answer.get('line', '?')}", "", "none", "-", what_is_wrong(answer))
    reasons = "; ".join(dict.fromkeys(reason["text"] for reason in answer["reasons"]))
    label = f"{reasons} [{answer['fallback_cause']}]" if answer["degraded"] else reasons
    version = str(answer["version_no"])
    return _row(answer["declaration_id"], version, answer["lane_name"], answer["channel"], label)


def notice_row(notice: Mapping[str, Any]) -> str:
    """One notice: when, which declaration, and the lane that holds, or that is asked for."""
    reasons = "; ".join(dict.fromkeys(reason["text"] for reason in notice["reasons"]))
    lane = notice["lane_name"] or f"{notice['asked_lane_name']} ({notice['state']})"
    at = datetime.fromisoformat(notice["at"]).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    cells = [at, notice["declaration_id"], f"v{notice['version_no']}", lane, notice["channel"]]
    words = [f"“{notice['reason_text']}”"] if notice["reason_text"] else []
    return "  ".join([*cells, reasons, *words])


def what_is_wrong(problem: Mapping[str, Any]) -> str:
    """A problem document in one line."""
    found = [
        f"{each['field']}: {each['message']}. {each['remedy']}"
        for each in problem.get("problems", ())
    ]
    return "; ".join(found) or str(problem.get("detail", problem.get("title", "no answer")))


def no_such_items(declaration_id: str, item_nos: Sequence[int]) -> str:
    """Findings of an inspection that name goods items in vain."""
    named = ", ".join(map(str, item_nos))
    return (
        f"{declaration_id} has no goods item {named}; what was found there teaches nothing. Send a "
        "correction (`corrects`) with the right item_no."
    )


def before_acceptance(declaration_id: str) -> str:
    """A result that is dated before there was anything to look at."""
    return (
        f"the result is dated before {declaration_id} was accepted, so it teaches nothing. Correct "
        "the clock, and send a correction (`corrects`) with the right observed_at."
    )


def _row(*cells: str) -> str:
    *narrow, last = cells
    padded = [cell.ljust(width) for cell, width in zip(narrow, WIDTHS, strict=True)]
    return "  ".join([*padded, last])
