"""Why a declaration got its lane, for officers, auditors and data scientists."""

import asyncio
from contextlib import closing
from typing import Any

from fastapi import APIRouter, Response

from selectivity.record import DecisionRecord
from serving.answers.explanations import ExplanationAnswer
from serving.audit.explanation import (
    Explained,
    explain,
    explain_from_log,
    input_now,
    nothing_of_a_model,
    without_model,
)
from serving.audit.replay import MissingError
from serving.callers.api_keys import Role
from serving.deciding.offices import found_or_refused
from serving.deciding.parts import Parts
from serving.http.problems import FieldProblem, RefusedError, not_found
from serving.log.reader import LogReader
from serving.routes.access import only
from serving.routes.decisions import AnyId, VersionNo
from serving.routes.given import GivenCaller, GivenLanguage, GivenParts
from serving.routes.openapi import answers

router = APIRouter(tags=["decisions"])


_EXPLAINS_ONE: dict[str, Any] = {
    "dependencies": [only(Role.INSPECTOR, Role.AUDITOR, Role.DATA_SCIENTIST)],
    "responses": answers(
        ExplanationAnswer, 401, 403, 404, 422, 503, meaning="What weighed in the model's score."
    ),
}
"""Who may see an explanation, and what is answered, whichever way it was asked for."""


@router.get("/v1/explanations", **_EXPLAINS_ONE)
async def find_explanation(
    declaration_id: AnyId,
    parts: GivenParts,
    caller: GivenCaller,
    language: GivenLanguage,
    version_no: VersionNo = None,
) -> Response:
    """Explain a decision whose id cannot stand in a path, such as `A/explanation`.

    It is the same that `/v1/decisions/{declaration_id}/explanation` says of others.
    """
    return await explain_decision(declaration_id, parts, caller, language, version_no)


@router.get("/v1/decisions/{declaration_id:path}/explanation", **_EXPLAINS_ONE)
async def explain_decision(
    declaration_id: str,
    parts: GivenParts,
    caller: GivenCaller,
    language: GivenLanguage,
    version_no: VersionNo = None,
) -> Response:
    """Explain a decision as it was made: families of features, by weight, with facts to check.

    Not for those who answer traders: what weighs could be declared around. It takes a moment; one
    at a time is made, others get a 503.
    """
    record = found_or_refused(declaration_id, version_no, parts, caller, language)
    with parts.explanations.take(language):
        explained = await _explained(record, parts)
    answer = ExplanationAnswer.of(explained, parts.predictor.rules, language)
    response = answer.response(language=language)
    response.headers["Cache-Control"] = "no-store"
    return response


async def _explained(record: DecisionRecord, parts: Parts) -> Explained:
    if without_model(record):
        return nothing_of_a_model(record)
    bundle = parts.predictor.bundle
    if bundle is not None and bundle.digest == record.bundle_digest:
        model_input = input_now(record, bundle)  # here, where the histories are folded too
        if model_input.sha256 == record.features_sha256:
            return await asyncio.to_thread(explain, record, model_input)
    try:
        return await asyncio.to_thread(_from_log, record, parts)
    except MissingError as missing:
        problem = FieldProblem(
            field="declaration_id",
            value=record.declaration_id[:40],
            message=f"what the decision rested on is not at hand: {missing}",
            remedy=missing.remedy,
        )
        raise RefusedError(not_found("The decision cannot be explained now.", problem)) from missing


def _from_log(record: DecisionRecord, parts: Parts) -> Explained:
    with closing(LogReader(parts.log.store)) as log:  # one of its own: this is another thread
        return explain_from_log(record, log, parts.settings)
