"""What is written and read quickly is what the plain way writes and reads: JSON, records, rows."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from functools import cached_property
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from selectivity.columns import HEADER, ITEM, Kind
from selectivity.deciding.decision import LaneDecision, Source
from selectivity.deciding.guard import Room
from selectivity.deciding.modes import Mode
from selectivity.deciding.scorecard import Scored
from selectivity.declaration import Amount, Declaration, Rate, canonical_json
from selectivity.histories.rows import rows_of
from selectivity.lanes import Channel, Lane, Reason, Vote
from selectivity.read_back import read_back
from selectivity.record import DecisionRecord, ItemScore
from serving.log.kept_texts import read_lodged
from tests.builders import a_declaration, an_item
from tests.logs import a_record

plain = st.characters(exclude_categories=("Cc", "Cs", "Cf"))
texts = st.text(plain | st.sampled_from('\n\t"\\/e-0.'), min_size=1, max_size=70)
names = texts.map(lambda text: " ".join(text.split())).filter(bool)
small = st.sampled_from([-0.0, 5e-324, 1e-6, 1e-5, 9.9e-5, 0.0001, 10.00001, 9.9e14 + 0.125, 1e15])
amounts = small | st.floats(0, 1e-3) | st.floats(0, 1e15) | st.integers(0, 10**15).map(float)
items = st.fixed_dictionaries(
    {},
    optional={
        "description": texts,
        "hs_code": st.none(),
        "net_mass_kg": amounts,
        "customs_value": amounts,
        "package_count": st.integers(0, 99_999_999),
    },
)
declarations = st.builds(
    lambda many, fields: Declaration.model_validate(
        {"declaration_id": "D-1", "accepted_at": "2026-03-02T12:00:00.120+07:00"}
        | fields
        | {"items": [item | {"item_no": no} for no, item in enumerate(many, 1)]},
        strict=False,
    ),
    st.lists(items, min_size=1, max_size=3),
    st.fixed_dictionaries(
        {},
        optional={
            "declaration_id": names,
            "invoice_amount": st.none() | amounts,
            "containerised": st.booleans(),
            "routing_countries": st.lists(st.sampled_from(["CN", "VN"]), max_size=3),
            "documents": st.lists(
                st.fixed_dictionaries({"type": st.just("380")}, optional={"id": names}), max_size=3
            ),
            "importer_registered_on": st.dates(),
        },
    ),
)


@settings(deadline=None)
@given(declarations)
def test_a_declaration_has_the_canonical_bytes_of_the_plain_way(declared: Declaration) -> None:
    assert declared.canonical == canonical_json(declared.lodged)


@pytest.mark.parametrize("kind", [Amount, Rate])
def test_no_number_is_as_high_as_those_that_canonical_json_writes_otherwise(kind: Any) -> None:
    (most,) = [limit.le for limit in get_args(kind)[1].metadata if hasattr(limit, "le")]
    assert "e" not in repr(float(most))


chances = st.floats(0, 1)
facts = st.dictionaries(texts, chances | st.integers() | texts | st.none(), max_size=3)
reasons = st.builds(
    Reason, code=texts, item_no=st.none() | st.integers(1), rule_id=st.none() | texts, facts=facts
)
lanes = st.sampled_from(Lane)
votes = st.builds(
    Vote,
    lane=lanes,
    channel=st.sampled_from(Channel),
    reason=reasons,
    probability=chances,
    cast=st.just(True),
)
decisions = st.builds(
    LaneDecision.of,
    st.lists(votes, min_size=1, max_size=3),
    source=st.sampled_from(Source),
    risk=st.none() | chances,
    signals=st.lists(reasons, max_size=2).map(tuple),
    shadow=st.none() | st.builds(Scored, lane=lanes, points=st.integers(), item_no=st.integers()),
    mode=st.sampled_from(Mode),
    room=st.none()
    | st.builds(
        Room, lane=lanes, normal=amounts, limit=amounts, taken=st.integers(0), rank=chances
    ),
)
scores = st.builds(
    ItemScore, none=chances, documentary=chances, physical=chances, duty_share=chances
)
zones = st.just(UTC) | st.integers(-720, 720).map(
    lambda minutes: timezone(timedelta(minutes=minutes))
)
moments = st.datetimes(datetime(1970, 1, 2), datetime(2199, 12, 31), timezones=zones)
PLAIN = a_record()


@settings(deadline=None)
@given(declarations, decisions, st.lists(scores, max_size=2), moments)
def test_a_record_is_kept_as_pydantic_writes_it(
    declared: Declaration, decision: LaneDecision, scored: list[ItemScore], now: datetime
) -> None:
    fields = dict(PLAIN) | {"declared": declared.lodged, "decided_at": now}
    record = DecisionRecord(**fields | {"decision": decision, "scores": tuple(scored)})
    kept = record.as_kept()
    assert DecisionRecord.model_validate_json(kept) == record
    assert json.loads(kept) == json.loads(record.model_dump_json())


def test_a_record_of_anything_that_json_can_hold_is_read_as_it_was() -> None:
    odd = {"": None, "é\u2028\x7f": [1e-7, 1e16, 2**64, -(2**80), True, {"b": {"a": "\x00\\"}}]}
    record = PLAIN.model_copy(update={"declared": odd})
    assert DecisionRecord.model_validate_json(record.as_kept()) == record


def test_every_lane_in_a_record_stands_under_a_name_by_which_it_is_written_in_words() -> None:
    found = list(_fields(DecisionRecord))
    assert {name for name, kinds in found if Lane in kinds} == {"lane"}
    assert {Vote, Scored, Room} <= {kind for _, kinds in found for kind in kinds}


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, set[Any]]]:
    for name, field in model.model_fields.items():
        kinds = set(_kinds(field.annotation))
        yield name, kinds
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _fields(kind)


def _kinds(annotation: Any) -> Iterator[Any]:
    yield annotation
    for inner in get_args(annotation):
        yield from _kinds(inner)


def test_a_small_number_is_canonical_as_it_always_was() -> None:
    declared = a_declaration(items=(an_item(net_mass_kg=1e-5, customs_value=0.00002),))
    assert b'"customs_value":2e-05' in declared.canonical
    assert b'"net_mass_kg":1e-05' in declared.canonical


def test_nothing_that_a_part_of_a_record_remembers_is_written_with_it() -> None:
    for model in models_in(DecisionRecord):
        kept = [name for name, value in vars(model).items() if isinstance(value, cached_property)]
        assert not kept, f"{model.__name__}.{kept} would be written into the log"


def models_in(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A model and those of its fields."""
    yield model
    for field in model.model_fields.values():
        waiting = [field.annotation]
        while waiting:
            found = waiting.pop()
            waiting += get_args(found)
            if isinstance(found, type) and issubclass(found, BaseModel):
                yield from models_in(found)


ODD: Mapping[Kind, Sequence[Any]] = {
    "text": ["CN", "USD", "IMPORT", "ENTERPRISE", "6109100011", "1e5", "A " * 17 + "B", "“é越\\/…"],
    "number": [0, -0.0, 5e-324, 9.9e-5, 0.1 + 0.2, 10_000, 9.9e14 + 0.125, 1e15],
    "integer": [1, 5, 9_999, 99_999_999],
    "boolean": [True, False],
    "time": ["1970-01-02T00:00Z", "2199-12-30T12:00:00.120+07:00", "2026-03-02 23:59:59.9-12:00"],
    "date": ["0001-01-01", "1969-12-31", "9999-12-31"],
    "texts": [[], ["CN"], ["VN", "CN"]],
}
NUMBERED = {"item_no": 1}
LEAST = {"declaration_id": "D-1", "accepted_at": "2026-03-02T12:00:00Z", "items": [NUMBERED]}


def _taken(name: str, kind: Kind) -> "st.SearchStrategy[Any]":
    """What a field takes of the odd values of its kind, at least one of them and perhaps null."""
    taken = []
    for value in [*ODD[kind], None]:
        own = {"items": [NUMBERED | {name: value}]} if name in ITEM else {name: value}
        with suppress(ValidationError):
            Declaration.model_validate(LEAST | own, strict=False)
            taken.append(value)
    assert taken != [None], name
    return st.sampled_from(taken)


odd_items = st.fixed_dictionaries(
    {}, optional={name: _taken(name, kind) for name, kind in ITEM.items() if name != "item_no"}
)
odd_headers = st.fixed_dictionaries(
    {"documents": st.none() | st.just([{"type": "380", "id": "é"}, {"type": "271"}])},
    optional={
        name: _taken(name, kind) for name, kind in HEADER.items() if name != "document_types"
    },
)


@settings(deadline=None)
@given(odd_headers, st.lists(odd_items, min_size=1, max_size=3))
def test_a_declaration_read_back_makes_the_rows_of_the_one_that_was_checked(
    header: dict[str, Any], many: list[dict[str, Any]]
) -> None:
    items = [item | {"item_no": no} for no, item in enumerate(many, 1)]
    declared = Declaration.model_validate(LEAST | header | {"items": items}, strict=False)
    kept = PLAIN.model_copy(update={"declared": declared.lodged}).as_kept()
    checked = DecisionRecord.model_validate_json(kept).declaration()
    assert checked == declared
    assert repr(rows_of(read_back(kept))) == repr(rows_of(checked))  # NaN equals no NaN
    ways = [isinstance(read_lodged(kept, whole=whole), Declaration) for whole in (True, False)]
    assert ways == [False, True]  # what is whole goes the short way
