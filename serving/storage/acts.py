"""What people did about decisions, kept in the decision log: lanes changed, notices acknowledged,
modes ordered.

Each act is a record of the chain like any other, written once and never changed. `number` is the
version of the declaration, or the record that an office acknowledged up to, else 0. `decided` is
the last decision that was there: the act counts for those behind it.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from selectivity.errors import ConflictError, DecisionLogError
from selectivity.lanes import Lane
from serving.storage.chain import ACT, COLUMNS, Links, hash_if_ours
from serving.storage.store import Connection

TABLES = """
CREATE TABLE acts (
    seq INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    what TEXT NOT NULL,
    about TEXT NOT NULL,
    number INTEGER NOT NULL,
    lane INTEGER,  -- the lane in force from here on; NULL if the act changes none
    decided INTEGER NOT NULL,
    act TEXT NOT NULL
);
CREATE INDEX acts_by_subject ON acts (about, what, number);
"""
LANE_IN_FORCE = (
    "coalesce((SELECT a.lane FROM acts a WHERE a.about = d.declaration_id AND a.what = 'override' "
    "AND a.number = d.version_no AND a.lane IS NOT NULL AND a.decided < ? "
    "ORDER BY a.seq DESC LIMIT 1), d.lane)"
)
"""The lane of a decision `d` as it was for the decision at the place that the mark stands for."""


class What(StrEnum):
    """What somebody did."""

    OVERRIDE = "override"
    ACKNOWLEDGEMENT = "acknowledgement"
    MODE = "mode"


class Act(NamedTuple):
    """An act that is to be kept."""

    name: str
    """Its own; an act of the same name is kept once."""
    what: What
    about: str
    """Id of a declaration, code of an office, or `mode`."""
    number: int
    text: str
    lane: Lane | None = None
    follows: int | None = None
    """How many acts on the same there were when it was decided on; None if that does not matter."""
    tightens: bool = False
    """Whether it holds whatever others did about the same, so that a spool may keep it."""


def add(act: Act, links: Links, connection: Connection) -> int:
    """Keep it, in a transaction that has begun; gives its number among all records.

    Raises:
        ConflictError: somebody else acted on the same meanwhile.
        DecisionLogError: this is a spool, which does not know who did.
    """
    if links.aside and not act.tightens:
        raise _log_away(act)
    follows = None if links.aside else act.follows
    there = connection.execute("SELECT 1 FROM acts WHERE name = ?", (act.name,)).fetchone()
    if there or (follows is not None and _count(act, connection) != follows):
        raise meanwhile(act)
    return _write(act, links, connection)


def take(act: Act, links: Links, connection: Connection) -> None:
    """Keep what a spool brings, unless the log has it: it may have been kept when it was given,
    though nobody was told in time.

    Raises:
        ConflictError: the log has another act of this name.
    """
    there = connection.execute("SELECT act FROM acts WHERE name = ?", (act.name,)).fetchone()
    if there is None:
        _write(act, links, connection)
    elif there[0] != act.text:
        raise meanwhile(act)


def _write(act: Act, links: Links, connection: Connection) -> int:
    (decided,) = connection.execute("SELECT coalesce(max(seq), 0) FROM decisions").fetchone()
    lane = None if act.lane is None else int(act.lane)
    columns = (act.name, str(act.what), act.about, act.number, lane, decided)
    (seq,) = connection.execute(
        "INSERT INTO acts (name, what, about, number, lane, decided, act) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING seq",
        (*columns, act.text),
    ).fetchone()
    return links.add(ACT, seq, columns, act.text)


def meanwhile(act: Act) -> ConflictError:
    """What to say to the second of two who act on the same at the same moment."""
    return ConflictError(
        f"Somebody else acted on {act.about!r} at the same moment. Look at it again; send what you "
        "asked for once more if it is still wanted.",
        field="mode" if act.what is What.MODE else "declaration_id",
    )


def _log_away(act: Act) -> DecisionLogError:
    """What to say while nobody knows what others did about the same."""
    if act.what is What.MODE:
        return DecisionLogError(
            "The mode stays as it is: the decision log cannot be written now, and what does not "
            "tighten what holds here needs what others ordered. Order a tighter mode, or send it "
            "again when the log is back."
        )
    return DecisionLogError(
        f"Nothing was kept about {act.about!r}: the decision log cannot be written now. Send it "
        "again in a moment."
    )


def texts(what: What, about: str, number: int, connection: Connection) -> list[str]:
    """Every act on this, as it was kept, in order."""
    rows = connection.execute(
        "SELECT act FROM acts WHERE what = ? AND about = ? AND number = ? ORDER BY seq",
        (str(what), about, number),
    )
    return [text for (text,) in rows]


def subject(name: str, connection: Connection) -> tuple[str, int] | None:
    """Subject and number of the act of this name; None if there is none."""
    row = connection.execute("SELECT about, number FROM acts WHERE name = ?", (name,)).fetchone()
    return None if row is None else (str(row[0]), int(row[1]))


def number_of(name: str, connection: Connection) -> int | None:
    """The number among all records of the act of this name; None if there is none."""
    row = connection.execute(
        "SELECT c.no FROM acts a JOIN chain c ON c.kind = ? AND c.seq = a.seq WHERE a.name = ?",
        (ACT, name),
    ).fetchone()
    return None if row is None else int(row[0])


def all_texts(what: What, connection: Connection) -> Sequence[str]:
    """Every act of this kind, in order."""
    rows = connection.execute("SELECT act FROM acts WHERE what = ? ORDER BY seq", (str(what),))
    return [text for (text,) in rows]


def furthest(what: What, about: str, connection: Connection) -> str | None:
    """The act with the highest number on this subject; None if there is none."""
    row = connection.execute(
        "SELECT act FROM acts WHERE what = ? AND about = ? ORDER BY number DESC, seq LIMIT 1",
        (str(what), about),
    ).fetchone()
    return None if row is None else str(row[0])


def _count(act: Act, connection: Connection) -> int:
    return len(texts(act.what, act.about, act.number, connection))


def first_altered(connection: Connection) -> int | None:
    """Number of the first act that is not what was kept, or is gone; None if all are whole."""
    names = ", ".join(f"a.{name}" for name in COLUMNS[ACT])
    rows = connection.execute(
        f"SELECT c.no, c.seq, c.prev_hash, c.record_hash, a.act, {names} "
        "FROM chain c LEFT JOIN acts a ON a.seq = c.seq WHERE c.kind = ? ORDER BY c.no",
        (ACT,),
    )
    for no, seq, before, stored, text, *columns in rows:
        if hash_if_ours(before, no, ACT, seq, columns, text) != stored:
            return int(no)
    return None
