"""Train and seal a bundle from what an administration remembers, by the pipeline's own steps."""

from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from models.bundle import POLICY, PRICES, PROFILES_FILE, RULES, SCORECARD, Bundle, load, seal
from models.lane_model import LaneModel
from pipelines.bundle import BundleParams, checked
from pipelines.calibrate import prices_of
from pipelines.featurize import featurize, knowledge_of
from pipelines.histories.engine import snapshot_in_bulk
from pipelines.judging import fitting
from pipelines.label import LabelParams, label
from pipelines.prepare import PrepareParams, prepare
from pipelines.scorecard import scorecard, write_scorecard
from pipelines.stage.files import write_arrays, write_json, write_text
from pipelines.stage.params import section
from pipelines.train import TrainParams
from pipelines.training.outcomes import as_outcomes
from pipelines.training.points import ScorecardParams
from pipelines.trials.memory import Memory
from selectivity.columns import in_time_order, take
from selectivity.deciding.policy import Policy
from selectivity.histories.profiles import Profiles
from selectivity.rules.rule_set import RuleSet


class BundleRecipe(NamedTuple):
    """The sections of params.yaml that make a bundle."""

    prepare: PrepareParams
    label: LabelParams
    train: TrainParams
    policy: Policy
    rules: RuleSet
    scorecard: ScorecardParams


def read_recipe(params: Path) -> BundleRecipe:
    """How the pipeline makes a bundle, with the rules of section `bundle`."""
    return BundleRecipe(
        prepare=section(params, "prepare", PrepareParams),
        label=section(params, "label", LabelParams),
        train=section(params, "train", TrainParams),
        policy=checked(section(params, "policy", Policy)),
        rules=section(params, "bundle", BundleParams).read_rules(),
        scorecard=section(params, "scorecard", ScorecardParams),
    )


def histories(memory: Memory, recipe: BundleRecipe) -> Profiles:
    """What is known of everybody, as a bundle made now would hold it."""
    items = in_time_order(memory.items())
    outcomes = label(items, memory.inspections(), memory.findings(), recipe.label)
    return Profiles.restore(snapshot_in_bulk(items, as_outcomes(outcomes)))


def learn(memory: Memory, recipe: BundleRecipe, today: date, out: Path) -> Bundle:
    """A bundle from everything known on the morning of `today`, sealed in the folder `out`."""
    until = {"evaluation_from": today, "evaluation_until": today + timedelta(days=1)}
    items, periods = prepare(memory.items(), recipe.prepare.model_copy(update=until))
    outcomes = label(items, memory.inspections(), memory.findings(), recipe.label)
    events = as_outcomes(outcomes)
    knowledge = knowledge_of(items)
    matrix = featurize(items, events, knowledge)
    learnt = fitting.learn(fitting.Past(items, matrix, outcomes, periods), recipe.train)
    model = LaneModel(learnt.trees, learnt.calibration, knowledge)
    newest = periods.newest(items)
    prices = prices_of(take(items, newest), model, matrix[newest], recipe.rules, recipe.policy)
    model.save(out)
    write_arrays(out / PROFILES_FILE, snapshot_in_bulk(items, events))
    write_json(out / RULES, recipe.rules.content())
    write_text(out / POLICY, recipe.policy.model_dump_json(indent=1) + "\n")
    write_text(out / PRICES, prices.model_dump_json(indent=1) + "\n")
    rules, policy, facts = recipe.rules, recipe.policy, knowledge.facts
    table = scorecard(items, outcomes, periods, rules, policy, recipe.scorecard, facts)
    write_scorecard(out / SCORECARD, table)
    seal(out, {"periods": periods.model_dump(mode="json")})
    return load(out)
