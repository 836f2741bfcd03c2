"""Days of a simulated world after a bundle was learnt in it, decided on in any state."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipelines.featurize import featurize
from pipelines.label import label
from pipelines.simulator.schema import TABLES
from pipelines.stage.tables import columns_from_frame
from pipelines.training.outcomes import as_outcomes
from pipelines.trials.learning import BundleRecipe, learn
from pipelines.trials.memory import REMEMBERED, Memory
from selectivity.columns import each_declaration, in_time_order, take
from selectivity.deciding.decision import LaneDecision
from selectivity.deciding.guard import LIMITS
from selectivity.deciding.modes import Mode
from selectivity.deciding.office_loads import OfficeLoads
from selectivity.deciding.policy import Policy, decide
from selectivity.deciding.risk import Risk
from selectivity.declaration import Declaration
from selectivity.lanes import Lane

STATES: Mapping[str, Mapping[str, Any]] = {
    "no usable model": {"without": True, "fallback_cause": "MODEL_ERROR"},
    "no model and no points": {"without": True, "points": False},
    "rules only": {"mode": Mode.RULES_ONLY},
    "no green": {"mode": Mode.NO_GREEN},
    "by people": {"mode": Mode.MANUAL},
}
"""What `Days.decisions` is given in each degraded state."""

GREEN_BELOW_NORMAL = 0.25


def outside_limits(
    shares: Mapping[Lane, float], by_model: Mapping[Lane, float], policy: Policy
) -> list[str]:
    """What is too far from a normal day when the model does not decide.

    GREEN is never more than the policy plans for, nor much less than it is with the model; the
    other lanes are held to what the policy plans for.
    """
    planned = {Lane.YELLOW: policy.yellow.share, Lane.RED: policy.red.share}
    found = []
    if shares[Lane.GREEN] > 1 - sum(planned.values()):
        found.append(f"green is {shares[Lane.GREEN]:.1%}, more than is planned")
    if shares[Lane.GREEN] < by_model[Lane.GREEN] - GREEN_BELOW_NORMAL:
        found.append(f"green is {shares[Lane.GREEN]:.1%}, far less than with the model")
    return found + [
        f"{lane.name.lower()} is {shares[lane] / usual:.2f} times what is planned"
        for lane, usual in planned.items()
        if shares[lane] > LIMITS[lane] * usual
    ]


class Days:
    """A bundle learnt in a world, and the declarations from a day on."""

    def __init__(
        self, world: Mapping[str, pd.DataFrame], today: date, recipe: BundleRecipe, folder: Path
    ) -> None:
        memory = Memory()
        memory.add(
            {name: dict(columns_from_frame(world[name], TABLES[name])) for name in REMEMBERED}
        )
        self.folder = folder
        self.bundle = learn(memory, recipe, today, folder)
        items = in_time_order(memory.items())
        later = items["accepted_at"].astype("datetime64[D]") >= np.datetime64(today)
        self.columns = take(items, later)
        model = self.bundle.model
        outcomes = label(items, memory.inspections(), memory.findings(), recipe.label)
        matrix = featurize(items, as_outcomes(outcomes), model.knowledge)[later]
        self.risks: Sequence[Risk | None] = model.assess(self.columns, matrix)

    def declarations(self) -> Iterator[Declaration]:
        """All of them, in order."""
        return each_declaration(self.columns)

    def decisions(
        self,
        *,
        risks: Sequence[Risk | None] | None = None,
        without: bool = False,
        points: bool = True,
        **options: Any,
    ) -> Iterator[LaneDecision]:
        """Decisions on all of them, in order.

        Args:
            risks: what the model says, instead of what it does say.
            without: it says nothing.
            points: whether there is a points table.
            options: replace what `decide` is given.
        """
        bundle, loads = self.bundle, OfficeLoads()
        given: dict[str, Any] = {
            "rules": bundle.rules,
            "policy": bundle.policy,
            "prices": bundle.prices,
            "draw_key": b"key",
            "facts_known": bundle.model.knowledge.facts,
        } | options
        said = [None] * len(self.risks) if without else risks or self.risks
        for declaration, risk in zip(self.declarations(), said, strict=True):
            place = (declaration.declaration_office, declaration.accepted_at)
            scored = bundle.scorecard.judge(declaration) if points else None
            decision = decide(declaration, risk=risk, scored=scored, load=loads.of(*place), **given)
            loads.count(*place, decision)
            yield decision
