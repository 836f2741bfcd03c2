"""Changes of a lane by people, from what they ask to what is kept.

`selectivity.override` says what may be done; here it is looked up, kept and counted.
"""

from typing import NamedTuple

from selectivity.override import (
    OverrideAsked,
    OverrideStep,
    Refusal,
    approve,
    request,
)
from selectivity.reasons.wording import Language
from selectivity.record import DecisionRecord
from serving.callers.api_keys import Caller, actor_of
from serving.deciding.offices import found_or_refused
from serving.deciding.parts import Parts
from serving.deciding.receiving import keep_act
from serving.http.problems import FieldProblem, RefusedError, not_found
from serving.http.refusals import not_overridden
from serving.storage.acts import Act, What


class Overridden(NamedTuple):
    """A decision, and everything that people did to its lane, the newest last."""

    record: DecisionRecord
    steps: list[OverrideStep]


async def ask(asked: OverrideAsked, caller: Caller, parts: Parts, language: Language) -> Overridden:
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


async def agree(override_id: str, caller: Caller, parts: Parts, language: Language) -> Overridden:
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
) -> Overridden:
    if isinstance(step, Refusal):
        raise RefusedError(not_overridden(language, step), language=language)
    if steps and step is steps[-1]:
        return Overridden(record, steps)
    text = step.model_dump_json()
    act = Act(step.name, What.OVERRIDE, *record.key, text, lane=step.lane, follows=len(steps))
    await keep_act(act, parts)
    parts.meters.overridden(step)
    return Overridden(record, [*steps, step])
