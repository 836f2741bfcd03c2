"""Keep what comes besides declarations: results of inspections, and acts of people.

They are durable before they are answered, and only then taught, like decisions.
"""

import asyncio
import contextlib
from functools import partial

from selectivity.errors import DecisionLogError
from selectivity.inspection import Inspection
from serving.deciding.assign import count_if_not_kept
from serving.deciding.lessons import Lesson, result_lessons, with_declarations
from serving.deciding.parts import Parts
from serving.log.keep import KeptInspection
from serving.log.kept_texts import declared_in
from serving.storage.acts import Act


async def keep_act(act: Act, parts: Parts) -> None:
    """Keep a step of an override or of an order on the mode, or an acknowledgement.

    It is durable when this returns.

    Raises:
        ConflictError: somebody else acted on the same at the same moment.
        DecisionLogError: it could not be kept.
    """
    kept = parts.log.add_act(act)
    kept.add_done_callback(partial(_teach_nothing, parts))
    await asyncio.shield(kept)


async def receive(inspection: Inspection, parts: Parts) -> KeptInspection:
    """Keep an inspection and learn from it, once."""
    kept = parts.log.add_inspection(inspection)
    kept.add_done_callback(partial(_count_and_learn, inspection, parts))
    return await asyncio.shield(kept)


def _count_and_learn(
    inspection: Inspection, parts: Parts, kept: "asyncio.Future[KeptInspection]"
) -> None:
    try:
        receipt, decision, no, earlier = kept.result()
    except DecisionLogError as error:
        count_if_not_kept(error, parts)
        return
    parts.meters.inspected(inspection, receipt)
    if no is not None:
        new = [] if decision is None else [(inspection, declared_in(decision))]  # parked: none
        parts.teach(Lesson(no, results=tuple(result_lessons(new, with_declarations(earlier)))))


def _teach_nothing(parts: Parts, kept: "asyncio.Future[int | None]") -> None:
    """An act teaches nothing, but its number has to be known: the next record follows on it."""
    with contextlib.suppress(DecisionLogError):
        if (no := kept.result()) is not None:
            parts.teach(Lesson(no))
