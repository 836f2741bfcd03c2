"""What controls concluded."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from selectivity.inspection import Inspection
from selectivity.labelling import comes_too_early, no_such_items
from selectivity.record import DecisionRecord
from serving.answers.inspections import InspectionAnswer
from serving.callers.api_keys import Role
from serving.deciding.offices import check_office, offices_of
from serving.deciding.receiving import receive
from serving.http.bodies import content_from, read_body
from serving.http.examples import AN_INSPECTION
from serving.log.keep import Receipt
from serving.log.kept_texts import declared_in
from serving.routes.access import only
from serving.routes.given import GivenCaller, GivenLanguage, GivenParts
from serving.routes.openapi import answers, reads

router = APIRouter(tags=["inspections"])


@router.post(
    "/v1/inspections",
    dependencies=[only(Role.INSPECTOR)],
    responses=answers(
        InspectionAnswer,
        401,
        403,
        409,
        413,
        415,
        422,
        503,
        meaning="Kept now, or known already.",
        also={202: "Parked: no decision on this declaration is known yet."},
    ),
    openapi_extra=reads(Inspection, AN_INSPECTION),
)
async def receive_inspection(
    request: Request, parts: GivenParts, caller: GivenCaller, language: GivenLanguage
) -> Response:
    """Keep the result of a control; the histories learn from it, and so does the next model.

    Nothing is learnt from what was observed before the declaration was accepted
    (`before_acceptance`): look at the clock, and at years that were mistyped. What was wrong is put
    right by another inspection that names it in `corrects`; the same `inspection_id` with other
    content is a 409.
    """
    body = await read_body(request, parts.settings.body_limit_bytes)
    with parts.places.take(language):
        inspection = content_from(Inspection, body)
        if caller.office is not None:
            inspected = parts.log.find(inspection.declaration_id)
            if inspected is not None:
                check_office(offices_of(inspected), caller, language)
        kept = await receive(inspection, parts)
    answer = InspectionAnswer(
        inspection_id=inspection.inspection_id,
        declaration_id=inspection.declaration_id,
        receipt=kept.receipt,
        no_such_items=_no_such_items(inspection, kept.decision),
        before_acceptance=_before_acceptance(inspection, kept.decision),
    )
    status = HTTPStatus.ACCEPTED if kept.receipt is Receipt.PARKED else HTTPStatus.OK
    return answer.response(status)


def _no_such_items(inspection: Inspection, decision: DecisionRecord | None) -> tuple[int, ...]:
    if decision is None or not inspection.findings:
        return ()
    return no_such_items(inspection, [item.item_no for item in declared_in(decision).items])


def _before_acceptance(inspection: Inspection, decision: DecisionRecord | None) -> bool:
    return decision is not None and comes_too_early(
        inspection.observed_at, declared_in(decision).accepted_at
    )
