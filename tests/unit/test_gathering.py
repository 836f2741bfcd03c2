"""Declarations that come at the same time are put to the model together, each for itself."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from selectivity.declaration import Declaration
from selectivity.errors import ConflictError
from serving.deciding.gathering import TOGETHER, Gathering
from serving.log.keep import Kept, OvertakenError
from tests.builders import a_declaration
from tests.logs import a_record

MANY = TOGETHER + 4


class _Parts:
    """Notes what is asked of them."""

    def __init__(self) -> None:
        self.together: list[list[str]] = []
        self.lodged: list[str] = []

    def lodge(
        self, declarations: Sequence[Declaration]
    ) -> "Iterator[asyncio.Future[Kept] | Exception]":
        self.together.append([each.declaration_id for each in declarations])
        for declaration in declarations:
            if declaration.declaration_id == "D-3":
                yield ConflictError("D-3 was decided before")
            else:
                self.lodged.append(declaration.declaration_id)
                kept: asyncio.Future[Kept] = asyncio.get_running_loop().create_future()
                kept.set_result(Kept(a_record(declaration_id=declaration.declaration_id), new=True))
                yield kept


def test_what_comes_together_is_judged_together_and_lodged_in_order() -> None:
    parts = _Parts()
    gathering = Gathering()

    async def come() -> list[Any]:
        coming = [
            gathering.lodge(a_declaration(declaration_id=f"D-{number}"), parts.lodge)
            for number in range(MANY)
        ]
        return await asyncio.gather(*coming, return_exceptions=True)

    told = asyncio.run(come())

    assert [len(each) for each in parts.together] == [TOGETHER, MANY - TOGETHER]
    names = [f"D-{number}" for number in range(MANY) if number != 3]
    assert parts.lodged == names
    assert [at for at, each in enumerate(told) if isinstance(each, ConflictError)] == [3]


def test_who_does_not_wait_any_more_is_left_out() -> None:
    parts = _Parts()
    gathering = Gathering()

    async def come_and_go() -> None:
        one, other = (
            asyncio.ensure_future(gathering.lodge(a_declaration(declaration_id=name), parts.lodge))
            for name in ("D-1", "D-2")
        )
        asyncio.get_running_loop().call_soon(one.cancel)
        await other

    asyncio.run(come_and_go())
    assert parts.together == [["D-2"]]


def test_whoever_still_waits_is_answered_and_whoever_has_left_changes_nothing() -> None:
    lodged: list[asyncio.Future[Kept]] = []

    def lodge(declarations: Sequence[Declaration]) -> "Iterator[asyncio.Future[Kept]]":
        lodged.extend(asyncio.get_running_loop().create_future() for _ in declarations)
        yield from lodged

    async def come() -> list[Any]:
        gathering = Gathering()
        coming = [
            asyncio.ensure_future(gathering.lodge(a_declaration(declaration_id=f"D-{n}"), lodge))
            for n in range(3)
        ]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        coming[2].cancel()
        await asyncio.sleep(0)
        assert not any(each.done() for each in lodged)  # it is being kept all the same
        lodged[0].set_result(Kept(a_record(declaration_id="D-0"), new=True))
        lodged[1].set_exception(OvertakenError("another version came"))
        lodged[2].set_result(Kept(a_record(declaration_id="D-2"), new=True))
        return await asyncio.wait_for(asyncio.gather(*coming, return_exceptions=True), 5)

    kept, overtaken, gone = asyncio.run(come())
    assert kept.record.declaration_id == "D-0"
    assert isinstance(overtaken, OvertakenError)
    assert isinstance(gone, asyncio.CancelledError)


def test_nothing_is_asked_when_nobody_waits_any_more() -> None:
    parts = _Parts()
    gathering = Gathering()

    async def come_and_go() -> None:
        one = asyncio.ensure_future(gathering.lodge(a_declaration(), parts.lodge))
        asyncio.get_running_loop().call_soon(one.cancel)
        await asyncio.wait([one])
        await asyncio.sleep(0)

    asyncio.run(come_and_go())
    assert parts.together == []


def test_whoever_waits_is_told_when_all_fails() -> None:
    def fails(_: Sequence[Declaration]) -> Iterator[Any]:
        raise RuntimeError("no model, no log, nothing")

    gathering = Gathering()

    async def come() -> list[Any]:
        coming = [
            gathering.lodge(a_declaration(declaration_id=f"D-{n}"), fails) for n in range(MANY)
        ]
        return await asyncio.wait_for(asyncio.gather(*coming, return_exceptions=True), 5)

    assert [type(each) for each in asyncio.run(come())] == [RuntimeError] * MANY


def test_a_lodged_declaration_is_answered_though_lodging_those_behind_it_fails() -> None:
    lodged: list[asyncio.Future[Kept]] = []

    def breaks_off(_: Sequence[Declaration]) -> "Iterator[asyncio.Future[Kept]]":
        lodged.append(asyncio.get_running_loop().create_future())
        yield lodged[0]
        raise RuntimeError("in the middle")

    async def come() -> list[Any]:
        gathering = Gathering()
        coming = [
            asyncio.ensure_future(
                gathering.lodge(a_declaration(declaration_id=f"D-{n}"), breaks_off)
            )
            for n in range(2)
        ]
        await asyncio.wait(coming, return_when=asyncio.FIRST_COMPLETED, timeout=5)
        lodged[0].set_result(Kept(a_record(declaration_id="D-0"), new=True))
        return await asyncio.wait_for(asyncio.gather(*coming, return_exceptions=True), 5)

    kept, broken_off = asyncio.run(come())
    assert kept.record.declaration_id == "D-0"
    assert isinstance(broken_off, RuntimeError)
