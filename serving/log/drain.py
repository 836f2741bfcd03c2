"""Takes what a spool holds into the log, in the spool's order, each record once.

How far a spool was taken over stands in the log itself, in the same transaction: whoever drains
after a crash goes on where the last commit left off. The first record that is durable in the log
stands; another one on the same key is kept beside it as a conflict, for people to look at.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from selectivity.declaration import EARLIEST, LATEST
from selectivity.errors import AuditError, ConflictError
from selectivity.record import DecisionRecord
from serving.log.keep import NewDecision, keep_inspection
from serving.log.kept_texts import (
    AlteredTextError,
    read_inspection_kept,
    read_mode,
    read_record,
)
from serving.log.linked import Link, links
from serving.storage.acts import Act, What, take
from serving.storage.chain import (
    ACT,
    DECISION,
    DRAIN,
    INSPECTION,
    Head,
    Links,
    genesis,
    hash_at,
    log_id_of,
)
from serving.storage.store import Connection

AT_ONCE = 100
"""Records in one transaction: meanwhile no other service can write the log."""
_TO_DO = (
    "Nothing of it is taken over. Keep the spool for an investigation, then give another "
    "LANES_SPOOL."
)


class Drained(NamedTuple):
    """How far a spool was taken over."""

    upto: Head
    records: int
    conflicts: int


def drain(spool: Connection, own: Links, log: Connection) -> Drained:
    """Take some of the spool into the log, in a transaction of the log that has begun.

    Raises:
        AuditError: the spool is not as it was written; nothing was taken.
    """
    spool_id = log_id_of(spool)
    before = taken_upto(spool_id, log)
    some = list(islice(links(spool, after=before.no, at_once=AT_ONCE), AT_ONCE))
    upto = _checked(some, before, spool)
    decisions = _decisions(some)  # read before anything is taken: one may be unreadable
    conflicts = [each for link in some for each in _take(link, decisions, own, log)]
    if some:
        columns, told = (spool_id, *upto), json.dumps(conflicts)
        (seq,) = log.execute(
            "INSERT INTO drains (spool_id, upto_no, upto_hash, conflicts) "
            "VALUES (?, ?, ?, ?) RETURNING seq",
            (*columns, told),
        ).fetchone()
        own.add(DRAIN, seq, columns, told)
    return Drained(upto, len(some), len(conflicts))


def taken_upto(spool_id: str, log: Connection) -> Head:
    """The last record of the spool that the log has."""
    row = log.execute(
        "SELECT upto_no, upto_hash FROM drains WHERE spool_id = ? ORDER BY upto_no DESC LIMIT 1",
        (spool_id,),
    ).fetchone()
    return Head(0, genesis(spool_id)) if row is None else Head(*row)


def refuse_lost(place: str, held: tuple[str, Head], taken: Head, there: Connection | None) -> None:
    """See that what a spool held is in the log, or still in the spool.

    Args:
        held: the spool that was at this place, by its id, and what it held at least.
        taken: how far the log has that one.
        there: the spool that is at the place now, if there is one.

    Raises:
        AuditError: it is nowhere now.
    """
    spool_id, head = held
    lost = head.no - taken.no
    ours = there if there is not None and log_id_of(there) == spool_id else None
    if lost > 0 and (ours is None or hash_at(ours, head.no) != head.record_hash):
        raise AuditError(
            f"The spool {place} was emptied, cut or replaced from outside: it held {lost} "
            f"{'records' if lost > 1 else 'record'} that the log did not have yet. Put the "
            "spool of before back in its place. If it is lost, keep what is there for an "
            "investigation and give another LANES_SPOOL: what was answered while the log was "
            "away is then decided anew when it is sent again."
        )


def check(spool: Connection, taken: Head) -> Head:
    """The last record of a spool that was taken over this far, if it is as it was written.

    Raises:
        AuditError: it is not.
    """
    return _checked(links(spool, after=taken.no), taken, spool)


def _checked(some: Iterable[Link], before: Head, spool: Connection) -> Head:
    """The last of these records, if each follows on the one before and is what was written."""
    if hash_at(spool, before.no) != before.record_hash:  # what is added would never be taken over
        raise AuditError(
            f"The spool was altered from outside: record {before.no}, up to which the log has it, "
            f"is not what was written, or is missing. {_TO_DO}"
        )
    head = before
    for link in some:
        follows = (link.no, link.before) == (head.no + 1, head.record_hash)
        if not follows or not link.whole or not _may_be_spooled(link):
            raise _altered(link)
        head = Head(link.no, link.stored)
    return head


def _decisions(some: Iterable[Link]) -> dict[int, DecisionRecord]:
    """The decisions among these records by the number of the record."""
    found = {}
    for link in some:
        if link.kind == DECISION:
            try:
                found[link.no] = read_record(link.text)
            except AlteredTextError as error:
                raise _altered(link) from error
    return found


def _altered(link: Link) -> AuditError:
    return AuditError(
        f"The spool was altered from outside: {link.name} is not what was written, or one "
        f"in front of it is missing. {_TO_DO}"
    )


def _may_be_spooled(link: Link) -> bool:
    """Whether a spool may hold it: of what people do it keeps orders that tighten the mode alone.

    Whoever can write the file could put in any other act and link it, and so relax without a
    second person. By an order that is not filed as ours are nobody could give one any more, and of
    one at no time of ours nobody could tell its end.
    """
    if link.kind != ACT:
        return True
    try:
        step = read_mode(link.text)
    except AlteredTextError:
        return False
    filed = step.name, What.MODE, What.MODE, 0, None
    return (
        step.tightens
        and step.approved_by is None
        and link.columns[: len(filed)] == filed
        and EARLIEST <= step.at <= LATEST
    )


def _take(
    link: Link, decisions: Mapping[int, DecisionRecord], own: Links, log: Connection
) -> Iterator[dict[str, Any]]:
    """Keep one record; a conflict is given back if the log has another on the same key."""
    try:
        if link.kind == INSPECTION:
            keep_inspection(read_inspection_kept(link.text), own, log)
        elif link.kind == DECISION:
            record = decisions[link.no]
            if NewDecision(record, link.text)(own, log).record != record:
                raise ConflictError("decided twice")
        elif link.kind == ACT:
            name, what, about, number, *_ = link.columns
            take(Act(name, What(what), about, number, link.text), own, log)
    except ConflictError:
        yield {"no": link.no, "kind": link.kind, "text": link.text}
