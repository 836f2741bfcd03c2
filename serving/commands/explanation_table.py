"""An explanation as lines in the terminal."""

from collections.abc import Iterator
from math import exp

from selectivity.errors import SelectivityError
from selectivity.override import lane_in_force
from selectivity.reasons.wording import LANE_WORDS, Language, written
from serving.answers.explanations import ExplanationAnswer, FamilyAnswer, ItemAnswer
from serving.audit.explanation import explain_from_log
from serving.audit.replay import MissingError
from serving.log.reader import LogReader
from serving.settings import Settings

LEAST_TIMES = 1.02
"""Families that multiply or divide the odds by less are not printed."""
_USUAL = {"vi": "odds thông thường, trước hiệu chuẩn", "en": "usual odds, before calibration"}
_CHANGED = {
    "vi": "sau đó công chức đã đổi; luồng hiện nay:",
    "en": "changed by officers since; what holds now:",
}
_RISK = {"vi": "rủi ro", "en": "risk"}


def explanation_lines(
    log: LogReader,
    settings: Settings,
    declaration_id: str,
    version_no: int | None,
    language: Language,
) -> Iterator[str]:
    """The lane with its reasons, then each goods item with the families that weigh most.

    Raises:
        SelectivityError: there is no such decision, or its bundle is not at hand.
    """
    record = log.find(declaration_id, version_no)
    if record is None:
        raise SelectivityError(
            f"The log holds no decision on {declaration_id!r}. Check the id and the version, or "
            "name another log with --log."
        )
    try:
        explained = explain_from_log(record, log, settings)
    except MissingError as missing:
        raise SelectivityError(
            f"What the decision on {declaration_id!r} rested on is not at hand: {missing}. "
            f"{missing.remedy}"
        ) from missing
    steps = log.override_steps(record.declaration_id, record.version_no)
    holds = lane_in_force(record, steps)
    changed = None if holds is record.decision.lane else LANE_WORDS[holds][language]
    yield from _lines(ExplanationAnswer.of(explained, None, language), changed, language)


def _lines(answer: ExplanationAnswer, changed: str | None, language: Language) -> Iterator[str]:
    yield f"{answer.declaration_id}  v{answer.version_no}  {answer.lane_name}  {answer.channel}"
    yield from (f"  {reason.text}" for reason in answer.reasons)
    if changed is not None:
        yield f"  {_CHANGED[language]} {changed}"
    yield f"  {answer.note}"
    for item in answer.items:
        yield from _item(item, language)


def _item(item: ItemAnswer, language: Language) -> Iterator[str]:
    known = None if item.risk is None else written(item.risk, ".1%", language)
    risk = "" if known is None else f"  {_RISK[language]} {known}"
    yield f"\n{item.item_no}.{risk}"
    yield f"     {written(exp(item.usual_log_odds), '.3f', language)}  {_USUAL[language]}"
    for family in (*item.raises, *reversed(item.lowers)):
        if max(family.odds_times, 1 / family.odds_times) >= LEAST_TIMES:
            yield _family(family, language)


def _family(family: FamilyAnswer, language: Language) -> str:
    facts = "; ".join(fact.text for fact in family.facts)
    times = written(family.odds_times, "5.2f", language)
    return f"   x {times}  {family.name:<32}  {facts}".rstrip()
