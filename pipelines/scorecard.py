"""Fit the points table that decides when no model can be used, from what is declared alone.

Reads   data/interim/…                             items, periods, outcomes
        data/features/knowledge.json               which facts the source has
        data/reference/rules/*.yaml                what takes capacity before the table does
Writes  models/artifacts/scorecard/scorecard.json  the table, for people to read

The points from which a lane is asked for meet the capacities of `policy` on a later slice of time.
"""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd

from models.bundle import SCORECARD
from models.lane_model import Knowledge
from pipelines.bundle import BundleParams, checked
from pipelines.stage.command import command, say
from pipelines.stage.files import read_as, write_text
from pipelines.stage.options import (
    ItemsFile,
    KnowledgeFile,
    OutcomesFile,
    ParamsFile,
    PeriodsFile,
    ScorecardFolder,
)
from pipelines.stage.params import section
from pipelines.stage.tables import read_columns
from pipelines.training.outcomes import UNKNOWN, known_classes, read_outcomes
from pipelines.training.periods import Periods
from pipelines.training.points import Controlled, ScorecardParams, fit, usual_values
from pipelines.training.settled import settled
from selectivity.columns import Columns, Ints, each_declaration, take
from selectivity.deciding.policy import Policy
from selectivity.deciding.scorecard import Scorecard
from selectivity.inspection import FindingClass
from selectivity.lanes import Lane
from selectivity.rules.rule_set import RuleSet


def lane_points(points: Ints, least: Ints, policy: Policy) -> tuple[int, int]:
    """Points from which YELLOW and RED are asked for. Pure.

    RED takes no more than its capacity, with room for the random checks that come without a model.
    All controls together take their capacity without that room, rounded up: what stands in for the
    model must not release more than it does.

    Args:
        points: highest of each declaration; least: lane that rules ask for in any case.
    """
    random_red = policy.random.red * policy.random.times_without_model
    limits = range(1, int(points.max(initial=0)) + 2)
    red_share = policy.red.share - random_red
    red_from = next(
        (each for each in limits if _share(points, least, each, Lane.RED) <= red_share), limits[-1]
    )
    controlled = policy.yellow.share + policy.red.share
    enough = [each for each in limits if _share(points, least, each, Lane.YELLOW) >= controlled]
    return min(max(enough, default=1), red_from), red_from


def _share(points: Ints, least: Ints, limit: int, lane: Lane) -> float:
    return float(((points >= limit) | (least >= lane)).mean())


def scorecard(
    items: Columns,
    outcomes: pd.DataFrame,
    periods: Periods,
    rules: RuleSet,
    policy: Policy,
    params: ScorecardParams,
    facts_known: frozenset[str],
) -> Scorecard:
    """Points from the training period, lanes from the calibration period. Pure.

    Args:
        facts_known: facts that the source has at all; no decision asks for others.
    """
    taught = take(items, periods.rows(items, "train"))
    usual = usual_values(taught, params.fewest_values)
    facts = fit(controlled_items(items, outcomes, periods, policy), usual, params)
    table = Scorecard(yellow_from=1, red_from=1, facts=tuple(facts), usual_unit_values=usual)
    lodged = list(each_declaration(take(items, periods.rows(items, "calibrate"))))
    points = np.array([table.judge(each).points for each in lodged], dtype=np.int64)
    least = settled(lodged, rules=rules, policy=policy, facts_known=facts_known, facilitate=False)
    lanes = np.array([each.lane for each in least], dtype=np.int64)
    yellow, red = lane_points(points, lanes, policy)
    return table.model_copy(update={"yellow_from": yellow, "red_from": red})


def controlled_items(
    items: Columns, outcomes: pd.DataFrame, periods: Periods, policy: Policy
) -> Controlled:
    """Goods items of the training period whose outcome was known before the evaluation began.

    A physical finding weighs as many times more as it is worth more than a documentary one.
    """
    rows = periods.rows(items, "train")
    classes, weights = known_classes(outcomes, len(rows), before=periods.evaluate_from)
    use = rows & (classes != UNKNOWN)
    value = policy.value.finding
    worth = value.physical / value.documentary if value.documentary > 0 else 1.0
    weights = weights * np.where(classes == FindingClass.PHYSICAL, worth, 1.0)
    lodged = [(each, item) for each in each_declaration(take(items, rows)) for item in each.items]
    controlled = [pair for pair, is_used in zip(lodged, use[rows], strict=True) if is_used]
    found = (classes[use] > FindingClass.NONE).astype(np.float64)
    return Controlled(controlled, found, weights[use])


def write_scorecard(file: Path, table: Scorecard) -> None:
    """As people read it: a line of the table is a line of the file."""
    content = table.model_dump(mode="json", exclude_none=True)
    text = json.dumps(content, indent=1, ensure_ascii=False)
    write_text(file, _INNERMOST.sub(lambda part: " ".join(part[0].split()), text) + "\n")


_INNERMOST = re.compile(r"[\[{][^\[\]{}]*(?:\[[^\[\]{}]*\][^\[\]{}]*)?[\]}]")


def main(
    params: ParamsFile,
    items: ItemsFile,
    periods: PeriodsFile,
    outcomes: OutcomesFile,
    knowledge: KnowledgeFile,
    out: ScorecardFolder,
) -> None:
    """Fit the points table that decides when no model can be used."""
    columns = read_columns(items)
    table = scorecard(
        columns,
        read_outcomes(outcomes, len(columns["item_no"])),
        read_as(periods, Periods),
        section(params, "bundle", BundleParams).read_rules(),
        checked(section(params, "policy", Policy)),
        section(params, "scorecard", ScorecardParams),
        read_as(knowledge, Knowledge).facts,
    )
    write_scorecard(out / SCORECARD, table)
    lines = sum(len(fact.bands) + 1 for fact in table.facts)
    say(
        f"scorecard: {lines} lines; documents are checked from {table.yellow_from} points and "
        f"goods inspected from {table.red_from}"
    )


if __name__ == "__main__":
    command(main)
