"""Why declarations were stopped: reasons, what stood out, and how often each rule spoke."""

from collections.abc import Iterator

import pandas as pd

from pipelines.reporting.evidence import Evidence
from pipelines.reporting.sections import Block, Row, Section, Table
from pipelines.reporting.sentences import Between, Fact, Number, ReasonCode, Sentence, Share, say
from selectivity.lanes import LANES
from selectivity.metrics import wilson
from selectivity.rules.rule_set import Layer, Rule


def reasons(evidence: Evidence) -> Section:
    """Section: counts of reasons and signals by lane, and figures of the rules."""
    unused = [rule for rule in evidence.rules if _counts(evidence, rule)["hits"] == 0]
    return Section(
        name="reasons",
        answers=tuple(_answers(evidence, unused)),
        blocks=tuple(_blocks(evidence)),
        caveats=(say("reasons.caveat_first"), say("reasons.caveat_rules")),
    )


def _answers(evidence: Evidence, unused: list[Rule]) -> Iterator[Sentence]:
    stopped = evidence.decisions[evidence.decisions.lane != "GREEN"]
    counts = _by_size(stopped.reason)
    if counts.empty:
        yield say("reasons.none_stopped")
    else:
        yield say(
            "reasons.answer",
            stopped=Number(len(stopped)),
            reason=ReasonCode(str(counts.index[0])),
            share=Share(counts.iloc[0] / len(stopped)),
        )
    active = [rule for rule in unused if rule.layer is not Layer.FALLBACK]
    if active:
        names = ", ".join(rule.id for rule in active)
        yield say(
            "reasons.unused",
            unused=Number(len(active)),
            rules=Number(len(evidence.rules)),
            names=names,
        )


def _by_size(codes: "pd.Series[str]") -> "pd.Series[int]":
    """How often each code occurs, most often first, ties by name."""
    return codes.value_counts().sort_index().sort_values(ascending=False, kind="stable")


def _blocks(evidence: Evidence) -> Iterator[Block]:
    decisions = evidence.decisions
    yield _code_table("reasons", decisions.reason, decisions.lane)
    signals = decisions[["signals", "lane"]].explode("signals").dropna()
    if len(signals):
        yield _code_table("signals", signals.signals, signals.lane)
    if evidence.rules:
        yield _rule_table(evidence)


def _code_table(name: str, codes: "pd.Series[str]", lanes: "pd.Series[str]") -> Table:
    table = pd.crosstab(codes, lanes).reindex(columns=list(LANES), fill_value=0)
    stopped = table.assign(stopped=table.RED + table.YELLOW)
    order = stopped.sort_values(["stopped", "GREEN"], ascending=False, kind="stable").index
    table = table.loc[order]
    return Table(
        caption=say(f"reasons.{name}_caption"),
        headings=(say(f"heading.{name}"), *(say(f"heading.{lane}") for lane in LANES)),
        rows=tuple(
            Row((ReasonCode(str(code)), *(Number(int(count)) for count in counts)))
            for code, counts in zip(table.index, table.to_numpy(), strict=True)
        ),
    )


def _rule_table(evidence: Evidence) -> Table:
    names = ("rule", "layer", "lane", "hits", "inspected", "found", "hit_rate")
    return Table(
        caption=say("reasons.rules_caption"),
        headings=tuple(say(f"heading.{name}") for name in (*names, "interval")),
        rows=tuple(_rule(evidence, rule) for rule in evidence.rules),
    )


def _rule(evidence: Evidence, rule: Rule) -> Row:
    counts = _counts(evidence, rule)
    rate = wilson(counts["found"], counts["inspected"])
    cells: tuple[Fact, ...] = (
        _named(rule),
        say(f"layer.{rule.layer}"),
        say(f"heading.{rule.lane.name}"),
        *(Number(counts[name]) for name in ("hits", "inspected", "found")),
        Share(rate.value),
        Between(rate),
    )
    return Row(cells, lane=rule.lane.name)


def _named(rule: Rule) -> Sentence:
    """Its id and words, and the share of its hits that it is cast on: two may differ in that."""
    named: dict[str, Fact] = {"rule": rule.id, "reason": ReasonCode(rule.reason_code)}
    if rule.random_share == 1:
        return say("reasons.rule", **named)
    return say("reasons.rule_drawn", **named, share=Share(rule.random_share, 0))


def _counts(evidence: Evidence, rule: Rule) -> dict[str, int]:
    known = evidence.backtest.get("rules", {}).get(rule.id, {})
    return {name: int(known.get(name, 0)) for name in ("hits", "inspected", "found")}
