"""The API description: the schemas of what is read raw, and of problems."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from selectivity.declaration import Declaration
from selectivity.inspection import Inspection
from selectivity.lanes import LANES, Lane
from selectivity.mode_orders import ModeAsked
from selectivity.override import OverrideAsked
from serving.answers.explanations import ExplanationAnswer
from serving.answers.health import Readiness
from serving.answers.inspections import InspectionAnswer
from serving.answers.lanes import DecisionView, LaneAnswer, TraderView
from serving.answers.mode import ModeAnswer
from serving.answers.notices import AcknowledgementAnswer, Notices
from serving.answers.overrides import OverrideAnswer
from serving.http.problems import PROBLEM_JSON, Problem
from serving.log.cursors import CursorGiven

REFERENCE = "#/components/schemas/{model}"
READ: tuple[type[BaseModel], ...] = (
    Declaration,
    Inspection,
    OverrideAsked,
    CursorGiven,
    ModeAsked,
)
WRITTEN: tuple[type[BaseModel], ...] = (
    LaneAnswer,
    DecisionView,
    ExplanationAnswer,
    InspectionAnswer,
    OverrideAnswer,
    Notices,
    AcknowledgementAnswer,
    ModeAnswer,
    Readiness,
    TraderView,
    Problem,
)

_LANE = {
    "title": Lane.__name__,
    "description": "What is checked before the goods are released, the mildest first.",
    "type": "string",
    "enum": list(LANES),
}
_PROBLEMS = {
    401: "No valid key came with the request.",
    403: "The key has not the role for this.",
    404: "It is not there.",
    409: "The same key came before with other content; what was kept first stands.",
    413: "The content is too large.",
    415: "The content is encoded.",
    422: "The content cannot be used; every problem names its field and what to do.",
    503: "Too much to do, or the log is down: nothing was done. Send it again after Retry-After.",
}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}


def answers(
    model: type[BaseModel] | None,
    *problems: int,
    meaning: str,
    media: str = "application/json",
    also: Mapping[int, str] | None = None,
) -> dict[int | str, dict[str, Any]]:
    """The answers of a route: 200 with this model (and other codes alike), and its problems."""
    schema = {"type": "string"} if model is None else _reference(model)
    good: dict[int | str, dict[str, Any]] = {
        status: {"description": text, "content": {media: {"schema": schema}}}
        for status, text in {200: meaning, **(also or {})}.items()
    }
    return good | {
        status: {
            "description": _PROBLEMS[status],
            "content": {PROBLEM_JSON: {"schema": _reference(Problem)}},
            **({"headers": _RETRY_AFTER} if status == 503 else {}),
        }
        for status in problems
    }


def reads(model: type[BaseModel], example: Mapping[str, Any]) -> dict[str, Any]:
    """The request body of a route that reads it raw."""
    content = {"application/json": {"schema": _reference(model), "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def describe(app: FastAPI) -> None:
    """Put the schemas that routes refer to into the app's description."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        description = generate()
        schemas = description.setdefault("components", {}).setdefault("schemas", {})
        if Problem.__name__ in schemas:
            return description  # FastAPI keeps what it generated
        schemas.update(_schemas())
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for path in description["paths"].values():
            for operation in path.values():
                _leave_out_the_default_refusal(operation["responses"])
        return description

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI documents


def _leave_out_the_default_refusal(responses: dict[str, Any]) -> None:
    """FastAPI's own form of a refusal, which this service never gives."""
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REFERENCE.format(model=model.__name__)}


def _schemas() -> dict[str, Any]:
    _, read = models_json_schema([(each, "validation") for each in READ], ref_template=REFERENCE)
    _, written = models_json_schema(
        [(each, "serialization") for each in WRITTEN], ref_template=REFERENCE
    )
    schemas: dict[str, Any] = _with_one_lane({**read["$defs"], **written["$defs"]})
    return {**schemas, Lane.__name__: _LANE}


def _with_one_lane(schema: Any) -> Any:
    """The schema with a reference wherever it lists the lanes: a client that is generated from the
    description then has one type for them, and not one for every field."""
    if isinstance(schema, list):
        return [_with_one_lane(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("enum") == _LANE["enum"]:
        said = {key: text for key, text in schema.items() if key not in ("type", "enum")}
        return {"$ref": REFERENCE.format(model=Lane.__name__), **said}
    return {key: _with_one_lane(each) for key, each in schema.items()}
