"""A bundle decides the lanes of a world, through the very `decide` the service calls, and learns
what its inspections find and nothing else."""

from collections.abc import Callable, Mapping

import numpy as np

from models.bundle import Bundle
from pipelines.judging.replay import replay
from pipelines.simulator import forms
from pipelines.simulator.draws import Table, blanked
from pipelines.simulator.schema import completed
from pipelines.simulator.selection import Selection
from pipelines.simulator.simulation import LodgedWeek
from pipelines.trials.memory import Memory, goods_items
from selectivity.days import day_at
from selectivity.histories.rows import rows_in
from selectivity.labelling import item_outcomes
from selectivity.lanes import Lane

Retrain = Callable[[Memory, int], Bundle | None]
"""Given what is known at the end of a week, a new bundle, or None to keep the one in force."""


def never(memory: Memory, week: int) -> Bundle | None:
    """The first bundle stays."""
    return None


def every(weeks: int, retrain: Retrain) -> Retrain:
    """Retrain at the end of every so many weeks, counted from the first that is seen."""
    seen = 0

    def in_turn(memory: Memory, week: int) -> Bundle | None:
        nonlocal seen
        seen += 1
        return retrain(memory, week + 1) if seen % weeks == 0 else None

    return in_turn


class BundlePolicy:
    """Lanes by a bundle whose profiles learn each week what became known in it."""

    writes_down_chances = True

    def __init__(
        self, bundle: Bundle, memory: Memory, *, draw_key: bytes, retrain: Retrain = never
    ) -> None:
        self.bundle, self._memory = bundle, memory
        self._draw_key, self._retrain = draw_key, retrain
        self._strictest: dict[str, Lane] = {}
        self._week = 0

    def select(self, lodged: LodgedWeek) -> Selection:
        """Lanes in the order of acceptance, for what was declared."""
        self._week = lodged.week
        self._remember_lineages(lodged)
        header = completed("declarations", lodged.header)
        order = np.argsort(header["accepted_at"], kind="stable")
        columns = goods_items(header, completed("goods_items", lodged.item), order.tolist())
        model = self.bundle.model
        self.bundle.profiles.observe(rows_in(columns))  # each counts for what comes after it alone
        matrix = model.features(columns, self.bundle.profiles.read(columns))
        decided = replay(
            columns,
            model.assess(columns, matrix),
            self.bundle,
            draw_key=self._draw_key,
            strictest=self._strictest,
        )
        back = np.argsort(order)
        lane = decided["lane"].map(lambda name: Lane[name].value).to_numpy(np.int64)[back]
        channel = decided["channel"].to_numpy(object)[back]
        chances = decided[["green", "yellow", "red"]].to_numpy(np.float64)[back]
        random = self.bundle.policy.random.red
        return Selection(lane, blanked(channel, lane == Lane.GREEN), chances, random)

    def _remember_lineages(self, lodged: LodgedWeek) -> None:
        """Goods lodged anew keep the lane that somebody else gave them before."""
        history = lodged.history
        again = np.flatnonzero(history.earlier_lane > Lane.GREEN)
        names = forms.ids(history.route.lineage[again])
        for name, lane in zip(names, history.earlier_lane[again].tolist(), strict=True):
            self._strictest[name] = max(Lane(lane), self._strictest.get(name, Lane.GREEN))

    def learn(self, known: Mapping[str, Table]) -> None:
        """Fold the week into the profiles, and take another bundle when there is one."""
        self._memory.add(known)
        for inspection, items in self._memory.known_last():
            numbers = items["item_no"].astype(np.int64).tolist()
            outcomes, day = item_outcomes(inspection, numbers), day_at(inspection.observed_at)
            for number, row in zip(numbers, rows_in(items), strict=True):
                if number in outcomes:
                    self.bundle.profiles.learn(row, day, outcomes[number])
        self.bundle = self._retrain(self._memory, self._week) or self.bundle
