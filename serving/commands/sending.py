"""Sends the lines of a file, and stops early where they cannot be what they are sent as."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from http import HTTPStatus
from itertools import chain
from typing import Any

from selectivity.errors import SelectivityError

TRIED = 5
"""Lines that are sent first; when all of them are refused alike, those behind are not sent."""

Answers = Iterator[Mapping[str, Any]]


class Kind(StrEnum):
    """What a line of a file is, and the command that sends it."""

    DECLARATIONS = "lanes score"
    INSPECTIONS = "lanes report-inspections"


class Sending:
    """The answers to the lines of a file, in order; problems have the number of their `line`."""

    def __init__(
        self,
        lines: Iterator[bytes],
        send: Callable[[Iterable[bytes]], Answers],
        *,
        kind: Kind,
    ) -> None:
        self._lines, self._send, self._kind = lines, send, kind
        self.not_sent = 0
        """Lines that hold something and were not sent."""

    def __iter__(self) -> Answers:
        """Send them.

        Raises:
            SelectivityError: the first lines are of another kind; nothing was sent.
            ServiceError: no service answers, or it does not let this key in.
        """
        first = self._first()
        self._check_kind(first)
        answers = list(self._send(first))
        yield from answers
        kinds = {_likeness(answer) for answer in answers}
        if len(answers) == TRIED and len(kinds) == 1 and None not in kinds:
            self.not_sent = _filled(self._lines)
            return
        for answer in self._send(self._lines):
            yield (
                answer if "line" not in answer else {**answer, "line": answer["line"] + len(first)}
            )

    def _first(self) -> list[bytes]:
        """Lines up to the last of those that are tried; empty ones between them do not count."""
        first: list[bytes] = []
        while _filled(first) < TRIED and (line := next(self._lines, None)) is not None:
            first.append(line)
        return first

    def _check_kind(self, first: list[bytes]) -> None:
        kinds = {_kind_of(line) for line in first if line.strip()}
        (other,) = kinds if len(kinds) == 1 else (None,)
        if other in (None, self._kind):
            return
        raise SelectivityError(
            f"These are {other.name.lower()}: send them with `{other} FILE`. None of the "
            f"{_filled(chain(first, self._lines)):,} lines was sent."
        )


def _kind_of(line: bytes) -> Kind | None:
    """What this is, as far as its names tell."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    if "inspection_id" in content:
        return Kind.INSPECTIONS
    return Kind.DECLARATIONS if {"declaration_id", "items"} <= set(content) else None


def _likeness(answer: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """What contents have in common that are wrong in the same fields for the same reasons; None
    for what was taken, or may be taken another time.
    """
    if answer.get("status") != HTTPStatus.UNPROCESSABLE_ENTITY:
        return None
    named = (
        (re.sub(r"\d+", "#", each["field"]), each["message"].partition(":")[0])
        for each in answer.get("problems", ())
    )
    return (answer["title"], *named)


def _filled(lines: Iterable[bytes]) -> int:
    return sum(bool(line.strip()) for line in lines)
