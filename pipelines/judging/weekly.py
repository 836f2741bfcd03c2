"""A history in which nearly everything was inspected, told as if only a share of it had been.

Nothing that was not chosen is known to whoever chooses: neither its outcome nor that of its like.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import pandas as pd

from models.lane_model import LaneModel
from pipelines.featurize import knowledge_of
from pipelines.histories.engine import history_in_bulk
from pipelines.judging.fitting import Past, learn
from pipelines.label import LabelParams, label
from pipelines.prepare import PrepareParams, prepare
from pipelines.train import TrainParams
from pipelines.training.outcomes import UNKNOWN, as_outcomes, known_classes
from selectivity.columns import Columns, Floats, Ints, Mask, first_rows, in_time_order, take
from selectivity.deciding.capacity import benefits
from selectivity.deciding.policy import Policy
from selectivity.errors import NotEnoughDataError
from selectivity.features.matrix import feature_matrix
from selectivity.histories.aggregates import duty_at_stake
from selectivity.inspection import FindingClass

Tell = Callable[[str], None]
RED = 1
"""Column of the goods inspection in `benefits`."""


class By(StrEnum):
    """What the declarations of a week are put in order by."""

    CHANCE = "chance"
    """Of a finding."""
    BENEFIT = "benefit"
    """Of a goods inspection, by the policy: gravity and duty count as well."""


class ModelRecipe(NamedTuple):
    """The sections of params.yaml that a model is made and its benefit is counted by."""

    prepare: PrepareParams
    label: LabelParams
    train: TrainParams
    policy: Policy


@dataclass(frozen=True)
class Choice:
    """How a week's inspections are chosen."""

    share: float = 0.1
    """Of the week's declarations that could be chosen."""
    random: float = 0.0
    """Share of these places that chance fills."""
    by: By = By.CHANCE
    weeks_known: int = 2
    retrain_every: int = 4
    """Weeks."""
    seed: int = 0


class Week(NamedTuple):
    """What was chosen in a week, and found. `*_there` is what all that could be chosen held."""

    first_day: date
    declarations: int
    chosen: int
    by_chance: int
    found: int
    found_there: int
    duty_found: float
    """Duty at stake in the chosen declarations with findings, in the declarations' currency."""
    duty_there: float
    """The most that as many inspections could have found."""


class History:
    """Everything that happened in the past; `known` marks what was told so far."""

    def __init__(
        self, items: Columns, inspections: pd.DataFrame, findings: pd.DataFrame, recipe: ModelRecipe
    ) -> None:
        self.items, self.recipe = in_time_order(items), recipe
        self.starts = first_rows(self.items)
        self.outcomes = label(self.items, inspections, findings, recipe.label)
        classes, _ = known_classes(self.outcomes, len(self.items["item_no"]))
        highest = np.maximum.reduceat(classes, self.starts)
        self.eligible: Mask = highest != UNKNOWN
        """Declarations whose outcome the history tells; shape (declarations,)."""
        self.found: Mask = highest > FindingClass.NONE
        self.duty = np.add.reduceat(np.nan_to_num(duty_at_stake(self.items)), self.starts)
        days = self.items["accepted_at"].astype("datetime64[D]")
        self.first_day: date = days[0].item()
        self._of_rows = (days - days[0]).astype(np.int64) // 7
        self.week: Ints = self._of_rows[self.starts]
        """Number of the week of each declaration, counted from the first day."""
        self.known = np.zeros(len(self.starts), dtype=bool)
        self._weights = np.ones(len(self.starts))

    def day_of(self, week: int) -> date:
        """The first day of a week."""
        return self.first_day + timedelta(days=7 * week)

    def tell(self, chosen: Ints, chances: Floats) -> None:
        """What inspections of these declarations say is known from the days they say it on.

        Args:
            chances: that each had of being chosen.
        """
        self.known[chosen] = True
        self._weights[chosen] = np.minimum(1 / chances, self.recipe.label.highest_weight)

    def told(self, rows: int) -> pd.DataFrame:
        """Outcomes of the declarations chosen so far, of these first goods items."""
        outcomes = self.outcomes[self.outcomes["row"] < rows]
        numbers = np.searchsorted(self.starts, outcomes["row"], side="right") - 1
        return outcomes.assign(weight=self._weights[numbers])[self.known[numbers]]

    def until(self, week: int) -> tuple[Columns, Mask]:
        """The goods items accepted before the end of a week, and which of them are of it."""
        there = self._of_rows <= week
        return take(self.items, there), self._of_rows[there] == week

    def week_of(self, week: int, there: Ints, chosen: Ints, *, by_chance: int) -> Week:
        """What came of it that these were chosen from those that were there."""
        found, wrong = chosen[self.found[chosen]], there[self.found[there]]
        most = np.sort(self.duty[wrong])[::-1][: len(chosen)]
        return Week(
            first_day=self.day_of(week),
            declarations=len(there),
            chosen=len(chosen),
            by_chance=by_chance,
            found=len(found),
            found_there=len(wrong),
            duty_found=float(self.duty[found].sum()),
            duty_there=float(most.sum()),
        )


def relive(history: History, choice: Choice, tell: Tell = lambda _: None) -> Iterator[Week]:
    """The weeks after those that are known, one by one.

    `tell` is told once why chance chooses, while there is too little to train on.

    Raises:
        NotEnoughDataError: there are no such weeks.
    """
    weeks = int(history.week.max()) + 1
    if weeks <= choice.weeks_known:
        raise NotEnoughDataError(
            f"The history has {weeks} weeks, so none is left to be relived after "
            f"{choice.weeks_known}. Bring more days, or lower --weeks-known."
        )
    chance = np.random.default_rng(choice.seed)
    given = np.flatnonzero((history.week < choice.weeks_known) & history.eligible)
    history.tell(given, np.ones(len(given)))
    model: LaneModel | None = None
    for week in range(choice.weeks_known, weeks):
        items, of_week = history.until(week)
        outcomes = history.told(len(of_week))
        known = history_in_bulk(items, as_outcomes(outcomes))
        if model is None or (week - choice.weeks_known) % choice.retrain_every == 0:
            try:
                model = model_of_week(history, week, items, known, outcomes)
            except NotEnoughDataError as error:
                if week == choice.weeks_known:
                    tell(f"until there is enough to train on, chance chooses. {error}")
        there = np.flatnonzero((history.week == week) & history.eligible)
        worth = None
        if model is not None and len(there):
            rows = take(items, of_week)
            every = _worth(model, rows, known[:, of_week], choice.by, history.recipe.policy)
            worth = every[history.eligible[history.week == week]]
        chosen, chances = _chosen(len(there), worth, choice, chance)
        history.tell(there[chosen], chances)
        yield history.week_of(week, there, there[chosen], by_chance=int((chances < 1).sum()))


def model_of_week(
    history: History, week: int, items: Columns, known: Floats, outcomes: pd.DataFrame
) -> LaneModel:
    """A model from what is known on the first morning of a week.

    Args:
        items: those until the end of the week, of which those before it teach.
        known: what was known before each of them, shape (values, rows).

    Raises:
        NotEnoughDataError: that is too little.
    """
    day, recipe = history.day_of(week), history.recipe
    until = {"evaluation_from": day, "evaluation_until": day + timedelta(days=7)}
    _, periods = prepare(items, recipe.prepare.model_copy(update=until))
    knowledge = knowledge_of(take(items, items["accepted_at"] < np.datetime64(day)))
    past = Past(items, feature_matrix(items, known, knowledge.codes), outcomes, periods)
    learnt = learn(past, recipe.train)
    return LaneModel(learnt.trees, learnt.calibration, knowledge)


def _worth(model: LaneModel, items: Columns, known: Floats, by: By, policy: Policy) -> Floats:
    """What each declaration of these goods items would be inspected for; shape (declarations,)."""
    matrix = model.features(items, known)
    chances = model.probabilities(matrix)
    worth: Floats = 1 - chances[:, FindingClass.NONE]
    if by is By.BENEFIT:
        duty = model.duty_share(items, matrix)
        both = benefits(chances, duty, value=policy.value, yellow=policy.yellow, red=policy.red)
        worth = both[:, RED]
    highest: Floats = np.maximum.reduceat(worth, first_rows(items))
    return highest


def _chosen(
    there: int, worth: Floats | None, choice: Choice, chance: np.random.Generator
) -> tuple[Ints, Floats]:
    """Positions of those that are inspected, and the chance that each had; without `worth` all are
    left to chance."""
    places = round(choice.share * there)
    at_random = places if worth is None else round(choice.random * places)
    order = chance.permutation(there)
    if worth is not None:
        order = order[np.argsort(-worth[order], kind="stable")]  # ties fall by chance
    best, others = order[: places - at_random], order[places - at_random :]
    drawn = chance.choice(others, size=at_random, replace=False)
    chances = np.ones(places)
    chances[len(best) :] = at_random / max(len(others), 1)
    return np.concatenate([best, drawn]), chances
