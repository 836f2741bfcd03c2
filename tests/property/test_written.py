"""What is written quickly is what the plain way writes: canonical JSON to the byte, and records."""

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selectivity.declaration import Amount, Declaration, Rate, canonical_json
from selectivity.record import DecisionRecord
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


@given(declarations)
def test_a_declaration_has_the_canonical_bytes_of_the_plain_way(declared: Declaration) -> None:
    assert declared.canonical == canonical_json(declared.as_lodged())


@pytest.mark.parametrize("kind", [Amount, Rate])
def test_no_number_is_as_high_as_those_that_canonical_json_writes_otherwise(kind: Any) -> None:
    (most,) = [limit.le for limit in get_args(kind)[1].metadata if hasattr(limit, "le")]
    assert "e" not in repr(float(most))


@given(declarations)
def test_a_record_is_kept_so_that_the_same_is_read(declared: Declaration) -> None:
    record = a_record().model_copy(update={"declared": declared.as_lodged()})
    kept = record.as_kept()
    assert DecisionRecord.model_validate_json(kept) == record
    assert json.loads(kept) == json.loads(record.model_dump_json())


def test_a_record_of_anything_that_json_can_hold_is_read_as_it_was() -> None:
    odd = {"": None, "é\u2028\x7f": [1e-7, 1e16, 2**64, -(2**80), True, {"b": {"a": "\x00\\"}}]}
    record = a_record().model_copy(update={"declared": odd})
    assert DecisionRecord.model_validate_json(record.as_kept()) == record


def test_a_small_number_is_canonical_as_it_always_was() -> None:
    declared = a_declaration(items=(an_item(net_mass_kg=1e-5, customs_value=0.00002),))
    assert b'"customs_value":2e-05' in declared.canonical
    assert b'"net_mass_kg":1e-05' in declared.canonical
