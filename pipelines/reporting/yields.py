"""How often controls find something, per lane, per channel, and per asker of past controls."""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from pipelines.judging.lanes import known_violations
from pipelines.reporting import charts
from pipelines.reporting.charts import Line
from pipelines.reporting.evidence import Evidence
from pipelines.reporting.sections import Block, Chart, Row, Section, Table
from pipelines.reporting.sentences import (
    Between,
    Fact,
    Number,
    Sentence,
    Share,
    Speaker,
    say,
    with_ends,
)
from selectivity.columns import Ints
from selectivity.lanes import LANES, Channel, Lane
from selectivity.metrics import FEWEST_FINDINGS, Interval, bootstrapped, wilson

FEW = 30
"""Controls below which a hit rate is called thin."""
SMALL = 10
"""Amounts below which decimals are told."""
HOLDS = ("holds_found", "holds_physical", "holds_duty_found")


def yields(evidence: Evidence) -> Section:
    """Section: hit rates with their intervals and counts."""
    lines = [_lane_rate(evidence, lane) for lane in LANES]
    return Section(
        name="yields",
        answers=_answers(evidence),
        blocks=tuple(_blocks(evidence, lines)),
        caveats=tuple(_caveats(evidence)),
        warnings=tuple(_thin(evidence)),
    )


def hit_rate(decisions: pd.DataFrame) -> Interval:
    """Share of the inspected declarations in which something was found, with its interval."""
    return wilson(float(known_violations(decisions).sum()), int(decisions.inspected.sum()))


def _answers(evidence: Evidence) -> tuple[Sentence, ...]:
    red, everywhere = hit_rate(evidence.of_lane("RED")), hit_rate(evidence.decisions)
    inspected = int(evidence.of_lane("RED").inspected.sum())
    if not inspected:
        return (say("yields.no_red"),)
    answer = say(
        "yields.answer", inspected=Number(inspected), rate=Share(red.value), ends=Between(red)
    )
    if not everywhere.value:
        return answer, say("yields.nothing_found")
    if inspected < FEW:
        return answer, *_rules_and_model(evidence)
    lift = say(
        "yields.lift",
        times=Number(red.value / everywhere.value, 1),
        rate=Share(everywhere.value),
        inspected=Number(int(evidence.decisions.inspected.sum())),
    )
    return answer, lift, *_rules_and_model(evidence)


def _rules_and_model(evidence: Evidence) -> Iterator[Sentence]:
    """What red checks find that the model asks for, beside those that law and rules ask for."""
    red = evidence.of_lane("RED")
    model = red[red.channel == Channel.MODEL]
    rules = red[red.channel.isin((Channel.MANDATORY, Channel.RULE))]
    rates = {"model": hit_rate(model), "rules": hit_rate(rules)}
    if not any(math.isnan(rate.value) for rate in rates.values()):
        shown = {name: with_ends(rate) for name, rate in rates.items()}
        counts = {"by_model": model, "by_rules": rules}
        inspected = {name: Number(int(rows.inspected.sum())) for name, rows in counts.items()}
        yield say("yields.rules_and_model", **shown, **inspected)


def _caveats(evidence: Evidence) -> Iterator[Sentence]:
    yield say("yields.caveat_overlap")
    yield say("yields.caveat_effort")
    if _has_duty(evidence.controls):
        yield say("yields.caveat_duty")
    else:
        yield say("yields.caveat_duty_at_stake")


def _thin(evidence: Evidence) -> Iterator[Sentence]:
    for lane in ("YELLOW", "RED"):
        inspected = int(evidence.of_lane(lane).inspected.sum())
        if inspected < FEW:
            yield say("yields.thin", lane=Lane[lane], inspected=Number(inspected))


def _lane_rate(evidence: Evidence, lane: str) -> tuple[Lane, Interval, str]:
    return Lane[lane], hit_rate(evidence.of_lane(lane)), lane


def _blocks(evidence: Evidence, lines: list[tuple[Lane, Interval, str]]) -> Iterator[Block]:
    def draw(speak: Speaker) -> str:
        named = [Line(speak.capital(label), rate, lane) for label, rate, lane in lines]
        return charts.whiskers("yields", named, "chart.hit_rate", speak)

    yield Chart("yields", say("yields.chart_caption"), say("yields.chart_seen"), draw)
    yield _lane_table(evidence)
    yield _holds_table(evidence)
    yield _channel_table(evidence)
    if _asked(evidence.controls):
        yield _asker_table(evidence)


def _lane_table(evidence: Evidence) -> Table:
    everything = _counts(say("heading.all"), evidence.decisions)
    rows = [_counts(Lane[lane], evidence.of_lane(lane), lane=lane) for lane in LANES]
    return Table(say("yields.lane_caption"), _headings("lane"), (*rows, everything))


def _holds_table(evidence: Evidence) -> Table:
    """Shares of all known violations, of the physical ones, and of the duty of them."""
    figures, has_duty = evidence.metrics.get("lanes", {}), _has_duty(evidence.controls)
    known = evidence.decisions[evidence.decisions.inspected]
    counts = {name: int(known[name].sum()) for name in ("found", "physical")}
    rows = []
    for lane in LANES:
        shares = (Interval.read(figures, f"{lane.lower()}_{name}") for name in HOLDS)
        cells: list[Fact] = [Lane[lane], *map(with_ends, shares)]
        if has_duty:
            in_lane = known[known.lane == lane]
            cells.append(_mean(in_lane.duty_found, np.arange(len(in_lane))))
        rows.append(Row(tuple(cells), lane=lane))
    duty_of = "holds_duty_found" if has_duty else "holds_duty_at_stake"
    names = ("lane", "holds_found", "holds_physical", duty_of)
    caption = say("yields.holds_caption", **{name: Number(n) for name, n in counts.items()})
    headings = [say(f"heading.{name}") for name in names]
    headings += [_duty_heading("duty_declaration", evidence.currency)] * has_duty
    return Table(caption, tuple(headings), tuple(rows))


def _mean(duty: "pd.Series[float]", groups: Ints) -> Sentence:
    """Mean duty with its interval; of fewer than ten amounts there is none.

    A few amounts may be most of it, so that rows are drawn anew, those of a group together.
    """
    paid = duty.to_numpy(float)
    enough = bool(np.count_nonzero(paid) >= FEWEST_FINDINGS)

    def mean(at: Ints) -> float:
        return float(paid[at].mean()) if len(at) else math.nan

    told = bootstrapped(mean, groups, enough=enough)
    return with_ends(told, digits=2 if 0 < told.value < SMALL else 0)


def _channel_table(evidence: Evidence) -> Table:
    """Declarations that are checked now, by who asks for it; those released stand apart."""
    rows, all_found = [], int(known_violations(evidence.decisions).sum())
    for channel in Channel:
        for lane in LANES[::-1]:
            chosen = evidence.of_lane(lane)
            chosen = chosen[chosen.channel == channel]
            if len(chosen):
                label = say("yields.channel", channel=say(f"channel.{channel}"), lane=Lane[lane])
                counts = _counts(label, chosen, lane=lane)
                holds = with_ends(wilson(float(known_violations(chosen).sum()), all_found))
                rows.append(Row((*counts.cells, holds), lane=lane))
    headings = (*_headings("channel"), say("heading.holds"))
    return Table(say("yields.channel_caption"), headings, tuple(rows))


def _headings(first: str) -> tuple[Sentence, ...]:
    names = (first, "declarations", "inspected", "found", "physical", "hit_rate", "interval")
    return tuple(say(f"heading.{name}") for name in names)


def _counts(label: Fact, decisions: pd.DataFrame, lane: str | None = None) -> Row:
    known = decisions[decisions.inspected]
    numbers = (len(decisions), len(known), int(known.found.sum()), int(known.physical.sum()))
    rate = hit_rate(decisions)
    return Row((label, *map(Number, numbers), *_rate(rate)), lane=lane)


def _rate(rate: Interval) -> tuple[Fact, Fact]:
    return Share(rate.value), Between(rate)


def _asker_table(evidence: Evidence) -> Table:
    """Controls as they were made, by who asked for them then: no replay stands between."""
    controls = evidence.controls
    has_duty = _asked(controls) and _has_duty(controls)
    names = ("asker", "controls", "found", "hit_rate", "interval")
    headings = [say(f"heading.{name}") for name in names]
    headings += [_duty_heading("duty", evidence.currency)] * has_duty
    rows = []
    for asker in [*Channel, ""]:
        made = controls[controls.triggered_by == asker]
        if len(made):
            found = int(made.found.sum())
            rate = wilson(found, len(made))
            label = say(f"channel.{asker}") if asker else say("channel.none")
            cells: list[Fact] = [label, Number(len(made)), Number(found), *_rate(rate)]
            cells += [_mean(made.additional_duty, made["at"].to_numpy())] * has_duty
            rows.append(Row(tuple(cells)))
    return Table(say("yields.asker_caption"), tuple(headings), tuple(rows))


def _duty_heading(name: str, currency: str | None) -> Sentence:
    """Named with the currency where there is one."""
    if currency is None:
        return say(f"heading.{name}")
    return say("heading.amount_in", amount=say(f"heading.{name}"), currency=currency)


def _asked(controls: pd.DataFrame) -> bool:
    return bool((controls.triggered_by != "").any())


def _has_duty(controls: pd.DataFrame) -> bool:
    """Whether the source tells what findings brought in; if not, duty is what was at stake."""
    return bool(controls.additional_duty.sum() > 0)
