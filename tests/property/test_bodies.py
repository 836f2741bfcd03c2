"""Bodies with a key given twice are refused, whatever else they hold, and nothing else is."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selectivity.declaration import canonical_json
from serving.http.bodies import declaration_from
from serving.http.problems import RefusedError
from tests.builders import a_declaration
from tests.services import lodged

words = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cf", "Zl", "Zp")), min_size=1)
texts = words.map(str.strip).filter(lambda text: 0 < len(text) <= 70)
declared = st.fixed_dictionaries(
    {"declaration_id": texts},
    optional={
        "importer_id": st.none() | texts,
        "invoice_amount": st.none() | st.floats(0, 1e15) | st.integers(0, 10**15),
        "containerised": st.booleans(),
        "routing_countries": st.lists(st.sampled_from(["CN", "VN"]), max_size=3),
        "documents": st.lists(st.fixed_dictionaries({"type": st.just("380")}), max_size=3),
    },
)


def as_text(pairs: list[tuple[str, Any]], ascii_only: bool) -> bytes:
    inner = (
        f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=ascii_only)}" for name, value in pairs
    )
    return ("{" + ", ".join(inner) + "}").encode()


@settings(max_examples=150, deadline=None)
@given(fields=declared, data=st.data(), ascii_only=st.booleans())
def test_a_key_given_twice_is_refused_and_once_is_not(
    fields: dict[str, Any], data: st.DataObject, ascii_only: bool
) -> None:
    pairs = list((lodged() | fields).items())
    read = declaration_from(as_text(pairs, ascii_only), 10)
    assert read.lodged.keys() == dict(pairs).keys()

    twice = data.draw(st.sampled_from(pairs))
    pairs.insert(data.draw(st.integers(0, len(pairs))), twice)
    with pytest.raises(RefusedError) as refused:
        declaration_from(as_text(pairs, ascii_only), 10)
    assert twice[0] in str(refused.value.problem.problems)


@pytest.mark.parametrize(
    "twice",
    [
        b'"item_no": 1, "item_no": 1',
        # Quotation marks written as escapes do not make up for those of the second key.
        b'"item_no": 1, "description": "a\\u0022b\\u0022c", "item_no": 1',
    ],
)
def test_a_key_given_twice_in_a_goods_item_is_refused(twice: bytes) -> None:
    body = json.dumps(lodged()).encode().replace(b'"item_no": 1', twice)
    with pytest.raises(RefusedError) as refused:
        declaration_from(body, 10)
    assert refused.value.problem.problems[0].field == "item_no"


def test_a_changed_copy_has_its_own_canonical_form() -> None:
    declaration = a_declaration()
    before = declaration.canonical
    other = declaration.model_copy(update={"declaration_id": "D-2"})
    assert other.lodged["declaration_id"] == "D-2"
    assert other.canonical == canonical_json(other.lodged) != before
    assert declaration.canonical == before
