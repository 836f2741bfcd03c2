"""Whether the probabilities can be believed, and whether the scores are more than memory."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

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
from selectivity.metrics import Interval, ranks

VIEWS = ("all_rows", "new_lines", "line_purged")
ERRORS = ("ece", "ece_equal_mass", "brier")
MEMORY_TEST = 0.5
"""Share of repeated goods lines from which scores on all rows show memory before anything."""
SOME_MEMORY = 0.1
WELL, BADLY = 0.8, 0.5
"""Share of bins whose interval holds the prediction: at least this is well, below that badly."""


def calibration(evidence: Evidence) -> Section:
    """Section: predicted against observed shares."""
    bins = evidence.calibration
    if bins.empty or not bins["rows"].sum():
        return Section("calibration", (say("calibration.none"),), (), (say("calibration.caveat"),))
    inside = (bins.low <= bins.predicted) & (bins.predicted <= bins.high)
    top = bins.iloc[-1]  # of highest risk: the model looks there first, so it counts for itself
    well = inside.mean() >= WELL and bool(inside.iloc[-1])
    verdict = "well" if well else "partly" if inside.mean() >= BADLY else "badly"
    if not ranks(evidence.metrics.get("all_rows", {})):
        verdict = "flat"  # who says the same of all is always right on average
    weights = bins["rows"] / bins["rows"].sum()
    predicted, observed = (bins.predicted * weights).sum(), (bins.observed * weights).sum()
    answers = (
        say(f"calibration.{verdict}", inside=Number(int(inside.sum())), bins=Number(len(bins))),
        say("calibration.mean", predicted=Share(predicted), observed=Share(observed)),
        say(
            "calibration.top",
            predicted=Share(top.predicted),
            observed=Share(top.observed),
            ends=Between(Interval(top.observed, top.low, top.high)),
        ),
    )
    chart = Chart(
        name="calibration",
        caption=say("calibration.chart_caption", bins=Number(len(bins))),
        seen=say(
            "calibration.chart_seen", inside=Number(int(inside.sum())), bins=Number(len(bins))
        ),
        draw=lambda speak: charts.calibration(bins, speak),
    )
    return Section(
        name="calibration",
        answers=answers,
        blocks=(chart, _bins(bins), _errors(evidence.metrics)),
        caveats=(say("calibration.caveat"),),
        warnings=tuple(_off(bool(inside.mean() >= WELL), bool(inside.iloc[-1]))),
    )


def _off(most: bool, top: bool) -> Iterator[Sentence]:
    """What to do where not `most` of the groups are right, or the `top` one is not."""
    if not most:
        yield say("calibration.warning")
    elif not top:
        yield say("calibration.warning_top")


def _bins(bins: pd.DataFrame) -> Table:
    names = ("items", "predicted", "observed", "interval")
    rows = [
        Row(
            (
                Number(row["rows"]),
                Share(row["predicted"]),
                Share(row["observed"]),
                Between(Interval(row["observed"], row["low"], row["high"])),
            )
        )
        for row in bins.to_dict("records")
    ]
    headings = tuple(say(f"heading.{name}") for name in names)
    return Table(say("calibration.bins_caption"), headings, tuple(rows), folded=True)


def _errors(metrics: Mapping[str, Any]) -> Table:
    rows = []
    for view in VIEWS:
        figures = metrics.get(view, {})
        numbers = [Number(figures.get(name, float("nan")), 4) for name in ERRORS]
        skill = Share(figures.get("brier_skill", float("nan")))
        rows.append(Row((say(f"view.{view}"), *numbers, skill)))
    headings = tuple(say(f"heading.{name}") for name in ("view", *ERRORS, "brier_skill"))
    return Table(say("calibration.errors_caption"), headings, tuple(rows))


def views(evidence: Evidence) -> Section:
    """Section: how well the scores rank, seen in three ways."""
    told = evidence.prepared.get("repetition", {}).get("repeated_share")
    repeated = float("nan") if told is None else told
    figures = {view: evidence.metrics.get(view, {}) for view in VIEWS}
    return Section(
        name="views",
        answers=(_ranking(figures), _memory(repeated)),
        blocks=tuple(_blocks(figures)),
        caveats=tuple(say(f"views.caveat_{name}") for name in ("inspected", "views", "words")),
        warnings=(say("views.warning", repeated=Share(repeated, 0)),)
        if repeated >= MEMORY_TEST
        else (),
    )


def _ranking(figures: Mapping[str, Mapping[str, Any]]) -> Sentence:
    """What is left when memory cannot help comes first: it is what new goods will get."""
    if "auroc" in figures["all_rows"] and "left_out" in figures["line_purged"]:
        ends = Between(Interval.read(figures["all_rows"], "auroc"))
        return say("views.left_out", all_rows=Share(figures["all_rows"]["auroc"]), ends=ends)
    if not all("auroc" in figures[view] for view in ("all_rows", "line_purged")):
        return say("views.undefined")
    purged = figures["line_purged"]
    facts: dict[str, Fact] = {
        "all_rows": Share(figures["all_rows"]["auroc"]),
        "purged": Share(purged["auroc"]),
        "ends": Between(Interval.read(purged, "auroc")),
    }
    return Sentence("views.answer", facts)


def _memory(repeated: float) -> Sentence:
    degree = "much" if repeated >= MEMORY_TEST else "some" if repeated >= SOME_MEMORY else "little"
    return say(
        "views.unknown_memory" if math.isnan(repeated) else f"views.{degree}_memory",
        repeated=Share(repeated),
    )


def _blocks(figures: Mapping[str, Mapping[str, Any]]) -> Iterator[Block]:
    def draw(speak: Speaker) -> str:
        lines = [
            Line(speak.capital(say(f"view.{view}")), Interval.read(figures[view], "auroc"))
            for view in VIEWS
        ]
        return charts.areas("views", lines, speak)

    yield Chart("views", say("views.chart_caption"), say("views.chart_seen"), draw)
    names = ("items", "base_rate", "auroc", "auprc", "precision_at_5", "precision_at_10")
    yield Table(
        caption=say("views.table_caption"),
        headings=tuple(say(f"heading.{name}") for name in ("view", *names)),
        rows=tuple(_view(view, figures[view]) for view in VIEWS),
    )


def _view(view: str, figures: Mapping[str, Any]) -> Row:
    cells: list[Fact] = [say(f"view.{view}"), Number(figures.get("rows", 0))]
    cells.append(Share(figures.get("base_rate", float("nan"))))
    cells += [with_ends(Interval.read(figures, name), digits=3) for name in ("auroc", "auprc")]
    precisions = ("precision_at_5", "precision_at_10")
    cells += [with_ends(Interval.read(figures, name)) for name in precisions]
    return Row(tuple(cells))
