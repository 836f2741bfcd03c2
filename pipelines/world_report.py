"""Show a person whether a simulated world looks right: one page that needs no network.

Reads   data/raw/simulated/          the tables of the world
        data/raw/truth/              its truth, which no other stage but `simulate` knows
        data/reference/simulator/    what was asked for
Writes  data/reports/world.html      figures against the preset, and pictures with what to expect
"""

from collections.abc import Mapping
from pathlib import Path

from pipelines.reporting.world_facts import WorldFacts, read_world_facts
from pipelines.reporting.world_learning import learning
from pipelines.reporting.world_mechanisms import mechanisms
from pipelines.reporting.world_officers import officers
from pipelines.reporting.world_offices import delays, offices
from pipelines.reporting.world_page import Head, Part, Table, page, percent
from pipelines.reporting.world_selection import by_channel, ceiling, chances
from pipelines.reporting.world_trade import missing, tail, weeks
from pipelines.reporting.world_wrongs import groups, per_week, prices
from pipelines.simulate import SimulateParams
from pipelines.simulator.figures import figures, judged
from pipelines.simulator.presets import read_settings
from pipelines.simulator.settings import WorldSettings
from pipelines.simulator.store import Folder
from pipelines.stage.command import command, say
from pipelines.stage.files import write_text
from pipelines.stage.options import (
    ParamsFile,
    ReferenceFolder,
    SimulatedFolder,
    TruthFolder,
    WorldReportFile,
)
from pipelines.stage.params import section

LIMITS = (
    "It has no real prices, firms, officers or offices: price levels, duties and hazards are "
    "invented, only codes and countries exist.",
    "It copies no restricted data: nothing was learnt from declarations of any country; published "
    "totals set the levels.",
    "It has no rule that makes fraud separable: every violation is drawn by a chance below 1.",
    "Indicators that administrations keep secret are not in it.",
    "Traders answer to being inspected and to being caught, not to a model's scores; officers do "
    "not learn at all.",
    "Goods, firms and officers are drawn independently: no networks of firms but shared brokers, "
    "no prices that move with time.",
    "Whoever decides better here has shown that the method works, not that it would work there.",
)


def write_report(
    folder: Folder, settings: WorldSettings, out: Path, extra: Mapping[str, float] | None = None
) -> None:
    """Write the page of a world.

    Args:
        extra: figures that the world's folder alone does not give, as those of a trained model.
    """
    found = figures(folder, scheme_from_week=settings.fraud.scheme.from_week)
    facts = read_world_facts(folder, settings, {**found, **(extra or {})})
    html = page(head(facts), parts(facts), LIMITS)
    write_text(out, html)
    say(f"world_report: {out}, {len(html.encode()) // 1024} KB")


def parts(facts: WorldFacts) -> tuple[Part, ...]:
    """Everything to look at, in the order of the page."""
    return (
        weeks(facts),
        per_week(facts),
        by_channel(facts),
        ceiling(facts),
        groups(facts),
        tail(facts),
        prices(facts),
        chances(facts),
        mechanisms(facts),
        offices(facts),
        delays(facts),
        officers(facts),
        learning(facts),
        missing(facts),
    )


def head(facts: WorldFacts) -> Head:
    """Which world this is, and whether it is what its preset asks for."""
    settings, found = facts.settings, facts.figures
    rows = tuple(
        (each.name, each.verdict, _number(each.got), f"{_number(each.low)} to {_number(each.high)}")
        for each in judged(found, settings.must_hit)
    )
    missed = [row[0] for row in rows if row[1] == "MISSED"]
    open_ = [row[0] for row in rows if row[1] == "not computed"]
    every = tuple((name, _number(value)) for name, value in sorted(found.items()))
    tiles = (
        ("weeks", f"{facts.weeks:,}"),
        ("declarations", f"{len(facts.declared):,}"),
        ("goods items", f"{found['goods_items']:,.0f}"),
        ("truly violating", percent(found["violating_share"], 2)),
        ("red", percent(found["red_share"])),
        ("AUROC of the risk", f"{found['auroc_of_true_risk']:.3f}"),
    )
    wanted = Table("Figures that the preset asks for", ("figure", "verdict", "got", "wanted"), rows)
    return Head(
        title=settings.title,
        about=f"All of this is invented: no declaration, trader or officer exists. Seed "
        f"{settings.seed}, from {settings.start:%d %B %Y}.",
        tiles=tiles,
        verdict=_verdict(len(rows), missed, open_),
        good=not missed,
        tables=((wanted,) if rows else ())
        + (Table("All figures", ("figure", "value"), every, folded=True),),
    )


def _verdict(asked: int, missed: list[str], open_: list[str]) -> str:
    if not asked:
        return "This world's preset asks for no figures: look for yourself."
    computed = asked - len(open_)
    later = f" {len(open_)} more not computed here: {', '.join(open_)}." if open_ else ""
    if missed:
        return f"{len(missed)} of {computed} figures MISSED: {', '.join(missed)}.{later}"
    if not computed:
        return f"None of the figures that the preset asks for is computed here: {', '.join(open_)}."
    return f"{computed} of {computed} figures are where the preset wants them.{later}"


def _number(value: float) -> str:
    if value != value:
        return "–"
    return f"{value:,.0f}" if value >= 10 else f"{value:.4g}"


def main(
    params: ParamsFile,
    reference: ReferenceFolder,
    simulated: SimulatedFolder,
    truth: TruthFolder,
    out: WorldReportFile,
) -> None:
    """Show whether the simulated world looks right."""
    wanted = section(params, "simulate", SimulateParams)
    settings = read_settings(reference, wanted.preset, wanted.changes)
    write_report(Folder(tables=simulated, truth=truth), settings, out)


if __name__ == "__main__":
    command(main)
