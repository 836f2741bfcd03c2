"""What is said of a field that there is not."""

import json
import time

import pytest
from pydantic import BaseModel, ValidationError

from selectivity.declaration import Declaration
from selectivity.inspection import Inspection
from selectivity.similar import meant_in_many
from serving.http.problems import FieldProblem, of_validation
from tests.builders import a_declaration


def _told(model: type[BaseModel], content: dict[str, object], field: str) -> FieldProblem:
    with pytest.raises(ValidationError) as caught:
        model.model_validate_json(json.dumps(content))
    found = of_validation(caught.value, model).problems
    return next(each for each in found if each.field == field)


@pytest.mark.parametrize(
    ("level", "name", "meant"),
    [
        ("header", "importer", "importer_id"),
        ("header", "Declaration_Office", "declaration_office"),
        ("items", "hscode", "hs_code"),
        ("items", "net_mass", "net_mass_kg"),
        ("documents", "typ", "type"),
    ],
)
def test_a_field_that_is_nearly_one_of_ours_is_answered_with_its_name(
    level: str, name: str, meant: str
) -> None:
    content = a_declaration().model_dump(mode="json", exclude_none=True)
    part = {"item_no": 1, name: "X"} if level == "items" else {name: "X"}
    content |= part if level == "header" else {level: [part]}
    field = name if level == "header" else f"{level}.0.{name}"

    assert f"Did you mean {meant}?" in _told(Declaration, content, field).remedy


def test_a_field_is_looked_for_at_its_own_level_alone() -> None:
    content = a_declaration().model_dump(mode="json", exclude_none=True)

    remedy = _told(Declaration, content | {"hs_code": "392350"}, "hs_code").remedy

    assert remedy.startswith("Take the field out")


def test_a_field_of_a_finding_is_found_as_well() -> None:
    content = {"findings": [{"item": 1, "mechanism": "SMUGGLING"}]}

    assert "Did you mean item_no?" in _told(Inspection, content, "findings.0.item").remedy


def test_names_without_end_cost_next_to_nothing() -> None:
    content = a_declaration().model_dump(mode="json", exclude_none=True)
    content |= {f"importer_{'x' * 20_000}{number}": number for number in range(50)}
    with pytest.raises(ValidationError) as caught:
        Declaration.model_validate_json(json.dumps(content))

    began = time.perf_counter()
    found = of_validation(caught.value, Declaration)

    assert time.perf_counter() - began < 1
    assert len(found.model_dump_json()) < 10_000


def test_in_many_contents_a_name_is_looked_for_once_and_not_without_end() -> None:
    meant = meant_in_many(2)

    assert meant(Declaration, ("items", 0, "hscode")) == "hs_code"
    assert meant(Declaration, ("hscode",)) is None  # that of another level
    assert meant(Declaration, ("importer",)) is None  # there were two
    assert meant(Declaration, ("items", 7, "hscode")) == "hs_code"
