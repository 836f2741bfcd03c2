"""Write the managers' report: one page that needs no network, in Vietnamese and in English.

Reads   data/reports/evaluation/    metrics.json, decisions.parquet, plots/
        data/reports/backtest/      backtest.json
        data/interim/…              ingest.json, prepare.json, periods.json, items, outcomes
        data/features/              features.parquet, for the risk per group
        models/artifacts/bundle/    manifest, policy, rules and model that decided
        pipelines/templates/        the page, and its words in each language
Writes  data/reports/report.html    the same bytes for the same inputs
        data/reports/leak.json      violations in green and the share of all that lies there

Every section goes question, answer, picture or table with intervals, and what it does not show.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from models.bundle import POLICY, RULES, verify
from models.lane_model import KNOWLEDGE, Knowledge, LaneModel
from pipelines.reporting.capacity import capacity
from pipelines.reporting.drift import drift
from pipelines.reporting.evidence import (
    Evidence,
    controls_of,
    one_currency,
    results_in_time,
    ripened,
    shares_lacking,
)
from pipelines.reporting.groups import goods_of, groups, with_groups
from pipelines.reporting.headline import headline
from pipelines.reporting.lanes import lanes
from pipelines.reporting.leak import leak
from pipelines.reporting.page import page, read_words
from pipelines.reporting.quality import method, quality
from pipelines.reporting.reasons import reasons
from pipelines.reporting.scores import calibration, views
from pipelines.reporting.sections import Section
from pipelines.reporting.unseen import Unseen, unseen
from pipelines.reporting.yields import yields
from pipelines.stage.command import command, say
from pipelines.stage.files import LEAK, read_as, read_json, without_nan, write_json, write_text
from pipelines.stage.options import (
    BacktestFolder,
    BundleFolder,
    EvaluationFolder,
    FeaturesFile,
    IngestedFolder,
    LabelledFolder,
    PreparedFolder,
    ReportFile,
)
from pipelines.stage.tables import KEY, read_frame
from pipelines.training.outcomes import read_outcomes, standing
from pipelines.training.periods import Periods
from selectivity.deciding.policy import Policy
from selectivity.reasons.wording import LANGUAGES
from selectivity.rules.rule_set import Rule


def sections(evidence: Evidence, seen: Unseen, grouped: pd.DataFrame) -> tuple[Section, ...]:
    """All sections in the order of the page, from the evidence and what it says of the unseen.

    Args:
        grouped: goods items as `with_groups` gives them.
    """
    answers = (
        lanes(evidence),
        yields(evidence),
        leak(evidence, seen),
        calibration(evidence),
        capacity(evidence),
        views(evidence),
        reasons(evidence),
        groups(grouped),
        quality(evidence),
    )
    return (headline(evidence, seen, answers), *answers, method(evidence))


def leak_figures(seen: Unseen) -> dict[str, Any]:
    """What is said of violations that nobody sees, for whoever compares bundles. Nothing where it
    cannot be told."""
    figures = seen.lanes["GREEN"].rate.named("green_rate") | seen.leaked.named("green_holds")
    return {"basis": seen.basis} | (without_nan(figures) if seen.basis != "unknown" else {})


def read_evidence(
    *,
    evaluation: Path,
    backtest: Path,
    prepared: Path,
    labelled: Path,
    ingested: Path,
    bundle: Path,
) -> Evidence:
    """Read what the stages left behind."""
    policy = read_as(bundle / POLICY, Policy)
    periods = read_as(prepared / "periods.json", Periods)
    columns = dict.fromkeys([*KEY, "accepted_at", "direction", "currency", *policy.facts_needed])
    items = read_frame(prepared / "items.parquet", list(columns))
    outcomes = standing(read_outcomes(labelled / "outcomes.parquet", len(items)))
    decisions = read_frame(evaluation / "decisions.parquet")
    delay = (periods.evaluate_from - periods.calibrate_until).days
    as_of = max(items.accepted_at.max(), *outcomes.observed_at.nlargest(1))
    direction = items.drop_duplicates(KEY)[[*KEY, "direction"]]
    return Evidence(
        digest=verify(bundle)[0],
        policy=policy,
        rules=tuple(Rule.model_validate(row) for row in read_json(bundle / RULES, list)),
        periods=periods,
        ingested=read_json(ingested / "ingest.json"),
        prepared=read_json(prepared / "prepare.json"),
        labelled=read_json(labelled / "label.json"),
        metrics=read_json(evaluation / "metrics.json"),
        backtest=read_json(backtest / "backtest.json"),
        calibration=_read_csv(evaluation / "plots" / "calibration.csv"),
        capacity=_read_csv(evaluation / "plots" / "capacity.csv"),
        decisions=ripened(decisions, as_of, delay).merge(direction, on=KEY, how="left"),
        controls=controls_of(decisions, items, outcomes),
        missing=shares_lacking(items, decisions, policy.facts_needed),
        drift=drift(items, periods, policy.facts_needed),
        in_time=results_in_time(items, outcomes, delay),
        facts_known=read_as(bundle / KNOWLEDGE, Knowledge).facts,
        currency=one_currency(items, decisions),
    )


def _read_csv(file: Path) -> pd.DataFrame:
    """Points of a picture; none where the stage before had nothing to draw."""
    try:
        return pd.read_csv(file)
    except pd.errors.EmptyDataError:
        return pd.DataFrame()


def main(
    evaluation: EvaluationFolder,
    backtest: BacktestFolder,
    prepared: PreparedFolder,
    labelled: LabelledFolder,
    ingested: IngestedFolder,
    features: FeaturesFile,
    bundle: BundleFolder,
    out: ReportFile,
) -> None:
    """Write the managers' report."""
    evidence = read_evidence(
        evaluation=evaluation,
        backtest=backtest,
        prepared=prepared,
        labelled=labelled,
        ingested=ingested,
        bundle=bundle,
    )
    seen = unseen(evidence)
    items, outcomes = prepared / "items.parquet", labelled / "outcomes.parquet"
    goods = goods_of(evidence, LaneModel.load(bundle), features, items, outcomes)
    parts = sections(evidence, seen, with_groups(goods))
    html = page(parts, {language: read_words(language) for language in LANGUAGES})
    write_text(out, html)
    write_json(out.with_name(LEAK), leak_figures(seen))
    say(f"report: {out}, {len(html.encode()) // 1024} KB, {len(evidence.decisions)} declarations")


if __name__ == "__main__":
    command(main)
