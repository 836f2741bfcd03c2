"""What we do not see: violations among declarations that were released unchecked."""

from collections.abc import Iterator

from pipelines.judging.lanes import known_violations
from pipelines.reporting import charts
from pipelines.reporting.charts import Line
from pipelines.reporting.evidence import Evidence
from pipelines.reporting.sections import Block, Chart, Row, Section, Table
from pipelines.reporting.sentences import Between, Fact, Number, Sentence, Share, Speaker, say
from pipelines.reporting.unseen import LEAST_EFFECTIVE, Rate, Unseen
from selectivity.lanes import LANES, Lane


def leak(evidence: Evidence, seen: Unseen) -> Section:
    """Section: the rate of violations in GREEN and everywhere, or that it cannot be told."""
    unknown = seen.basis == "unknown"
    return Section(
        name="leak",
        answers=_cannot_tell(evidence, seen) if unknown else _answers(evidence, seen),
        blocks=() if unknown else tuple(_blocks(seen)),
        caveats=(say(f"leak.caveat_{seen.basis}"), say("leak.caveat_effort")),
        warnings=tuple(_warnings(seen)),
    )


def _warnings(seen: Unseen) -> Iterator[Sentence]:
    green, yellow = seen.lanes["GREEN"], seen.lanes["YELLOW"]
    if seen.basis == "unknown":
        yield say("leak.warning")
    elif green.declarations and yellow.declarations and green.rate.high >= yellow.rate.low:
        yield say("leak.not_apart", green=Between(green.rate), yellow=Between(yellow.rate))


def in_green(seen: Unseen) -> Sentence:
    """How often green holds a violation, or that it cannot be told."""
    green = seen.lanes["GREEN"]
    if seen.basis == "unknown":
        return say("leak.unknown")
    if not green.declarations:
        return say("leak.no_green")
    return say(
        f"leak.{seen.basis}",
        rate=Share(green.rate.value),
        ends=Between(green.rate),
        findings=Number(green.findings.value),
        findings_ends=Between(green.findings, 0),
        declarations=Number(green.declarations),
    )


def _answers(evidence: Evidence, seen: Unseen) -> tuple[Sentence, ...]:
    first, everywhere = in_green(seen), seen.everywhere
    if not seen.lanes["GREEN"].declarations:
        return (first,)
    second = say("leak.leaked", share=Share(seen.leaked.value), ends=Between(seen.leaked))
    third = say(
        "leak.everywhere",
        rate=Share(everywhere.rate.value),
        ends=Between(everywhere.rate),
        controls=Number(everywhere.controls),
        effective=Number(everywhere.effective),
        drawn=Number(seen.drawn),
        support=Share(seen.support, 0),
    )
    if seen.basis == "counted":
        return (first, second)
    return (first, second, *_found_elsewhere(evidence), third)


def _found_elsewhere(evidence: Evidence) -> Iterator[Sentence]:
    """The share of green by what past checks found, which stands elsewhere and is another one."""
    found, of_green = (
        known_violations(rows).sum() for rows in (evidence.decisions, evidence.of_lane("GREEN"))
    )
    if found:
        yield say("leak.found_elsewhere", share=Share(of_green / found))


def _cannot_tell(evidence: Evidence, seen: Unseen) -> tuple[Sentence, ...]:
    green = evidence.of_lane("GREEN")
    known = green[green.inspected]
    return (
        in_green(seen),
        say(
            "leak.why_unknown",
            controls=Number(seen.everywhere.controls),
            drawn=Number(seen.drawn),
            support=Share(seen.support, 0),
            recorded=Share(seen.recorded, 0),
            least=Number(LEAST_EFFECTIVE),
        ),
        say("leak.known_green", inspected=Number(len(known)), found=Number(int(known.found.sum()))),
    )


def _blocks(seen: Unseen) -> Iterator[Block]:
    lines = [(Lane[lane], seen.lanes[lane].rate, lane) for lane in LANES]

    def draw(speak: Speaker) -> str:
        named = [Line(speak.capital(label), rate, lane) for label, rate, lane in lines]
        return charts.whiskers("leak", named, f"chart.leak_{seen.basis}", speak)

    yield Chart("leak", say(f"leak.chart_{seen.basis}"), say("leak.chart_seen"), draw)
    names = ("lane", "declarations", "goods_controls", "effective", "rate", "interval", "findings")
    everything = _row(say("heading.all"), seen.everywhere)
    yield Table(
        caption=say(f"leak.table_{seen.basis}"),
        headings=tuple(say(f"heading.{name}") for name in (*names, "findings_ends")),
        rows=(*(_row(Lane[lane], seen.lanes[lane], lane) for lane in LANES), everything),
    )


def _row(label: Fact, rate: Rate, lane: str | None = None) -> Row:
    cells = (
        label,
        Number(rate.declarations),
        Number(rate.controls),
        Number(rate.effective),
        Share(rate.rate.value),
        Between(rate.rate),
        Number(rate.findings.value),
        Between(rate.findings, 0),
    )
    return Row(cells, lane=lane)
