"""Many declarations in one request: one JSON object per line in, one per line out, in order.

Reading and deciding, keeping, and answering run side by side. Answers are sent once the request has
ended: many proxies and callers stop sending as soon as an answer begins.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import NamedTuple

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from selectivity.declaration import Declaration
from selectivity.errors import DecisionLogError
from selectivity.reasons.wording import Language
from selectivity.similar import meant_in_many
from serving.answers.lanes import lane_answer
from serving.deciding.assign import kept_or_again, lodge_together
from serving.deciding.parts import Parts
from serving.http.bodies import body_too_large, declaration_from
from serving.http.language import headers_in
from serving.http.problems import ONE_OBJECT, Meant, Problem, RefusedError, of_error, too_large
from serving.log.keep import Kept

NDJSON = "application/x-ndjson"
ONE_A_LINE = (
    "Send one declaration a line: `jq -c '.[]'` makes lines of a list, and curl keeps them with "
    "--data-binary, not with -d."
)
LINES_TOGETHER = 32
"""How many lines are decided on in one go, during which nothing else happens."""
TURNS = 8
"""Turns of the event loop between two groups of lines. A single declaration takes seven turns on
its way: with one turn in between it would wait behind seven groups. A turn costs next to nothing.
"""
ANSWER_BYTES_PER_BYTE = 2
"""How many times as long as the longest batch its answers may get, which lie in memory: the answer
to a line that cannot be used lists up to twenty problems, and is longer than the line."""
NAMES_LOOKED_FOR = 200
"""For so many unknown names of fields in a batch the field that was probably meant is looked for:
each takes a tenth of a millisecond, during which nobody else is answered."""
AHEAD = 8
"""How many groups of `LINES_TOGETHER` lines may be decided on and not be kept yet."""


class Line(NamedTuple):
    """A line of the request, counted from 1; None if it was too long to keep."""

    number: int
    content: bytes | None


class LineSplitter:
    """Cuts a stream of bytes into lines, keeping no more than one line of the longest size."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit, self._number = limit_bytes, 1
        self._start, self._too_long = bytearray(), False

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """The lines that end in this chunk, without the blank ones."""
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            self._keep(part)
            yield from self.end()
        self._keep(rest)

    def end(self) -> Iterator[Line]:
        """The line that has begun, ended here."""
        content = bytes(self._start)
        if self._too_long or content.strip():
            yield Line(self._number, None if self._too_long else content)
        self._number += 1
        self._start, self._too_long = bytearray(), False

    def _keep(self, part: bytes) -> None:
        self._too_long = self._too_long or len(self._start) + len(part) > self._limit
        if self._too_long:
            self._start.clear()
        else:
            self._start += part


class NdjsonResponse(Response):
    """Sends what an iterator gives. Starlette's own would read the request while we do."""

    media_type = NDJSON

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        language: Language,
        place: AbstractContextManager[None],
    ) -> None:
        """`place` is held until the last byte of the answer."""
        super().__init__(headers=headers_in(language))
        del self.headers["content-length"]
        self._chunks, self._place = chunks, place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answers, from when there is a first one."""
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        with self._place:
            chunk: bytes | None = await anext(self._chunks, None)
            await send(start)
            while chunk is not None:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                chunk = await anext(self._chunks, None)
            await send({"type": "http.response.body", "body": b"", "more_body": False})


class _Lodging(NamedTuple):
    """A declaration that is being lodged, and what becomes of it."""

    declaration: Declaration
    kept: "asyncio.Future[Kept]"


class _Group(NamedTuple):
    """Lines that were decided on together, and when that began."""

    began: float
    lines: Sequence[tuple[int | None, _Lodging | Problem]]
    """Lines with their numbers; the number is None for what concerns the whole request."""


async def answer_lines(request: Request, parts: Parts, language: Language) -> AsyncIterator[bytes]:
    """The answers to a batch, once its last line is read, and from then on as they get durable."""
    batch = _Batch(request, parts, language)
    tasks = [asyncio.create_task(batch.decide()), asyncio.create_task(batch.settle())]
    try:
        # `settle` only ends first where it broke down, and then `decide` would wait for it.
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        while (chunk := await batch.answers.get()) is not None:
            yield chunk
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


class _Batch:
    """One batch: `decide` makes groups of its lines, `settle` makes answers of these groups."""

    def __init__(self, request: Request, parts: Parts, language: Language) -> None:
        self._request, self._parts, self._language = request, parts, language
        self._meant = meant_in_many(NAMES_LOOKED_FOR)
        self._lines_left = parts.settings.batch_lines_limit
        self._groups: asyncio.Queue[_Group | None] = asyncio.Queue()
        """Decided on and not settled yet; None behind the last one."""
        self._room = asyncio.Semaphore(AHEAD)
        """For so many more groups."""
        self.answers: asyncio.Queue[bytes | None] = asyncio.Queue()
        """In the order of the lines; None behind the last one."""
        self._answer_bytes = 0

    async def decide(self) -> None:
        """Read the request, and decide on each group of lines as soon as it is there."""
        lines = LineSplitter(self._parts.settings.body_limit_bytes)
        taken, limit = 0, self._parts.settings.batch_limit_bytes
        try:
            async for chunk in self._request.stream():
                taken += len(chunk)
                if taken > limit:
                    raise RefusedError(body_too_large(limit))
                await self._decide_on(lines.feed(chunk))
            await self._decide_on(lines.end())
        except RefusedError as refused:
            self._groups.put_nowait(_Group(time.perf_counter(), [(None, refused.problem)]))
        except ClientDisconnect:
            pass  # what was decided is kept; the caller asks again and gets the same answers
        finally:
            self._groups.put_nowait(None)

    async def settle(self) -> None:
        """Answer each group once it is durable; meanwhile the next are decided on."""
        try:
            while (group := await self._groups.get()) is not None:
                chunk = await self._answers_to(group)
                self._answer_bytes += len(chunk)
                self.answers.put_nowait(chunk)
                if any(isinstance(each, _Lodging) for _, each in group.lines):
                    # A group of problems alone waits for no disk, and says nothing of its speed.
                    self._parts.meters.lines_seconds.observe(time.perf_counter() - group.began)
                self._room.release()
        finally:
            self.answers.put_nowait(None)

    async def _decide_on(self, lines: Iterator[Line]) -> None:
        settings = self._parts.settings
        while together := list(islice(lines, LINES_TOGETHER)):
            limit = ANSWER_BYTES_PER_BYTE * settings.batch_limit_bytes
            if self._answer_bytes > limit:
                raise RefusedError(_too_large(limit, "bytes of answers"))
            allowed = together[: self._lines_left]
            self._lines_left -= len(together)
            if allowed:
                await self._room.acquire()
                self._groups.put_nowait(_Group(time.perf_counter(), list(self._lodge(allowed))))
            for _ in range(TURNS):
                await asyncio.sleep(0)
            if self._lines_left < 0:
                raise RefusedError(_too_large(settings.batch_lines_limit, "lines"))

    def _lodge(self, lines: Sequence[Line]) -> Iterator[tuple[int, _Lodging | Problem]]:
        """Each line with its number, lodged together with the others if it can be used."""
        read = [(line.number, _read(line, self._parts, self._meant)) for line in lines]
        declarations = [each for _, each in read if isinstance(each, Declaration)]
        lodged = iter(lodge_together(declarations, self._parts))
        for number, each in read:
            if isinstance(each, Declaration):
                yield number, _lodging_or_problem(each, next(lodged))
            else:
                yield number, each

    async def _answers_to(self, group: _Group) -> bytes:
        parts, chunk = self._parts, b""
        for number, pending in group.lines:
            outcome = pending if isinstance(pending, Problem) else await _outcome(pending, parts)
            if isinstance(outcome, Problem):
                parts.meters.refused(outcome.status)
                chunk += _problem_line(outcome.model_copy(update={"line": number}))
            else:
                chunk += lane_answer(outcome.record, parts.predictor.rules, self._language) + b"\n"
        return chunk


def _read(line: Line, parts: Parts, meant: Meant) -> Declaration | Problem:
    try:
        if line.content is None:
            limit = parts.settings.body_limit_bytes
            return too_large("line", limit, "bytes", f"{ONE_A_LINE} Split one that is longer.")
        return declaration_from(line.content, parts.settings.items_limit, meant)
    except RefusedError as refused:
        return _as_a_line(refused.problem)


def _too_large(limit: int, unit: str) -> Problem:
    return too_large("batch", limit, unit, "Send it in several requests.")


def _as_a_line(refused: Problem) -> Problem:
    """The problem with the remedy of a batch, where the whole line is no declaration."""
    problems = [
        each.model_copy(update={"remedy": ONE_A_LINE}) if each.remedy == ONE_OBJECT else each
        for each in refused.problems
    ]
    return refused.model_copy(update={"problems": tuple(problems)})


def _lodging_or_problem(
    declaration: Declaration, kept: "asyncio.Future[Kept] | Exception"
) -> _Lodging | Problem:
    if isinstance(kept, DecisionLogError):
        return of_error(kept)
    if isinstance(kept, Exception):
        raise kept
    return _Lodging(declaration, kept)


async def _outcome(lodging: _Lodging, parts: Parts) -> Kept | Problem:
    try:
        kept = asyncio.shield(lodging.kept)  # it is kept even if nobody waits any more
        return await kept_or_again(kept, lodging.declaration, parts)
    except DecisionLogError as error:
        return of_error(error)


def _problem_line(problem: Problem) -> bytes:
    return problem.model_dump_json(exclude_none=True).encode() + b"\n"
