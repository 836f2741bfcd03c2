"""Whatever callers send, in whatever order: one answer per key, one line per line, never a 500."""

import asyncio
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selectivity.errors import ConflictError
from selectivity.inspection import Inspection
from selectivity.lanes import Lane
from serving.deciding.assign import assign
from serving.deciding.parts import Parts
from serving.http.bodies import content_from, declaration_from
from serving.http.problems import RefusedError
from serving.routes.batch import LineSplitter
from serving.start import assemble
from tests.builders import a_declaration, an_item
from tests.services import a_service, lodged, settings_in

CODES = ["610910", "050710", "870323", "392350"]

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    parts = assemble(settings_in(tmp_path_factory.mktemp("parts")))
    yield parts
    parts.log.close()


lodgings = st.tuples(
    st.integers(1, 4), st.sampled_from(CODES), st.integers(1, 2), st.sampled_from([None, "a", "b"])
)


@settings(max_examples=40, deadline=None)
@given(many=st.lists(lodgings, min_size=1, max_size=12), together=st.booleans(), data=st.data())
def test_a_key_has_one_answer_and_a_lineage_never_gets_milder(
    parts: Parts, many: list[tuple[int, str, int, str | None]], together: bool, data: st.DataObject
) -> None:
    id_ = f"P-{parts.log.counts()[0]}-{data.draw(st.uuids(version=4))}"
    declared = [
        a_declaration(
            declaration_id=id_,
            version_no=version,
            lineage_id=lineage and f"{id_}-{lineage}",
            items=(an_item(hs_code=code, item_no=no),),
        )
        for version, code, no, lineage in many
    ]

    async def lodge_all() -> list[object]:
        if together:
            coming = [assign(declaration, parts) for declaration in declared]
            return await asyncio.gather(*coming, return_exceptions=True)
        return [
            (await asyncio.gather(assign(each, parts), return_exceptions=True))[0]
            for each in declared
        ]

    outcomes = asyncio.run(lodge_all())
    first: dict[int, str] = {}
    for declaration, outcome in zip(declared, outcomes, strict=True):
        snapshot = declaration.snapshot_sha256()
        stands = first.setdefault(declaration.version_no, snapshot)
        if snapshot != stands:
            assert isinstance(outcome, ConflictError)
        else:
            assert outcome == parts.log.find(id_, declaration.version_no)
    kept = [record for _, record in parts.log.records() if record.declaration_id == id_]
    lanes = [record.decision.lane for record in kept]
    assert lanes == sorted(lanes)
    assert len(kept) == len(first)
    assert all(isinstance(lane, Lane) for lane in lanes)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | values.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    for read in (lambda: declaration_from(body, 10), lambda: content_from(Inspection, body)):
        with pytest.raises(RefusedError) as refused:
            read()
        assert refused.value.problem.model_dump_json()


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(lodged())) | st.text(max_size=5), values, max_size=3))
def test_any_field_is_taken_or_refused(fields: dict[str, object]) -> None:
    try:
        declaration = declaration_from(json.dumps(lodged() | fields).encode(), 10)
    except RefusedError as error:
        told = error.problem
    else:
        assert len(declaration.snapshot_sha256()) == 64
        return
    assert told.problems
    assert told.model_dump_json()


@given(
    lines=st.lists(st.binary(max_size=12).filter(lambda line: b"\n" not in line)),
    cuts=st.lists(st.integers(0, 200)),
)
def test_lines_do_not_depend_on_how_the_stream_is_cut(lines: list[bytes], cuts: list[int]) -> None:
    body = b"\n".join(lines)
    edges = sorted({0, len(body), *(cut for cut in cuts if cut <= len(body))})
    splitter = LineSplitter(limit_bytes=10)
    found = [line for start, stop in pairwise(edges) for line in splitter.feed(body[start:stop])]
    found += splitter.end()

    expected = [
        (number, line if len(line) <= 10 else None)
        for number, line in enumerate(lines, start=1)
        if len(line) > 10 or line.strip()
    ]
    assert found == expected


def test_any_lines_get_one_answer_each(tmp_path: Path) -> None:
    good = json.dumps(lodged(declaration_id="D-1")).encode()
    kinds = st.sampled_from([good, b"{", b"[]", b"\xff", b"nul\0", b'{"a":' * 500, b"1e999"])

    with a_service(tmp_path) as client:

        @settings(max_examples=25, deadline=None)
        @given(st.lists(kinds, max_size=20))
        def one_answer_each(lines: list[bytes]) -> None:
            answer = client.post("/v1/lanes/batch", content=b"\n".join(lines))
            answers = [json.loads(line) for line in answer.text.splitlines()]
            assert len(answers) == len(lines)
            for number, (line, each) in enumerate(zip(lines, answers, strict=True), start=1):
                assert ("lane" in each) == (line == good)
                assert each.get("line", number) == number
                assert each.get("status", 422) == 422

        one_answer_each()
