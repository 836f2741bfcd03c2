"""What more or fewer inspectors would find, and what other policies would have done."""

from collections.abc import Iterator, Mapping
from math import nan
from typing import Any

import pandas as pd

from pipelines.judging.lanes import FEWER, MORE, RED_CAPACITIES
from pipelines.reporting import charts
from pipelines.reporting.evidence import Evidence
from pipelines.reporting.sections import Block, Chart, Row, Section, Table
from pipelines.reporting.sentences import Between, Fact, Number, Sentence, Share, say, with_ends
from pipelines.reporting.unseen import NEARLY_ALL
from pipelines.reporting.yields import FEW
from selectivity.lanes import LANES
from selectivity.metrics import Interval

KNOWN = ("as_served", "without_model", FEWER, MORE)
SAME = 0.001
"""Difference of two shares below which nothing has changed."""
CHANGES = {"more": RED_CAPACITIES[MORE], "fewer": RED_CAPACITIES[FEWER]}
"""By the word for it in sentences."""


def capacity(evidence: Evidence) -> Section:
    """Section: the capacity curve, and the variants of the backtest."""
    variants = evidence.backtest.get("variants", {})
    answers = tuple(_answers(evidence, variants))
    return Section(
        name="capacity",
        answers=answers or (say("capacity.none"),),
        blocks=tuple(_blocks(evidence, variants)),
        caveats=(say("capacity.caveat_curve"), say("capacity.caveat_variants")),
    )


def _answers(evidence: Evidence, variants: Mapping[str, Any]) -> Iterator[Sentence]:
    told = set(KNOWN) <= variants.keys()
    now, without, fewer, more = (variants.get(name, {}) for name in KNOWN)
    if told:
        planned = evidence.planned.get("RED", nan)
        yield _red("more", now, more, planned)
        yield _red("fewer", now, fewer, planned)
    at = {round(row["inspected"], 4): row for row in evidence.capacity.to_dict("records")}
    if {0.05, 0.1} <= at.keys():
        yield say(
            "capacity.riskiest",
            caught_5=with_ends(Interval.read(at[0.05], "detection_rate")),
            hit_5=_hit_rate(evidence, "precision_at_5"),
            caught_10=with_ends(Interval.read(at[0.1], "detection_rate")),
            hit_10=_hit_rate(evidence, "precision_at_10"),
        )
        if evidence.decisions.inspected.mean() < NEARLY_ALL:
            yield say("capacity.suspicion")
    if told:
        yield from _without_model(now, without, evidence.metrics.get("without_model", {}))


def _hit_rate(evidence: Evidence, name: str) -> Sentence:
    return with_ends(Interval.read(evidence.metrics.get("all_rows", {}), name))


def _red(change: str, now: Mapping[str, Any], then: Mapping[str, Any], planned: float) -> Sentence:
    """What the change brings; where nothing, whether rules overfill the lane or it has room."""
    same = abs(then["red_share"] - now["red_share"]) < SAME
    over = "full" if now["red_share"] > CHANGES[change] * planned else "room"
    points = Interval(*(100 * end for end in Interval.read(then, "red_holds_found_change")))
    return say(
        f"capacity.{change}_{over}" if same else f"capacity.{change}",
        share=Share(now["red_share"]),
        then=Share(then["red_share"]),
        holds=Share(now.get("red_holds_found", nan)),
        then_holds=Share(then.get("red_holds_found", nan)),
        points=Number(points.value, 1),
        ends=Between(points, 1),
    )


def _without_model(
    now: Mapping[str, Any], without: Mapping[str, Any], judged: Mapping[str, Any]
) -> Iterator[Sentence]:
    yield say(
        "capacity.without_model",
        checked=Share(1 - without["green_share"]),
        now_checked=Share(1 - now["green_share"]),
        caught=Share(judged.get("found_against_model", nan)),
    )
    if min(each.get("red_inspected", 0) for each in (now, without)) >= FEW:
        rates = {"rate": without, "now_rate": now}
        told = {name: Share(each["red_hit_rate"]) for name, each in rates.items()}
        yield say("capacity.without_model_red", **told)


def _blocks(evidence: Evidence, variants: Mapping[str, Any]) -> Iterator[Block]:
    curve = evidence.capacity
    if len(curve):
        yield Chart(
            name="capacity",
            caption=say("capacity.chart_caption"),
            seen=say("capacity.chart_seen"),
            draw=lambda speak: charts.capacity(curve, speak),
        )
        yield _curve(curve)
    if variants:
        yield _variants(variants)


def _curve(curve: pd.DataFrame) -> Table:
    names = ("detection_rate", "hit_rate")
    rows = [
        Row((Share(row["inspected"]), *(with_ends(Interval.read(row, name)) for name in names)))
        for row in curve.to_dict("records")
    ]
    headings = tuple(say(f"heading.{name}") for name in ("items_inspected", *names))
    return Table(say("capacity.curve_caption"), headings, tuple(rows), folded=True)


def _variants(variants: Mapping[str, Any]) -> Table:
    names = (*LANES, "red_inspected", "red_hit_rate", "interval")
    holds = ("red_holds_found", "green_holds_found")
    return Table(
        caption=say("capacity.variants_caption"),
        headings=tuple(say(f"heading.{name}") for name in ("variant", *names, *holds)),
        rows=tuple(_variant(name, figures) for name, figures in variants.items()),
    )


def _variant(name: str, figures: Mapping[str, Any]) -> Row:
    rate = Interval.read(figures, "red_hit_rate")
    label: Fact = say(f"variant.{name}") if name in KNOWN else name
    shares = (Share(figures[f"{lane}_share"]) for lane in ("green", "yellow", "red"))
    holds = (Share(figures.get(f"{lane}_holds_found", nan)) for lane in ("red", "green"))
    inspected = Number(figures["red_inspected"])
    return Row((label, *shares, inspected, Share(rate.value), Between(rate), *holds))
