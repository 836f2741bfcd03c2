"""Sections of the model card: what the model is, what it looks at, and what makes it again."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import nan
from typing import Any

from pipelines.judging.lanes import known_violations
from pipelines.reporting.evidence import DIGITS, Evidence
from pipelines.reporting.headline import period, source_of, warnings_of
from pipelines.reporting.leak import in_green
from pipelines.reporting.sections import Row, Section, Table, Tile, Tiles
from pipelines.reporting.sentences import (
    Between,
    Fact,
    Number,
    Sentence,
    Share,
    say,
    with_ends,
)
from pipelines.reporting.unseen import Unseen
from selectivity.metrics import Interval, wilson

USES = ("use", "users", "decides", "not_for", "never_trained")
GUARDS = ("oversight", "contest", "personal", "chance", "watch")
LIMITS = ("uninspected", "selection", "drift", "memory", "histories", "vietnamese")
MEASURE = "line_purged"
"""The view that stands on top: what is left when memory cannot help."""


@dataclass(frozen=True)
class CardFacts:
    """What a bundle says of itself, besides the evidence of the report."""

    files: Mapping[str, str]
    """SHA-256 of each file of the bundle."""
    features: Mapping[str, Any]
    """What `features.json` holds."""
    trees: Mapping[str, int]
    """How many trees answer each question."""
    packages: Mapping[str, str]
    params: Sequence[tuple[str, str]]
    """Every param and its value, by dotted name."""
    locked: str
    """How dvc.lock names the bundle's folder."""


def headline(evidence: Evidence, facts: CardFacts, others: Sequence[Section]) -> Section:
    """Section: the model in a few numbers."""
    return Section(
        name="card",
        answers=tuple(section.answers[0] for section in others),
        blocks=(_tiles(evidence, facts), _identity(evidence, facts)),
        caveats=(say("card.caveat"),),
        warnings=tuple(warnings_of(evidence)),
    )


def _tiles(evidence: Evidence, facts: CardFacts) -> Tiles:
    metrics, items = evidence.metrics, evidence.labelled.get("items", {})
    area, hits = (_figure(metrics, name) for name in ("auroc", "precision_at_5"))
    error = metrics.get("all_rows", {}).get("ece", nan)
    findings = items.get("documentary", 0) + items.get("physical", 0)
    laws = Number(len(facts.features["law"]))
    return Tiles(
        (
            Tile(say("card.auroc"), Number(area.value, 3), _ends(Between(area, 3))),
            Tile(say("card.precision"), Share(hits.value), _ends(Between(hits))),
            Tile(say("card.ece"), Number(error, 3), say("card.ece_note")),
            Tile(
                say("card.features"),
                Number(len(facts.features["features"])),
                say("card.features_note", laws=laws),
            ),
            Tile(
                say("card.taught"),
                Number(evidence.prepared.get("rows", {}).get("train", nan)),
                say("card.taught_note", findings=Number(findings)),
            ),
        )
    )


def _figure(metrics: Mapping[str, Any], name: str) -> Interval:
    return Interval.read(metrics.get(MEASURE, {}), name)


def _ends(ends: Between) -> Sentence:
    return say("headline.ends", ends=ends)


def _identity(evidence: Evidence, facts: CardFacts) -> Table:
    trees = ", ".join(f"{name} {count:d}" for name, count in facts.trees.items())
    periods = evidence.periods
    rows: list[tuple[str, Fact]] = [
        ("bundle", evidence.digest),
        ("source", source_of(evidence)),
        ("taught", period(periods.train_from, _taught_until(evidence, facts))),
        ("rehearsed", period(periods.train_from, periods.train_until)),
        ("calibrated", period(periods.calibrate_from, periods.calibrate_until)),
        ("evaluated", period(periods.evaluate_from, periods.evaluate_until)),
        ("delay", say("card.days", days=Number(evidence.label_delay_days))),
        ("in_time", Share(evidence.in_time)),
        ("policy", evidence.policy.id),
        ("rules", Number(len(evidence.rules))),
        ("trees", trees),
    ]
    return Table(
        caption=say("card.identity_caption"),
        headings=(say("heading.what"), say("heading.value")),
        rows=tuple(Row((say(f"card.row_{name}"), fact)) for name, fact in rows),
    )


def _taught_until(evidence: Evidence, facts: CardFacts) -> date:
    """First day that taught the trees that decide nothing."""
    refitted = ("train.refit", "true") in facts.params
    return evidence.periods.evaluate_from if refitted else evidence.periods.train_until


def purpose() -> Section:
    """Section: what the model is for, and what not."""
    return Section("purpose", tuple(say(f"purpose.{name}") for name in USES), (), ())


def features(facts: CardFacts) -> Section:
    """Section: what the model looks at, and which law allows it."""
    rows = facts.features["features"]
    laws: Mapping[str, str] = facts.features["law"]
    return Section(
        name="features",
        answers=(
            say(
                "features.answer",
                features=Number(len(rows)),
                families=Number(len({row["group"] for row in rows})),
                laws=Number(len(laws)),
            ),
            say("features.direction", rising=Number(sum(row["direction"] > 0 for row in rows))),
        ),
        blocks=(_families(rows), _laws(laws), _all_features(rows)),
        caveats=(say("features.caveat"), say("features.caveat_missing")),
    )


def _families(rows: Sequence[Mapping[str, Any]]) -> Table:
    counts = Counter(row["group"] for row in rows)
    made = []
    for family, count in counts.items():
        mine = [row for row in rows if row["group"] == family]
        grounds = dict.fromkeys(ground for row in mine for ground in row["grounds"])
        cells: tuple[Fact, ...] = (say(f"family.{family}"), Number(count), ", ".join(grounds))
        made.append(Row(cells))
    headings = tuple(say(f"heading.{name}") for name in ("family", "features", "grounds"))
    return Table(say("features.families_caption"), headings, tuple(made))


def _laws(laws: Mapping[str, str]) -> Table:
    rows = tuple(Row((short, title)) for short, title in laws.items())
    return Table(say("features.laws_caption"), (say("heading.cited"), say("heading.law")), rows)


def _all_features(rows: Sequence[Mapping[str, Any]]) -> Table:
    made = tuple(
        Row(
            (
                row["name"],
                row["unit"],
                say(f"family.{row['group']}"),
                f"{row['law']}: {', '.join(row['grounds'])}",
                say("features.rises") if row["direction"] > 0 else say("features.free"),
            )
        )
        for row in rows
    )
    names = ("feature", "unit", "family", "allowed_by", "direction_of")
    headings = tuple(say(f"heading.{name}") for name in names)
    return Table(say("features.all_caption"), headings, made, folded=True)


def impact(evidence: Evidence, seen: Unseen) -> Section:
    """Section: whom a wrong lane harms, how often that is known to happen, and what guards them."""
    checked = evidence.decisions[evidence.decisions.lane != "GREEN"]
    found, inspected = known_violations(checked).sum(), int(checked.inspected.sum())
    random = evidence.policy.random
    return Section(
        name="impact",
        answers=(
            say(
                "impact.held_up",
                clean=with_ends(wilson(float(inspected - found), inspected)),
                inspected=Number(inspected),
            ),
            in_green(seen),
            *(
                say(f"impact.{name}", yellow=Share(random.yellow), red=Share(random.red))
                for name in GUARDS
            ),
        ),
        blocks=(),
        caveats=(say("impact.caveat"), say("impact.caveat_single")),
    )


def limits(evidence: Evidence) -> Section:
    """Section: what is known not to hold."""
    inspected = Share(float(evidence.decisions.inspected.mean()))
    return Section(
        name="limits",
        answers=tuple(say(f"limits.{name}", inspected=inspected) for name in LIMITS),
        blocks=(),
        caveats=(say("limits.caveat"),),
    )


def again(evidence: Evidence, facts: CardFacts) -> Section:
    """Section: digests and params that make the same model again."""
    return Section(
        name="again",
        answers=(
            say("again.answer", locked=facts.locked or say("unknown")),
            say("again.check", digest=evidence.digest[:DIGITS]),
        ),
        blocks=(
            _pairs("software", list(facts.packages.items())),
            _pairs("files", list(facts.files.items())),
            _pairs("params", facts.params, folded=True),
        ),
        caveats=(say("again.caveat"),),
    )


def _pairs(name: str, pairs: Sequence[tuple[str, str]], *, folded: bool = False) -> Table:
    headings = (say("heading.what"), say(f"heading.of_{name}"))
    return Table(say(f"again.{name}_caption"), headings, tuple(map(Row, pairs)), folded=folded)
