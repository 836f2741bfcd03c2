"""What other policies and each rule would have done on the evaluated declarations.

Reads   models/artifacts/bundle/, data/features/features.parquet, data/interim/…
Writes  data/reports/backtest/backtest.json     lane figures per variant, and figures per rule

Only declarations that were inspected in the past have a known outcome. Where few were, a variant's
hit rate says more about who was inspected then than about the variant: read it beside the count.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from models.bundle import Bundle, load
from pipelines.calibrate import prices_of
from pipelines.judging.lanes import (
    RED_CAPACITIES,
    duty_of_findings,
    known_violations,
    lane_figures,
    outcome_of_declarations,
)
from pipelines.judging.replay import replay
from pipelines.stage.command import command, say
from pipelines.stage.files import read_as, without_nan, write_json
from pipelines.stage.options import (
    BacktestFolder,
    BundleFolder,
    FeaturesFile,
    ItemsFile,
    OutcomesFile,
    PeriodsFile,
)
from pipelines.stage.tables import read_columns
from pipelines.training.outcomes import known_classes, read_outcomes
from pipelines.training.periods import Periods
from pipelines.training.rows import read_features
from selectivity.columns import Columns, Floats, each_declaration, take
from selectivity.deciding.capacity import ControlPolicy, Prices
from selectivity.deciding.policy import Policy
from selectivity.deciding.risk import Risk
from selectivity.metrics import FEWEST_FINDINGS, bootstrapped


def variants(
    bundle: Bundle, lodged: Columns, matrix: Floats, risks: Sequence[Risk]
) -> Iterator[tuple[str, Sequence[Risk | None], Policy, Prices]]:
    """Name, risks, policy and prices of each variant; prices fitted on the calibration slice."""
    yield "as_served", risks, bundle.policy, bundle.prices
    yield "without_model", [None] * len(risks), bundle.policy, bundle.prices
    for name, times in RED_CAPACITIES.items():
        policy = _with_red_share(bundle.policy, times)
        prices = prices_of(lodged, bundle.model, matrix, bundle.rules, policy)
        yield name, risks, policy, prices


def _with_red_share(policy: Policy, times: float) -> Policy:
    red = ControlPolicy(**{**policy.red.model_dump(), "share": policy.red.share * times})
    return policy.model_copy(update={"red": red})


def rule_figures(bundle: Bundle, evaluated: Columns, lanes: pd.DataFrame) -> dict[str, Any]:
    """Per rule: declarations it hit, how many of them were inspected, and what was found."""
    figures: dict[str, dict[str, Any]] = {
        rule.id: {
            "reason": rule.reason_code,
            "lane": rule.lane.name,
            "hits": 0,
            "inspected": 0,
            "found": 0,
        }
        for rule in bundle.rules.rules
    }
    outcomes = zip(each_declaration(evaluated), lanes.inspected, lanes.found, strict=True)
    for declaration, inspected, found in outcomes:
        for hit in bundle.rules.hits(declaration):
            counts = figures[hit.rule.id]
            counts["hits"] += 1
            counts["inspected"] += int(inspected)
            counts["found"] += int(inspected and found)
    return figures


def change_of_red(now: pd.DataFrame, then: pd.DataFrame) -> dict[str, float]:
    """By how much the share of the known violations that lie in red changes, with its interval.

    Both decided on the same declarations, in the same order: what stays where it was is no doubt.
    Of fewer than ten violations there is no interval.
    """
    known = known_violations(now).to_numpy()
    red, would_be = ((lanes.lane == "RED").to_numpy()[known] for lanes in (now, then))
    moved = would_be.astype(np.int64) - red
    if not known.any():
        return {}
    each = np.arange(len(moved))
    enough = len(moved) >= FEWEST_FINDINGS
    change = bootstrapped(lambda at: float(moved[at].mean()), each, enough=enough)
    return change.named("red_holds_found_change")


def backtest(
    bundle: Bundle, items: Columns, matrix: Floats, outcomes: pd.DataFrame, periods: Periods
) -> dict[str, Any]:
    """Lane figures of each variant and figures of each rule. Pure."""
    rows, slice_ = periods.rows(items, "evaluate"), periods.rows(items, "calibrate")
    evaluated = take(items, rows)
    risks = bundle.model.assess(evaluated, matrix[rows])
    classes = known_classes(outcomes, len(rows))[0][rows]
    duty = duty_of_findings(evaluated, outcomes, rows, bundle)
    results: dict[str, Any] = {}
    served = None
    for name, risk, policy, prices in variants(bundle, take(items, slice_), matrix[slice_], risks):
        decisions = replay(evaluated, risk, bundle, policy=policy, prices=prices)
        lanes = outcome_of_declarations(decisions, evaluated, classes, duty)
        served = lanes if served is None else served
        results[name] = lane_figures(lanes) | change_of_red(served, lanes)
    return {"variants": results, "rules": rule_figures(bundle, evaluated, lanes)}


def main(
    bundle: BundleFolder,
    features: FeaturesFile,
    items: ItemsFile,
    periods: PeriodsFile,
    outcomes: OutcomesFile,
    out: BacktestFolder,
) -> None:
    """Replay the evaluated declarations under other policies."""
    declared = read_columns(items)
    count = len(declared["item_no"])
    results = backtest(
        load(bundle),
        declared,
        read_features(features, count),
        read_outcomes(outcomes, count),
        read_as(periods, Periods),
    )
    write_json(out / "backtest.json", without_nan(results))
    for name, figures in results["variants"].items():
        say(
            f"backtest: {name:<22} green {figures['green_share']:.1%} "
            f"yellow {figures['yellow_share']:.1%} red {figures['red_share']:.1%}"
        )


if __name__ == "__main__":
    command(main)
