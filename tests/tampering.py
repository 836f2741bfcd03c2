"""Tampers with a decision log in every way we could think of, and counts what the verifier finds.

    python -m tests.tampering --count 1000

Every way is tried equally often, each on a fresh copy of a log that a killed service left behind:
some records stand behind the newest checkpoint.
"""

import random
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from selectivity.errors import DecisionLogError
from serving.audit.verify import Verdict, verify
from serving.log.checkpoints import Checkpoint, append
from serving.log.decision_log import DecisionLog
from serving.log.reader import LogReader
from serving.storage import chain
from serving.storage.chain import Head
from serving.storage.file import LogFile
from tests.builders import NOON, an_inspection, an_item
from tests.logs import a_lane_changed, a_record, acted, anchored, inspected, kept

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
THIEF = Ed25519PrivateKey.from_private_bytes(b"t" * 32)
DECISIONS, EVERY, CHECKPOINTS, RECORDS = 240, 4, (0, 100, 200, 300), 320
VOUCHED, ACTS = CHECKPOINTS[-1], 20


class Copy(NamedTuple):
    """A log to tamper with, and the chance that decides where."""

    folder: Path
    connection: sqlite3.Connection
    chance: random.Random

    @property
    def anchor(self) -> Path:
        """Its checkpoints."""
        return self.folder / "anchor.ndjson"

    def run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Do this to the log."""
        return self.connection.execute(statement, values).fetchall()

    def one(self, low: int = 1, high: int = VOUCHED) -> int:
        """Some record."""
        return self.chance.randint(low, high)

    def row_of(self, no: int) -> tuple[str, int]:
        """Table and place of a record."""
        ((kind, seq),) = self.run("SELECT kind, seq FROM chain WHERE no = ?", no)
        return f"{kind}s", seq

    def text_of(self, no: int) -> str:
        """Its text."""
        table, seq = self.row_of(no)
        ((text,),) = self.run(f"SELECT {_TEXT[table]} FROM {table} WHERE seq = ?", seq)
        return str(text)

    def write_text(self, no: int, text: str | bytes) -> None:
        """Put another text in its place."""
        table, seq = self.row_of(no)
        self.run(f"UPDATE {table} SET {_TEXT[table]} = ? WHERE seq = ?", text, seq)

    def remove(self, no: int) -> None:
        """Take out a record and its row."""
        table, seq = self.row_of(no)
        self.run(f"DELETE FROM {table} WHERE seq = ?", seq)
        self.run("DELETE FROM chain WHERE no = ?", no)

    def link_anew(self, first: int, last: int = RECORDS) -> None:
        """Compute these hashes again, as somebody who knows how would."""
        before = chain.hash_at(self.connection, first - 1) or ""
        for no, kind, seq in self.run(
            "SELECT no, kind, seq FROM chain WHERE no BETWEEN ? AND ? ORDER BY no", first, last
        ):
            names = ", ".join(chain.COLUMNS[kind])
            (columns,) = self.run(f"SELECT {names} FROM {kind}s WHERE seq = ?", seq)
            found = chain.record_hash(before, no, kind, seq, columns, self.text_of(no))
            self.run("UPDATE chain SET prev_hash=?, record_hash=? WHERE no=?", before, found, no)
            before = found


Way = Callable[[Copy], None]
_TEXT = {"decisions": "record", "inspections": "inspection", "acts": "act"}
_NAME = {"decisions": "declaration_id", "inspections": "declaration_id", "acts": "about"}


def alter_a_character(copy: Copy) -> None:
    no = copy.one(high=RECORDS)
    text = copy.text_of(no)
    at = copy.chance.randrange(len(text))
    copy.write_text(no, text[:at] + ("x" if text[at] != "x" else "y") + text[at + 1 :])


def alter_a_column(copy: Copy) -> None:
    column = copy.chance.choice(("lane", "version_no"))
    seq = copy.one(high=DECISIONS)
    copy.run(f"UPDATE decisions SET {column} = {column} + 1 WHERE seq = ?", seq)


def alter_a_name(copy: Copy) -> None:
    table, seq = copy.row_of(copy.one(high=RECORDS))
    copy.run(f"UPDATE {table} SET {_NAME[table]} = {_NAME[table]} || ' ' WHERE seq = ?", seq)


def alter_a_lane_that_was_changed(copy: Copy) -> None:
    column = copy.chance.choice(("lane", "decided"))
    copy.run(f"UPDATE acts SET {column} = {column} - 1 WHERE seq = ?", copy.one(high=ACTS))


def put_another_person_to_a_change(copy: Copy) -> None:
    other = "json_set(act, '$.requested_by.name', 'nobody')"
    copy.run(f"UPDATE acts SET act = {other} WHERE seq = ?", copy.one(high=ACTS))


def change_a_time(copy: Copy) -> None:
    seq = copy.one(high=DECISIONS)
    copy.run(
        "UPDATE decisions SET record = "
        "json_set(record, '$.decided_at', '2026-03-01T12:00:00Z') WHERE seq = ?",
        seq,
    )


def store_a_text_as_bytes(copy: Copy) -> None:
    no = copy.one(high=RECORDS)
    copy.write_text(no, copy.text_of(no).encode())


def put_an_inspection_to_another_decision(copy: Copy) -> None:
    other = copy.chance.choice([None, DECISIONS])
    seq = copy.one(high=DECISIONS // EVERY - 2)
    copy.run("UPDATE inspections SET decision_seq = ? WHERE seq = ?", other, seq)


def swap_two_rows(copy: Copy) -> None:
    one, other = copy.chance.sample(range(1, DECISIONS + 1), 2)
    for old, new in ((one, 0), (other, one), (0, other)):
        copy.run("UPDATE decisions SET seq = ? WHERE seq = ?", new, old)


def swap_two_records(copy: Copy) -> None:
    one, other = copy.chance.sample(range(1, RECORDS + 1), 2)
    for old, new in ((one, 0), (other, one), (0, other)):
        copy.run("UPDATE chain SET no = ? WHERE no = ?", new, old)


def delete_a_row(copy: Copy) -> None:
    table, seq = copy.row_of(copy.one(high=RECORDS))
    copy.run(f"DELETE FROM {table} WHERE seq = ?", seq)


def delete_a_record(copy: Copy) -> None:
    copy.remove(copy.one(high=RECORDS - 1))


def delete_a_record_and_close_the_gap(copy: Copy) -> None:
    no = copy.one(high=RECORDS - 1)
    copy.remove(no)
    copy.run("UPDATE chain SET no = -no WHERE no > ?", no)
    copy.run("UPDATE chain SET no = -no - 1 WHERE no < 0")


def delete_a_record_and_link_anew(copy: Copy) -> None:
    no = copy.one()
    copy.remove(no)
    copy.run("UPDATE chain SET no = -no WHERE no > ?", no)
    copy.run("UPDATE chain SET no = -no - 1 WHERE no < 0")
    copy.link_anew(no)


def insert_a_row(copy: Copy) -> None:
    _forge_row(copy)


def insert_a_record(copy: Copy) -> None:
    no = copy.one(low=2)
    copy.run("UPDATE chain SET no = -no WHERE no >= ?", no)
    copy.run("UPDATE chain SET no = 1 - no WHERE no < 0")
    seq, columns, text = _forge_row(copy)
    before = chain.hash_at(copy.connection, no - 1) or ""
    found = chain.record_hash(before, no, chain.DECISION, seq, columns, text)
    copy.run("INSERT INTO chain VALUES (?, 'decision', ?, ?, ?)", no, seq, before, found)


def truncate_what_was_vouched_for(copy: Copy) -> None:
    for no in range(RECORDS, copy.one(low=0, high=VOUCHED - 1), -1):
        copy.remove(no)


def truncate_and_grow_again(copy: Copy) -> None:
    for no in range(RECORDS, copy.one(low=0, high=VOUCHED - 1), -1):
        copy.remove(no)
    while chain.head_of(copy.connection).no < RECORDS:
        _forge(copy)


def truncate_rows_alone(copy: Copy) -> None:
    copy.run("DELETE FROM decisions WHERE seq > ?", copy.one(low=0, high=DECISIONS - 1))


def alter_a_hash(copy: Copy) -> None:
    no, column = copy.one(high=RECORDS - 1), copy.chance.choice(("prev_hash", "record_hash"))
    ((old,),) = copy.run(f"SELECT {column} FROM chain WHERE no = ?", no)
    new = ("0" if old[0] != "0" else "1") + old[1:]
    copy.run(f"UPDATE chain SET {column} = ? WHERE no = ?", new, no)


def alter_a_record_and_its_hash(copy: Copy) -> None:
    no = copy.one(high=RECORDS - 1)
    copy.write_text(no, copy.text_of(no).replace("D-", "E-", 1))
    copy.link_anew(no, last=no)


def link_a_suffix_anew(copy: Copy) -> None:
    no = copy.one()
    copy.write_text(no, copy.text_of(no).replace("D-", "E-", 1))
    copy.link_anew(no)


def link_anew_and_sign_with_another_key(copy: Copy) -> None:
    link_a_suffix_anew(copy)
    _sign_anew(copy, lambda each, head: Checkpoint.sign(each.log_id, head, each.at, THIEF))


def link_anew_and_keep_the_signatures(copy: Copy) -> None:
    link_a_suffix_anew(copy)
    _sign_anew(copy, lambda each, head: each.model_copy(update={"head": head.record_hash}))


def give_the_log_another_id(copy: Copy) -> None:
    copy.run("UPDATE meta SET log_id = ?", copy.chance.randbytes(16).hex())
    if copy.chance.random() < 0.5:
        copy.link_anew(1)


def alter_a_checkpoint(copy: Copy) -> None:
    lines = copy.anchor.read_text().splitlines()
    at = copy.chance.randrange(len(lines))
    old = Checkpoint.model_validate_json(lines[at])
    other: dict[str, Any] = copy.chance.choice(
        [{"records": old.records + 1}, {"head": "0" * 64}, {"at": NOON.replace(hour=1)}]
    )
    lines[at] = old.model_copy(update=other).model_dump_json()
    copy.anchor.write_text("\n".join(lines) + "\n")


def garble_a_checkpoint(copy: Copy) -> None:
    lines = copy.anchor.read_text().splitlines()
    at = copy.chance.randrange(len(lines))
    lines[at] = lines[at].replace('"head"', '"tail"')
    copy.anchor.write_text("\n".join(lines) + "\n")


def take_every_checkpoint_away(copy: Copy) -> None:
    copy.anchor.write_text("")


def put_an_older_backup_in_its_place(copy: Copy) -> None:
    for no in range(RECORDS, CHECKPOINTS[copy.chance.choice((1, 2))], -1):
        copy.remove(no)


def truncate_behind_the_newest_checkpoint(copy: Copy) -> None:
    for no in range(RECORDS, copy.one(low=VOUCHED, high=RECORDS - 1), -1):
        copy.remove(no)


def link_anew_behind_the_newest_checkpoint(copy: Copy) -> None:
    no = copy.one(low=VOUCHED + 1, high=RECORDS)
    copy.write_text(no, copy.text_of(no).replace("D-", "E-", 1))
    copy.link_anew(no)


def append_behind_the_newest_checkpoint(copy: Copy) -> None:
    _forge(copy)


def truncate_the_anchor_with_the_log(copy: Copy) -> None:
    upto = copy.chance.choice(range(1, len(CHECKPOINTS)))
    lines = copy.anchor.read_text().splitlines()[:upto]
    copy.anchor.write_text("\n".join(lines) + "\n")
    for no in range(RECORDS, CHECKPOINTS[upto - 1], -1):
        copy.remove(no)


FOUND = (
    alter_a_character,
    alter_a_column,
    alter_a_name,
    alter_a_lane_that_was_changed,
    put_another_person_to_a_change,
    change_a_time,
    store_a_text_as_bytes,
    put_an_inspection_to_another_decision,
    swap_two_rows,
    swap_two_records,
    delete_a_row,
    delete_a_record,
    delete_a_record_and_close_the_gap,
    delete_a_record_and_link_anew,
    insert_a_row,
    insert_a_record,
    truncate_what_was_vouched_for,
    truncate_and_grow_again,
    truncate_rows_alone,
    alter_a_hash,
    alter_a_record_and_its_hash,
    link_a_suffix_anew,
    link_anew_and_sign_with_another_key,
    link_anew_and_keep_the_signatures,
    give_the_log_another_id,
    alter_a_checkpoint,
    garble_a_checkpoint,
    take_every_checkpoint_away,
    put_an_older_backup_in_its_place,
)
NOT_SHOWN = (
    truncate_behind_the_newest_checkpoint,
    link_anew_behind_the_newest_checkpoint,
    append_behind_the_newest_checkpoint,
    truncate_the_anchor_with_the_log,
)
"""What may leave no trace, and what the verifier therefore says that it does not show."""
EVERY_WAY = FOUND + NOT_SHOWN


def _forge_row(copy: Copy) -> tuple[int, tuple[Any, ...], str]:
    """A decision that the service never made, in the table alone."""
    record = a_record(declaration_id=f"forged-{copy.chance.random()}")
    columns = (*record.key, record.lineage_id, record.snapshot_sha256, 0)
    text = record.model_dump_json()
    names = ", ".join((*chain.COLUMNS[chain.DECISION], "record"))
    ((seq,),) = copy.run(
        f"INSERT INTO decisions ({names}) VALUES (?, ?, ?, ?, ?, ?) RETURNING seq", *columns, text
    )
    return seq, columns, text


def _forge(copy: Copy) -> None:
    seq, columns, text = _forge_row(copy)
    links = chain.Links(LogFile(copy.folder / "decisions.sqlite"))
    with links.within(copy.connection):
        links.add(chain.DECISION, seq, columns, text)


def _sign_anew(copy: Copy, sign: Callable[[Checkpoint, Head], Checkpoint]) -> None:
    old = [checkpoint for _, checkpoint, _ in anchored(copy.anchor) if checkpoint]
    copy.anchor.unlink()
    for each in old:
        now = chain.hash_at(copy.connection, each.records) or ""
        append(copy.anchor, sign(each, Head(each.records, now)))


def a_log(folder: Path) -> Path:
    """A log of 320 records and its checkpoints, as a killed service leaves them."""
    log = DecisionLog(folder / "decisions.sqlite")
    for first in range(1, DECISIONS + 1, EVERY):
        numbers = range(first, first + EVERY)
        late = an_inspection(inspection_id=f"I-{first}", declaration_id=f"D-{first + 1}")
        kept(log, a_record(declaration_id=f"D-{first}", items=(an_item(customs_value=first),)))
        if first % 3 == 0:  # one in three comes before its declaration
            inspected(log, late)
        kept(log, *[a_record(declaration_id=f"D-{number}") for number in numbers[1:]])
        if first % 3:
            inspected(log, late)
        else:
            acted(log, a_lane_changed(f"D-{first}"))
    log.close()
    reader = LogReader(log.store)
    for no in CHECKPOINTS:
        head = Head(no, reader.hash_at(no) or "")
        append(folder / "anchor.ndjson", Checkpoint.sign(reader.log_id, head, NOON, KEY))
    assert reader.head().no == RECORDS
    reader.close()
    return folder


@contextmanager
def a_copy(original: Path, chance: random.Random) -> Iterator[Copy]:
    """A copy of the log that may be tampered with."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "copy"
        shutil.copytree(original, folder)
        file = folder / "decisions.sqlite"
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            yield Copy(folder, connection, chance)


def verdict_on(copy: Copy) -> Verdict | None:
    """What the verifier says; None when the log cannot even be read."""
    try:
        return verify(LogFile(copy.folder / "decisions.sqlite"), copy.anchor, [KEY.public_key()])
    except DecisionLogError:
        return None


def tampered(original: Path, count: int, seed: int) -> tuple[Counter[str], Counter[str]]:
    """How often each way was tried, and how often it was found."""
    chance = random.Random(seed)
    tried: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for number in range(count):
        way = EVERY_WAY[number % len(EVERY_WAY)]
        with a_copy(original, chance) as copy:
            copy.run("BEGIN")
            way(copy)
            copy.run("COMMIT")
            verdict = verdict_on(copy)
        tried[way.__name__] += 1
        found[way.__name__] += verdict is None or bool(verdict.problems)
    return tried, found


def main(count: Annotated[int, typer.Option(min=1)] = 1_000, seed: int = 1) -> None:
    """Tamper this often, and print what was found."""
    with tempfile.TemporaryDirectory() as name:
        original = a_log(Path(name) / "original")
        tried, found = tampered(original, count, seed)
    for ways, heading in ((FOUND, "must be found"), (NOT_SHOWN, "may leave no trace, as stated")):
        names = [way.__name__ for way in ways]
        all_found, all_tried = (sum(each[name] for name in names) for each in (found, tried))
        print(f"{heading}: {all_found}/{all_tried} found")
        for each in names:
            print(f"  {each.replace('_', ' '):45} {found[each]:4}/{tried[each]}")
    raise typer.Exit(any(found[way.__name__] < tried[way.__name__] for way in FOUND))


if __name__ == "__main__":
    typer.run(main)
