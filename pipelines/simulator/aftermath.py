"""What comes long after clearance: audits of what was released, and appeals against findings."""

import numpy as np

from pipelines.simulator.controls import AUDIT, Controls
from pipelines.simulator.draws import Table, WeekStreams
from pipelines.simulator.history import History
from pipelines.simulator.selection import Selection
from pipelines.simulator.world import World
from selectivity.columns import Floats, Ints
from selectivity.lanes import Lane

UPHELD, OVERTURNED = "UPHELD", "OVERTURNED"


def audits(
    world: World,
    history: History,
    selection: Selection,
    score: Floats,
    cancelled: Ints,
    streams: WeekStreams,
) -> Controls:
    """Audits of this week's declarations, months later; likelier where the risk unit sees risk.

    Only the last version of what was not cancelled is audited: what was released.
    """
    settings, random = world.settings.audit, streams("audits")
    n = len(history)
    controlled = selection.lane > Lane.GREEN
    weight = np.exp(settings.sharpness * (score - score.mean())) * np.where(
        controlled, settings.of_controlled, 1.0
    )
    chance = np.minimum(settings.share * weight / max(weight.mean(), 1e-12), 1.0)
    released = history.newest
    released[cancelled] = False
    chosen = np.flatnonzero((random.random(n) < chance) & released)
    days = random.uniform(*settings.days, n)[chosen]
    finished = history.route.accepted_at[chosen] + np.floor(86_400 * days).astype("timedelta64[s]")
    return Controls(
        declaration=chosen,
        type=np.full(len(chosen), AUDIT),
        propensity=chance[chosen],
        started_at=finished - np.timedelta64(10, "D"),
        finished_at=finished,
        observed_at=finished,
    )


def appeals(world: World, findings: Table, streams: WeekStreams) -> Table:
    """Appeals against these findings, and how they will end. One row per appeal."""
    settings, random = world.settings.appeals, streams("appeals")
    n = len(findings["inspection_id"])
    chosen = random.random(n) < settings.share
    false = findings["imagined"] == 1
    wins = random.random(n) < np.where(false, settings.overturned_when_false, settings.overturned)
    median, spread = settings.days
    days = median * np.exp(spread * random.normal(0, 1, n))
    lodged = findings["observed_at"] + np.floor(86_400 * random.uniform(3, 30, n)).astype(
        "timedelta64[s]"
    )
    decided = lodged + np.floor(86_400 * days).astype("timedelta64[s]")
    rows: Ints = np.flatnonzero(chosen)
    return {
        "inspection_id": findings["inspection_id"][rows],
        "item_no": findings["item_no"][rows],
        "lodged_at": lodged[rows],
        "decided_at": decided[rows],
        "outcome": np.where(wins[rows], OVERTURNED, UPHELD).astype(object),
    }
