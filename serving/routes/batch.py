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
from serving.deciding.assign import Parts, kept_or_again, lodge_together
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
"""Turns of the event loop between them. A single declaration goes from hand to hand seven times on
its way: with one turn it would wait behind as many groups of lines. A turn costs next to nothing.
"""
TOLD_PER_BYTE = 2
"""How much longer than the longest batch its answers may get, which lie in memory: a line that
cannot be used is told of up to twenty problems, and is shorter than they are."""
NAMES_LOOKED_FOR = 200
"""Names of fields that are not known, by batch, for which one that is meant is looked for: it takes
a tenth of a millisecond, during which nobody else is answered."""
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


class _Answers(asyncio.Queue[bytes | None]):
    """Answers in their order, and how long they are together; None ends them."""

    bytes_told = 0

    def tell(self, chunk: bytes) -> None:
        """Add some."""
        self.bytes_told += len(chunk)
        self.put_nowait(chunk)


class _Begun(NamedTuple):
    """Lines that were decided on together, and when that began."""

    at: float
    lines: Sequence[tuple[int | None, _Lodging | Problem]]
    """Lines with their numbers; the number is None for what concerns the whole request."""


async def answer_lines(request: Request, parts: Parts, language: Language) -> AsyncIterator[bytes]:
    """The answers to a batch, once its last line is read, and from then on as they get durable."""
    begun: asyncio.Queue[_Begun | None] = asyncio.Queue()
    answers = _Answers()
    room = asyncio.Semaphore(AHEAD)
    tasks = [
        asyncio.create_task(_begin_all(request, parts, begun, answers, room)),
        asyncio.create_task(_settle_all(begun, parts, language, answers, room)),
    ]
    try:
        # The second only ends first where it broke down, and then the first would wait for it.
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        while (chunk := await answers.get()) is not None:
            yield chunk
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def _begin_all(
    request: Request,
    parts: Parts,
    begun: "asyncio.Queue[_Begun | None]",
    answers: _Answers,
    room: asyncio.Semaphore,
) -> None:
    lines = LineSplitter(parts.settings.body_limit_bytes)
    taken, limit = 0, parts.settings.batch_limit_bytes
    left, meant = parts.settings.batch_lines_limit, meant_in_many(NAMES_LOOKED_FOR)

    async def begin(ended: Iterator[Line]) -> None:
        nonlocal left
        while some := list(islice(ended, LINES_TOGETHER)):
            if answers.bytes_told > TOLD_PER_BYTE * limit:
                raise RefusedError(_too_large(TOLD_PER_BYTE * limit, "bytes of answers"))
            together, left = some[:left], left - len(some)
            if together:
                await room.acquire()
                begun.put_nowait(_Begun(time.perf_counter(), list(_begin(together, parts, meant))))
            for _ in range(TURNS):
                await asyncio.sleep(0)
            if left < 0:
                raise RefusedError(_too_large(parts.settings.batch_lines_limit, "lines"))

    try:
        async for chunk in request.stream():
            taken += len(chunk)
            if taken > limit:
                raise RefusedError(body_too_large(limit))
            await begin(lines.feed(chunk))
        await begin(lines.end())
    except RefusedError as refused:
        begun.put_nowait(_Begun(time.perf_counter(), [(None, refused.problem)]))
    except ClientDisconnect:
        pass  # what was decided is kept; the caller asks again and gets the same answers
    finally:
        begun.put_nowait(None)


async def _settle_all(
    begun: "asyncio.Queue[_Begun | None]",
    parts: Parts,
    language: Language,
    answers: _Answers,
    room: asyncio.Semaphore,
) -> None:
    """While some are being kept, the next are decided on."""
    try:
        while (some := await begun.get()) is not None:
            answers.tell(await _settled(some, parts, language))
            if any(isinstance(each, _Lodging) for _, each in some.lines):  # others wait for nothing
                parts.meters.lines_seconds.observe(time.perf_counter() - some.at)
            room.release()
    finally:
        answers.put_nowait(None)


def _begin(
    lines: Sequence[Line], parts: Parts, meant: Meant
) -> Iterator[tuple[int, _Lodging | Problem]]:
    read = [(line.number, _read(line, parts, meant)) for line in lines]
    declarations = [each for _, each in read if isinstance(each, Declaration)]
    lodged = iter(lodge_together(declarations, parts))
    for number, each in read:
        yield number, _begun(each, next(lodged)) if isinstance(each, Declaration) else each


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
    told = [
        each.model_copy(update={"remedy": ONE_A_LINE}) if each.remedy == ONE_OBJECT else each
        for each in refused.problems
    ]
    return refused.model_copy(update={"problems": tuple(told)})


def _begun(
    declaration: Declaration, kept: "asyncio.Future[Kept] | Exception"
) -> _Lodging | Problem:
    if isinstance(kept, DecisionLogError):
        return of_error(kept)
    if isinstance(kept, Exception):
        raise kept
    return _Lodging(declaration, kept)


async def _settled(some: _Begun, parts: Parts, language: Language) -> bytes:
    chunk = b""
    for number, pending in some.lines:
        outcome = pending if isinstance(pending, Problem) else await _outcome(pending, parts)
        if isinstance(outcome, Problem):
            parts.meters.refused(outcome.status)
            chunk += _problem_line(outcome.model_copy(update={"line": number}))
        else:
            chunk += lane_answer(outcome.record, parts.predictor.rules, language) + b"\n"
    return chunk


async def _outcome(lodging: _Lodging, parts: Parts) -> Kept | Problem:
    try:
        kept = asyncio.shield(lodging.kept)  # it is kept even if nobody waits any more
        return await kept_or_again(kept, lodging.declaration, parts)
    except DecisionLogError as error:
        return of_error(error)


def _problem_line(problem: Problem) -> bytes:
    return problem.model_dump_json(exclude_none=True).encode() + b"\n"
