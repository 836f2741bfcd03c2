"""What the figures rest on: rows read and refused, missing facts, periods; and how it was done."""

from collections.abc import Iterator, Mapping
from math import nan
from pathlib import PurePath
from typing import Any

from pipelines.reporting.drift import MUCH, UNIT_VALUE
from pipelines.reporting.evidence import DIGITS, Evidence
from pipelines.reporting.sections import Block, Row, Section, Table
from pipelines.reporting.sentences import Between, Fact, Number, Sentence, Share, say, with_ends
from pipelines.training.periods import PARTS
from selectivity.deciding.policy import Policy
from selectivity.metrics import Interval

MOST = 12
"""Rows of a table of reasons or fields; the rest stands in quarantine.csv and ingest.json."""
MUCH_MISSING = 0.2
METHODS = ("replay", "time", "known", "wilson", "weights", "goods_line", "no_clock", "words")


def quality(evidence: Evidence) -> Section:
    """Section: what was read, refused and missing."""
    rows = evidence.ingested.get("rows")
    return Section(
        name="quality",
        answers=(
            _read(rows) if isinstance(rows, Mapping) else say("quality.not_told"),
            _inspected(evidence),
        ),
        blocks=tuple(_blocks(evidence)),
        caveats=(say("quality.caveat"), say("quality.caveat_drift")),
        warnings=(
            *_holes(evidence.prepared),
            *(
                say(f"quality.{_how_missing(evidence, fact)}", fact=_name(fact), share=Share(share))
                for fact, share in evidence.missing.items()
                if share >= MUCH_MISSING
            ),
            *(
                say("quality.drifted", fact=_name(fact), index=with_ends(index, digits=2))
                for fact, index in evidence.drift.items()
                if index.value >= MUCH
            ),
        ),
    )


def method(evidence: Evidence) -> Section:
    """Section: method and limits in plain words."""
    days = Number(evidence.label_delay_days)
    return Section(
        name="method",
        answers=tuple(say(f"method.{name}", days=days) for name in METHODS),
        blocks=(),
        caveats=(say("method.caveat"),),
    )


def _holes(prepared: Mapping[str, Any]) -> Iterator[Sentence]:
    """Parts with many days on which nothing was accepted."""
    for part, empty in prepared.get("days_in_holes", {}).items():
        if empty:
            days = Number(prepared["days"][part])
            yield say("quality.holes", part=say(f"part.{part}"), empty=Number(empty), days=days)


def _how_missing(evidence: Evidence, fact: str) -> str:
    known = evidence.facts_known is None or fact in evidence.facts_known
    return "missing" if known else "never_known"


def _read(rows: Mapping[str, Any]) -> Sentence:
    read, refused = rows.get("read", nan), rows.get("refused", nan)
    return say(
        "quality.answer",
        read=Number(read),
        refused=Number(refused),
        share=Share(refused / read if read else nan, 2),
        repeated=Number(rows.get("repeated", nan)),
    )


def _inspected(evidence: Evidence) -> Sentence:
    items = evidence.labelled.get("items", {})
    known = sum(items.get(name, 0) for name in ("none", "documentary", "physical"))
    total = known + items.get("not_inspected", 0)
    return say(
        "quality.inspected",
        share=Share(known / total if total else nan),
        documentary=Number(items.get("documentary", 0)),
        physical=Number(items.get("physical", 0)),
        items=Number(total),
    )


def _blocks(evidence: Evidence) -> Iterator[Block]:
    yield _periods(evidence)
    yield _missing(evidence.missing)
    yield _drift(evidence.drift)
    for name in ("refused_by_reason", "set_to_missing"):
        counts = evidence.ingested.get(name)
        if isinstance(counts, Mapping) and counts:
            yield _counts(name, counts)
    inputs = evidence.ingested.get("inputs")
    if isinstance(inputs, Mapping) and inputs:
        yield _inputs(inputs)


def _periods(evidence: Evidence) -> Table:
    rows, periods = evidence.prepared.get("rows", {}), evidence.periods
    return Table(
        caption=say("quality.periods_caption"),
        headings=tuple(say(f"heading.{name}") for name in ("part", "from", "until", "items")),
        rows=tuple(
            Row(
                (
                    say(f"part.{part}"),
                    getattr(periods, f"{part}_from"),
                    getattr(periods, f"{part}_until"),
                    Number(rows.get(part, nan)),
                )
            )
            for part in PARTS
        ),
    )


def _missing(shares: Mapping[str, float]) -> Table:
    rows = tuple(Row((_name(fact), Share(share, 2))) for fact, share in shares.items())
    headings = (say("heading.fact"), say("heading.missing"))
    return Table(say("quality.missing_caption"), headings, rows)


def _drift(indices: Mapping[str, Interval]) -> Table:
    rows = tuple(
        Row((_name(fact), Number(index.value, 3), Between(index, 3)))
        for fact, index in indices.items()
    )
    headings = tuple(say(f"heading.{name}") for name in ("fact", "drift", "interval"))
    return Table(say("quality.drift_caption"), headings, rows)


def _inputs(inputs: Mapping[str, str]) -> Table:
    """Files by the end of their path: the rest is of one machine."""
    rows: list[tuple[Fact, Fact]] = [
        ("/".join(_end(PurePath(path))), digest[:DIGITS])
        for path, digest in sorted(inputs.items())[:MOST]
    ]
    headings = (say("heading.file"), say("heading.digest"))
    caption = say("quality.inputs_caption")
    if len(inputs) > MOST:
        caption = say("quality.inputs_cut_caption", shown=Number(MOST), files=Number(len(inputs)))
    return Table(caption, headings, tuple(map(Row, rows)))


def _end(file: PurePath) -> tuple[str, ...]:
    """Folder and name; of a part of a table, `month=2026-01`, the table before them."""
    return file.parts[-3:] if "=" in file.parent.name else file.parts[-2:]


def _name(fact: str) -> Fact:
    return say(f"fact.{fact}") if fact in (*Policy().facts_needed, UNIT_VALUE) else fact


def _counts(name: str, counts: Mapping[str, int]) -> Table:
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST]
    rows: list[tuple[Fact, Fact]] = [(reason, Number(count)) for reason, count in most]
    headings = (say(f"heading.{name}"), say("heading.rows"))
    return Table(say(f"quality.{name}_caption"), headings, tuple(map(Row, rows)))
