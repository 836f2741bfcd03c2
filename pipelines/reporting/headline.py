"""The first page: the period, the numbers that stand out, and the answers in short."""

import math
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import PurePath

import pandas as pd

from pipelines.reporting.evidence import DIGITS, Evidence
from pipelines.reporting.lanes import per_week
from pipelines.reporting.sections import Row, Section, Table, Tile, Tiles
from pipelines.reporting.sentences import Between, Fact, Number, Sentence, Share, say
from pipelines.reporting.unseen import Unseen
from pipelines.reporting.yields import hit_rate
from selectivity.lanes import LANES, Lane
from selectivity.metrics import ranks


def headline(evidence: Evidence, seen: Unseen, others: Sequence[Section]) -> Section:
    """Section: the summary, from the first answer of each section that has figures."""
    return Section(
        name="headline",
        answers=tuple(section.answers[0] for section in others),
        blocks=(_tiles(evidence, seen), _origin(evidence)),
        caveats=(say("headline.caveat"),),
        warnings=tuple(warnings_of(evidence)),
    )


def warnings_of(evidence: Evidence) -> Iterator[Sentence]:
    """What no reader may overlook."""
    if not ranks(evidence.metrics.get("all_rows", {})):
        yield say("headline.by_chance")
    if evidence.ingested.get("simulated"):
        yield say("headline.simulated")
    if not evidence.decisions.ripe.all():
        yield say("headline.unripe", **_unripe(evidence.decisions))


def _unripe(decisions: pd.DataFrame) -> dict[str, Fact]:
    weeks = per_week(decisions)
    return {
        "unripe": Number(int((~weeks.ripe).sum())),
        "weeks": Number(len(weeks)),
        "share": Share(float((~decisions.ripe).mean())),
    }


def _tiles(evidence: Evidence, seen: Unseen) -> Tiles:
    tiles = [
        Tile(
            label=Lane[lane],
            value=Share(evidence.share(lane)),
            note=_note(evidence, lane, evidence.planned.get(lane)),
            lane=lane,
        )
        for lane in LANES
    ]
    red, green = hit_rate(evidence.of_lane("RED")), seen.lanes["GREEN"].rate
    known = seen.basis != "unknown"
    return Tiles(
        (
            *tiles,
            Tile(say("headline.red_hit_rate"), Share(red.value), _ends(Between(red), red.value)),
            Tile(
                say(f"headline.leak_{seen.basis}"),
                Share(green.value) if known else say("cannot_tell"),
                _ends(Between(green), green.value) if known else say("headline.leak_untold"),
            ),
        )
    )


def _ends(ends: Between, value: float) -> Sentence:
    return say("headline.no_control") if math.isnan(value) else say("headline.ends", ends=ends)


def _note(evidence: Evidence, lane: str, planned: float | None) -> Sentence:
    count = Number(len(evidence.of_lane(lane)))
    if planned is None:
        return say("headline.count", count=count)
    return say("headline.planned", count=count, planned=Share(planned))


def _origin(evidence: Evidence) -> Table:
    periods = evidence.periods
    facts: list[tuple[str, Fact]] = [
        ("period", period(periods.evaluate_from, periods.evaluate_until)),
        ("source", source_of(evidence)),
        ("declarations", Number(len(evidence.decisions))),
        ("items", Number(int(evidence.decisions["items"].sum()))),
        ("inspected", Share(float(evidence.decisions.inspected.mean()))),
        ("unripe", say("headline.unripe_weeks", **_unripe(evidence.decisions))),
        ("in_time", Share(evidence.in_time)),
        ("policy", evidence.policy.id),
        ("bundle", evidence.digest[:DIGITS]),
    ]
    days = Number(evidence.label_delay_days)
    return Table(
        caption=say("headline.origin_caption"),
        headings=(say("heading.what"), say("heading.value")),
        rows=tuple(Row((say(f"headline.row_{name}", days=days), fact)) for name, fact in facts),
    )


def _folders(evidence: Evidence) -> list[str]:
    """Names of the folders that the data were read from."""
    inputs = evidence.ingested.get("inputs")
    return sorted({_folder(PurePath(path)) for path in inputs}) if inputs else []


def _folder(file: PurePath) -> str:
    """Name of a file's folder; for a part, `tables/items/month=2026-01/…`, that of the tables."""
    table = next((at for at in file.parents if "=" not in at.name), file.parent)
    return table.name if table == file.parent else table.parent.name


def source_of(evidence: Evidence) -> Fact:
    """Mapping and folders that the data were read by."""
    source, folders = evidence.ingested.get("source"), _folders(evidence)
    if not source:
        return say("unknown")
    told = ", ".join(folders)
    return str(source) if told in ("", source) else f"{source} ({told})"


def period(first: date, until: date) -> Sentence:
    """From the first day to the last; periods name the first day after it."""
    return say("headline.period", first=first, last=until - timedelta(days=1))
