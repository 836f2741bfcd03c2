"""The service keeps what its API description promises, whatever is made up from it.

`make fuzz` makes up much more.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from serving.http.problems import PROBLEM_JSON
from tests.services import KEY, a_service, bearer

RULES_BETWEEN_FIELDS = [positive_data_acceptance]
"""Some contents fit the description and are refused, such as two items of one number or a finding
without findings: the description cannot say so."""
BATCH, OPERATIONS = "/v1/lanes/batch", 16
"""A batch is taken whatever its lines hold: a bad line is answered beside the others."""


@schemathesis.serializer("application/x-ndjson")
def as_lines(_: Any, value: Any) -> Any:
    """A body of lines as it is."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@pytest.fixture(scope="module")
def operations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Any]]:
    """Every operation that the service describes."""
    with a_service(tmp_path_factory.mktemp("described")) as client:
        described = client.get("/openapi.json").json()
        for path in described["paths"].values():
            for operation in path.values():
                operation.pop("security", None)  # a key is sent with everything
        schema = schemathesis.openapi.from_dict(described)
        schema.config.update(base_url=str(client.base_url))
        yield [each.ok() for each in schema.get_all_operations()]


@pytest.mark.parametrize("number", range(OPERATIONS))
@pytest.mark.parametrize("mode", GenerationMode)
def test_a_route_answers_as_described(
    operations: list[Any], number: int, mode: GenerationMode, examples: int
) -> None:
    operation = operations[number]
    excluded = list(RULES_BETWEEN_FIELDS)
    if operation.path == BATCH:
        excluded.append(negative_data_rejection)
    anything = operation.as_strategy(generation_mode=mode)

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=anything)
    def answers(case: Any) -> None:
        case.call_and_validate(headers=bearer(KEY), excluded_checks=excluded)

    if mode is GenerationMode.POSITIVE or operation.body or operation.query:
        answers()


def test_every_operation_is_tried(operations: list[Any]) -> None:
    assert len(operations) == OPERATIONS


def test_a_generated_client_gets_short_names_and_one_type_for_lanes(
    operations: list[Any],
) -> None:
    names = {operation.definition.raw["operationId"] for operation in operations}
    assert len(names) == OPERATIONS
    assert {"assign_lane", "show_decision", "receive_inspection"} <= names
    schemas = operations[0].schema.raw_schema["components"]["schemas"]
    assert json.dumps(schemas).count(json.dumps(schemas["Lane"]["enum"])) == 1


def test_what_is_to_be_sent_again_is_said_with_the_header_to_wait_for(
    operations: list[Any],
) -> None:
    refusals = [
        responses["503"]
        for operation in operations
        if PROBLEM_JSON in str((responses := operation.definition.raw["responses"]).get("503"))
    ]
    assert len(refusals) == OPERATIONS - 3  # health, and the mode that is known without the log
    for refusal in refusals:
        assert refusal["headers"]["Retry-After"]["schema"] == {"type": "integer"}


@pytest.mark.parametrize(
    ("model", "field"),
    [("LaneAnswer", "lane"), ("DecisionView", "final_lane"), ("OverrideAsked", "to_lane")],
)
def test_the_lanes_there_are_stand_in_the_description(
    operations: list[Any], model: str, field: str
) -> None:
    schemas = operations[0].schema.raw_schema["components"]["schemas"]
    reference = schemas[model]["properties"][field]["$ref"]
    assert schemas[reference.rpartition("/")[2]]["enum"] == ["GREEN", "YELLOW", "RED"]
