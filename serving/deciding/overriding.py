"""Changes of a lane by people, from what they ask to what is kept and told.

`selectivity.override` says what may be done; here it is looked up, kept and counted.
"""

from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field

from selectivity.lanes import LaneName
from selectivity.override import (
    OverrideAsked,
    OverrideReason,
    OverrideState,
    OverrideStep,
    Refusal,
    approve,
    lane_in_force,
    request,
)
from selectivity.reasons.wording import LANE_WORDS, Language
from selectivity.record import DecisionRecord
from serving.callers.api_keys import Caller, actor_of
from serving.deciding.assign import Parts, keep_act
from serving.deciding.offices import found_or_refused
from serving.http.problems import FieldProblem, RefusedError, not_found
from serving.http.refusals import not_overridden
from serving.storage.acts import Act, What


class OverrideAnswer(BaseModel):
    """What became of an override, and which lane holds."""

    model_config = ConfigDict(frozen=True)

    override_id: str
    declaration_id: str
    version_no: int
    state: OverrideState = Field(description="pending: a second person has to approve it.")
    from_lane: LaneName
    to_lane: LaneName
    reason_code: OverrideReason
    requested_by: str
    approved_by: str | None
    proposed_lane: LaneName = Field(description="Lane of the decision, which stays as it is.")
    final_lane: LaneName = Field(description="Lane that holds now.")
    final_lane_name: str = Field(description="The same in the caller's language.")

    @classmethod
    def of(
        cls, record: DecisionRecord, steps: list[OverrideStep], language: Language
    ) -> "OverrideAnswer":
        """The answer to the last of these steps."""
        last, final = steps[-1], lane_in_force(record, steps)
        return cls(
            override_id=last.override_id,
            declaration_id=record.declaration_id,
            version_no=record.version_no,
            state=last.state,
            from_lane=last.from_lane,
            to_lane=last.asked.to_lane,
            reason_code=last.asked.reason_code,
            requested_by=last.requested_by.id,
            approved_by=last.approved_by and last.approved_by.id,
            proposed_lane=record.decision.lane,
            final_lane=final,
            final_lane_name=LANE_WORDS[final][language],
        )


async def ask(
    asked: OverrideAsked, caller: Caller, parts: Parts, language: Language
) -> OverrideAnswer:
    """Change a lane, or have the change wait for a second person. Durable when this returns.

    Raises:
        RefusedError: there is no such decision, it is of another office, or it may not be done.
        ConflictError: somebody else acted on it at the same moment.
    """
    record = found_or_refused(asked.declaration_id, asked.version_no, parts, caller, language)
    steps = parts.log.override_steps(*record.key)
    by_id = parts.predictor.rules.by_id
    step = request(record, steps, asked, rules=by_id, by=actor_of(caller), at=parts.now())
    return await _keep(step, record, steps, parts, language)


async def agree(
    override_id: str, caller: Caller, parts: Parts, language: Language
) -> OverrideAnswer:
    """Put a lower lane in force as the second person. Durable when this returns.

    Raises:
        RefusedError: there is no such override, it is of another office, or it may not be done.
        ConflictError: somebody else acted on it at the same moment.
    """
    key = parts.log.overridden(override_id)
    if key is None:
        remedy = "Take the id from the answer to the request, or from the notices of the office."
        found = FieldProblem(
            field="override_id", value=override_id[:40], message="is not known", remedy=remedy
        )
        raise RefusedError(not_found("There is no such override.", found))
    record = found_or_refused(*key, parts, caller, language)
    steps = parts.log.override_steps(*key)
    step = approve(steps, override_id, by=actor_of(caller), at=parts.now())
    return await _keep(step, record, steps, parts, language)


async def _keep(
    step: OverrideStep | Refusal,
    record: DecisionRecord,
    steps: list[OverrideStep],
    parts: Parts,
    language: Language,
) -> OverrideAnswer:
    if isinstance(step, Refusal):
        raise RefusedError(not_overridden(language, step), language=language)
    if steps and step is steps[-1]:
        return OverrideAnswer.of(record, steps, language)
    text = step.model_dump_json()
    act = Act(step.name, What.OVERRIDE, *record.key, text, lane=step.lane, follows=len(steps))
    await keep_act(act, parts)
    parts.meters.overridden(step)
    return OverrideAnswer.of(record, [*steps, step], language)


def status_of(answer: OverrideAnswer) -> HTTPStatus:
    """Accepted while a second person is waited for."""
    return HTTPStatus.ACCEPTED if answer.state is OverrideState.PENDING else HTTPStatus.OK
