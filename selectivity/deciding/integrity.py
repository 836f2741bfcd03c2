"""What a declaration lacks or says oddly: votes that bind, for nobody knows what is behind it."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from selectivity.deciding.risk import Risk
from selectivity.declaration import Declaration
from selectivity.lanes import Channel, Lane, Vote, shared_vote

INCOMPLETE = (4, 5, 7, 9, 11)
"""Digits of a code that names no commodity: those of a heading, or an odd number, as of a code that
lost its leading zero."""
FAR = timedelta(days=3_653)
"""Ten years: a time of acceptance further from the clock is odd. Simulated worlds lie within it."""


def missing_facts(
    declaration: Declaration,
    needed: Sequence[str],
    facts_known: frozenset[str] | None,
    lane: Lane,
) -> Iterator[Vote]:
    """A vote for each needed fact that a goods item lacks, unless the source never had the fact."""
    for item in declaration.items:
        for fact in needed:
            known = facts_known is None or fact in facts_known
            if known and getattr(item, fact) is None:
                no, facts = item.item_no, (("field", fact),)
                yield shared_vote(lane, Channel.RULE, code="MISSING_FACT", item_no=no, facts=facts)


def incomplete_codes(declaration: Declaration, lane: Lane | None) -> Iterator[Vote]:
    """A vote for each HS code whose number of digits names no commodity: no rule would see it."""
    for item in declaration.items:
        digits = len(item.hs_code or "")
        if lane is not None and digits in INCOMPLETE:
            no, facts = item.item_no, (("digits", digits),)
            yield shared_vote(lane, Channel.RULE, code="INCOMPLETE_CODE", item_no=no, facts=facts)


def unknown_codes(risk: Risk | None, lane: Lane) -> Iterator[Vote]:
    """A vote for each code that training never saw."""
    for item_no, field in risk.unknown_codes if risk else ():
        facts = (("field", field),)
        yield shared_vote(lane, Channel.RULE, code="UNKNOWN_CODE", item_no=item_no, facts=facts)


def odd_date(declaration: Declaration, now: datetime | None, lane: Lane | None) -> Iterator[Vote]:
    """A vote if the time of acceptance is far from the clock: other rules were in force then."""
    accepted_at = declaration.accepted_at
    if lane is not None and now is not None and abs(accepted_at - now) > FAR:
        facts = (("accepted_at", f"{accepted_at:%Y-%m-%d}"),)
        yield shared_vote(lane, Channel.RULE, code="ODD_DATE", facts=facts)
